"""Deduplication of made-up corpora, on both engines, row for row as plain Python has it."""

import json
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from references import minhash as reference

from curation.dedup.clusters import duplicates
from curation.dedup.config import Dedup
from curation.dedup.keep import Keep
from curation.dedup.minhash import MinHash, sketch
from curation.text.batch import TextBatch

Document = dict[str, Any]
ON_SAIL = pytest.mark.parametrize("session", ["sail"], indirect=True)
"""Where the tests on both engines cover all but Arrow code: the many small stages of a run take Spark ten seconds."""
SHARP = MinHash.for_threshold(0.8, num_perm=64, recall=0.95)


def corpus(seed: int = 11, families: int = 25) -> list[Document]:
    """Families of texts with words replaced, copies that differ in case and blanks, short and empty texts."""
    generator = random.Random(seed)
    vocabulary = [f"w{i}" for i in range(3000)]
    texts = []
    for _ in range(families):
        words = generator.choices(vocabulary, k=generator.randrange(20, 200))
        for _ in range(generator.randrange(1, 7)):
            for _ in range(generator.choice([0, 0, 1, 1, 2, 5])):
                words[generator.randrange(len(words))] = generator.choice(vocabulary)
            texts.append(" ".join(words))
    texts += [text.upper() for text in texts[::5]] + [f" {text}\n".replace(" ", "  ") for text in texts[::7]]
    texts += ["", " ", "\n", "short", "Short", "short text", "...", "...", "!!", "a b c d", "a, b, c, d"]
    generator.shuffle(texts)
    sources = ["web", "books", "code"]
    return [
        {
            "doc_id": f"{generator.getrandbits(64):016x}",
            "source": generator.choice(sources),
            "text": text,
            "metadata": json.dumps({"date": f"20{generator.randrange(10, 13)}-01-01"} if i % 3 else {}),
            "quality": generator.choice([None, 0.5, 1.0, 2.0]),
        }
        for i, text in enumerate(texts)
    ]


def table(documents: list[Document]) -> pa.Table:
    names = ("doc_id", "source", "text", "metadata")
    return pa.table({name: pa.array([document[name] for document in documents], pa.string()) for name in names})


def signals(documents: list[Document]) -> pa.Table:
    quality = pa.array([document["quality"] for document in documents], pa.float64())
    return pa.table(
        {
            "doc_id": [document["doc_id"] for document in documents],
            "gopher": pa.StructArray.from_arrays([quality], ["quality"]),
        }
    )


def band_keys(settings: MinHash) -> Any:
    return lambda text: [
        int(key) for keys in sketch(TextBatch.from_texts([text]), settings).keys_arrow().to_pylist() for key in keys
    ]


def date_of(document: Document) -> tuple[bool, str]:
    date = json.loads(document["metadata"]).get("date")
    return (date is None, date or "")


POLICIES: dict[str, tuple[tuple[Keep, ...], Any]] = {
    "doc_id": ((), lambda document: ()),
    "length": ((Keep("num_chars"),), lambda document: (-len(document["text"]),)),
    "source, date": (
        (Keep("source", prefer=("books", "web")), Keep("metadata.date", "asc", as_text=True)),
        lambda document: (["books", "web", "code"].index(document["source"]), date_of(document)),
    ),
    "quality, length": (
        (Keep("signals.gopher.quality"), Keep("num_bytes", "asc")),
        lambda document: (
            document["quality"] is None,
            -(document["quality"] or 0),
            len(document["text"].encode()),
        ),
    ),
}


def check_rows(bench: Any, rows: Any, policy: str, scope: str | None) -> None:
    keep, preference = POLICIES[policy]
    documents = corpus()
    scopes = {
        None: lambda document: "",
        "source": lambda document: document["source"],
        "metadata.date": lambda document: date_of(document)[1],
    }
    expected = reference.duplicates(
        [
            reference.Document(document["doc_id"], document["text"], preference(document), scopes[scope](document))
            for document in documents
        ],
        band_keys(SHARP),
        0.8,
    )
    config = Dedup(minhash=SHARP, keep=keep, scope=scope)
    measured = bench.frame(signals(documents), partitions=3)
    result = duplicates(bench.frame(table(documents)), config, bench.checkpoint, measured)
    assert rows(result.clusters) == expected
    assert {row[4] for row in expected} == {"exact", "minhash"}  # or the test shows little
    assert result.stats.num_in_clusters == len(expected)
    assert result.stats.num_duplicates == sum(row[0] != row[2] for row in expected)
    assert result.stats.num_clusters == len({row[1] for row in expected})
    assert result.stats.num_documents == len(documents)


