"""Kernels that look at the words, signs and line ends of each document: what Gopher's quality rules count."""

import numpy as np
from numpy.typing import NDArray

from curation.text.blocks import (
    BLOCK,
    HASH_MULTIPLIER,
    bits_below,
    count_bits,
    lowest_bit,
    range_mask,
    up_to_eight_bytes,
)
from curation.text.kernel import fused, inlined, kernel, leaf, loop
from curation.text.unicode import code_point_width, decode, is_alnum, is_alpha, strip_end, strip_start

NUM_CHARS, WITH_LETTER, STOP_WORDS, DISTINCT_STOP_WORDS = range(4)
"""Columns of what `measure_words` writes: code points of all words; words with a letter; stop words; distinct ones."""

HASHES, THREE_DOTS, SPACED_DOTS, ELLIPSES, WORDS_WITH_SIGN = range(5)
"""Columns of what `count_signs` writes: `#`, `...`, `. . .`, U+2026 (as `str.count` does), words with `#` or U+2026."""

LINES, BULLETS, ELLIPSIS_ENDS = range(3)
"""Columns of what `measure_lines` writes: lines; those that begin with a bullet; those that end with an ellipsis."""

_LONG = 255


def stop_word_table(words: tuple[str, ...]) -> NDArray[np.uint64]:
    """A table in which `measure_words` finds stop words of at most eight ASCII letters, uint64[128].

    Slot i holds a word's bytes as a little-endian number, slot 64 + i its place in `words`; a word that is not in the
    list never equals what its slot holds.
    """
    table = np.zeros(128, np.uint64)
    for place, word in enumerate(words):
        key = int.from_bytes(word.encode(), "little")
        slot = (key * HASH_MULTIPLIER % 2**64) >> 58
        while table[slot]:
            slot = (slot + 1) % 64
        table[slot] = key
        table[64 + slot] = place
    return table


@fused
def _find_stop_word(table: NDArray[np.uint64], packed: np.uint64) -> int:
    """Place of a word in the list, or -1."""
    slot = np.int64((packed * np.uint64(HASH_MULTIPLIER)) >> np.uint64(58))
    while table[slot] != packed:
        if table[slot] == 0:
            return -1
        slot = (slot + 1) & 63
    return int(np.int64(table[64 + slot]))


@leaf
def _has_later_letter(data: NDArray[np.uint8], start: int, end: int, flags: NDArray[np.uint16]) -> bool:
    i = start
    while i < end:
        if is_alpha(flags, decode(data, i)):
            return True
        i += code_point_width(data[i])
    return False


@fused
def _has_letter(data: NDArray[np.uint8], start: int, end: int, flags: NDArray[np.uint16]) -> bool:
    if 97 <= (data[start] | 0x20) <= 122:  # most words begin with one
        return True
    return bool(_has_later_letter(data, start, end, flags))


@leaf
def _value_at(histogram: NDArray[np.int64], rank: int) -> int:
    """The value of a given rank in a histogram; -1 if it lies in the last bin, which holds all greater values."""
    seen = np.int64(0)
    for value in range(_LONG):
        seen += histogram[value]
        if rank < seen:
            return value
    return -1


