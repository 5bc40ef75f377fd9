"""Removal of URLs beside the regular expressions that say what it is."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.edits import check_edit, check_edits
from references.texts import any_texts, hard_texts, random_hard_texts, real_texts
from references.urls import remove_urls

from curation.edits.urls import RemoveUrls
from curation.text.top_domains import TOP_DOMAINS

_PIECES = (
    *("http://", "https://", "ftp://", "xhttps://", "HTTP://", "//", ":", "/", "?a=b&c=(d)", "#e", "é", "漢", "_", "-"),
    *("example.com", "a.b.co.uk", "com", ".com", ".comx", ".Com", ".is", ".museum", ".com_", ".comé", "a@b.org", "."),
    *("1.2.3.4", "192.168.100.255", "999.1.1.1", "299", "1.2.3.", ".4", "0", "12", "1234"),
    *(" ", "  ", "\n", "\u3000", "\xa0", "\t" * 11, "x" * 250, "x" * 7, "word", "end.the"),
)
pieces = st.lists(st.sampled_from(_PIECES), max_size=20).map("".join)


def check(texts: list[str], more: Iterable[str] = (), ip_addresses: bool = True) -> list[str]:
    edited = check_edit(RemoveUrls(more=tuple(more), ip_addresses=ip_addresses), texts)
    assert edited == [remove_urls(text, more, ip_addresses) for text in texts]
    return edited


def test_real_documents(shared: Path) -> None:
    texts = real_texts(shared, per_file=150)
    edited = check(texts)
    assert sum(one != other for one, other in zip(texts, edited, strict=True)) > 30
    check(texts, ip_addresses=False)


def test_made_up_texts() -> None:
    check(random_hard_texts(400, 3))


@settings(max_examples=600, deadline=None)
@given(pieces | hard_texts | any_texts, st.booleans())
def test_any_text(text: str, ip_addresses: bool) -> None:
    check([text, "One line between, at example.com.", text], ip_addresses=ip_addresses)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("See https://www.example.com/a?b=c#d for more.", "See for more."),
        ("See example.org, or\n\n  ftp://x.de/y z", "See, or z"),
        ("Mail a.b@c.co.uk now", "Mail now"),
        ("Server at http://10.0.0.1:8080/x and 8.8.8.8.", "Server at and"),
        ("Version 1.2.3 and 3.14159 stay, e.g. here. He came.Then he went", None),
        ("Example.COM stays, example.comet too, and .com", None),
        ("no dot", None),
        ("1.example.com2.3.4", None),
        ("1.2. a.com3.4", None),
        ("a 1.2. b.de\n3.4 c", "a 1.2.\n3.4 c"),
        ("1.2. b.de/ 3.4", "1.2. 3.4"),
        ("9.9. x.de, 1.1.1.1", "9.9.,"),
        ("", ""),
    ],
)
def test_by_hand(text: str, left: str | None) -> None:
    assert check([text]) == [text if left is None else left]


def test_white_space_that_meets_where_a_name_went() -> None:
    assert check([" " * 15 + "a.com" + " " * 7 + "1.2.3.4"]) == ["  "]  # 5 + 7 of which 10 go
    assert check(["x" + "\u3000" * 12 + "a.com\n1.2.3.4 b.de\n\n9.9.9.9."]) == ["x"]


def test_a_name_of_256_characters_is_the_longest() -> None:
    for many in (254, 255, 256, 257, 300):
        check(["\n" + "y" * many + ".com/z", "http://" + "y" * many + ".com/z"])


def test_more_domains_and_no_numbers() -> None:
    assert check(["a.google b 1.2.3.4"], more=("google",), ip_addresses=False) == [" b 1.2.3.4"]
    assert check(["a.google b"]) == ["a.google b"]


def test_nulls_and_nothing() -> None:
    assert check_edits([RemoveUrls()], [None, "x a.com", None]) == [None, "x", None]
    assert check_edits([RemoveUrls()], []) == []


def test_the_list_is_of_lower_case_words() -> None:
    assert all(name.isascii() and name.isalpha() and name.islower() for name in TOP_DOMAINS)
    assert {"com", "org", "uk", "de", "museum", "xyz", "london"} <= TOP_DOMAINS
    assert not {"the", "a", "google", "html"} & TOP_DOMAINS


@pytest.mark.parametrize("name", ["Com", "c", "x1", "рф", ".com", ""])
def test_domains_that_cannot_be(name: str) -> None:
    with pytest.raises(ValueError, match="expected more to hold top-level domains"):
        RemoveUrls(more=(name,))
