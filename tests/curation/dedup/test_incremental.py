"""A new batch against all earlier ones: row for row what deduplicating everything at once gives."""

import hashlib
import random
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from curation.dedup.clusters import DedupResult, Earlier, duplicates
from curation.dedup.config import Dedup
from curation.dedup.keep import Keep
from curation.dedup.minhash import MinHash

Lines = dict[str, tuple[str, str]]
"""doc_id to source and text."""
ON_SAIL = pytest.mark.parametrize("session", ["sail"], indirect=True)
SHARP = MinHash.for_threshold(0.8, num_perm=64, recall=0.95)
CONFIG = Dedup(minhash=SHARP, keep_signatures=True)
COARSE = Dedup(
    minhash=MinHash(bands=20, rows=2), keep_signatures=True, max_group_size=6, max_representatives=2, max_bucket_size=8,
    max_source_loss=0.01,
)  # fmt: skip
"""Everything is one giant component, of which some is left over, and buckets are split."""


def table(documents: Lines, *, poisoned: frozenset[str] = frozenset()) -> pa.Table:
    rows = sorted(documents.items())
    return pa.table(
        {
            "doc_id": [doc_id for doc_id, _ in rows],
            "source": [source for _, (source, _) in rows],
            "text": ["poison" if doc_id in poisoned else text for doc_id, (_, text) in rows],
            "content_hash": [hashlib.sha256(text.encode()).hexdigest() for _, (_, text) in rows],
        }
    )


def documents_of(generator: random.Random, families: int, *, template: bool = False) -> Lines:
    """Families of texts with words replaced, twins that differ in case, texts without a word."""
    vocabulary = [f"w{i}" for i in range(2000)]
    words = generator.choices(vocabulary, k=60)
    texts = ["", "...", "!!", "one", "One"]
    for _ in range(families):
        words = words if template else generator.choices(vocabulary, k=generator.randrange(20, 80))
        for _ in range(generator.randrange(1, 6)):
            for _ in range(generator.choice([0, 1, 1, 2, 3])):
                words[generator.randrange(len(words))] = generator.choice(vocabulary)
            texts.append(generator.choice([str.upper, str, str.title])(" ".join(words)))
    return {f"{generator.getrandbits(48):012x}": (generator.choice(["web", "books"]), text) for text in texts}


class History:
    """Runs one after the other, each with what the one before left, beside runs that start from nothing."""

    def __init__(self, bench: Any, rows: Any) -> None:
        self.bench, self.rows = bench, rows
        self.earlier = Earlier()

    def check(self, documents: Lines, config: Dedup, *, partitions: int = 2) -> DedupResult:
        """The run goes on from the one before and finds what a run from nothing finds."""
        frame = self.bench.frame(table(documents), partitions=partitions)
        whole = duplicates(frame, config, self.bench.checkpoint)
        found = duplicates(frame, config, self.bench.checkpoint, None, self.earlier)
        assert self.rows(found.clusters) == self.rows(whole.clusters)
        assert found.stats == whole.stats
        assert found.alarms == whole.alarms
        assert found.stored is not None
        assert whole.stored is not None
        assert found.verified is not None
        assert whole.verified is not None
        assert sorted_rows(found.verified) == sorted_rows(whole.verified)
        assert sorted_rows(found.stored.signatures) == sorted_rows(whole.stored.signatures)
        self.keep(found)
        return found

    def keep(self, found: DedupResult) -> None:
        assert found.stored is not None
        assert found.verified is not None
        self.earlier = Earlier(self.bench.checkpoint(found.stored.signatures, "kept"), found.verified)