@inlined
def _median(num_chars: NDArray[np.int32], begin: int, stop: int, histogram: NDArray[np.int64]) -> float:
    """Median of `num_chars[begin:stop]`, whose histogram is given; NaN if it is empty."""
    count = stop - begin
    if count == 0:
        return np.nan
    lower = _value_at(histogram, (count - 1) // 2)
    upper = _value_at(histogram, count // 2)
    if lower < 0 or upper < 0:
        in_order = np.sort(num_chars[begin:stop])
        lower, upper = int(in_order[(count - 1) // 2]), int(in_order[count // 2])
    return float((lower + upper) / 2.0)


@kernel
def measure_words(
    data: NDArray[np.uint8],
    word_offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    num_chars: NDArray[np.int32],
    flags: NDArray[np.uint16],
    stop_words: NDArray[np.uint64],
    ignore_case: bool,
    out: NDArray[np.int64],
    median_chars: NDArray[np.float64],
) -> None:
    """Count what the words of every document are made of.

    Args:
        data: the bytes of the batch.
        word_offsets: int64[d + 1], the words of each document; `start`, `end` and `num_chars` are theirs.
        start: int64[m].
        end: int64[m].
        num_chars: int32[m].
        flags: `curation.text.unicode.character_classes()`.
        stop_words: `stop_word_table(...)`, lower case.
        ignore_case: count a stop word in any case.
        out: out, int64[d, 4], columns as named in this module.
        median_chars: out, float64[d]: median of the code points per word; NaN where there are no words.
    """
    histogram = np.empty(_LONG + 1, np.int64)
    for doc in range(len(word_offsets) - 1):
        histogram[:] = 0
        chars = np.int64(0)
        letters = np.int64(0)
        stops = np.int64(0)
        kinds = np.uint64(0)
        for word in range(word_offsets[doc], word_offsets[doc + 1]):
            first, last = start[word], end[word]
            chars += num_chars[word]
            histogram[min(num_chars[word], _LONG)] += 1
            letters += _has_letter(data, first, last, flags)
            if last - first <= 8 and data[last - 1] != 0:  # a NUL at the end would look like no byte at all
                packed = up_to_eight_bytes(data, first, last)
                if ignore_case:
                    # Setting this bit makes a small letter of a capital one and a letter of nothing else.
                    packed |= np.uint64(0x2020202020202020) & bits_below(8 * (last - first))
                place = _find_stop_word(stop_words, packed)
                if place >= 0:
                    stops += 1
                    kinds |= np.uint64(1) << np.uint64(place)
        out[doc, NUM_CHARS] = chars
        out[doc, WITH_LETTER] = letters
        out[doc, STOP_WORDS] = stops
        out[doc, DISTINCT_STOP_WORDS] = count_bits(kinds)
        median_chars[doc] = _median(num_chars, word_offsets[doc], word_offsets[doc + 1], histogram)


@leaf
def _is_spaced_ellipsis(data: NDArray[np.uint8], at: int, end: int) -> bool:
    """Whether the dot at byte `at` begins `. . .`."""
    if at + 4 >= end or data[at + 1] != 32 or data[at + 2] != 46:
        return False
    return bool(data[at + 3] == 32 and data[at + 4] == 46)


@loop
def count_signs(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    word_offsets: NDArray[np.int64],
    word_end: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    """Count hash signs and ellipses in every document, as `str.count` does (without overlaps).

    Args:
        data: the bytes of the batch.
        offsets: int64[d + 1], its documents.
        word_offsets: int64[d + 1], the words of each document.
        word_end: int64[m], byte after each word.
        out: out, int64[d, 5] of zeros, columns as named in this module.
    """
    for doc in range(len(offsets) - 1):
        doc_end = offsets[doc + 1]
        word = word_offsets[doc]
        last_word = np.int64(-1)
        three_from = offsets[doc]  # dots before here are already part of an ellipsis
        five_from = offsets[doc]
        for i in range(offsets[doc], doc_end, BLOCK):
            signs = range_mask(data, i, doc_end, 35, 35)
            dots = range_mask(data, i, doc_end, 46, 46)
            leads = range_mask(data, i, doc_end, 0xE2, 0xE2)
            while dots:
                at = i + lowest_bit(dots)
                dots &= dots - np.uint64(1)
                if at >= three_from and at + 2 < doc_end and data[at + 1] == 46 and data[at + 2] == 46:
                    out[doc, THREE_DOTS] += 1
                    three_from = at + 3
                if at >= five_from and _is_spaced_ellipsis(data, at, doc_end):
                    out[doc, SPACED_DOTS] += 1
                    five_from = at + 5
            signs |= leads
            while signs:
                at = i + lowest_bit(signs)
                signs &= signs - np.uint64(1)
                if data[at] == 35:
                    out[doc, HASHES] += 1
                elif data[at + 1] == 0x80 and data[at + 2] == 0xA6:
                    out[doc, ELLIPSES] += 1
                else:
                    continue
                while word_end[word] <= at:
                    word += 1
                out[doc, WORDS_WITH_SIGN] += word != last_word
                last_word = word


@leaf
def _ends_in_ellipsis(data: NDArray[np.uint8], start: int, end: int, dots: bool, spaced_dots: bool) -> bool:
    if end - start >= 3 and data[end - 3] == 0xE2 and data[end - 2] == 0x80 and data[end - 1] == 0xA6:
        return True
    if end - start < 3 or data[end - 1] != 46:
        return False
    if dots and data[end - 2] == 46 and data[end - 3] == 46:
        return True
    if not spaced_dots or end - start < 5:
        return False
    return bool(data[end - 5] == 46) and _is_spaced_ellipsis(data, end - 5, end)


@loop
def measure_lines(
    data: NDArray[np.uint8],
    line_offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    strip: bool,
    keep_blank: bool,
    dots: bool,
    spaced_dots: bool,
    bullets: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    """Count the lines of every document, those that begin with a bullet and those that end with an ellipsis.

    Args:
        data: the bytes of the batch.
        line_offsets: int64[d + 1], the lines of each document; `start` and `end` are theirs.
        start: int64[m].
        end: int64[m].
        strip: look at lines without whitespace at both ends, and leave out what is then empty.
        keep_blank: count what is then empty as a line all the same.
        dots: `...` is an ellipsis, as U+2026 always is.
        spaced_dots: `. . .` is an ellipsis.
        bullets: int64[b], the code points that are bullets.
        out: out, int64[d, 3], columns as named in this module.
    """
    for doc in range(len(line_offsets) - 1):
        lines = np.int64(0)
        bulleted = np.int64(0)
        trailing = np.int64(0)
        for line in range(line_offsets[doc], line_offsets[doc + 1]):
            first, last = start[line], end[line]
            if strip:
                first = strip_start(data, first, last)
                last = strip_end(data, first, last)
                if first == last and not keep_blank:
                    continue
            lines += 1
            if first == last:
                continue
            code_point = decode(data, first)
            if not (65 <= code_point <= 90 or 97 <= code_point <= 122):
                for bullet in bullets:
                    bulleted += bullet == code_point
            trailing += _ends_in_ellipsis(data, first, last, dots, spaced_dots)
        out[doc, LINES] = lines
        out[doc, BULLETS] = bulleted
        out[doc, ELLIPSIS_ENDS] = trailing


@loop
def count_fasttext_words(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], flags: NDArray[np.uint16], out: NDArray[np.int64]
) -> None:
    """Count the tokens that begin with a letter or digit between fastText's separators, into `out`, int64[d].

    The separators are NUL, tab, newline, vertical tab, form feed, carriage return and space: not Unicode's whitespace.
    """
    for doc in range(len(offsets) - 1):
        doc_end = offsets[doc + 1]
        inside = np.uint64(0)
        count = np.int64(0)
        for i in range(offsets[doc], doc_end, BLOCK):
            spaces = range_mask(data, i, doc_end, 9, 13) | range_mask(data, i, doc_end, 32, 32)
            spaces |= range_mask(data, i, doc_end, 0, 0)
            letters = ~spaces & bits_below(doc_end - i)
            starts = letters & ~((letters << np.uint64(1)) | inside)
            inside = letters >> np.uint64(63)
            while starts:
                k = lowest_bit(starts)
                starts &= starts - np.uint64(1)
                count += is_alnum(flags, decode(data, i + k))
        out[doc] = count
