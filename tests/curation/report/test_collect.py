"""What the engine counts is what plain Python counts over the same rows, on both engines."""

import hashlib
import math
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame

from curation.decide import NOT_REPRESENTATIVE
from curation.dedup.config import Dedup
from curation.recipe import Recipe
from curation.report.clusters import duplicates
from curation.report.collect import effects, language_column, overlap
from curation.report.distributions import histograms
from curation.report.examples import pick_dropped, quarantined, with_texts, with_values
from curation.report.findings import Histogram
from curation.rules import Rule
from curation.sampling.config import NOT_DRAWN, Sampling
from curation.session import Session
from curation.signals import c4, gopher, language

RULES = (
    Rule("language.not_english", on="language.label", one_of=("en",)),
    Rule("a.few_words", on="gopher.num_words", min=50),
    Rule("a.many_words", on="gopher.num_words", max=100_000),
    Rule("a.long_words", on="gopher.mean_word_length", max=10),
    Rule("a.never", on="gopher.frac_lines_bullet", above=-1.0),
    Rule("a.no_value", on="gopher.frac_lines_ellipsis", max=0.3),
    Rule("a.lorem", on="c4.has_lorem_ipsum", one_of=(False,)),
)
RECIPE = Recipe(
    name="test",
    signals=(language.Language(), gopher.Gopher(), c4.C4()),
    rules=RULES,
    dedup=Dedup(),
    sampling=Sampling(mode="uniform", budget=100),
)
EVIL = "<script>alert(1)</script>\n\x00 and more"


@dataclass(frozen=True)
class Rows:
    """The same rows as frames and as plain Python."""

    documents: list[dict[str, Any]]
    signals: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    clusters: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]


def value_of(row: dict[str, Any], column: str) -> Any:
    signal, _, name = column.partition(".")
    found = row[signal][name]
    return None if isinstance(found, float) and math.isnan(found) else found


def fires(rule: Rule, row: dict[str, Any]) -> bool:
    value = value_of(row, rule.on)
    if value is None:
        return False
    if rule.one_of is not None:
        return value not in rule.one_of
    return bool(
        (rule.min is not None and value < rule.min)
        or (rule.max is not None and value > rule.max)
        or (rule.above is not None and value <= rule.above)
    )


def make_rows(number: int = 700) -> Rows:
    rng = random.Random(7)
    documents, signals, decisions, clusters = [], [], [], []
    for i in range(number):
        doc_id = hashlib.md5(str(i).encode()).hexdigest()
        source = rng.choice(["web", "web", "books", "<b>code</b>", None])
        text = EVIL if i % 50 == 0 else f"Document {i}. " * rng.randrange(1, 90)
        documents.append({"doc_id": doc_id, "record_id": f"r{i}", "source": source, "url": None, "text": text})
        words = rng.choice([0, 49, 50, 51, 300, 100_000, 100_001, int(10 ** rng.uniform(0, 4))])
        mean = rng.choice([None, 10.0, math.nextafter(10, 11), rng.uniform(2, 12), 5.0])
        mean = {3: 500.0, 5: math.nan}.get(i, mean)
        signal = {
            "doc_id": doc_id,
            "num_bytes": len(text),
            "language": {"label": rng.choice(["en", "en", "en", "de", None])},
            "gopher": {
                "num_words": words,
                "mean_word_length": mean,
                "frac_lines_bullet": rng.choice([0.0, 0.5, 1.0]),
                "frac_lines_ellipsis": None,
            },
            "c4": {"has_lorem_ipsum": rng.choice([False, False, True, None])},
        }
        signals.append(signal)
        reasons = [rule.name for rule in RULES if fires(rule, signal)]
        if i % 5 == 1:
            reasons.append(NOT_REPRESENTATIVE)
        if not reasons and rng.random() < 0.5:
            reasons.append(NOT_DRAWN)
        decisions.append({"doc_id": doc_id, "kept": not reasons, "reasons": reasons})
        if i % 5 in (0, 1):
            first = documents[i - i % 5]["doc_id"]
            exact = i % 3 == 0
            similarity = 1.0 if exact or doc_id == first else rng.choice([0.8, 0.81, 0.955, 1.0])
            kind = "exact" if exact else "minhash"
            clusters.append(
                {
                    "doc_id": doc_id,
                    "cluster_id": f"c{i // 40:03}",
                    "representative": first,
                    "similarity": similarity,
                    "kind": kind,
                }
            )
    quarantine = [
        {
            "origin": {"file": f"f{i % 3}", "record": i if i % 2 else None},
            "reason": f"r{i % 2}",
            "detail": EVIL,
            "raw": b"\xff\x00<i>",
        }
        for i in range(9)
    ]
    return Rows(documents, signals, decisions, clusters, quarantine)


