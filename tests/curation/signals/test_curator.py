from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import curator as reference
from references.texts import any_texts, hard_texts, random_hard_texts, real_texts

from curation.signals.curator import Curator, rules
from curation.text.batch import TextBatch

pieces = st.sampled_from(
    ["http", "https", "s", ":", "/", "//", "http://", "https://", "h", "%", "%2F", "a", "0", "(", "⟨", "²", "٣", "\b"]
)
boilerplate = st.sampled_from(
    ["Uses cookies", "lorem IPSUM", "\n", "\n\n", "use of cookie", " ", "Privacy & Cookies policy"]
)


def measure(texts: list[str | None]) -> list[dict[str, Any]]:
    return Curator().measure(TextBatch.from_texts(texts)).to_pylist()


def check(texts: list[str]) -> None:
    for text, row in zip(texts, measure(texts), strict=True):
        assert row == reference.curator(text), text


def fired(text: str) -> list[str]:
    row = measure([text])[0]
    found = []
    for rule in rules():
        value = row[rule.on.partition(".")[2]]
        if value is not None and ((rule.max is not None and value > rule.max) or value < (rule.min or 0)):
            found.append(rule.name)
    return found


def test_random_hard_texts() -> None:
    check(random_hard_texts(1500, seed=31))


def test_real_texts(shared: Path) -> None:
    check(real_texts(shared, per_file=60))


def test_at_every_place_of_a_block() -> None:
    for piece in ("Terms of Use", "http://a.b/c ", "\n\nuse cookies\n\n\n", "⟨", "LOREM ipsum"):
        check(["." * before + piece + "x" * after for before in range(70) for after in (0, 3, 64)])


@settings(max_examples=200, deadline=None)
@given(
    texts=st.lists(
        st.one_of(st.lists(pieces | boilerplate, max_size=40).map("".join), any_texts, hard_texts), max_size=4
    )
)
def test_any_text(texts: list[str]) -> None:
    check(texts)


def test_by_hand() -> None:
    row = measure(["See (http://ab.c/d) 12!\n\nUSE COOKIES"])[0]
    assert row == {
        "num_words": 5,
        "num_lines": 2,
        "max_word_chars": 15,
        # 36 characters: of them ( : / / / ) and four spaces are not alphanumeric
        "frac_chars_not_alphanumeric": 9 / 36,
        "frac_chars_digit": 2 / 36,
        "frac_chars_url": len("http://ab.c/d)") / 36,
        "frac_chars_white_space": 5 / 36,
        "frac_chars_bracket": 2 / 36,
        "frac_paragraphs_boilerplate": 1 / 2,
        "frac_lines_no_end_mark": 1 / 2,
    }


@pytest.mark.parametrize(
    ("text", "chars"),
    [
        ("http://", 0),
        ("http://a", 8),
        ("https://a.b/c?d;e", 15),
        ("HTTP://a", 0),
        ("httphttp://a", 8),
        ("http://a%4", 8),
        ("http://a%4f", 11),
        ("http://http://a b", 15),
        ("http://é http://aé", 8),
        ('https:/a http://b,c"', 10),
    ],
)
def test_what_is_an_address(text: str, chars: int) -> None:
    assert measure([text])[0]["frac_chars_url"] == chars / len(text) == reference.curator(text)["frac_chars_url"]


def test_lorem_ipsum_anywhere_is_all() -> None:
    assert measure(["a\n\nb\n\nLorem Ipsum"])[0]["frac_paragraphs_boilerplate"] == 1.0
    assert measure(["a\n\nb\n\nour cookie policy, our privacy policy"])[0]["frac_paragraphs_boilerplate"] == 1 / 3


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("Some ordinary words, and an end.", []),
        ("", ["curator.no_words"]),
        ("\x0b", ["curator.no_words", "curator.too_few_alphanumeric"]),
        ("abc---", ["curator.too_few_alphanumeric", "curator.few_lines_end_mark"]),
        ("abcdefg85!", ["curator.too_many_digits"]),
        ("Look at http://abcdefgh.com.", ["curator.too_many_urls"]),
        ("abcdefghij" * 100 + "!", ["curator.word_too_long"]),
        ("abcdefghij" * 99 + "123456789!", []),
        ("Read our terms of use.", ["curator.boilerplate"]),
        ("\n".join(["no end here"] * 17 + ["ended."] * 3), []),
        ("\n".join(["no end here"] * 18 + ["ended."] * 3), ["curator.few_lines_end_mark"]),
        ("Words (in) [all] (of) [the] (brackets).", ["curator.too_few_alphanumeric", "curator.too_many_brackets"]),
    ],
)
def test_reasons(text: str, reasons: list[str]) -> None:
    assert fired(text) == reasons
