"""Plain words: against Python's own case mapping and NFD, on every code point, on marks in any order, on real texts."""

import random
import string
import sys
import unicodedata
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from references.texts import any_texts, random_hard_texts, real_texts

from curation.text.batch import TextBatch
from curation.text.plain_words import plain_words

_PUNCTUATION = str.maketrans("", "", string.punctuation)

MARKS = [*map(chr, range(0x300, 0x370)), "\u0344", "\u1fbf"]
LETTERS = ["a", "é", "각", "한", "가", "Α", "Σ", "İ", "\u212a", " ", "\u2000", ".", "_"]


def expected(text: str) -> str:
    return unicodedata.normalize("NFD", " ".join(text.translate(_PUNCTUATION).lower().split()))


def check(texts: list[str]) -> None:
    plain = plain_words(TextBatch.from_texts(texts))
    assert [plain.text(i) for i in range(len(texts))] == [expected(text) for text in texts]


def test_every_character() -> None:
    # What Unicode 14 does not know may be something in a later Python.
    known = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    if sys.version_info[:2] != (3, 11):
        known = [char for char in known if unicodedata.ucd_3_2_0.category(char) != "Cn"]
    check(["x".join(known[k : k + 64]) for k in range(0, len(known), 64)])
    check([" ".join(f"a{char}\u0323 {char}" for char in known[k : k + 64]) for k in range(0, 0x3000, 64)])


def test_marks_in_any_order() -> None:
    draw = random.Random(5)
    check(["".join(draw.choices(MARKS + LETTERS, k=draw.choice((1, 5, 40, 400)))) for _ in range(800)])


def test_long_runs_of_marks_take_no_longer() -> None:
    # A sort by insertion, as Python's own, would need 10^10 steps here.
    plain = plain_words(TextBatch.from_texts(["a" + "\u0301\u0323" * 200_000 + "b"]))
    assert plain.text(0) == "a" + "\u0323" * 200_000 + "\u0301" * 200_000 + "b"


def test_random_hard_texts() -> None:
    check(random_hard_texts(1000, seed=31))


def test_real_texts(shared: Path) -> None:
    check(real_texts(shared, per_file=50))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(any_texts, st.text(st.sampled_from(MARKS + LETTERS))), max_size=4))
def test_any_texts(texts: list[str]) -> None:
    check(texts)


def test_null_and_empty() -> None:
    plain = plain_words(TextBatch.from_texts([None, "", " .. ", "A-b Σ", None]))
    assert [plain.text(i) for i in range(5)] == [None, "", "", "ab σ", None]
