"""C4's tests of each line of a text, and what would be left of the text: kernels over lines, words and marks."""

import numpy as np
from numpy.typing import NDArray

from curation.signals.c4_marks import (
    CITATION,
    CURLY,
    FOLDS,
    JAVASCRIPT,
    LOREM,
    POLICY,
    citation_width,
    folded,
    kind_at,
)
from curation.text.blocks import BLOCK, count_bits, range_mask
from curation.text.kernel import leaf, loop
from curation.text.sentences import ends_sentence, may_end_sentence, sentence_ends_inside
from curation.text.unicode import code_point_width, space_width

# Switches: places in the int64 array that tells the kernel how a dialect goes about it.
TEST_END_MARK = 0  # drop lines that do not end in a mark
APOSTROPHE_ENDS = 1  # ' is an end mark too
DROP_ELLIPSIS = 2  # a line that ends in ... has no end mark
MAX_WORD_CHARS = 3  # drop lines with a longer word; -1: no such test
REMOVE_CITATIONS = 4
STRIP_AFTER = 5  # whitespace that a removed citation leaves at the ends of a line is stripped
COUNT_BEFORE = 6  # words are counted before citations are removed
MIN_WORDS = 7
PAGE_FLAGS = 8  # lorem ipsum, { and javascript are seen on every line, and no line is dropped for a phrase
DROP_PHRASES = 9  # drop lines with javascript or a policy phrase
LINES_AS_THEY_ARE = 10  # lines are not stripped, and empty lines stay
INDEPENDENT = 11  # each test counts all lines that fail it, and every line keeps its newline
FOLDING = 12
COUNT_SENTENCES = 13
NUM_SWITCHES = 14

# Columns of the measurements, int64[n, NUM_COLUMNS].
KEPT_LINES = 0
KEPT_CHARS = 1
SENTENCES = 2
LONG_WORD = 3
NO_END_MARK = 4
FEW_WORDS = 5
WITH_JAVASCRIPT = 6
WITH_POLICY = 7
CITATIONS = 8
LONGEST_WORD = 9
HAS_LOREM = 10
HAS_CURLY = 11
HAS_JAVASCRIPT = 12
NUM_COLUMNS = 13


@leaf
def _characters(data: NDArray[np.uint8], start: int, end: int) -> int:
    """Code points of `data[start:end]`."""
    count = end - start
    i = start
    while i < end:
        count -= count_bits(range_mask(data, i, end, 0x80, 0xBF))
        i += BLOCK
    return count


@leaf
def _has_end_mark(data: NDArray[np.uint8], start: int, end: int, switches: NDArray[np.int64]) -> bool:
    """True if the line `data[start:end]` ends in an end mark of the dialect."""
    if end <= start:
        return False
    last = data[end - 1]
    if last == 0x2E:
        dots = end - start >= 3 and data[end - 2] == 0x2E and data[end - 3] == 0x2E
        return not (dots and switches[DROP_ELLIPSIS])
    return last in (0x21, 0x22, 0x3F) or bool(last == 0x27 and switches[APOSTROPHE_ENDS])


@leaf
def _sentences(
    data: NDArray[np.uint8],
    word_start: NDArray[np.int64],
    word_end: NDArray[np.int64],
    first: int,
    stop: int,
    is_ascii: bool,
    flags: NDArray[np.uint16],
    abbreviations: NDArray[np.uint64],
) -> int:
    """Sentences of a line whose words are `first:stop`."""
    if first == stop:
        return 0
    count = 1
    for w in range(first, stop - 1):
        if may_end_sentence(data[word_end[w] - 1]) and ends_sentence(
            data, word_start[w], word_end[w], word_start[w + 1], flags, abbreviations
        ):
            count += 1
    if not is_ascii:
        for w in range(first, stop):
            count += sentence_ends_inside(data, word_start[w], word_end[w])
    return count


@leaf
def _scan_words(
    line: NDArray[np.uint8], length: int, flags: NDArray[np.uint16], abbreviations: NDArray[np.uint64]
) -> tuple[int, int, int, int]:
    """Words, first byte of the first, end of the last and sentences of `line[:length]`."""
    count = 0
    first = 0
    sentences = 0
    start = 0
    end = 0
    i = 0
    while i < length:
        width = space_width(line, i, length)
        if width:
            i += width
            continue
        if count == 0:
            first = i
            sentences = 1
        elif may_end_sentence(line[end - 1]) and ends_sentence(line, start, end, i, flags, abbreviations):
            sentences += 1
        start = i
        while i < length and space_width(line, i, length) == 0:
            i += code_point_width(line[i])
        end = i
        sentences += sentence_ends_inside(line, start, end)
        count += 1
    return count, first, end, sentences


