"""Kernels that count what NeMo Curator's filters look for among the characters and paragraphs of a text.

Reference: NVIDIA-NeMo/Curator `stages/text/utils/constants.py` (1.4.0), the regular expressions and phrases.
"""

from typing import Any

import numpy as np

from curation.text.blocks import BLOCK, count_bits, lowest_bit, range_mask
from curation.text.kernel import fused, leaf, loop

ALPHANUMERIC, DIGITS, URL_CHARS, WHITE_SPACE, PARENTHESES = range(5)
"""Columns of what `count_chars` writes: `[a-zA-Z0-9\\n?!,.]`; ASCII digits; characters of addresses, each up to the
first sign that is none of theirs; tab, newline, carriage return, backspace and space; round, square, curly and angle
(U+27E8, U+27E9) brackets."""

PARAGRAPHS, BOILERPLATE = range(2)
"""Columns of what `count_boilerplate` writes: paragraphs; those with a phrase, all where one has lorem ipsum."""

PHRASES = (
    "lorem ipsum",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "privacy overview",
    "use of cookies",
    "use cookies",
    "privacy & cookies policy",
    "privacy and cookies policy",
    "necessary cookies are absolutely essential for the website to function properly. this category only includes "
    "cookies that ensures basic functionalities and security features of the website. these cookies do not store any "
    "personal information.",
    "any cookies that may not be particularly necessary for the website to function and is used specifically to "
    "collect user personal data via analytics, ads, other embedded contents are termed as non-necessary cookies. it is "
    "mandatory to procure user consent prior to running these cookies on your website.",
    "if you continue to browse this site without changing your cookie settings, you agree to this use. acceptread more",
)
"""The phrases of boilerplate in lower case, lorem ipsum first. Two of the list are left out, for each has another of it
within: what begins "This website uses cookies" and what begins "This site uses cookies"."""

_URL_SIGNS = np.frombuffer(b"$-_@.&+/:=?#~!*(),", np.uint8)

ANCHORS = ("cook", "priv", "ms o", "m ip")
"""Each of `PHRASES` has one of these, which few other words have: 64 places at a time are looked at for them."""

_ANCHORS = np.array([list(anchor.encode()) for anchor in ANCHORS], np.uint8)
_ANCHOR_AT = np.array([min(p.find(a) for a in ANCHORS if a in p) for p in PHRASES], np.int64)
_PHRASES = np.frombuffer("".join(PHRASES).encode(), np.uint8)
_PHRASE_ENDS = np.cumsum([0, *map(len, PHRASES)]).astype(np.int64)


@leaf
def _is_hex(byte: int) -> bool:
    return 48 <= byte <= 57 or 97 <= byte | 0x20 <= 102


@leaf
def _url_start(data: Any, colon: int, begin: int, end: int) -> int:
    """Where the address begins that has its first colon at byte `colon`; -1 if there is none."""
    if colon + 3 >= end or data[colon + 1] != 47 or data[colon + 2] != 47:
        return -1
    start = colon - 5 if colon > begin and data[colon - 1] == 115 else colon - 4
    if start < begin or data[start] != 104 or data[start + 1] != 116 or data[start + 2] != 116:
        return -1
    return start if data[start + 3] == 112 else -1


@leaf
def _url_end(data: Any, begin: int, end: int) -> int:
    """Where the characters of addresses end that begin at byte `begin`."""
    at = begin
    while at < end:
        byte = data[at]
        if 48 <= byte <= 57 or 97 <= byte | 0x20 <= 122:
            at += 1
        elif byte == 37 and at + 2 < end and _is_hex(data[at + 1]) and _is_hex(data[at + 2]):
            at += 3
        else:
            known = False
            for sign in _URL_SIGNS:
                known |= byte == sign
            if not known:
                break
            at += 1
    return at


@leaf
def _count_angles(data: Any, i: int, leads: np.uint64) -> int:
    """How many of the characters that begin with E2, at these bits from byte `i` on, are angle brackets."""
    count = 0
    while leads:
        at = i + lowest_bit(leads)
        leads &= leads - np.uint64(1)
        count += data[at + 1] == 0x9F and 0xA8 <= data[at + 2] <= 0xA9
    return count