@pytest.mark.parametrize(("policy", "scope"), [("quality, length", None), ("source, date", "metadata.date")])
def test_rows_are_the_reference(bench: Any, rows: Any, policy: str, scope: str | None) -> None:
    check_rows(bench, rows, policy, scope)


@ON_SAIL
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("scope", [None, "source", "metadata.date"])
def test_rows_are_the_reference_for_every_policy_and_scope(
    bench: Any, rows: Any, policy: str, scope: str | None
) -> None:
    check_rows(bench, rows, policy, scope)


@ON_SAIL
def test_rows_do_not_depend_on_order_or_partitions(bench: Any, rows: Any) -> None:
    documents = corpus(seed=4)
    config = Dedup(minhash=SHARP)
    first = duplicates(bench.frame(table(documents), partitions=1), config, bench.checkpoint)
    second = duplicates(bench.frame(table(documents[::-1]), partitions=7), config, bench.checkpoint)
    assert rows(first.clusters) == rows(second.clusters)
    assert first.stats == second.stats
    spread = duplicates(bench.frame(table(documents)), replace(config, max_local_edges=1), bench.checkpoint)
    assert rows(first.clusters) == rows(spread.clusters)
    assert spread.stats.num_component_rounds > 0
    assert replace(spread.stats, num_component_rounds=0) == first.stats


def templated(count: int) -> list[Document]:
    """One template, filled in: neighbours resemble, distant ones do not."""
    generator = random.Random(9)
    words = [f"t{i}" for i in range(100)]
    documents = []
    for i in range(count):
        words[generator.randrange(100)] = f"new{i}"
        documents.append({"doc_id": f"{i * 7919 % 1009:04d}", "source": "t", "text": " ".join(words), "metadata": "{}"})
    return documents


def test_giant_components_are_verified_against_representatives(bench: Any, rows: Any) -> None:
    check_giants(bench, rows, 3)


@ON_SAIL
@pytest.mark.parametrize("most", [1, 7, 64])
def test_giants_with_other_bounds(bench: Any, rows: Any, most: int) -> None:
    check_giants(bench, rows, most)


def check_giants(bench: Any, rows: Any, most: int) -> None:
    documents = templated(120)
    coarse = MinHash(bands=20, rows=2)
    config = Dedup(minhash=coarse, keep=(), max_group_size=10, max_representatives=most)
    result = duplicates(bench.frame(table(documents), partitions=3), config, bench.checkpoint)
    expected = reference.duplicates(
        [reference.Document(document["doc_id"], document["text"]) for document in documents],
        band_keys(coarse), 0.8, max_group_size=10, max_representatives=most,
    )  # fmt: skip
    assert rows(result.clusters) == expected
    assert result.stats.num_giant_components == 1
    assert (result.stats.num_unverified > 0) == (most < 64)
    assert [alarm.kind for alarm in result.alarms if alarm.kind == "unverified"] == ["unverified"] * (most < 64)


@ON_SAIL
def test_groups_are_bounded_by_bytes_too(bench: Any, rows: Any) -> None:
    documents = templated(30)
    coarse = MinHash(bands=20, rows=2)
    whole = Dedup(minhash=coarse, keep=())
    bounded = replace(whole, max_group_bytes=1500)  # three texts
    results = [duplicates(bench.frame(table(documents)), config, bench.checkpoint) for config in (whole, bounded)]
    assert [result.stats.num_giant_components for result in results] == [0, 1]
    chosen = [{row[0]: row[2:4] for row in rows(result.clusters)} for result in results]
    assert chosen[0].items() >= chosen[1].items()  # without linking, a lone representative is no cluster