@leaf
def _copy_line(
    data: NDArray[np.uint8],
    start: int,
    end: int,
    without_citations: bool,
    flags: NDArray[np.uint16],
    scratch: NDArray[np.uint8],
) -> tuple[int, int]:
    """Copy `data[start:end]` into `scratch`; gives the bytes written and how many citation marks were left out."""
    length = 0
    removed = 0
    i = start
    while i < end:
        if data[i] == 0x5B and without_citations:
            width = citation_width(data, i, end, flags)
            if width:
                i += width
                removed += 1
                continue
        scratch[length] = data[i]
        length += 1
        i += 1
    return length, removed


@leaf
def _fold_line(line: NDArray[np.uint8], scratch: NDArray[np.uint8], length: int, folding: int) -> int:
    """Replace in `line[:length]` the characters that fold to an ASCII letter by it; gives the new length.

    `scratch` is the memory of `line`, to write to.
    """
    written = 0
    i = 0
    while i < length:
        letter = 0
        width = 1
        if line[i] >= 0x80:
            letter, width = folded(line, i, length, folding)
        scratch[written] = letter if letter else line[i]
        i += width
        written += 1
    return written


@leaf
def _kinds_in(line: NDArray[np.uint8], length: int, flags: NDArray[np.uint16]) -> int:
    """What `line[:length]` contains: bit k for the kind k of `c4_marks`."""
    kinds = 0
    for i in range(length):
        if line[i] < 0x80:
            kind = kind_at(line, i, 0, length, flags)
            if kind >= 0:
                kinds |= 1 << kind
    return kinds