def sorted_rows(frame: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = frame.toArrow().sort_by("doc_id").to_pylist()
    return found


def check_history(bench: Any, rows: Any, seed: int, config: Dedup, *, steps: int) -> int:
    """Batches are added, and texts go and change meanwhile. Gives the number of clusters seen."""
    generator = random.Random(seed)
    every = documents_of(generator, 25, template=config is COARSE)
    waiting = sorted(every)
    generator.shuffle(waiting)
    history, there = History(bench, rows), {}
    seen = 0
    for step in range(steps):
        for _ in range(len(every) // steps if step else len(every) // 2):
            if waiting:
                doc_id = waiting.pop()
                there[doc_id] = every[doc_id]
        if step:
            for doc_id in generator.sample(sorted(there), generator.choice([0, 0, 3])):
                del there[doc_id]
            for doc_id in generator.sample(sorted(there), generator.choice([0, 2])):  # takes another's text
                there[doc_id] = (there[doc_id][0], there[generator.choice(sorted(there))][1])
            keep = generator.choice([config.keep, config.keep, (Keep("num_bytes", "asc"),), ()])
            config = replace(config, keep=keep)
        seen += history.check(dict(there), config, partitions=generator.randrange(1, 4)).stats.num_clusters
    return seen


def test_batches_one_after_the_other(bench: Any, rows: Any) -> None:
    assert check_history(bench, rows, 1, CONFIG, steps=2) > 10


@ON_SAIL
@pytest.mark.parametrize("seed", [2, 3])
def test_batches_of_other_splits(bench: Any, rows: Any, seed: int) -> None:
    assert check_history(bench, rows, seed, CONFIG, steps=4) > 10


@ON_SAIL
@pytest.mark.parametrize("seed", [20])
def test_batches_within_scopes(bench: Any, rows: Any, seed: int) -> None:
    assert check_history(bench, rows, seed, replace(CONFIG, scope="source"), steps=3) > 5


@ON_SAIL
@pytest.mark.parametrize("seed", [30])
def test_batches_of_giants_and_split_buckets(bench: Any, rows: Any, seed: int) -> None:
    assert check_history(bench, rows, seed, COARSE, steps=3) > 0


def text_of(*words: str) -> str:
    return " ".join(words)


LONG = [f"word{i}" for i in range(60)]
OTHER = [f"thing{i}" for i in range(60)]


@ON_SAIL
def test_texts_that_are_not_needed_are_not_read(bench: Any, rows: Any) -> None:
    there = {
        "a1": ("web", text_of(*LONG)),
        "a2": ("web", text_of(*LONG[:-1], "x")),
        "b1": ("web", text_of(*OTHER)),
        "b2": ("web", text_of(*OTHER[:-1], "x")),
        "c": ("web", "alone in the world with nothing near it at all"),
    }
    history = History(bench, rows)
    history.check(there, CONFIG)
    more = {**there, "a0": ("web", text_of(*LONG[:-2], "much longer than the others"))}
    expected = rows(duplicates(bench.frame(table(more)), CONFIG, bench.checkpoint).clusters)
    poisoned = bench.frame(table(more, poisoned=frozenset({"b1", "b2", "c"})))
    found = duplicates(poisoned, CONFIG, bench.checkpoint, None, history.earlier)
    assert rows(found.clusters) == expected
    assert {row[2] for row in expected} == {"a0", "b1"}
    assert found.stored is not None
    assert (found.stored.num_new, found.stored.num_earlier, found.stored.num_gone) == (1, 5, 0)
    anew = duplicates(poisoned, CONFIG, bench.checkpoint)
    assert rows(anew.clusters) != expected  # or the poison shows nothing


@ON_SAIL
def test_what_held_a_cluster_together_may_go(bench: Any, rows: Any) -> None:
    """Neighbours of a chain resemble each other, its ends do not: without the middle there is no cluster."""
    chain = {
        "a": ("web", text_of(*LONG)),
        "b": ("web", text_of(*LONG[3:], *OTHER[:3])),
        "c": ("web", text_of(*LONG[6:], *OTHER[:6])),
        "d": ("web", text_of(*LONG[9:], *OTHER[:9])),
    }
    config = replace(CONFIG, minhash=MinHash(bands=30, rows=2))
    history = History(bench, rows)
    assert history.check(chain, config).stats.num_clusters == 1
    without = {doc_id: line for doc_id, line in chain.items() if doc_id not in ("b", "c")}
    found = history.check(without, config)
    assert rows(found.clusters) == []
    assert found.stored is not None
    assert (found.stored.num_new, found.stored.num_earlier, found.stored.num_gone) == (0, 2, 2)
    assert history.check(chain, config).stats.num_clusters == 1


@ON_SAIL
def test_a_signature_of_another_text_is_not_used(bench: Any, rows: Any) -> None:
    history = History(bench, rows)
    history.check({"a": ("web", text_of(*LONG)), "b": ("web", text_of(*OTHER))}, CONFIG)
    found = history.check({"a": ("web", text_of(*LONG)), "b": ("web", text_of(*LONG).upper())}, CONFIG)
    assert found.stored is not None
    assert (found.stored.num_new, found.stored.num_earlier, found.stored.num_gone) == (1, 1, 1)
    assert found.stats.num_duplicates == 1


@ON_SAIL
def test_documents_without_content_hash_say_so(bench: Any) -> None:
    frame = bench.frame(table({"a": ("web", "one")}).drop_columns(["content_hash"]))
    with pytest.raises(ValueError, match="content_hash"):
        duplicates(frame, CONFIG, bench.checkpoint)
