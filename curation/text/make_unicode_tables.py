"""Writes `unicode_tables.npz`, the Unicode properties that the kernels use.

The tables are a file and not computed when needed, so that results do not change with the Python that runs Winnow.
Character classes, lower case, decompositions and combining classes come from Python 3.11's own `unicodedata`
(Unicode 14.0.0); the Word_Break property from uniseg 0.10.1 (Unicode 16.0.0), which nothing else needs:

    pip install uniseg==0.10.1
    python -m curation.text.make_unicode_tables
"""

import importlib
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.text import unicode, word_break

UNICODE_VERSION = "14.0.0"


def classes_of(char: str) -> int:
    """Class bits of one character, by Python's own string methods and general categories."""
    category = unicodedata.category(char)
    tests = (
        (unicode.SPACE, char.isspace()),
        (unicode.ALPHA, char.isalpha()),
        (unicode.ALNUM, char.isalnum()),
        (unicode.UPPER, char.isupper()),
        (unicode.LOWER, char.islower()),
        (unicode.DIGIT, char.isdigit()),
        (unicode.DECIMAL, char.isdecimal()),
        (unicode.NUMERIC, char.isnumeric()),
        (unicode.PUNCTUATION, category.startswith("P")),
        (unicode.SYMBOL, category.startswith("S")),
        (unicode.MARK, category.startswith("M")),
        (unicode.NONSPACING_MARK, category == "Mn"),
        (unicode.TITLE, char.istitle()),
        (unicode.ASSIGNED, category != "Cn"),
    )
    return sum(bit for bit, holds in tests if holds)


def build_tables() -> dict[str, NDArray[Any]]:
    """Two-stage tables: `blocks` names for each run of 256 code points its row in `classes` and `lower_shift`."""
    classes = np.zeros(unicode.NUM_CODE_POINTS, dtype=np.uint16)
    lower_shift = np.zeros(unicode.NUM_CODE_POINTS, dtype=np.int32)
    for code_point in range(unicode.NUM_CODE_POINTS):
        char = chr(code_point)
        classes[code_point] = classes_of(char)
        # U+0130 is the only character whose lower case is longer than itself: its simple mapping is the plain i.
        lower_shift[code_point] = ord(char.lower()[0]) - code_point
    rows = np.concatenate([classes.reshape(-1, 256).astype(np.int32), lower_shift.reshape(-1, 256)], axis=1)
    unique, blocks = np.unique(rows, axis=0, return_inverse=True)
    return {
        "version": np.array(UNICODE_VERSION),
        "blocks": blocks.reshape(-1).astype(np.uint16),
        "classes": unique[:, :256].astype(np.uint16),
        "lower_shift": unique[:, 256:].astype(np.int32),
    }


def build_decompositions() -> dict[str, NDArray[Any]]:
    """What NFD makes of the characters that it changes, Hangul syllables apart, and combining classes that are not 0.

    Character `nfd_from[k]` becomes `nfd_to[nfd_offsets[k]:nfd_offsets[k + 1]]`; `marks[k]` has class `mark_classes[k]`.
    """
    changed: list[int] = []
    made: list[str] = []
    marks: list[int] = []
    for code_point in range(unicode.NUM_CODE_POINTS):
        char = chr(code_point)
        if unicodedata.combining(char):
            marks.append(code_point)
        if not 0xAC00 <= code_point <= 0xD7A3 and not unicodedata.is_normalized("NFD", char):
            changed.append(code_point)
            made.append(unicodedata.normalize("NFD", char))
    return {
        "nfd_from": np.array(changed, np.int32),
        "nfd_offsets": np.cumsum([0, *map(len, made)]).astype(np.int32),
        "nfd_to": np.array([ord(char) for char in "".join(made)], np.int32),
        "marks": np.array(marks, np.int32),
        "mark_classes": np.array([unicodedata.combining(chr(mark)) for mark in marks], np.uint8),
    }


def build_word_break() -> NDArray[np.uint8]:
    """Word_Break of every code point as numbered in `word_break.py`, with `EXTENDED_PICTOGRAPHIC` or-ed."""
    extended_pictographic = importlib.import_module("uniseg.emoji").extended_pictographic
    property_of = importlib.import_module("uniseg.wordbreak").word_break

    numbers = {name: number for number, name in enumerate(word_break.PROPERTY_VALUES)}
    values = np.zeros(unicode.NUM_CODE_POINTS, dtype=np.uint8)
    for code_point in range(unicode.NUM_CODE_POINTS):
        char = chr(code_point)
        values[code_point] = numbers[property_of(char).value]
        if extended_pictographic(char):
            values[code_point] |= word_break.EXTENDED_PICTOGRAPHIC
    return values


def main() -> None:
    """Write the tables beside this file."""
    if unicodedata.unidata_version != UNICODE_VERSION:
        raise SystemExit(
            f"expected a Python with Unicode {UNICODE_VERSION}, this one has {unicodedata.unidata_version}: use 3.11"
        )
    word_break_table, word_break_blocks = np.unique(build_word_break().reshape(-1, 256), axis=0, return_inverse=True)
    tables: dict[str, Any] = build_tables() | build_decompositions()
    tables["word_break"] = word_break_table
    tables["word_break_blocks"] = word_break_blocks.reshape(-1).astype(np.uint16)
    np.savez_compressed(Path(__file__).with_name("unicode_tables.npz"), allow_pickle=False, **tables)


if __name__ == "__main__":
    main()
