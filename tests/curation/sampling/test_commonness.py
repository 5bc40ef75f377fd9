"""Commonness and the weights by it, against plain Python and on real near duplicates."""

import gzip
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references.commonness import KneserNey, segments_of
from references.commonness import weights_of as plain_weights_of
from references.texts import random_hard_texts

from curation.sampling.commonness import commonness_of, weights_of
from curation.sampling.config import SamplingError
from curation.sampling.weighting import SoftDedup, cut_segments
from curation.session import Session
from curation.text.batch import TextBatch
from jobs.lake import Lake

Found = Mapping[str, tuple[float | None, float | None, int]]

SMALL = (
    "the cat sat on the mat and the dog sat on the rug",
    "the cat sat on the mat and the dog sat on the rug",
    "the cat sat on the mat and slept",
    "one",
    "two words",
    "exactly three words",
    "a a a a a a a a",
    "",
    " ... !",
    None,
    "漢字 and kana かな, 12 naïve cafés; the cat sat.",
)


def words_of(text: str | None) -> list[str]:
    batch = TextBatch.from_texts([text])
    words = batch.unicode_words
    return [batch.data[a:b].tobytes().decode() for a, b in zip(words.start, words.end, strict=True)]


def measured(
    session: Session, tmp_path: Path, texts: Sequence[str | None], partitions: int = 3, **settings: Any
) -> Found:
    columns = {"doc_id": [f"d{n:05}" for n in range(len(texts))], "text": pa.array(texts, pa.string())}
    table = pa.table(columns if texts else {"doc_id": ["d00000"], "text": ["no text"]})
    frame = session.spark.createDataFrame(table).repartition(partitions)
    frame = frame if texts else frame.where("text = ''")
    lake = Lake(session, str(tmp_path / f"lake_{partitions}"))
    rows = commonness_of(frame, SoftDedup(**settings), lake.checkpoint).collect()
    assert len(rows) == len(texts)
    return {row["doc_id"]: (row["commonness"], row["mean_nats"], row["num_words"]) for row in sorted(rows)}


def check(found: Found, texts: Sequence[str | None], order: int, min_count: int) -> None:
    words = [words_of(text) for text in texts]
    model = KneserNey(words, order, min_count)
    for number, one in enumerate(words):
        commonness, nats, num_words = found[f"d{number:05}"]
        expected = model.commonness(one)
        assert num_words == len(one)
        if expected is None:
            assert commonness is None
            assert nats is None
            continue
        assert commonness == pytest.approx(expected, rel=1e-9)
        assert nats is not None
        assert commonness == pytest.approx(math.exp(-nats), rel=1e-15)
        assert 0 < commonness <= 1


def test_equals_plain_python(session: Session, tmp_path: Path) -> None:
    texts = [*SMALL, *random_hard_texts(30, 5)]
    check(measured(session, tmp_path, texts), texts, 4, 2)


@pytest.mark.parametrize("session", ["sail"], indirect=True)
@pytest.mark.parametrize(("order", "min_count"), [(1, 1), (2, 1), (4, 1), (5, 3)])
def test_other_settings_equal_plain_python(session: Session, tmp_path: Path, order: int, min_count: int) -> None:
    texts = [*SMALL, *random_hard_texts(30, 5)]
    check(measured(session, tmp_path, texts, order=order, min_count=min_count), texts, order, min_count)


@pytest.mark.parametrize("min_count", [1, 2, 5])
def test_probabilities_of_the_reference_add_up_to_one(min_count: int) -> None:
    model = KneserNey([words_of(text) for text in SMALL], 3, min_count)
    vocabulary = [gram[0] for gram in model.adjusted[1]]
    for context in model.contexts[3]:

        def after(context: tuple[str, ...], word: str) -> float:
            """P of any word, those that never follow as well."""
            k = len(context) + 1
            if k == 1:
                return model.probability((word,))
            among = model.contexts[k].get(context, [])
            gram = (*context, word)
            if gram in among:
                return model.probability(gram)
            total = sum(model.adjusted[k][one] for one in among)
            taken = sum(
                model.adjusted[k][one] - model.discounts[k] for one in among if model.counts[k][one] >= min_count
            )
            return (total - taken) / total * after(context[1:], word)

        assert math.fsum(after(context, word) for word in vocabulary) == pytest.approx(1, abs=1e-12)


def test_partitioning_changes_no_bit(session: Session, tmp_path: Path) -> None:
    texts = [*SMALL, *random_hard_texts(40, 6)]
    assert measured(session, tmp_path, texts, 1) == measured(session, tmp_path, texts, 7)


_KNOWN: dict[str, Found] = {}


def test_engines_agree_to_the_bit(session: Session, tmp_path: Path) -> None:
    found = measured(session, tmp_path, [*SMALL, *random_hard_texts(40, 7)])
    assert _KNOWN.setdefault("first", found) == found


@pytest.mark.parametrize("texts", [[], [None], ["", "..."]])
def test_nothing_to_learn_from(session: Session, tmp_path: Path, texts: list[str | None]) -> None:
    assert set(measured(session, tmp_path, texts).values()) <= {(None, None, 0)}


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_a_large_batch_is_cut(session: Session, tmp_path: Path) -> None:
    texts = ["word " * 600_000, "x y z " * 900_000, "word", "x y z"] * 2
    found = measured(session, tmp_path, texts, 1)
    assert [num_words for _, _, num_words in found.values()] == [600_000, 2_700_000, 1, 3] * 2
    assert found["d00000"] == found["d00004"]


