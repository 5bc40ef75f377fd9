"""Kernels that count what NeMo Curator's filters look for among the characters and paragraphs of a text.

Reference: NVIDIA-NeMo/Curator `stages/text/utils/constants.py` (1.4.0), the regular expressions and phrases.
"""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from curation.text.kernel import leaf, loop
from curation.text.phrases import Automaton, build_automaton
from curation.text.unicode import code_point_width, decode

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


@cache
def phrase_automaton() -> Automaton:
    """`PHRASES`, found in any case: capitals are of the classes of their small letters."""
    automaton = build_automaton(PHRASES)
    classes = automaton.classes.copy()
    classes[65:91] = classes[97:123]
    return replace(automaton, classes=classes)


@leaf
def _is_hex(byte: int) -> bool:
    return 48 <= byte <= 57 or 97 <= byte | 0x20 <= 102


@leaf
def _url_end(data: Any, i: int, end: int) -> int:
    """Where the address ends that begins with the `h` at byte `i`; `i` if none does."""
    if i + 7 >= end or data[i + 1] != 116 or data[i + 2] != 116 or data[i + 3] != 112:
        return i
    at = i + 5 if data[i + 4] == 115 else i + 4
    if at + 3 >= end or data[at] != 58 or data[at + 1] != 47 or data[at + 2] != 47:
        return i
    begin = at + 3
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
    return at if at > begin else i


@loop
def count_chars(data: Any, offsets: Any, out: Any) -> None:
    """Count kinds of characters of each document into `out`, int64[d, 5], columns as named in this module."""
    for doc in range(len(offsets) - 1):
        i = offsets[doc]
        end = offsets[doc + 1]
        past = i  # an address that has been counted ends here
        alphanumeric, digits, urls, spaces, brackets = 0, 0, 0, 0, 0
        while i < end:
            byte = data[i]
            if 97 <= byte | 0x20 <= 122:
                alphanumeric += 1
                if byte == 104 and i >= past:
                    past = _url_end(data, i, end)
                    urls += past - i
            elif 48 <= byte <= 57:
                alphanumeric += 1
                digits += 1
            elif byte >= 0x80:
                brackets += decode(data, i) in (0x27E8, 0x27E9)
                i += code_point_width(byte)
                continue
            else:
                alphanumeric += byte in (10, 33, 44, 46, 63)
                spaces += byte in (8, 9, 10, 13, 32)
                brackets += byte in (40, 41, 91, 93, 123, 125)
            i += 1
        out[doc, ALPHANUMERIC] = alphanumeric
        out[doc, DIGITS] = digits
        out[doc, URL_CHARS] = urls
        out[doc, WHITE_SPACE] = spaces
        out[doc, PARENTHESES] = brackets


@loop
def count_boilerplate(data: Any, offsets: Any, found: Any, out: Any) -> None:
    """Count the paragraphs of each document, between pairs of newlines, and those with a phrase.

    Args:
        data: the bytes of the batch.
        offsets: int64[d + 1], its documents.
        found: int64[m, 4], where `PHRASES` stand, as `find_phrases` gives it.
        out: out, int64[d, 2] of zeros, columns as named in this module.
    """
    hit = 0
    for doc in range(len(offsets) - 1):
        begin = offsets[doc]
        end = offsets[doc + 1]
        lorem = False
        while begin <= end:
            stop = begin
            while stop < end and not (data[stop] == 10 and stop + 1 < end and data[stop + 1] == 10):
                stop += 1
            marked = False
            while hit < len(found) and found[hit, 0] == doc and found[hit, 3] <= stop:
                lorem |= found[hit, 1] == 0
                marked = True
                hit += 1
            out[doc, PARAGRAPHS] += 1
            out[doc, BOILERPLATE] += marked
            begin = stop + 2 if stop < end else end + 1
        if lorem:
            out[doc, BOILERPLATE] = out[doc, PARAGRAPHS]
