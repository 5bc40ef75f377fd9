"""DCLM's line modifiers: lines that are no prose go, and so do a shop's and a menu's words within short lines."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.edits.edit import Cuts
from curation.signals.c4_marks import IGNORE_CASE, LOWER, folded
from curation.text.batch import TextBatch
from curation.text.kernel import kernel, leaf
from curation.text.unicode import (
    ALNUM,
    DECIMAL,
    DIGIT,
    UPPER,
    character_classes,
    code_point_width,
    decode,
    space_width,
    strip_end,
    strip_start,
)

_ANYWHERE, _AT_END, _AT_START = 0, 1, 2
_PHRASES = ((b"items in cart", _ANYWHERE), (b"read more", _AT_END), (b"sign-in", _AT_START))
_DOTS = 3
"""`Read more...` is a regular expression to the peer: three characters of any kind."""
_COUNTED = b"likes shares comments retweets reposts quotes bookmarks upvotes downvotes downloads views followers"


@dataclass(frozen=True, kw_only=True)
class DclmLines:
    """Drop lines of capitals, of digits, of counters (`3 likes`) and of one word; cut three phrases out of short lines.

    In this order, as the peer does it, and after each step but that for lines of one word the text is stripped of white
    space: lines with more capitals than `max_frac_upper` of their characters; with more digits than `max_frac_digits`;
    that are a number and likes, shares, views or the like; of fewer than `min_words` words, unless empty; then in lines
    of `max_phrase_words` words at most, `items in cart` anywhere, `Read more` and three characters at the end,
    `Sign-in` at the beginning, in any case. A line of which nothing is left goes. Of a text nothing may be left.

    Departure: DCLM does this to pages that have passed its filters; here edits come before all measuring. How many of
    the words went, which DCLM bounds by 0.05, is measured by `curation.signals.cuts.Cuts`.

    Reference: mlfoundations/dclm `baselines/mappers/modifiers.py`, with the settings of
    `baselines/baselines_configs/dclm_baseline_refinedweb.yaml`; Li et al. 2024 (DataComp-LM), section 4.1.
    """

    max_frac_upper: float = 0.5
    max_frac_digits: float = 0.999999
    min_words: int = 2
    max_phrase_words: int = 10

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: a share is not in [0, 1], or a number of words is negative.
        """
        for name in ("max_frac_upper", "max_frac_digits"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"DclmLines: expected {name} to be in [0, 1], got {getattr(self, name)}")
        for name in ("min_words", "max_phrase_words"):
            if getattr(self, name) < 0:
                raise ValueError(f"DclmLines: expected {name} to be 0 or more, got {getattr(self, name)}")

    @property
    def name(self) -> str:
        """`dclm_lines`."""
        return "dclm_lines"

    def open(self) -> None:
        """Load the character classes."""
        character_classes()

    def cuts(self, batch: TextBatch) -> Cuts:
        """Lines and phrases that go."""
        longest = int(np.max(batch.num_bytes, initial=0))
        work = np.empty(longest, np.uint8)
        text = work.view()
        text.flags.writeable = False
        bounds = np.array([self.max_frac_upper, self.max_frac_digits])
        words = np.array([self.min_words, self.max_phrase_words])
        phrases = [np.frombuffer(phrase, np.uint8) for phrase, _ in _PHRASES]
        counted = np.frombuffer(_COUNTED + b" ", np.uint8)
        rows = _cuts(
            batch.data,
            batch.offsets,
            character_classes(),
            bounds,
            words,
            *phrases,
            counted,
            work,
            text,
            np.empty(longest, np.int64),
        )
        return Cuts(rows[:, 0], rows[:, 1], rows[:, 2], np.zeros(len(rows), np.int64))


@leaf
def _num_words(text: NDArray[np.uint8], start: int, end: int) -> int:
    """Words of `str.split()`."""
    count, inside, i = 0, False, start
    while i < end:
        width = space_width(text, i, end)
        count += width == 0 and not inside
        inside = width == 0
        i += width if width else code_point_width(text[i])
    return count


@leaf
def _has_few(text: NDArray[np.uint8], start: int, end: int, flags: NDArray[np.uint16], kind: int, most: float) -> bool:
    """Whether at most that share of a line's characters is of a kind; true for an empty line."""
    found, chars, i = 0, 0, start
    while i < end:
        byte = text[i]
        found += (flags[byte if byte < 128 else decode(text, i)] & kind) != 0
        chars += 1
        i += code_point_width(byte)
    return chars == 0 or found / chars <= most


