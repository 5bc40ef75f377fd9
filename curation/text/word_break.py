"""Words by Unicode's own rules, for the dialects that count those.

Default word boundaries of UAX #29 with the properties of Unicode 16.0.0, as `uniseg` 0.10 finds them, of which the
pieces that begin with a letter or digit (`str.isalnum`) are kept: what DCLM calls words without punctuation.
DCLM does not pin `uniseg`; its releases before 0.9 break at an apostrophe (can't is then two words), later ones do not.
Departure: pairs of regional indicators are not told from single ones, as no word begins with them.

Reference: https://www.unicode.org/reports/tr29/tr29-45.html, rules WB1 to WB16 and WB999; mlfoundations/dclm
baselines/mappers/core_utils.py `split_words(model="uniseg", ignore_punctuation=True)`.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from curation.text.blocks import hash_bytes
from curation.text.kernel import leaf, loop
from curation.text.unicode import code_point_width, decode, is_alnum, is_space, stored_tables

PROPERTY_VALUES = (
    "Other",
    "CR",
    "LF",
    "Newline",
    "Extend",
    "ZWJ",
    "Regional_Indicator",
    "Format",
    "Katakana",
    "Hebrew_Letter",
    "ALetter",
    "Single_Quote",
    "Double_Quote",
    "MidNumLet",
    "MidLetter",
    "MidNum",
    "Numeric",
    "ExtendNumLet",
    "WSegSpace",
)
"""Values of the Word_Break property; their place is their number."""

EXTENDED_PICTOGRAPHIC = 0x80

_OTHER, _CR, _LF, _NEWLINE, _EXTEND, _ZWJ, _REGIONAL, _FORMAT, _KATAKANA, _HEBREW, _LETTER = range(11)
_SINGLE_QUOTE, _DOUBLE_QUOTE, _MID_NUM_LET, _MID_LETTER, _MID_NUM, _NUMERIC, _EXTEND_NUM_LET, _SPACE = range(11, 19)


@cache
def word_break_classes() -> NDArray[np.uint8]:
    """Word_Break of every code point, uint8[0x110000], with `EXTENDED_PICTOGRAPHIC` or-ed; loaded at the first call."""
    with stored_tables() as stored:
        return np.ascontiguousarray(stored["word_break"][stored["word_break_blocks"]]).reshape(-1)


@leaf
def _is_transparent(value: int) -> bool:
    return value in (_EXTEND, _FORMAT, _ZWJ)


@leaf
def _next_class(data: NDArray[np.uint8], i: int, end: int, classes: NDArray[np.uint8]) -> int:
    """Class of the first character from byte `i` on that is not transparent; Other if there is none."""
    while i < end:
        value = int(np.int64(classes[decode(data, i)]) & 0x7F)
        if not _is_transparent(value):
            return value
        i += code_point_width(data[i])
    return _OTHER


@leaf
def _joins_to_word(before: int, previous: int, value: int) -> bool:
    """Whether a letter, digit, kana or low line goes on with the word that ends in `before`, `previous`."""
    if previous in (_LETTER, _HEBREW, _NUMERIC, _EXTEND_NUM_LET):
        return value != _KATAKANA or previous == _EXTEND_NUM_LET
    if previous == _KATAKANA:
        return value in (_KATAKANA, _EXTEND_NUM_LET)
    if value in (_LETTER, _HEBREW):
        if previous in (_MID_LETTER, _MID_NUM_LET, _SINGLE_QUOTE):
            return before in (_LETTER, _HEBREW)
        return previous == _DOUBLE_QUOTE and value == _HEBREW and before == _HEBREW
    if value == _NUMERIC:
        return before == _NUMERIC and previous in (_MID_NUM, _MID_NUM_LET, _SINGLE_QUOTE)
    return False


@leaf
def _joins_inside_word(previous: int, value: int, following: int) -> bool:
    """Whether a sign such as an apostrophe or a decimal point stands inside a word, given what follows it."""
    if previous == _HEBREW and value == _SINGLE_QUOTE:
        return True
    if value == _DOUBLE_QUOTE:
        return previous == _HEBREW and following == _HEBREW
    if previous in (_LETTER, _HEBREW):
        return value != _MID_NUM and following in (_LETTER, _HEBREW)
    return previous == _NUMERIC and value != _MID_LETTER and following == _NUMERIC


@loop
def split_unicode_words(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    classes: NDArray[np.uint8],
    flags: NDArray[np.uint16],
    signs_too: bool,
    word_offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    num_chars: NDArray[np.int32],
    hashes: NDArray[np.uint64],
) -> int:
    """Write the words of every document and give their number. The outputs are those of `split.split_words`.

    `signs_too`: every piece is a word that does not begin with whitespace.
    """
    count = 0
    word_offsets[0] = 0
    for doc in range(len(offsets) - 1):
        doc_end = offsets[doc + 1]
        i = offsets[doc]
        before, previous, last = _OTHER, _OTHER, _NEWLINE  # `last` is the class of the character just before
        piece_start, piece_chars, is_word = i, 0, False
        while i < doc_end:
            code_point = decode(data, i)
            width = code_point_width(data[i])
            value = int(np.int64(classes[code_point]) & 0x7F)
            if _CR <= last <= _NEWLINE or _CR <= value <= _NEWLINE:
                joined = last == _CR and value == _LF
            elif _is_transparent(value) or (last == _ZWJ and classes[code_point] & EXTENDED_PICTOGRAPHIC):
                joined = True
            elif value in (_LETTER, _NUMERIC, _EXTEND_NUM_LET, _KATAKANA, _HEBREW):
                joined = _joins_to_word(before, previous, value)
            elif _SINGLE_QUOTE <= value <= _MID_NUM and previous in (_LETTER, _NUMERIC, _HEBREW):
                joined = _joins_inside_word(previous, value, _next_class(data, i + width, doc_end, classes))
            else:
                joined = last == value == _SPACE
            if not joined:
                if is_word:
                    start[count] = piece_start
                    end[count] = i
                    num_chars[count] = piece_chars
                    hashes[count] = hash_bytes(data, piece_start, i)
                    count += 1
                piece_start, piece_chars, is_word = i, 0, is_alnum(flags, code_point)
                if signs_too:
                    is_word = not is_space(flags, code_point)
            piece_chars += 1
            last = value
            if not _is_transparent(value):
                before, previous = previous, value
            i += width
        if is_word:
            start[count] = piece_start
            end[count] = doc_end
            num_chars[count] = piece_chars
            hashes[count] = hash_bytes(data, piece_start, doc_end)
            count += 1
        word_offsets[doc + 1] = count
    return count
