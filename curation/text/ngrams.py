"""Kernel that finds the word n-grams which repeat within a document.

An (n+1)-gram can only repeat where the n-gram at its place and the one a word later repeat. So the places that repeat
are found for n = 1, and each further size looks only at pairs of neighbours among the places left: most of a text is
gone after two sizes. An n-gram is known by the place where it stood first, so a pair of such places names an
(n+1)-gram without doubt: beyond words nothing is compared by hash. Words are equal where their 64-bit hashes are; a
document of a million different words has two that are confused with odds of about 3e-8.
"""

import math

import numpy as np
from numpy.typing import NDArray

from curation.text.blocks import HASH_MULTIPLIER
from curation.text.kernel import fused, kernel, leaf

MAX_N = 10
"""The longest n-gram that is looked at."""

TOP_COVERED = 0
"""The most frequent n-gram (the longest of equals): characters it covers, each once. 0 if nothing repeats."""
TOP_LONGEST = 1
"""The most frequent n-gram (the longest of equals): its characters times its count. 0 if nothing repeats."""
TOP_FIRST_REPEATED = 2
"""The most frequent n-gram (the first of equals): its characters times its count. 0 if nothing repeats."""
TOP_FIRST = 3
"""The most frequent n-gram (the first of equals): its characters times its count, even if that is 1."""
TOP_SPACED = 4
"""As `TOP_FIRST`, with a space between words as a character of the n-gram."""
TOP_PLACE = 5
"""The most frequent n-gram (the first of equals, even if its count is 1): which word of the document it begins with."""


_SMALL_TABLE_BITS = 13
_C_LOG_C = np.array([c * math.log(c) if c else 0.0 for c in range(256)])


@leaf
def _table_bits(items: int) -> int:
    """Slots, as a power of two, of a table that `items` keys fill to half at most."""
    bits = 4
    while (1 << bits) < 2 * items:
        bits += 1
    return bits


def new_table(longest: int) -> NDArray[np.int64]:
    """A table for `measure_repeats` over documents of at most `longest` words. What is not used takes no memory."""
    return np.zeros(2 << max(4, (2 * max(longest, 1) - 1).bit_length()), np.int64)