@leaf
def _letter(text: NDArray[np.uint8], i: int, end: int, folding: int) -> tuple[int, int]:
    """The character at byte `i` in lower case if it is ASCII or equal to an ASCII letter, else 0; and its bytes."""
    byte = text[i]
    if byte >= 128:
        letter, width = folded(text, i, end, folding)
        return letter, width if letter else code_point_width(byte)
    return byte | 32 if 65 <= byte <= 90 else byte, 1


@leaf
def _phrase_end(text: NDArray[np.uint8], i: int, end: int, phrase: NDArray[np.uint8], folding: int) -> int:
    """Where the phrase that begins at byte `i` ends, -1 if it does not begin there."""
    for k in range(len(phrase)):
        if i >= end:
            return -1
        letter, width = _letter(text, i, end, folding)
        if letter != phrase[k]:
            return -1
        i += width
    return i


@leaf
def _is_wordlike(text: NDArray[np.uint8], i: int, flags: NDArray[np.uint16]) -> bool:
    """Whether the character at byte `i` is a letter, a digit or `_`."""
    return bool(text[i] == 95 or (flags[decode(text, i)] & ALNUM) != 0)


@leaf
def _no_word_follows(text: NDArray[np.uint8], i: int, end: int, flags: NDArray[np.uint16]) -> bool:
    while i < end:
        if _is_wordlike(text, i, flags):
            return False
        i += code_point_width(text[i])
    return True


@leaf
def _is_counter(
    text: NDArray[np.uint8], start: int, end: int, flags: NDArray[np.uint16], counted: NDArray[np.uint8]
) -> bool:
    """Whether a line is a number and what it counts: `1.2K views`, with any signs before and after."""
    i = start
    while i < end and not _is_wordlike(text, i, flags):
        i += code_point_width(text[i])
    if i >= end or (flags[decode(text, i)] & DECIMAL) == 0:
        return False
    while i < end and (text[i] in (44, 46) or (flags[decode(text, i)] & DECIMAL) != 0):
        i += code_point_width(text[i])
    if i < end:
        letter, width = _letter(text, i, end, LOWER)
        i += width if letter in (98, 107, 109) else 0
    first = i
    while i < end and space_width(text, i, end):
        i += space_width(text, i, end)
    if i == first:
        return False
    k = 0
    while k < len(counted):
        stop = k
        while counted[stop] != 32:
            stop += 1
        behind = _phrase_end(text, i, end, counted[k:stop], LOWER)
        if behind >= 0 and _no_word_follows(text, behind, end, flags):
            return True
        k = stop + 1
    return False


@leaf
def _space_before(text: NDArray[np.uint8], start: int, i: int) -> int:
    """Bytes of the white space right before byte `i`, not before `start`; 0 if there is none."""
    first = i - 1
    while first > start and 0x80 <= text[first] < 0xC0:
        first -= 1
    return i - first if first >= start and space_width(text, first, i) else 0


@leaf
def _find_phrase(
    text: NDArray[np.uint8], start: int, end: int, phrase: NDArray[np.uint8], where: int
) -> tuple[int, int]:
    """First byte and end of the first occurrence of a phrase, white space beside it included; (-1, -1) for none."""
    i = start
    while i < end:
        behind = _phrase_end(text, i, end, phrase, IGNORE_CASE)
        if behind >= 0 and where == _AT_START:
            return i, behind + (space_width(text, behind, end) if behind < end else 0)
        if behind >= 0 and where == _AT_END:
            for _ in range(_DOTS):
                if behind >= 0:
                    behind = behind + code_point_width(text[behind]) if behind < end else -1
            behind = behind if behind == end else -1
        if behind >= 0:
            return i - _space_before(text, start, i), behind
        if where == _AT_START:
            return -1, -1
        i += code_point_width(text[i])
    return -1, -1


@leaf
def _move(work: NDArray[np.uint8], src: NDArray[np.int64], start: int, end: int, to: int) -> int:
    """Move bytes with their places down to `to`; gives the end of them there."""
    if start == to:
        return end
    for i in range(start, end):
        work[to] = work[i]
        src[to] = src[i]
        to += 1
    return to


@leaf
def _stripped(text: NDArray[np.uint8], work: NDArray[np.uint8], src: NDArray[np.int64], length: int) -> int:
    """Strip the text of white space; gives its new length."""
    first = strip_start(text, 0, length)
    return int(_move(work, src, first, strip_end(text, first, length), 0))


