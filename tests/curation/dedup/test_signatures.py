"""Signatures that are kept: those that banding used, on both engines, and what datasketch makes of them."""

from itertools import combinations
from typing import Any

import datasketch
import numpy as np
import pyarrow as pa
import pytest

from curation.dedup.as_datasketch import as_datasketch, signature_rows
from curation.dedup.clusters import duplicates
from curation.dedup.config import Dedup
from curation.dedup.keep import Keep
from curation.dedup.minhash import MinHash, estimate, sketch
from curation.dedup.sketches import sketches
from curation.dedup.stored import bound, stored_sketches
from curation.text.batch import TextBatch

SETTINGS = MinHash(bands=5, rows=3)
U64 = 1 << 64
ON_SAIL = pytest.mark.parametrize("session", ["sail"], indirect=True)
"""What a whole deduplication on Spark adds is tested with the job; it takes Spark long."""
TEXTS = {
    **{f"a{i}": " ".join(f"w{k}" for k in range(40) if k != 7 * i) for i in range(5)},
    **{f"b{i}": " ".join(f"v{k}" for k in range(60 + 3 * i)) for i in range(4)},
    "c0": "alone in the world with nothing near it at all",
    "d0": "A few words",
    "d1": "a  few words",
    "e0": "",
    "e1": "... !!",
}


def documents() -> pa.Table:
    ids = list(TEXTS)
    return pa.table({"doc_id": ids, "source": ["web"] * len(ids), "text": list(TEXTS.values()), "content_hash": ids})


def mixed(value: int) -> int:
    """SplitMix64's finisher."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % U64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % U64
    return value ^ (value >> 31)


def band_keys(signature: list[int], settings: MinHash) -> list[int]:
    """The keys of the bands of a signature, in plain Python."""
    keys = []
    for band in range(settings.bands):
        key = band
        for minimum in signature[band * settings.rows : (band + 1) * settings.rows]:
            key = mixed((key + minimum) % U64)
        keys.append(key)
    return keys


@ON_SAIL
def test_keeping_signatures_changes_no_cluster(bench: Any, rows: Any) -> None:
    frame = bench.frame(documents())
    without = duplicates(frame, Dedup(minhash=SETTINGS, threshold=0.6), bench.checkpoint)
    kept = duplicates(frame, Dedup(minhash=SETTINGS, threshold=0.6, keep_signatures=True), bench.checkpoint)
    assert without.stored is without.verified is None
    assert rows(without.clusters) == rows(kept.clusters) != []
    assert without.stats == kept.stats


@ON_SAIL
def test_kept_signatures_are_those_of_the_bands(bench: Any) -> None:
    config = Dedup(minhash=SETTINGS, keep_signatures=True)
    kept = duplicates(bench.frame(documents()), config, bench.checkpoint)
    assert kept.stored is not None
    table = kept.stored.signatures.toArrow().sort_by("doc_id")
    assert table.column("doc_id").to_pylist() == sorted(set(TEXTS) - {"e0", "e1"})
    found = signature_rows(table.column("signature"), SETTINGS)
    batch = TextBatch.from_texts([TEXTS[name] for name in table.column("doc_id").to_pylist()])
    assert found.tolist() == sketch(batch, SETTINGS, with_signatures=True).signatures.tolist()


@pytest.mark.parametrize("scope", [None, "source"])
def test_keys_follow_from_the_signature_beside_them(bench: Any, scope: str | None) -> None:
    frame = bench.frame(documents())
    stored = stored_sketches(frame, SETTINGS, None, bench.checkpoint)
    keys = {row["doc_id"]: row["keys"] for row in sketches(frame, Dedup(minhash=SETTINGS)).collect()}
    for row in stored.rows.collect():
        if row["signature"] is None:
            assert keys[row["doc_id"]] == []
            continue
        own = band_keys([minimum % U64 for minimum in row["signature"]], SETTINGS)
        assert own == [key % U64 for key in keys[row["doc_id"]]]
    for keep in ((), (Keep("num_chars"), Keep("source", as_text=True), Keep("num_bytes"))):
        config = Dedup(minhash=SETTINGS, keep=keep, scope=scope)
        without_text = bound(stored.rows, frame, config).toArrow().sort_by("doc_id")
        assert without_text == sketches(frame, config).toArrow().sort_by("doc_id")
        found = {row["doc_id"]: row["keys"] for row in without_text.to_pylist()}
        assert (found == keys) == (scope is None)


def test_datasketch_finds_those_that_share_a_band() -> None:
    batch = TextBatch.from_texts(list(TEXTS.values()))
    made = sketch(batch, SETTINGS, with_signatures=True)
    names = [name for name, count in zip(TEXTS, made.num_shingles, strict=True) if count]
    signatures = signature_rows(made.signatures_arrow(), SETTINGS)
    keys = made.keys[made.num_shingles > 0]
    theirs = [as_datasketch(signature, SETTINGS) for signature in signatures]
    index = datasketch.MinHashLSH(num_perm=SETTINGS.num_perm, params=(SETTINGS.bands, SETTINGS.rows))
    for name, peer in zip(names, theirs, strict=True):
        index.insert(name, peer)
    for i, peer in enumerate(theirs):
        together = {name for name, other in zip(names, keys, strict=True) if (other == keys[i]).any()}
        assert set(index.query(peer)) == together
    assert len(index.query(theirs[0])) > 1
    for i, j in combinations(range(len(theirs)), 2):
        assert theirs[i].jaccard(theirs[j]) == estimate(signatures[i], signatures[j])


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(ValueError, match="keep_signatures needs"):
        Dedup(minhash=None, keep_signatures=True)
    signature = np.zeros(15, np.uint64)
    with pytest.raises(ValueError, match="mersenne61"):
        as_datasketch(signature, MinHash(bands=5, rows=3, family="mersenne61"))
    with pytest.raises(ValueError, match="15 numbers"):
        as_datasketch(signature[:3], SETTINGS)
    with pytest.raises(ValueError, match="2 signatures of 15"):
        signature_rows(pa.array([[1], [2], None]), SETTINGS)
    with pytest.raises(TypeError, match="sketch the whole text"):
        as_datasketch(signature, SETTINGS).update("a shingle")


def test_rows_of_slices_and_chunks() -> None:
    lists = pa.array([list(range(15)), None, [-1] * 15, list(range(15, 30))], pa.list_(pa.int64()))
    expected = [list(range(15)), [U64 - 1] * 15, list(range(15, 30))]
    assert signature_rows(lists, SETTINGS).tolist() == expected
    assert signature_rows(lists.slice(1), SETTINGS).tolist() == expected[1:]
    assert signature_rows(pa.chunked_array([lists.slice(0, 2), lists.slice(2)]), SETTINGS).tolist() == expected
    assert signature_rows(pa.chunked_array([], pa.list_(pa.int64())), SETTINGS).shape == (0, 15)
