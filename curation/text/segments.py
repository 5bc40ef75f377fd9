"""Kernel that finds the lines and paragraphs which repeat within a document."""

import numpy as np
from numpy.typing import NDArray

from curation.text.blocks import hash_bytes
from curation.text.kernel import kernel, leaf
from curation.text.unicode import count_code_points, strip_end, strip_start

COLUMNS = 6
"""Columns of what `measure_segments` and `measure_parts` write, see there."""

NEWLINE_RUNS, PARAGRAPHS_STRIPPED, LINES_NOT_BLANK, NEWLINE_PAIRS = range(4)
"""How `measure_parts` parts a text: at runs of newlines (`re.split("\\n+", text)`); at runs of two newlines or more,
without white space at the ends of the text (`re.split("\\n{2,}", text.strip())`); into lines, of which those of white
space alone are left out; at pairs of newlines (`text.split("\\n\\n")`)."""


def new_table(longest: int) -> NDArray[np.int64]:
    """A table for `measure_segments` over documents of at most `longest` lines. What is not used takes no memory."""
    return np.zeros(2 << max(4, (2 * max(longest, 1) - 1).bit_length()), np.int64)


@leaf
def _count_copies(
    hashes: NDArray[np.uint64],
    num_chars: NDArray[np.int64],
    segments: int,
    table: NDArray[np.int64],
    stamp: int,
    seen_twice: NDArray[np.bool_],
    out: NDArray[np.int64],
) -> None:
    mask = 15
    while mask + 1 < 2 * segments:  # no more slots than `new_table` makes
        mask = 2 * mask + 1
    for i in range(segments):
        out[0] += 1
        out[1] += num_chars[i]
        key = np.int64(hashes[i])
        seen_twice[i] = False
        slot = key & mask
        while table[2 * slot + 1] >> 32 == stamp and table[2 * slot] != key:
            slot = (slot + 1) & mask
        if table[2 * slot + 1] >> 32 != stamp:
            table[2 * slot] = key
            table[2 * slot + 1] = (stamp << 32) | i
            continue
        earlier = table[2 * slot + 1] & 0xFFFFFFFF
        out[2] += 1
        out[3] += num_chars[i]
        if not seen_twice[earlier]:
            seen_twice[earlier] = True
            out[4] += 1
            out[5] += num_chars[earlier]


@kernel
def measure_segments(
    data: NDArray[np.uint8],
    line_offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    paragraphs: bool,
    strip: bool,
    blank_by_space: bool,
    table: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    """Count the lines or paragraphs of every document, and those that repeat.

    Args:
        data: the bytes of the batch.
        line_offsets: int64[d + 1], the lines of each document; `start` and `end` are theirs.
        start: int64[m].
        end: int64[m].
        paragraphs: True: look at paragraphs, the runs of lines between blank lines. False: look at lines.
        strip: compare and count without whitespace at both ends, and leave out what is then empty.
        blank_by_space: for paragraphs: a line of whitespace only is blank, not just an empty line.
        table: `new_table(...)` for the document with the most lines.
        out: out, int64[d, 6] of zeros: segments, their characters; copies after the first, their characters; segments
            of which a copy follows (the first of each kind), their characters. Equality is that of 64-bit hashes.
    """
    longest = np.int64(0)
    for doc in range(len(line_offsets) - 1):
        longest = max(longest, line_offsets[doc + 1] - line_offsets[doc])
    hashes = np.empty(longest, np.uint64)
    num_chars = np.empty(longest, np.int64)
    seen_twice = np.empty(longest, np.bool_)
    for doc in range(len(line_offsets) - 1):
        line = line_offsets[doc]
        stop = line_offsets[doc + 1]
        segments = 0
        while line < stop:
            first, last = start[line], end[line]
            line += 1
            if paragraphs:
                if _is_blank(data, first, last, blank_by_space):
                    continue
                while line < stop and not _is_blank(data, start[line], end[line], blank_by_space):
                    last = end[line]
                    line += 1
            if strip:
                first = strip_start(data, first, last)
                last = strip_end(data, first, last)
                if first == last:
                    continue
            hashes[segments] = hash_bytes(data, first, last)
            num_chars[segments] = count_code_points(data, first, last)
            segments += 1
        _count_copies(hashes, num_chars, segments, table, np.int64(doc + 1), seen_twice, out[doc])


@leaf
def _is_blank(data: NDArray[np.uint8], start: int, end: int, by_space: bool) -> bool:
    if start == end:
        return True
    return by_space and strip_start(data, start, end) == end


@leaf
def _next_part(
    data: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64], line: int, stop: int, how: int
) -> int:
    """The line after the last of the part that begins with `line`, of the lines before `stop`."""
    line += 1
    if how == PARAGRAPHS_STRIPPED:
        while line < stop and start[line] < end[line]:
            line += 1
    elif how == NEWLINE_PAIRS:
        while line < stop and (start[line] < end[line] or line + 1 == stop):
            line += 1
    return line


@kernel
def measure_parts(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    line_offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    how: int,
    table: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    """Count the parts of every document, and those that repeat, empty parts too.

    Args:
        data: the bytes of the batch.
        offsets: int64[d + 1], its documents.
        line_offsets: int64[d + 1], what newlines part in each document; `start` and `end` are theirs.
        start: int64[m].
        end: int64[m].
        how: `NEWLINE_RUNS`, `PARAGRAPHS_STRIPPED`, `LINES_NOT_BLANK` or `NEWLINE_PAIRS`.
        table: `new_table(...)` for the document with the most lines.
        out: out, int64[d, 6] of zeros: as of `measure_segments`.
    """
    longest = np.int64(0)
    for doc in range(len(line_offsets) - 1):
        longest = max(longest, line_offsets[doc + 1] - line_offsets[doc])
    hashes = np.empty(longest, np.uint64)
    num_chars = np.empty(longest, np.int64)
    seen_twice = np.empty(longest, np.bool_)
    for doc in range(len(line_offsets) - 1):
        line = line_offsets[doc]
        stop = line_offsets[doc + 1]
        low, high = offsets[doc], offsets[doc + 1]
        if how == PARAGRAPHS_STRIPPED:
            low = strip_start(data, low, high)
            high = strip_end(data, low, high)
            while stop - 1 > line and start[stop - 1] >= high:
                stop -= 1
            while line < stop - 1 and end[line] <= low:
                line += 1
        segments = 0
        begin, last_line = line, stop - 1
        while line < stop:
            first_line = line
            line = _next_part(data, start, end, line, stop, how)
            first = max(start[first_line], low)
            last = max(min(end[line - 1], high), first)
            at_end = first_line in (begin, last_line)
            if how == PARAGRAPHS_STRIPPED:
                while line < stop and start[line] == end[line]:
                    line += 1
            elif how == NEWLINE_PAIRS:
                line += line < stop
            if first == last and not at_end and how == NEWLINE_RUNS:
                continue
            if how == LINES_NOT_BLANK and _is_blank(data, first, last, True):
                continue
            hashes[segments] = hash_bytes(data, first, last)
            num_chars[segments] = count_code_points(data, first, last)
            segments += 1
        _count_copies(hashes, num_chars, segments, table, np.int64(doc + 1), seen_twice, out[doc])