@leaf
def _stays(
    step: int,
    text: NDArray[np.uint8],
    start: int,
    end: int,
    flags: NDArray[np.uint16],
    bounds: NDArray[np.float64],
    words: NDArray[np.int64],
    counted: NDArray[np.uint8],
) -> bool:
    """Whether a line passes one of the steps that drop whole lines."""
    if start == end:
        return True
    if step == 0:
        return bool(_has_few(text, start, end, flags, UPPER, bounds[0]))
    if step == 1:
        return bool(_has_few(text, start, end, flags, DIGIT, bounds[1]))
    if step == 2:
        return not _is_counter(text, start, end, flags, counted)
    return bool(_num_words(text, start, end) >= words[0])


@leaf
def _without_phrase(
    text: NDArray[np.uint8],
    work: NDArray[np.uint8],
    src: NDArray[np.int64],
    start: int,
    end: int,
    to: int,
    phrase: NDArray[np.uint8],
    where: int,
) -> int:
    """Move a line down to `to` without a phrase; -1 if nothing but white space would be left of it."""
    reached, written, is_blank = start, to, True
    while True:
        first, last = _find_phrase(text, reached, end, phrase, where)
        stop = first if first >= 0 else end
        is_blank &= strip_start(text, reached, stop) == stop
        written = _move(work, src, reached, stop, written)
        if first < 0:
            break
        reached = last
        if where != _ANYWHERE:
            is_blank &= strip_start(text, reached, end) == end
            written = _move(work, src, reached, end, written)
            break
    return -1 if is_blank and start < end else written


@leaf
def _keep(work: NDArray[np.uint8], src: NDArray[np.int64], start: int, end: int, to: int, newline: int) -> int:
    """Move a whole line down to `to`, and the newline before it to `newline` if that is a place."""
    if newline >= 0:
        work[newline] = 10
        src[newline] = src[start - 1]
    return int(_move(work, src, start, end, to))


@leaf
def _after_step(
    step: int,
    text: NDArray[np.uint8],
    work: NDArray[np.uint8],
    src: NDArray[np.int64],
    length: int,
    flags: NDArray[np.uint16],
    bounds: NDArray[np.float64],
    words: NDArray[np.int64],
    phrase: NDArray[np.uint8],
    counted: NDArray[np.uint8],
) -> int:
    """Carry out one step on the text `text[:length]`, whose memory `work` is; gives its new length.

    Steps 0 to 3 drop lines (see `_stays`), steps 4 to 6 cut `phrase` out of short ones.
    """
    written, i = -1, 0
    while length:
        end = i
        while end < length and text[end] != 10:
            end += 1
        # The newline before a line that stays moves with it, but for the first.
        to = written + 1 if written >= 0 else 0
        moved = -1
        if step < 4:
            stays = _stays(step, text, i, end, flags, bounds, words, counted)
        else:
            stays = _num_words(text, i, end) > words[1]
        if stays:
            moved = _keep(work, src, i, end, to, written)
        elif step >= 4:
            newline = src[i - 1] if i else np.int64(-1)
            moved = _without_phrase(text, work, src, i, end, to, phrase, step - 4)
            if moved >= 0 and written >= 0:
                work[written] = 10
                src[written] = newline
        written = moved if moved >= 0 else written
        if end >= length:
            break
        i = end + 1
    return max(written, 0) if step == 3 else _stripped(text, work, src, max(written, 0))


@kernel
def _cuts(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    flags: NDArray[np.uint16],
    bounds: NDArray[np.float64],
    words: NDArray[np.int64],
    anywhere: NDArray[np.uint8],
    at_end: NDArray[np.uint8],
    at_start: NDArray[np.uint8],
    counted: NDArray[np.uint8],
    work: NDArray[np.uint8],
    text: NDArray[np.uint8],
    src: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Rows of document, first byte and byte after the last, int64[m, 3].

    `work` and `text` are the same memory with room for the longest text, `src` has as much: the bytes of a text as the
    steps leave them, and where each came from.
    """
    rows = np.empty((256, 3), np.int64)
    total = 0
    for doc in range(len(offsets) - 1):
        length = offsets[doc + 1] - offsets[doc]
        for i in range(length):
            work[i] = data[offsets[doc] + i]
            src[i] = offsets[doc] + i
        for step in range(7):
            phrase = at_start if step == 6 else at_end if step == 5 else anywhere
            length = _after_step(step, text, work, src, length, flags, bounds, words, phrase, counted)
        reached = offsets[doc]
        for i in range(length + 1):
            place = src[i] if i < length else offsets[doc + 1]
            if place > reached:
                if total == len(rows):
                    grown = np.empty((2 * total, 3), np.int64)
                    grown[:total] = rows
                    rows = grown
                rows[total, 0], rows[total, 1], rows[total, 2] = doc, reached, place
                total += 1
            reached = place + 1
    return rows[:total]