@loop
def count_chars(data: Any, offsets: Any, out: Any) -> None:
    """Count kinds of characters of each document into `out`, int64[d, 5] of zeros, columns as named in this module."""
    for doc in range(len(offsets) - 1):
        begin, end = offsets[doc], offsets[doc + 1]
        past = begin  # the last address that has been counted ends here
        for i in range(begin, end, BLOCK):
            digits = range_mask(data, i, end, 48, 57)
            letters = range_mask(data, i, end, 97, 122) | range_mask(data, i, end, 65, 90)
            newlines = range_mask(data, i, end, 10, 10)
            signs = range_mask(data, i, end, 33, 33) | range_mask(data, i, end, 44, 44)
            signs |= range_mask(data, i, end, 46, 46) | range_mask(data, i, end, 63, 63)
            blanks = range_mask(data, i, end, 8, 9) | range_mask(data, i, end, 32, 32)
            blanks |= range_mask(data, i, end, 13, 13)
            brackets = range_mask(data, i, end, 40, 41) | range_mask(data, i, end, 91, 91)
            brackets |= range_mask(data, i, end, 93, 93) | range_mask(data, i, end, 123, 123)
            brackets |= range_mask(data, i, end, 125, 125)
            out[doc, DIGITS] += count_bits(digits)
            out[doc, ALPHANUMERIC] += count_bits(digits | letters | newlines | signs)
            out[doc, WHITE_SPACE] += count_bits(newlines | blanks)
            out[doc, PARENTHESES] += count_bits(brackets) + _count_angles(data, i, range_mask(data, i, end, 0xE2, 0xE2))
            colons = range_mask(data, i, end, 58, 58)
            while colons:
                colon = i + lowest_bit(colons)
                colons &= colons - np.uint64(1)
                start = _url_start(data, colon, begin, end)
                if start >= past:
                    stop = _url_end(data, colon + 3, end)
                    if stop > colon + 3:
                        out[doc, URL_CHARS] += stop - start
                        past = stop


@fused
def _anchor_mask(data: Any, i: int, end: int) -> np.uint64:
    """Bit k is set where one of `ANCHORS` may begin at byte `i + k`, in any case."""
    found = np.uint64(0)
    for anchor in range(len(_ANCHORS)):
        mask = ~np.uint64(0)
        for k in range(4):
            at, byte = min(i + k, end), _ANCHORS[anchor, k]
            mask &= range_mask(data, at, end, byte, byte) | range_mask(data, at, end, byte & 0xDF, byte & 0xDF)
        found |= mask
    return found


@leaf
def _phrase_at(data: Any, at: int, begin: int, end: int) -> int:
    """Which of `PHRASES` has its anchor at byte `at`, in any case; -1 if none has."""
    for phrase in range(len(_ANCHOR_AT)):
        first, last = _PHRASE_ENDS[phrase], _PHRASE_ENDS[phrase + 1]
        low = at - _ANCHOR_AT[phrase]
        if low < begin or low + last - first > end:
            continue
        same = first
        while same < last:
            byte = data[low + same - first]
            if (byte + 32 if 65 <= byte <= 90 else byte) != _PHRASES[same]:
                break
            same += 1
        if same == last:
            return phrase
    return -1


@loop
def count_boilerplate(data: Any, offsets: Any, out: Any) -> None:
    """Count the paragraphs of each document, between pairs of newlines, and those with one of `PHRASES` in any case.

    Args:
        data: the bytes of the batch.
        offsets: int64[d + 1], its documents.
        out: out, int64[d, 2] of zeros, columns as named in this module.
    """
    for doc in range(len(offsets) - 1):
        begin, end = offsets[doc], offsets[doc + 1]
        single = np.int64(-2)  # the last newline, if it is not the second of a pair
        marked, lorem = False, False
        out[doc, PARAGRAPHS] = 1
        for i in range(begin, end, BLOCK):
            newlines = range_mask(data, i, end, 10, 10)
            events = newlines | _anchor_mask(data, i, end)
            while events:
                k = lowest_bit(events)
                events &= events - np.uint64(1)
                if not (newlines >> np.uint64(k)) & np.uint64(1):
                    phrase = _phrase_at(data, i + k, begin, end)
                    marked |= phrase >= 0
                    lorem |= phrase == 0
                elif i + k == single + 1:
                    out[doc, PARAGRAPHS] += 1
                    out[doc, BOILERPLATE] += marked
                    marked = False
                    single = np.int64(-2)
                else:
                    single = i + k
        out[doc, BOILERPLATE] += marked
        if lorem:
            out[doc, BOILERPLATE] = out[doc, PARAGRAPHS]
