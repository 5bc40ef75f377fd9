"""Kernel that takes repeated word n-grams out of a document one after the other, as datatrove does.

From left to right, an n-gram that has been met before is taken and its n words are passed over; one that has not is
remembered, and the next word begins another. Two n-grams are equal where their words run together are equal, whatever
the words (`a bc` and `ab c`): equality is that of the bytes.

Reference: huggingface/datatrove `pipeline/filters/gopher_repetition_filter.py` (`find_all_duplicate`, 0.10.1).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.text.blocks import HASH_FINISHER, HASH_MULTIPLIER
from curation.text.kernel import kernel, leaf

MIN_N, MAX_N = 5, 10
"""The n-grams that are looked at."""

_BASE = 0xD1342543DE82EF95
_INVERSE = pow(_BASE, -1, 1 << 64)


def new_table(longest: int) -> NDArray[np.int64]:
    """A table for `measure_greedy` over documents of at most `longest` words. What is not used takes no memory."""
    return np.zeros(2 << max(4, (2 * max(longest, 1) - 1).bit_length()), np.int64)


@leaf
def _same(run: Any, a: int, b: int, length: int) -> bool:
    k = 0
    while k < length and run[a + k] == run[b + k]:
        k += 1
    return bool(k == length)


@leaf
def _is_known(table: Any, bits: int, stamp: int, key: np.uint64, run: Any, begins: Any, place: int, n: int) -> bool:
    """Whether the n-gram at `place` has been met since `stamp` began; it is remembered if not.

    `table` holds pairs (key, stamp << 32 | place); what bears another stamp is empty, so nothing is ever cleared.
    """
    slot = np.int64((key * np.uint64(HASH_MULTIPLIER)) >> np.uint64(64 - bits))
    length = begins[place + n] - begins[place]
    while table[2 * slot + 1] >> 32 == stamp:
        other = table[2 * slot + 1] & 0xFFFFFFFF
        if (
            table[2 * slot] == np.int64(key)
            and begins[other + n] - begins[other] == length
            and _same(run, begins[other], begins[place], length)
        ):
            return True
        slot = (slot + 1) & ((1 << bits) - 1)
    table[2 * slot] = np.int64(key)
    table[2 * slot + 1] = (stamp << 32) | place
    return False


@kernel
def measure_greedy(
    data: NDArray[np.uint8],
    word_offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    num_chars: NDArray[np.int32],
    table: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    """Write the characters of all n-grams that are taken, by n (5 to 10), into `out`, int64[d, 11] of zeros.

    Args:
        data: the bytes that words lie in.
        word_offsets: int64[d + 1], the words of each document; `start`, `end` and `num_chars` are theirs.
        start: int64[m].
        end: int64[m].
        num_chars: int32[m], code points of each word.
        table: `new_table(...)` for the longest document.
        out: out.
    """
    longest = np.int64(0)
    most_bytes = np.int64(0)
    for doc in range(len(word_offsets) - 1):
        longest = max(longest, word_offsets[doc + 1] - word_offsets[doc])
        num_bytes = np.int64(0)
        for word in range(word_offsets[doc], word_offsets[doc + 1]):
            num_bytes += end[word] - start[word]
        most_bytes = max(most_bytes, num_bytes)
    run = np.empty(most_bytes, np.uint8)  # the words of a document without what is between them
    begins = np.zeros(longest + 1, np.int64)  # where each begins there
    sums = np.zeros(longest + 1, np.uint64)  # the bytes before it as a polynomial of the base
    powers = np.ones(longest + 1, np.uint64)  # of the inverse: shifts a difference of sums to the beginning
    chars_before = np.zeros(longest + 1, np.int64)
    stamp = np.int64(0)
    for doc in range(len(word_offsets) - 1):
        first_word = word_offsets[doc]
        num_words = word_offsets[doc + 1] - first_word
        at = np.int64(0)
        total, power, inverse = np.uint64(0), np.uint64(1), np.uint64(1)
        for i in range(num_words):
            for k in range(start[first_word + i], end[first_word + i]):
                run[at] = data[k]
                total += (np.uint64(data[k]) + np.uint64(1)) * power
                power *= np.uint64(_BASE)
                inverse *= np.uint64(_INVERSE)
                at += 1
            begins[i + 1] = at
            sums[i + 1] = total
            powers[i + 1] = inverse
            chars_before[i + 1] = chars_before[i] + num_chars[first_word + i]
        bits = 4
        while (1 << bits) < 2 * num_words:
            bits += 1
        for n in range(MIN_N, MAX_N + 1):
            stamp += 1
            i = 0
            while i < num_words - n + 1:
                key = (sums[i + n] - sums[i]) * powers[i]
                key ^= np.uint64(begins[i + n] - begins[i]) * np.uint64(HASH_FINISHER)
                if _is_known(table, bits, stamp, key, run, begins, i, n):
                    out[doc, n] += chars_before[i + n] - chars_before[i]
                    i += n
                else:
                    i += 1