@loop
def measure_lines(  # noqa: PLR0912, PLR0915 - one pass, line after line
    data: NDArray[np.uint8],
    line_offsets: NDArray[np.int64],
    line_start: NDArray[np.int64],
    line_end: NDArray[np.int64],
    word_start: NDArray[np.int64],
    word_end: NDArray[np.int64],
    word_chars: NDArray[np.int32],
    places: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    flags: NDArray[np.uint16],
    abbreviations: NDArray[np.uint64],
    switches: NDArray[np.int64],
    scratch: NDArray[np.uint8],
    line: NDArray[np.uint8],
    stays: NDArray[np.uint8],
    out: NDArray[np.int64],
) -> None:
    """Write the measurements of each document into `out`, int64[n, NUM_COLUMNS].

    Lines, words and marks (`places`, `kinds`) are those of the whole batch, in order. `scratch` has room for the
    longest line with a mark of kind CITATION or FOLDS; `line` is the same memory, read-only: what reads texts is
    compiled for read-only bytes, and so only once. `stays`, uint8[lines] or uint8[0] where nobody asks, is set to 1 for
    each line that is part of what is left.
    """
    tells = len(stays) > 0
    w = 0
    m = 0
    for doc in range(len(line_offsets) - 1):
        for column in range(NUM_COLUMNS):
            out[doc, column] = 0
        page = 0
        kept_chars = 0
        pending = 0  # whitespace at the end of what is kept so far: it counts once more text follows
        for n in range(line_offsets[doc], line_offsets[doc + 1]):
            start = line_start[n]
            end = line_end[n]
            first = w
            longest = np.int64(0)
            while w < len(word_start) and word_start[w] < end:
                longest = max(longest, np.int64(word_chars[w]))
                w += 1
            marks = 0
            while m < len(places) and places[m] < end:
                marks |= 1 << int(kinds[m])
                m += 1
            page |= marks
            out[doc, LONGEST_WORD] = max(out[doc, LONGEST_WORD], longest)
            if switches[INDEPENDENT]:
                ends = first < w and _has_end_mark(data, word_start[first], word_end[w - 1], switches)
                fails = switches[TEST_END_MARK] != 0 and not ends
                out[doc, NO_END_MARK] += fails
                out[doc, FEW_WORDS] += w - first < switches[MIN_WORDS]
                if fails or w - first < switches[MIN_WORDS]:
                    continue
                out[doc, KEPT_LINES] += 1
                if tells:
                    stays[n] = 1
                chars = _characters(data, start, end)
                kept_chars += chars + (n + 1 < line_offsets[doc + 1])
                if switches[COUNT_SENTENCES]:
                    is_ascii = chars == end - start
                    out[doc, SENTENCES] += _sentences(
                        data, word_start, word_end, first, w, is_ascii, flags, abbreviations
                    )
                continue
            if switches[LINES_AS_THEY_ARE] and start == end:
                pending += kept_chars > 0
                if tells:
                    stays[n] = 1
                continue
            if 0 <= switches[MAX_WORD_CHARS] < longest:
                out[doc, LONG_WORD] += 1
                continue
            if not switches[LINES_AS_THEY_ARE]:
                start = word_start[first] if first < w else end
                end = word_end[w - 1] if first < w else end
            lead = 0
            trail = 0
            num_words = w - first
            sentences = 0
            folds = (marks >> FOLDS) & 1 and switches[DROP_PHRASES]
            changed = folds or ((marks >> CITATION) & 1 and switches[REMOVE_CITATIONS])
            if not changed:
                if first < w:
                    text_start = word_start[first]
                    text_end = word_end[w - 1]
                    ends = _has_end_mark(data, text_start, text_end, switches)
                else:
                    text_start = end
                    text_end = end
                    ends = False
            else:
                length, removed = _copy_line(data, start, end, switches[REMOVE_CITATIONS] != 0, flags, scratch)
                out[doc, CITATIONS] += removed
                if switches[LINES_AS_THEY_ARE] and length == 0:
                    pending += kept_chars > 0
                    if tells:
                        stays[n] = 1
                    continue
                words_left, text_start, text_end, sentences = _scan_words(line, length, flags, abbreviations)
                if not switches[COUNT_BEFORE]:
                    num_words = words_left
                if switches[STRIP_AFTER] or switches[LINES_AS_THEY_ARE]:
                    ends = _has_end_mark(line, text_start, text_end, switches)
                else:
                    ends = _has_end_mark(line, 0, length, switches)
            if switches[TEST_END_MARK] and not ends:
                out[doc, NO_END_MARK] += 1
                continue
            if num_words < switches[MIN_WORDS]:
                out[doc, FEW_WORDS] += 1
                continue
            # how many characters stand before, in and behind what is not whitespace
            if not changed:
                lead = _characters(data, start, text_start)
                body = _characters(data, text_start, text_end)
                trail = _characters(data, text_end, end)
            else:
                lead = _characters(line, 0, text_start)
                body = _characters(line, text_start, text_end)
                trail = _characters(line, text_end, length)
                if switches[STRIP_AFTER]:
                    lead = 0
                    trail = 0
                marks = _kinds_in(line, length, flags)
                if folds:
                    length = _fold_line(line, scratch, length, switches[FOLDING])
                    phrases = (1 << JAVASCRIPT) | (1 << POLICY)
                    marks = (marks & ~phrases) | (_kinds_in(line, length, flags) & phrases)
            if not switches[PAGE_FLAGS]:
                out[doc, HAS_LOREM] |= (marks >> LOREM) & 1
            if switches[DROP_PHRASES] and (marks >> JAVASCRIPT) & 1:
                out[doc, WITH_JAVASCRIPT] += 1
                continue
            if not switches[PAGE_FLAGS]:
                out[doc, HAS_CURLY] |= (marks >> CURLY) & 1
            if switches[DROP_PHRASES] and (marks >> POLICY) & 1:
                out[doc, WITH_POLICY] += 1
                continue
            out[doc, KEPT_LINES] += 1
            if tells:
                stays[n] = 1
            if switches[COUNT_SENTENCES]:
                if changed:
                    out[doc, SENTENCES] += sentences
                else:
                    is_ascii = body == text_end - text_start
                    out[doc, SENTENCES] += _sentences(
                        data, word_start, word_end, first, w, is_ascii, flags, abbreviations
                    )
            # the length of "\n".join(kept lines).strip()
            if kept_chars > 0:
                lead += 1
            if body == 0:
                pending += lead + trail if kept_chars > 0 else 0
            elif kept_chars > 0:
                kept_chars += pending + lead + body
                pending = trail
            else:
                kept_chars = body
                pending = trail
        out[doc, KEPT_CHARS] = kept_chars
        if switches[PAGE_FLAGS]:
            out[doc, HAS_LOREM] = (page >> LOREM) & 1
            out[doc, HAS_CURLY] = (page >> CURLY) & 1
            out[doc, HAS_JAVASCRIPT] = (page >> JAVASCRIPT) & 1


@loop
def count_at_least(
    offsets: NDArray[np.int64], num_chars: NDArray[np.int32], least: int, counts: NDArray[np.int64]
) -> None:
    """Write into `counts`, int64[n], how many pieces of each document have at least `least` characters."""
    for doc in range(len(offsets) - 1):
        count = 0
        for n in range(offsets[doc], offsets[doc + 1]):
            count += num_chars[n] >= least
        counts[doc] = count