ROWS = make_rows()
_SCHEMAS = {
    "documents": pa.schema([(name, pa.string()) for name in ("doc_id", "record_id", "source", "url", "text")]),
    "signals": pa.schema(
        [
            ("doc_id", pa.string()),
            ("num_bytes", pa.int64()),
            ("language", pa.struct([("label", pa.string())])),
            (
                "gopher",
                pa.struct(
                    [
                        ("num_words", pa.int64()),
                        ("mean_word_length", pa.float64()),
                        ("frac_lines_bullet", pa.float64()),
                        ("frac_lines_ellipsis", pa.float64()),
                    ]
                ),
            ),
            ("c4", pa.struct([("has_lorem_ipsum", pa.bool_())])),
        ]
    ),
    "decisions": pa.schema([("doc_id", pa.string()), ("kept", pa.bool_()), ("reasons", pa.list_(pa.string()))]),
    "clusters": pa.schema(
        [
            ("doc_id", pa.string()),
            ("cluster_id", pa.string()),
            ("representative", pa.string()),
            ("similarity", pa.float64()),
            ("kind", pa.string()),
        ]
    ),
    "quarantine": pa.schema(
        [
            ("origin", pa.struct([("file", pa.string()), ("record", pa.int64())])),
            ("reason", pa.string()),
            ("detail", pa.string()),
            ("raw", pa.binary()),
        ]
    ),
}


@pytest.fixture(scope="module")
def frames(session: Session) -> dict[str, DataFrame]:
    return {
        name: session.spark.createDataFrame(pa.Table.from_pylist(getattr(ROWS, name), schema))
        for name, schema in _SCHEMAS.items()
    }


def left_after(drop: set[str]) -> set[str]:
    """Documents whose reasons, except these, are none."""
    return {row["doc_id"] for row in ROWS.decisions if not set(row["reasons"]) - drop}


def test_the_language_is_found() -> None:
    assert language_column(RECIPE) == "language.label"


def test_reasons_and_their_overlap(frames: dict[str, DataFrame]) -> None:
    found = effects(frames["decisions"], frames["documents"], RECIPE, ["web", "books"])
    lists = [row["reasons"] for row in ROWS.decisions]
    assert [reason.name for reason in found.reasons] == [*(rule.name for rule in RULES), NOT_REPRESENTATIVE, NOT_DRAWN]
    for reason in found.reasons:
        assert reason.documents == sum(reason.name in reasons for reasons in lists)
        assert reason.alone == sum(reasons == [reason.name] for reasons in lists)
        assert reason.first == sum(reasons[:1] == [reason.name] for reasons in lists)
    assert found.reasons[1].bound == "gopher.num_words ≥ 50"
    names = {row["doc_id"]: row["source"] for row in ROWS.documents}
    expected: Counter[tuple[str | None, str]] = Counter()
    for row in ROWS.decisions:
        source = names[row["doc_id"]]
        expected.update((source if source in ("web", "books") else None, reason) for reason in row["reasons"])
    assert found.by_source == dict(expected)
    both = overlap(frames["decisions"], found.reasons)
    kinds = {reason.name: i for i, reason in enumerate(found.reasons) if reason.documents and reason.kind != "sampling"}
    expected_pairs = Counter(
        (one, other)
        for reasons in lists
        for one in reasons
        for other in reasons
        if one in kinds and other in kinds and kinds[one] <= kinds[other]
    )
    assert both == dict(expected_pairs)


def test_histograms(frames: dict[str, DataFrame]) -> None:
    drawn = {one.column: one for one in histograms(frames["signals"], RECIPE, len(ROWS.signals))}
    assert list(drawn) == list(dict.fromkeys(rule.on for rule in RULES))
    for column, one in drawn.items():
        values = [value_of(row, column) for row in ROWS.signals]
        assert one.num_null == sum(value is None for value in values)
        assert sum(bar.count for bar in one.bins) == len(values) - one.num_null
        lost = sum(any(fires(rule, row) for rule in RULES if rule.on == column) for row in ROWS.signals)
        assert one.num_dropped == lost == sum(bar.count for bar in one.bins if bar.dropped)
    assert drawn["gopher.frac_lines_ellipsis"] == Histogram(
        column="gopher.frac_lines_ellipsis", rules=("a.no_value",), num_null=len(ROWS.signals)
    )
    words = drawn["gopher.num_words"]
    assert words.is_log
    exact = Counter(value_of(row, "gopher.num_words") for row in ROWS.signals)
    assert {bar.says: bar.count for bar in words.bins}["0"] == exact[0]
    labels = drawn["language.label"]
    assert labels.categories
    spoken = Counter(row["language"]["label"] for row in ROWS.signals)
    assert [(bar.says, bar.count, bar.dropped) for bar in labels.bins] == [
        ("en", spoken["en"], False),
        ("de", spoken["de"], True),
    ]
    assert [bar.says for bar in drawn["c4.has_lorem_ipsum"].bins] == ["false", "true"]
    assert drawn["gopher.mean_word_length"].pooled


