"""Words by their hashes, and lists that they are looked up in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.text.batch import Words
from curation.text.blocks import BLOCK, hash_bytes, lowest_bit, range_mask
from curation.text.kernel import fused, leaf, loop

_BUCKET = 4


def hash_of(word: str) -> int:
    """The hash by which `Words.hash` knows a word."""
    data = np.frombuffer(word.encode(), np.uint8)
    return int(hash_bytes(data, 0, len(data)))


def hash_table(words: tuple[str, ...]) -> NDArray[np.uint64]:
    """A table in which `is_listed` finds words by their hashes: buckets of four, as many as it takes to hold them."""
    keys = np.unique(np.array([hash_of(word) for word in words], np.uint64))
    buckets = 16
    while buckets < len(keys) or np.bincount((keys & np.uint64(buckets - 1)).astype(np.int64)).max(initial=0) > _BUCKET:
        buckets *= 2
    table = np.zeros((buckets, _BUCKET), np.uint64)
    for key in keys:
        bucket = table[int(key) & (buckets - 1)]
        bucket[np.count_nonzero(bucket)] = key
    return table.reshape(-1)


@fused
def is_listed(table: NDArray[np.uint64], key: np.uint64) -> bool:
    """Whether a word with this hash is in the table; without a branch, as words of a text come in no order."""
    slot = np.int64(key & np.uint64(len(table) // _BUCKET - 1)) * _BUCKET
    first = (table[slot] == key) | (table[slot + 1] == key)
    return bool(first | (table[slot + 2] == key) | (table[slot + 3] == key))


@loop
def find_listed(table: NDArray[np.uint64], hashes: NDArray[np.uint64], places: NDArray[np.int64]) -> int:
    """Write the places of the words that the table lists to `places`, as long as `hashes`; gives their number."""
    found = 0
    for place in range(len(hashes)):
        places[found] = place
        found += is_listed(table, hashes[place])
    return found


@dataclass(frozen=True)
class Phrases:
    """Phrases of one word or more.

    Attributes:
        words: `hash_table` of those of one word.
        first: `hash_table` of the first words of the others.
        longer: of those of so many words the hashes, each row a phrase as bytes.
    """

    words: NDArray[np.uint64]
    first: NDArray[np.uint64]
    longer: tuple[tuple[int, NDArray[np.void]], ...]


def phrase_table(phrases: tuple[str, ...]) -> Phrases:
    """Phrases, words with one space between them, for `count_phrases`."""
    words = [phrase.split(" ") for phrase in phrases]
    longer = [one for one in words if len(one) > 1]
    sizes = sorted({len(one) for one in longer})
    hashes = {
        n: np.array([[hash_of(word) for word in one] for one in longer if len(one) == n], np.uint64) for n in sizes
    }
    return Phrases(
        hash_table(tuple(one[0] for one in words if len(one) == 1)),
        hash_table(tuple(one[0] for one in longer)),
        tuple((n, _rows(hashes[n])) for n in sizes),
    )


def _rows(hashes: NDArray[np.uint64]) -> NDArray[np.void]:
    """Each row as one value, to be compared as a whole."""
    return np.ascontiguousarray(hashes).view(np.dtype((np.void, hashes.shape[1] * 8))).reshape(-1)


def count_phrases(words: Words, phrases: Phrases) -> NDArray[np.int64]:
    """How often one of the phrases stands in each document, int64[d]; those of different length count apart."""
    room = np.empty(len(words) + 1, np.int64)
    places = room[: find_listed(phrases.words, words.hash, room)]
    counts = np.diff(np.searchsorted(places, words.offsets))
    if not phrases.longer:
        return counts
    places = room[: find_listed(phrases.first, words.hash, room)]
    documents = np.searchsorted(words.offsets, places, side="right") - 1
    for size, listed in phrases.longer:
        inside = places + size <= words.offsets[documents + 1]
        windows = words.hash[places[inside][:, None] + np.arange(size)]
        counts += np.bincount(documents[inside][np.isin(_rows(windows), listed)], minlength=len(counts))
    return counts


@loop
def count_lorem_ipsum(data: NDArray[np.uint8], offsets: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
    """Count where `lorem ipsum` stands in each text in lower case, of bytes `offsets` (int64[d + 1]): int64[d]."""
    for doc in range(len(offsets) - 1):
        begin, end = offsets[doc], offsets[doc + 1]
        counts[doc] = 0
        for i in range(begin, end, BLOCK):
            mask = range_mask(data, i, end, 109, 109) & range_mask(data, min(i + 1, end), end, 32, 32)
            mask &= range_mask(data, min(i + 2, end), end, 105, 105)
            while mask:
                at = i + lowest_bit(mask) + 1
                mask &= mask - np.uint64(1)
                counts[doc] += at - begin >= 5 and _is_lorem_ipsum(data, at, end)


@leaf
def _is_lorem_ipsum(data: NDArray[np.uint8], at: int, end: int) -> bool:
    """Whether `lorem` ends before the space at byte `at`, and `ipsum` begins after it, before byte `end`."""
    if at + 6 > end:
        return False
    before = data[at - 5] == 108 and data[at - 4] == 111 and data[at - 3] == 114 and data[at - 2] == 101
    after = data[at + 1] == 105 and data[at + 2] == 112 and data[at + 3] == 115 and data[at + 4] == 117
    return bool(before and after and data[at + 5] == 109)