@pytest.mark.parametrize("session", ["sail"], indirect=True)
@pytest.mark.parametrize("name", ["arxiv_versions_docs", "etcd_docs"])
def test_revised_copies_weigh_less(session: Session, tmp_path: Path, shared: Path, name: str) -> None:
    with gzip.open(shared / "data" / "neardup" / f"{name}.jsonl.gz", "rt") as lines:
        documents = [json.loads(line) for line in lines]
    chosen = set(sorted({one["cluster_id"] for one in documents})[:1500])
    documents = [one for one in documents if one["cluster_id"] in chosen]
    found = measured(session, tmp_path, [one["text"] for one in documents])
    kept = session.spark.createDataFrame(pa.table({"doc_id": list(found)}))
    weights = weigh(session, kept, found, SoftDedup())
    sizes = Counter(one["cluster_id"] for one in documents)
    copies = [size > 1 for size in (sizes[one["cluster_id"]] for one in documents)]
    mine = np.array([weights[f"d{number:05}"] for number in range(len(documents))])
    several = np.array(copies)
    assert mine.mean() == pytest.approx(1, abs=1e-12)
    assert mine[several].mean() < 0.6 * mine[~several].mean()
    rank = mine.argsort().argsort() + 1
    area = (rank[~several].sum() - (~several).sum() * ((~several).sum() + 1) / 2) / several.sum() / (~several).sum()
    assert area > 0.9  # the odds that a single text weighs more than a copy


def weigh(session: Session, kept: Any, found: Found, settings: SoftDedup) -> dict[str, float]:
    columns = {
        "doc_id": list(found),
        "commonness": pa.array([one for one, _, _ in found.values()], pa.float64()),
        "mean_nats": pa.array([one for _, one, _ in found.values()], pa.float64()),
        "num_words": [one for _, _, one in found.values()],
    }
    weights = weights_of(kept, session.spark.createDataFrame(pa.table(columns)), settings)
    assert sum(segment.documents for segment in weights.segments) == weights.frame.count()
    return {row["doc_id"]: row["weight"] for row in weights.frame.collect()}


def test_weights_equal_plain_python_and_fall_with_commonness(session: Session) -> None:
    values = [None if n % 31 == 0 else math.exp(-(n * 7919 % 400) / 37) for n in range(500)]
    found = {f"d{n}": (value, None if value is None else -math.log(value), 1) for n, value in enumerate(values)}
    kept = [f"d{n}" for n in range(500) if n % 3]
    frame = session.spark.createDataFrame(pa.table({"doc_id": kept}))
    for settings in (SoftDedup(), SoftDedup(segments=1), SoftDedup(segments=37, ratio=2.0), SoftDedup(ratio=1.0)):
        weights = weigh(session, frame, found, settings)
        chosen = [found[name][0] for name in kept]
        expected = plain_weights_of(segments_of(chosen, settings.segments), settings.segments, settings.ratio)
        assert [weights.get(name, 1.0) for name in kept] == pytest.approx(expected, rel=1e-12)
        assert math.fsum(weights.get(name, 1.0) for name in kept) == pytest.approx(len(kept), rel=1e-12)
        rarest_first = sorted((name for name in kept if name in weights), key=lambda name: found[name][0] or 0)
        assert all(weights[one] >= weights[other] for one, other in pairwise(rarest_first))
        if settings.segments > 1:
            assert max(weights.values()) / min(weights.values()) == pytest.approx(settings.ratio)


@given(
    st.dictionaries(st.integers(0, 10**6), st.integers(1, 1000), max_size=40),
    st.integers(1, 20),
    st.floats(1, 1e6),
)
def test_segments_of_any_cells(cells: dict[int, int], segments: int, ratio: float) -> None:
    found = cut_segments(list(cells), list(cells.values()), SoftDedup(segments=segments, ratio=ratio))
    total = sum(cells.values())
    assert sum(one.documents for one in found) == total
    assert math.fsum(one.documents * one.weight for one in found) == pytest.approx(total)
    assert all(one.weight >= other.weight and one.least_cell > other.least_cell for one, other in pairwise(found))
    largest = max(cells.values(), default=0)
    assert all(one.documents <= total / segments + 2 * largest for one in found)


def test_copies_are_never_parted() -> None:
    (one,) = cut_segments([5], [1000], SoftDedup())
    assert (one.documents, one.weight) == (1000, 1.0)


@pytest.mark.parametrize(
    "setting",
    [
        *({"order": 0}, {"order": 9}, {"min_count": 0}, {"segments": 0}, {"segments": 1001}),
        *({"ratio": 0.5}, {"ratio": math.nan}, {"ratio": math.inf}),
    ],
)
def test_settings_that_cannot_be(setting: dict[str, Any]) -> None:
    with pytest.raises(SamplingError, match=f"SoftDedup: {next(iter(setting))} is"):
        SoftDedup(**setting)