def test_histograms_do_not_depend_on_partitions(frames: dict[str, DataFrame]) -> None:
    whole = histograms(frames["signals"], RECIPE, len(ROWS.signals))
    assert histograms(frames["signals"].repartition(7), RECIPE, len(ROWS.signals)) == whole
    assert histograms(frames["signals"].coalesce(1), RECIPE, len(ROWS.signals)) == whole


def test_clusters(frames: dict[str, DataFrame]) -> None:
    found = duplicates(frames["clusters"], 0.8)
    sizes = Counter(row["cluster_id"] for row in ROWS.clusters)
    assert found.clusters == len(sizes)
    assert found.by_kind == dict(Counter(row["kind"] for row in ROWS.clusters))
    assert sum(number for _, number in found.sizes) == len(sizes)
    assert dict(found.sizes)["11–20"] == sum(10 < size <= 20 for size in sizes.values())
    near = [
        row["similarity"]
        for row in ROWS.clusters
        if row["kind"] == "minhash" and row["doc_id"] != row["representative"]
    ]
    assert sum(bar.count for bar in found.similarities) == len(near)
    assert found.similarities[0].count == sum(similarity < 0.81 for similarity in near)
    assert found.similarities[-1].count == sum(similarity >= 0.99 for similarity in near)
    assert [(one.cluster_id, one.size) for one in found.largest] == sorted(
        sizes.items(), key=lambda pair: (-pair[1], pair[0])
    )[:10]
    for one in found.largest:
        mine = [row for row in ROWS.clusters if row["cluster_id"] == one.cluster_id]
        others = [row["similarity"] for row in mine if row["doc_id"] != row["representative"]]
        assert (one.least, one.most) == (min(others), max(others))
        assert one.num_exact == sum(row["kind"] == "exact" for row in mine)
        assert one.representative.doc_id == min(row["representative"] for row in mine)


def test_examples(frames: dict[str, DataFrame]) -> None:
    found = effects(frames["decisions"], frames["documents"], RECIPE, [])
    doubles = duplicates(frames["clusters"], 0.8)
    picked = pick_dropped(frames["decisions"], found.reasons)
    valued = with_values(picked, RECIPE, frames["signals"], frames["clusters"])
    examples, read = with_texts(valued, doubles, frames["documents"])
    documents = {row["doc_id"]: row for row in ROWS.documents}
    signals = {row["doc_id"]: row for row in ROWS.signals}
    for reason in found.reasons:
        expected = sorted(row["doc_id"] for row in ROWS.decisions if reason.name in row["reasons"])[:3]
        few = examples.get(reason.name, ())
        assert [one.excerpt.doc_id for one in few] == expected
        for one in few:
            text = documents[one.excerpt.doc_id]["text"]
            assert one.excerpt.text == text[:600]
            assert one.excerpt.num_chars == len(text)
            assert one.excerpt.is_cut == (len(text) > 600)
            assert one.excerpt.source == documents[one.excerpt.doc_id]["source"]
            assert reason.name in one.reasons
            if reason.name == "a.few_words":
                assert one.value == f"{signals[one.excerpt.doc_id]['gopher']['num_words']:,}"
    of = {row["doc_id"]: row for row in ROWS.clusters}
    for one in examples[NOT_REPRESENTATIVE]:
        assert one.representative == of[one.excerpt.doc_id]["representative"]
        assert one.similarity == of[one.excerpt.doc_id]["similarity"]
    assert read is not None
    assert [one.representative.text for one in read.largest] == [
        documents[one.representative.doc_id]["text"][:600] for one in doubles.largest
    ]


def test_quarantine(frames: dict[str, DataFrame]) -> None:
    found = quarantined(frames["quarantine"])
    assert [(one.reason, one.count, len(one.examples)) for one in found] == [("r0", 5, 3), ("r1", 4, 3)]
    assert found[0].examples[0].file == "f0"
    assert found[0].examples[0].record is None
    assert found[0].examples[0].raw == "\\xff\x00<i>"
    assert found[0].examples[0].detail == EVIL


def test_tables_without_rows(frames: dict[str, DataFrame]) -> None:
    none = {name: frame.limit(0) for name, frame in frames.items()}
    found = effects(none["decisions"], none["documents"], RECIPE, [])
    assert sum(reason.documents for reason in found.reasons) == 0
    assert overlap(none["decisions"], found.reasons) == {}
    assert all(not one.bins for one in histograms(none["signals"], RECIPE, 0))
    assert duplicates(none["clusters"], 0.8).clusters == 0
    assert pick_dropped(none["decisions"], found.reasons) == {}
    assert quarantined(none["quarantine"]) == ()
