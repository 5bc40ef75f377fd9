"""Words by their hashes: lists that they are looked up in, and how varied they are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.text.batch import Words
from curation.text.blocks import HASH_MULTIPLIER, hash_bytes
from curation.text.kernel import fused, kernel, leaf, loop

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
        first: `hash_table` of their first words.
        by_size: of those of so many words the hashes, each row a phrase as bytes.
    """

    first: NDArray[np.uint64]
    by_size: tuple[tuple[int, NDArray[np.void]], ...]


def phrase_table(phrases: tuple[str, ...]) -> Phrases:
    """Phrases, words with one space between them, for `count_phrases`."""
    words = [phrase.split(" ") for phrase in phrases]
    sizes = sorted({len(one) for one in words})
    hashes = {
        n: np.array([[hash_of(word) for word in one] for one in words if len(one) == n], np.uint64) for n in sizes
    }
    return Phrases(hash_table(tuple(one[0] for one in words)), tuple((n, _rows(hashes[n])) for n in sizes))


def _rows(hashes: NDArray[np.uint64]) -> NDArray[np.void]:
    """Each row as one value, to be compared as a whole."""
    return np.ascontiguousarray(hashes).view(np.dtype((np.void, hashes.shape[1] * 8))).reshape(-1)


def count_phrases(words: Words, phrases: Phrases) -> NDArray[np.int64]:
    """At how many words of each document one of the phrases begins, int64[d]."""
    room = np.empty(len(words) + 1, np.int64)
    places = room[: find_listed(phrases.first, words.hash, room)]
    documents = np.searchsorted(words.offsets, places, side="right") - 1
    counts = np.zeros(len(words.offsets) - 1, np.int64)
    for size, listed in phrases.by_size:
        inside = places + size <= words.offsets[documents + 1]
        windows = words.hash[places[inside][:, None] + np.arange(size)]
        counts += np.bincount(documents[inside][np.isin(_rows(windows), listed)], minlength=len(counts))
    return counts


@kernel
def measure_variety(
    data: NDArray[np.uint8],
    word_offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    distinct: NDArray[np.int64],
    entropy: NDArray[np.float64],
    lorem_ipsum: NDArray[np.int64],
) -> None:
    """Count the different words of every document, and where `lorem ipsum` stands in its plain form.

    Args:
        data: the bytes of the plain texts.
        word_offsets: int64[d + 1], their words; `start`, `end` and `hashes` are theirs.
        start: int64[m].
        end: int64[m].
        hashes: uint64[m].
        distinct: out, int64[d].
        entropy: out, float64[d]: of the words' frequencies, in nats.
        lorem_ipsum: out, int64[d].
    """
    longest = np.int64(0)
    for doc in range(len(word_offsets) - 1):
        longest = max(longest, word_offsets[doc + 1] - word_offsets[doc])
    bits = 4
    while (1 << bits) < 2 * longest:
        bits += 1
    keys = np.empty(1 << bits, np.uint64)
    places = np.zeros(1 << bits, np.int64)  # of the document's first word with that key, counted over the batch, from 1
    counts = np.empty(longest, np.int64)
    for doc in range(len(word_offsets) - 1):
        begin, stop = word_offsets[doc], word_offsets[doc + 1]
        num_distinct = np.int64(0)
        bits = 4
        while (1 << bits) < 2 * (stop - begin):
            bits += 1
        mask = (1 << bits) - 1
        for word in range(begin, stop):
            key = hashes[word]
            slot = np.int64((key * np.uint64(HASH_MULTIPLIER)) >> np.uint64(64 - bits))
            while places[slot] > begin and keys[slot] != key:
                slot = (slot + 1) & mask
            if places[slot] <= begin:
                keys[slot] = key
                num_distinct += 1
                places[slot] = begin + num_distinct
                counts[num_distinct - 1] = 0
            counts[places[slot] - begin - 1] += 1
            if end[word] - start[word] >= 5 and word + 1 < stop and data[end[word] - 1] == 109:
                lorem_ipsum[doc] += _is_lorem_ipsum(data, end[word], end[word + 1])
        # With shares c / n the entropy is log n - sum(c log c) / n, and most words stand there once.
        total = stop - begin
        weighted = 0.0
        for k in range(num_distinct):
            if counts[k] > 1:
                weighted += counts[k] * np.log(np.float64(counts[k]))
        distinct[doc] = num_distinct
        entropy[doc] = np.log(np.float64(total)) - weighted / total if total else 0.0


@leaf
def _is_lorem_ipsum(data: NDArray[np.uint8], at: int, end: int) -> bool:
    """Whether `lorem` ends at the space at byte `at`, and `ipsum` begins after it, before byte `end`."""
    if at + 6 > end:
        return False
    before = data[at - 5] == 108 and data[at - 4] == 111 and data[at - 3] == 114 and data[at - 2] == 101
    after = data[at + 1] == 105 and data[at + 2] == 112 and data[at + 3] == 115 and data[at + 4] == 117
    return bool(before and after and data[at + 5] == 109)
