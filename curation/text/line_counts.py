"""Kernel that measures every line of texts, as RedPajama-V2 does."""

import numpy as np
from numpy.typing import NDArray

from curation.text.ascii_blocks import BLANK, CAPITAL, SIGN, punctuation_mask, run_ends, space_mask
from curation.text.blocks import BLOCK, bits_below, count_bits, lowest_bit, range_mask
from curation.text.kernel import leaf, loop
from curation.text.plain_words import decomposed_part, decomposed_size, lower_part, lower_size
from curation.text.unicode import (
    NUMERIC,
    UPPER,
    code_point_width,
    decode,
    space_width,
    strip_end,
    strip_start,
)

TERMINAL, BULLET, ELLIPSIS, NUM_WORDS, NUM_CHARS, NUMERIC_CHARS, UPPER_CHARS, RAW_CHARS = range(8)
"""Columns of what `measure_lines` writes for a line: whether it ends in a terminal mark, begins with a bullet, and ends
in an ellipsis; words, code points and numeric ones of its plain form; capitals and code points of itself, its newline
with it."""


@leaf
def _ends_in(data: NDArray[np.uint8], start: int, end: int, last: int) -> bool:
    """Whether `data[start:end]` ends in the character of three bytes whose last byte is given, 0xE2 0x80 before it."""
    return bool(end - start >= 3 and data[end - 3] == 0xE2 and data[end - 2] == 0x80 and data[end - 1] == last)


@leaf
def _end_line(
    data: NDArray[np.uint8],
    start: int,
    end: int,
    bullets: NDArray[np.int64],
    sums: tuple[int, int, int, int, int],
    row: int,
    out: NDArray[np.int32],
) -> None:
    """Write the row of a line: what stands at its ends, and its sums: words, characters, numeric, upper, raw ones."""
    out[row, NUM_WORDS] = sums[0]
    out[row, NUM_CHARS] = sums[1] + max(0, sums[0] - 1)  # the spaces between
    out[row, NUMERIC_CHARS] = sums[2]
    out[row, UPPER_CHARS] = sums[3]
    out[row, RAW_CHARS] = sums[4]
    first = strip_start(data, start, end)
    last = strip_end(data, first, end)
    if first == last:
        return
    byte = data[last - 1]
    out[row, TERMINAL] = byte in (33, 46, 63) or _ends_in(data, first, last, 0x9D)
    three_dots = last - first >= 3 and byte == 46 and data[last - 2] == 46 and data[last - 3] == 46
    out[row, ELLIPSIS] = three_dots or _ends_in(data, first, last, 0xA6)
    if data[first] >= 0x80:
        code_point = decode(data, first)
        for bullet in bullets:
            out[row, BULLET] += bullet == code_point


@leaf
def _plain_sizes(
    code_point: int,
    flags: NDArray[np.uint16],
    lower: NDArray[np.int32],
    where: NDArray[np.int32],
    nfd_offsets: NDArray[np.int32],
    to: NDArray[np.int32],
) -> tuple[int, int]:
    """Code points, and numeric ones, that a character beyond ASCII has in plain form."""
    chars = 0
    numeric = 0
    for k in range(lower_size(code_point)):
        small = lower_part(code_point, k, lower)
        size = decomposed_size(small, where, nfd_offsets)
        chars += size
        for part in range(size):
            numeric += flags[decomposed_part(small, part, where, nfd_offsets, to)] & NUMERIC != 0
    return chars, numeric


@loop
def measure_lines(  # noqa: PLR0915 - one pass over the bytes
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    flags: NDArray[np.uint16],
    lower: NDArray[np.int32],
    where: NDArray[np.int32],
    nfd_offsets: NDArray[np.int32],
    to: NDArray[np.int32],
    bullets: NDArray[np.int64],
    line_offsets: NDArray[np.int64],
    out: NDArray[np.int32],
) -> None:
    """Measure every line, a run of characters up to and with its newline or up to the end of the document.

    Args:
        data: the bytes of the batch.
        offsets: int64[d + 1], its documents.
        kinds: `ascii_kinds()`.
        flags: `curation.text.unicode.character_classes()`.
        lower: `curation.text.unicode.lower_case()`.
        where: of `curation.text.plain_words.decompositions()`, as the next two.
        nfd_offsets: see there.
        to: see there.
        bullets: int64[b], the code points that are bullets, none of them ASCII.
        line_offsets: out, int64[d + 1], the lines of each document.
        out: out, int32[m, 8] of zeros for at least as many lines as there are, columns as named in this module.
    """
    row = 0
    line_offsets[0] = 0
    for doc in range(len(offsets) - 1):
        i, doc_end = offsets[doc], offsets[doc + 1]
        start = i
        in_word = False  # a word of the plain form goes on
        words = chars = numeric = upper = raw = 0
        slow_until = i
        while i < doc_end:
            if i >= slow_until and i + BLOCK <= doc_end and not range_mask(data, i, doc_end, 0x80, 0xFF):
                filled = ~space_mask(data, i, doc_end)
                marks = filled & ~punctuation_mask(data, i, doc_end)
                capitals, digits = range_mask(data, i, doc_end, 65, 90), range_mask(data, i, doc_end, 48, 57)
                newlines = range_mask(data, i, doc_end, 10, 10)
                word_ends, in_word = run_ends(filled, marks, in_word)
                left = ~np.uint64(0)  # of this line and those after it
                while newlines:
                    k = lowest_bit(newlines)
                    newlines &= newlines - np.uint64(1)
                    mine = left & bits_below(int(k) + 1)
                    left &= ~mine
                    words += count_bits(word_ends & mine)
                    chars += count_bits(marks & mine)
                    numeric += count_bits(digits & mine)
                    upper += count_bits(capitals & mine)
                    raw += count_bits(mine)
                    _end_line(data, start, i + k + 1, bullets, (words, chars, numeric, upper, raw), row, out)
                    words = chars = numeric = upper = raw = 0
                    start = i + k + 1
                    row += 1
                words += count_bits(word_ends & left)
                chars += count_bits(marks & left)
                numeric += count_bits(digits & left)
                upper += count_bits(capitals & left)
                raw += count_bits(left)
                i += BLOCK
                continue
            if i >= slow_until:
                slow_until = i + BLOCK
            byte = data[i]
            raw += 1
            if byte < 0x80:
                kind = np.int64(kinds[byte])
                i += 1
                space = kind & BLANK != 0
                marked = not space and not kind & SIGN
                chars += marked
                upper += kind & CAPITAL != 0
                numeric += 48 <= byte <= 57
            else:
                space = space_width(data, i, doc_end) > 0
                marked = not space
                code_point = decode(data, i)
                i += code_point_width(byte)
                if marked:
                    upper += flags[code_point] & UPPER != 0
                    more, more_numeric = _plain_sizes(code_point, flags, lower, where, nfd_offsets, to)
                    chars += more
                    numeric += more_numeric
            words += in_word and space
            in_word = marked or (in_word and not space)
            if byte == 10:
                _end_line(data, start, i, bullets, (words, chars, numeric, upper, raw), row, out)
                words = chars = numeric = upper = raw = 0
                row += 1
                start = i
        if start < doc_end:
            words += in_word
            _end_line(data, start, doc_end, bullets, (words, chars, numeric, upper, raw), row, out)
            row += 1
        line_offsets[doc + 1] = row