def no_variety() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What `measure_repeats` takes for `distinct` and `entropy` where they are not asked for."""
    return np.empty(0, np.int64), np.empty(0, np.float64)


@fused
def _first_place(table: NDArray[np.int64], bits: int, key: int, stamp: int, place: int) -> int:
    """The place under which `key` is known since `stamp` began, or `place` after making `key` known there.

    `table` holds pairs (key, stamp << 32 | place); what bears another stamp is empty, so nothing is ever cleared.
    """
    mask = (1 << bits) - 1
    slot = np.int64((np.uint64(key) * np.uint64(HASH_MULTIPLIER)) >> np.uint64(64 - bits))
    while True:
        entry = table[2 * slot + 1]
        if entry >> 32 != stamp:
            table[2 * slot] = key
            table[2 * slot + 1] = (stamp << 32) | place
            return place
        if table[2 * slot] == key:
            return int(entry & 0xFFFFFFFF)
        slot = (slot + 1) & mask


@leaf
def _top_chars(
    n: int,
    places: NDArray[np.int32],
    num_places: int,
    first: NDArray[np.int32],
    count: NDArray[np.int32],
    chars_before: NDArray[np.int64],
    choice: int,
) -> int:
    best = -1
    best_count = np.int32(0)
    best_chars = np.int64(0)
    for k in range(num_places):
        place = places[k]
        if first[place] != place or count[place] < best_count:
            continue
        chars = chars_before[place + n] - chars_before[place]
        if count[place] > best_count or (choice <= TOP_LONGEST and chars > best_chars):
            best, best_count, best_chars = int(place), count[place], chars
    if choice == TOP_PLACE:
        return max(best, 0)
    spaces = n - 1 if choice == TOP_SPACED else 0
    if best < 0:
        return int(chars_before[n]) + spaces if choice >= TOP_FIRST else 0
    if choice != TOP_COVERED:
        return int(best_count * (best_chars + spaces))
    covered = 0
    reached = 0
    for k in range(num_places):
        place = int(places[k])
        if first[place] == best:
            covered += chars_before[place + n] - chars_before[max(place, reached)]
            reached = place + n
    return covered


@leaf
def _grow(
    table: NDArray[np.int64],
    bits: int,
    stamp: int,
    keys: NDArray[np.int64],
    first: NDArray[np.int32],
    places: NDArray[np.int32],
    num_places: int,
) -> None:
    """Enter the keys of the first `num_places` places anew, into a table of `1 << bits` slots, under a new stamp."""
    for k in range(num_places):
        place = places[k]
        if first[place] == place:
            _first_place(table, bits, keys[place], stamp, place)


@leaf
def _find_repeats(
    num_places: int,
    table: NDArray[np.int64],
    stamp: int,
    keys: NDArray[np.int64],
    first: NDArray[np.int32],
    repeats: NDArray[np.uint8],
    places: NDArray[np.int32],
    count: NDArray[np.int32],
) -> tuple[int, int]:
    """Find which of the first `num_places` places have a key that another one has too.

    Writes for each place where its key stood first, and how often for each such first place; leaves in `places` those
    that repeat. Gives their number and the last stamp that was used. The table begins small and grows with the number
    of different keys: long texts have few of them, and a small table stays in the processor's cache.
    """
    full_bits = _table_bits(num_places)
    bits = min(full_bits, _SMALL_TABLE_BITS)
    stamp += 1
    room = 1 << (bits - 1)
    for k in range(num_places):
        place = int(places[k])
        earlier = _first_place(table, bits, keys[place], stamp, place)
        first[place] = earlier
        if earlier != place:
            repeats[place] = 1
            repeats[earlier] = 1
            count[earlier] += 1
            continue
        repeats[place] = 0
        count[place] = 1
        room -= 1
        if room < 0:
            old_room = 1 << (bits - 1)
            bits = min(full_bits, bits + 2)
            stamp += 1
            _grow(table, bits, stamp, keys, first, places, k + 1)
            room = (1 << (bits - 1)) - old_room
    left = 0
    for k in range(num_places):
        place = places[k]
        places[left] = place
        left += repeats[place]
    return left, stamp


@leaf
def _find_repeated_words(
    hashes: NDArray[np.uint64],
    begin: int,
    num_words: int,
    table: NDArray[np.int64],
    stamp: int,
    first: NDArray[np.int32],
    repeats: NDArray[np.uint8],
    places: NDArray[np.int32],
) -> tuple[int, int]:
    """What `_find_repeats` does, for the words of a document. The first step is the longest, so it is done apart."""
    full_bits = _table_bits(num_words)
    bits = min(full_bits, _SMALL_TABLE_BITS)
    stamp += 1
    room = 1 << (bits - 1)
    for i in range(num_words):
        earlier = _first_place(table, bits, np.int64(hashes[begin + i]), stamp, i)
        first[i] = earlier
        if earlier != i:
            repeats[i] = 1
            repeats[earlier] = 1
            continue
        repeats[i] = 0
        room -= 1
        if room < 0:
            old_room = 1 << (bits - 1)
            bits = min(full_bits, bits + 2)
            stamp += 1
            for k in range(i + 1):
                if first[k] == k:
                    _first_place(table, bits, np.int64(hashes[begin + k]), stamp, k)
            room = (1 << (bits - 1)) - old_room
    num_places = 0
    for i in range(num_words):
        places[num_places] = i
        num_places += repeats[i]
    return num_places, stamp


@leaf
def _variety(
    num_words: int, num_places: int, first: NDArray[np.int32], places: NDArray[np.int32], count: NDArray[np.int32]
) -> tuple[int, float]:
    """How many different words there are, and the entropy of their frequencies in nats, from the places that repeat."""
    distinct = num_words - num_places
    for k in range(num_places):
        place = places[k]
        if first[place] == place:
            distinct += 1
            count[place] = 0
        count[first[place]] += 1
    # With shares c / n the entropy is log n - sum(c log c) / n, and most words stand there once.
    weighted = 0.0
    for k in range(num_places):
        place = places[k]
        if first[place] == place:
            c = count[place]
            weighted += _C_LOG_C[c] if c < len(_C_LOG_C) else c * np.log(np.float64(c))
    return distinct, np.log(np.float64(num_words)) - weighted / num_words if num_words else 0.0


@leaf
def _pair_neighbours(
    num_places: int, keys: NDArray[np.int64], first: NDArray[np.int32], places: NDArray[np.int32]
) -> int:
    """Keep the places whose right neighbour is left too, and give each the pair as its key; gives their number."""
    pairs = 0
    for k in range(num_places - 1):
        place = places[k]
        keys[place] = (np.int64(first[place]) << 32) | np.int64(first[place + 1])
        places[pairs] = place
        pairs += places[k + 1] == place + 1
    return pairs


@kernel
def measure_repeats(
    word_offsets: NDArray[np.int64],
    num_chars: NDArray[np.int32],
    hashes: NDArray[np.uint64],
    top_choice: int,
    table: NDArray[np.int64],
    total: NDArray[np.int64],
    top: NDArray[np.int64],
    covered: NDArray[np.int64],
    mass: NDArray[np.int64],
    all_mass: NDArray[np.int64],
    later: NDArray[np.int64],
    distinct: NDArray[np.int64],
    entropy: NDArray[np.float64],
) -> None:
    """Measure the repeated n-grams of every document, in characters of words (without what stands between them).

    Args:
        word_offsets: int64[d + 1], the words of each document.
        num_chars: int32[m], code points of each word.
        hashes: uint64[m], hash of each word.
        top_choice: `TOP_COVERED` or another of the choices named so.
        table: `new_table(...)` for the longest document.
        total: out, int64[d]: characters of all words.
        top: out, int64[d, 11]: by n (2 to 4), characters of the most frequent n-gram, or its place.
        covered: out, int64[d, 11]: by n (5 to 10), characters of the words in any n-gram that repeats, each once.
        mass: out, int64[d, 11]: by n (5 to 10), sum of the characters of all n-grams that repeat.
        all_mass: out, int64[d, 11]: by n (5 to 10), sum of the characters of all n-grams.
        later: out, int64[d, 11]: by n (5 to 10), as `covered`, of second and later copies only, and with a space
            between their words.
        distinct: out, int64[d]: different words.
        entropy: out, float64[d]: of the words' frequencies, in nats; with none of these two (both empty) it is quicker.
    """
    longest = np.int64(0)
    for doc in range(len(word_offsets) - 1):
        longest = max(longest, word_offsets[doc + 1] - word_offsets[doc])
    keys = np.empty(longest + 1, np.int64)
    first = np.empty(longest + 1, np.int32)
    repeats = np.empty(longest + 1, np.uint8)
    places = np.empty(longest + 1, np.int32)
    count = np.empty(longest + 1, np.int32)
    chars_before = np.zeros(longest + 1, np.int64)
    stamp = np.int64(0)
    for doc in range(len(word_offsets) - 1):
        begin = word_offsets[doc]
        num_words = word_offsets[doc + 1] - begin
        ends_sum = np.int64(0)  # sum of chars_before over all places: all_mass follows from it without a pass per n
        for i in range(num_words):
            chars_before[i + 1] = chars_before[i] + num_chars[begin + i]
            ends_sum += chars_before[i + 1]
        starts_sum = ends_sum
        total[doc] = chars_before[num_words]
        num_places, stamp = _find_repeated_words(hashes, begin, num_words, table, stamp, first, repeats, places)
        if len(entropy):
            distinct[doc], entropy[doc] = _variety(num_words, num_places, first, places, count)
        for n in range(1, min(MAX_N, num_words) + 1):
            ends_sum -= chars_before[n - 1]
            starts_sum -= chars_before[num_words - n + 1]
            if n == 1:
                continue
            if num_places:
                num_places = _pair_neighbours(num_places, keys, first, places)
                num_places, stamp = _find_repeats(num_places, table, stamp, keys, first, repeats, places, count)
            if n <= 4:
                top[doc, n] = _top_chars(n, places, num_places, first, count, chars_before, top_choice)
                continue
            all_mass[doc, n] = ends_sum - starts_sum
            reached = np.int64(0)
            later_reached = np.int64(0)
            for k in range(num_places):
                place = np.int64(places[k])
                end = chars_before[place + n]
                if first[place] != place:
                    begin_later = max(place, later_reached)
                    later_reached = place + n
                    later[doc, n] += end - chars_before[begin_later] + min(later_reached - begin_later, n - 1)
                mass[doc, n] += end - chars_before[place]
                covered[doc, n] += end - chars_before[max(place, reached)]
                reached = place + n
