"""Draws that are pure functions of the document: how often it is taken, whether it is held out, which shard it goes to.

Nothing here depends on the order or the partitioning of the documents, nor on the engine.
"""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dedup.exact import mix64
from curation.text.batch import TextBatch
from curation.text.blocks import hash_bytes
from curation.text.kernel import kernel

MOST_REPEATS = 32767
"""Repeats are numbered with 16 bits."""


@kernel
def _string_hashes(data: Any, offsets: Any, salt: Any) -> Any:
    """64-bit hashes of strings, independent for each salt."""
    hashes = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(hashes)):
        hashes[row] = mix64(hash_bytes(data, offsets[row], offsets[row + 1]) ^ salt)
    return hashes


@kernel
def _numbered_hashes(hashes: Any, numbers: Any) -> Any:
    """64-bit hashes of (hash, number)."""
    found = np.empty(len(hashes), np.uint64)
    for row in range(len(hashes)):
        found[row] = mix64(hashes[row] + (np.uint64(numbers[row]) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))
    return found


def salt_of(seed: int, purpose: str) -> np.uint64:
    """A salt that makes the draws for one purpose independent of those for another."""
    return np.uint64(int.from_bytes(hashlib.blake2b(f"{seed}\0{purpose}".encode(), digest_size=8).digest(), "little"))


def hashes_of(strings: pa.Array, seed: int, purpose: str) -> NDArray[np.uint64]:
    """uint64 for each string: a function of (seed, purpose, string) and of nothing else."""
    batch = TextBatch.from_arrow(strings)
    hashes: NDArray[np.uint64] = _string_hashes(batch.data, batch.offsets, salt_of(seed, purpose))
    return hashes


def uniform(hashes: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Uniform draws in [0, 1) with 53 bits."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53


def repeats_of(doc_ids: pa.Array, weights: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """How often each document is taken: the whole part of its weight, and once more with the odds of the rest.

    Returns:
        int64; -1 where the weight is no number from 0 to 32766.
    """
    usable = (weights >= 0) & (weights < MOST_REPEATS)  # False for NaN too
    whole = np.floor(np.where(usable, weights, 0.0))
    more = uniform(hashes_of(doc_ids, seed, "repeat")) < np.where(usable, weights, 0.0) - whole
    return np.where(usable, whole.astype(np.int64) + more, -1)


def held_out(groups: pa.Array, share: float, seed: int) -> NDArray[np.bool_]:
    """Which documents are held out for evaluation; those of one group (a cluster of duplicates) all or none."""
    return uniform(hashes_of(groups, seed, "eval")) < share


def copies_hashes(doc_ids: pa.Array, repeats: NDArray[np.int64], seed: int, purpose: str) -> NDArray[np.uint64]:
    """uint64 for each copy of a document: a function of (seed, purpose, doc_id, number of the copy)."""
    found: NDArray[np.uint64] = _numbered_hashes(hashes_of(doc_ids, seed, purpose), repeats)
    return found