@ON_SAIL
def test_exact_only(bench: Any, rows: Any) -> None:
    documents = corpus()
    result = duplicates(bench.frame(table(documents)), Dedup(minhash=None, keep=()), bench.checkpoint)
    expected = reference.duplicates(
        [reference.Document(document["doc_id"], document["text"]) for document in documents], lambda text: [], 0.8
    )
    assert rows(result.clusters) == expected
    assert result.stats.num_buckets == result.stats.num_comparisons == 0


@ON_SAIL
@pytest.mark.parametrize("texts", [[], [None], ["one"], [None, "one two", "three four"]])
def test_nothing_to_find(bench: Any, rows: Any, texts: list[str | None]) -> None:
    documents = [{"doc_id": str(i), "source": "s", "text": text, "metadata": "{}"} for i, text in enumerate(texts)]
    result = duplicates(bench.frame(table(documents), partitions=1), Dedup(), bench.checkpoint)
    assert rows(result.clusters) == []
    assert result.clusters.columns == ["doc_id", "cluster_id", "representative", "similarity", "kind"]
    assert result.stats.num_documents == len([text for text in texts if text is not None])
    assert result.alarms == ()


@ON_SAIL
def test_alarms(bench: Any) -> None:
    documents = [{"doc_id": f"a{i:03d}", "source": "copies", "text": "the same", "metadata": "{}"} for i in range(150)]
    documents += [
        {"doc_id": f"b{i:03d}", "source": "own", "text": f"text number {i} of one", "metadata": "{}"}
        for i in range(150)
    ]
    result = duplicates(bench.frame(table(documents)), Dedup(), bench.checkpoint)
    assert [(alarm.kind, alarm.subject, alarm.count) for alarm in result.alarms] == [
        ("giant_cluster", "a000", 150),
        ("source_loss", "copies", 149),
    ]
    assert [alarm.share for alarm in result.alarms] == [0.5, 149 / 150]
    quiet = Dedup(max_source_loss=1.0, max_cluster_share=0.5)
    assert duplicates(bench.frame(table(documents)), quiet, bench.checkpoint).alarms == ()


@ON_SAIL
def test_split_buckets_are_said(bench: Any) -> None:
    config = Dedup(minhash=MinHash(bands=20, rows=2), max_bucket_size=10)
    result = duplicates(bench.frame(table(templated(60))), config, bench.checkpoint)
    assert result.stats.num_split_buckets > 0
    assert "split_buckets" in [alarm.kind for alarm in result.alarms]


@ON_SAIL
@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Dedup(keep=(Keep("rank"),)), "no column 'rank'; it has doc_id"),
        (Dedup(scope="dump"), "no column 'dump'"),
        (Dedup(keep=(Keep("signals.gopher.quality"),)), "needs the signals table"),
    ],
)
def test_unknown_names_say_so(bench: Any, config: Dedup, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        duplicates(bench.frame(table(corpus(families=1))), config, bench.checkpoint)


@ON_SAIL
def test_unknown_signals_say_so(bench: Any) -> None:
    documents = corpus(families=1)
    for on, message in (("signals.c4.x", "there is no signal 'c4'"), ("signals.gopher.x", "no column 'x'")):
        with pytest.raises(ValueError, match=message):
            duplicates(
                bench.frame(table(documents)),
                Dedup(keep=(Keep(on),)),
                bench.checkpoint,
                bench.frame(signals(documents)),
            )


@pytest.mark.parametrize(
    "settings",
    [
        {"threshold": 0.0},
        {"threshold": 1.1},
        {"max_group_size": 1},
        {"max_bucket_size": 0},
        {"scope": "a.b"},
        {"max_source_loss": 0},
    ],
)
def test_bad_settings_say_so(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected .*Dedup\."):
        Dedup(**settings)


def test_the_reference_can_fail() -> None:
    """The corpus has what the tests are about: near duplicates above and below the threshold, and chains."""
    sets = [reference.shingle_set(document["text"]) for document in corpus()]
    values = np.array([reference.jaccard(a, b) for i, a in enumerate(sets) for b in sets[:i]])
    assert ((values >= 0.8) & (values < 1)).sum() > 20
    assert ((values > 0.5) & (values < 0.8)).sum() > 20
