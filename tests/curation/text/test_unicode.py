import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.text import unicode

ALL = [chr(i) for i in range(unicode.NUM_CODE_POINTS)]


def stable_code_points() -> np.ndarray:
    """Code points whose properties no later version of Unicode has changed: all of them on Python 3.11."""
    if unicodedata.unidata_version == "14.0.0":
        return np.ones(unicode.NUM_CODE_POINTS, np.bool_)
    return (unicode.character_classes() & unicode.ASSIGNED) != 0


@pytest.mark.parametrize(
    ("bit", "method"),
    [
        (unicode.SPACE, str.isspace),
        (unicode.ALPHA, str.isalpha),
        (unicode.ALNUM, str.isalnum),
        (unicode.UPPER, str.isupper),
        (unicode.LOWER, str.islower),
        (unicode.DIGIT, str.isdigit),
        (unicode.DECIMAL, str.isdecimal),
        (unicode.NUMERIC, str.isnumeric),
        (unicode.TITLE, str.istitle),
    ],
)
def test_classes_are_those_of_python(bit: int, method: object) -> None:
    expected = np.fromiter(map(method, ALL), np.bool_, len(ALL))  # type: ignore[arg-type]
    differs = (((unicode.character_classes() & bit) != 0) != expected) & stable_code_points()
    assert [hex(i) for i in np.flatnonzero(differs)] == []


def test_classes_are_the_general_categories() -> None:
    categories = [unicodedata.category(char) for char in ALL]
    for bit, prefix in (
        (unicode.PUNCTUATION, "P"),
        (unicode.SYMBOL, "S"),
        (unicode.MARK, "M"),
        (unicode.NONSPACING_MARK, "Mn"),
    ):
        expected = np.array([category.startswith(prefix) for category in categories])
        differs = (((unicode.character_classes() & bit) != 0) != expected) & stable_code_points()
        assert not differs.any()


def test_lower_case_is_that_of_python() -> None:
    expected = np.array([ord(char.lower()[0]) for char in ALL], np.int32)
    assert not ((unicode.lower_case() != expected) & stable_code_points()).any()
    assert [char for char in ALL if len(char.lower()) > 1] == ["İ"]
    assert unicode.lower_case()[0x130] == ord("i")


def test_tables_are_those_that_the_script_makes() -> None:
    if sys.version_info[:2] != (3, 11):
        return
    from curation.text.make_unicode_tables import build_decompositions, build_tables

    made = build_tables() | build_decompositions()
    with np.load(Path(unicode.__file__).with_name("unicode_tables.npz")) as stored:
        for name, table in made.items():
            assert np.array_equal(stored[name], table), name


@settings(deadline=None)
@given(st.lists(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_decode_and_encode(chars: list[str]) -> None:
    data = np.frombuffer("".join(chars).encode(), np.uint8)
    i = 0
    for char in chars:
        assert unicode.decode(data, i) == ord(char)
        width = len(char.encode())
        assert unicode.code_point_width(data[i]) == width
        out = np.zeros(6, np.uint8)
        assert unicode.encode(ord(char), out, 1) == width
        assert out.tobytes() == b"\0" + char.encode().ljust(5, b"\0")
        i += width
    assert unicode.count_code_points(data, 0, len(data)) == len(chars)


def test_every_whitespace_is_known() -> None:
    for char in ALL[:0xD800] + ALL[0xE000:]:
        data = np.frombuffer(char.encode(), np.uint8)
        assert unicode.space_width(data, 0, len(data)) == (len(data) if char.isspace() else 0), hex(ord(char))


@settings(deadline=None)
@given(st.text(alphabet=" \n\t\x1c\x85\xa0\u2000\u2028\u3000\u3001\u1680ab\0é😀", max_size=12))
def test_strip(text: str) -> None:
    data = np.frombuffer(b"x" + text.encode() + b"x", np.uint8)
    start, end = 1, len(data) - 1
    assert data[unicode.strip_start(data, start, end) : end].tobytes().decode() == text.lstrip()
    assert data[start : unicode.strip_end(data, start, end)].tobytes().decode() == text.rstrip()


def test_flags_have_names() -> None:
    flags = unicode.character_classes()
    tests = (
        (unicode.is_space, str.isspace),
        (unicode.is_alpha, str.isalpha),
        (unicode.is_alnum, str.isalnum),
        (unicode.is_upper, str.isupper),
        (unicode.is_digit, str.isdigit),
        (unicode.is_punctuation, lambda char: unicodedata.category(char).startswith("P")),
    )
    for has_class, expected in tests:
        for char in "aZ09 _-é²٣漢\u3000\u0301…Ⅷ":
            assert has_class(flags, ord(char)) == expected(char), (has_class, char)
