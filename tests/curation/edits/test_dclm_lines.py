"""DCLM's line modifiers beside plain Python, sign by sign."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.dclm_lines import dclm_lines
from references.edits import check_edit
from references.texts import any_texts, hard_texts, random_hard_texts, real_texts

from curation.edits.dclm_lines import DclmLines

_PIECES = (
    *(
        "\n",
        "\n",
        "\n",
        "\n\n",
        " ",
        " ",
        "\u3000",
        "\x0b",
        "\x85",
        "ALL CAPITALS",
        "Mixed Case",
        "12",
        "٣",
        "²",
        "1,234.5",
    ),
    *("k", "K", "\u212a", "m", " likes", " Views!", " folloWers ...", " li\u212aes", " comments x", "_", "- ", "…"),
    *(
        "items in cart",
        "3 Items in Cart",
        "ITEMS \u0130N CART",
        "item\u017f in cart",
        "Read more...",
        "read more",
        "READ MORE>>>",
    ),
    *(
        "Sign-in",
        "\u017fign-in ",
        "s\u0131gn-in",
        "two words",
        "a line of rather many words that nobody wants to cut at all",
    ),
)
pieces = st.lists(st.sampled_from(_PIECES), max_size=24).map("".join)


def check(texts: list[str], **options: Any) -> list[str]:
    edited = check_edit(DclmLines(**options), texts)
    names = {
        "max_frac_upper": "upper",
        "max_frac_digits": "digits",
        "max_phrase_words": "most",
        "min_words": "min_words",
    }
    assert edited == [dclm_lines(text, **{names[name]: value for name, value in options.items()}) for text in texts]
    return edited


def test_real_documents(shared: Path) -> None:
    texts = real_texts(shared, per_file=150)
    edited = check(texts)
    assert sum(one != other for one, other in zip(texts, edited, strict=True)) > 30


def test_made_up_texts() -> None:
    check(random_hard_texts(400, 3))
    check(random_hard_texts(400, 4), min_words=0, max_frac_upper=0.1, max_frac_digits=0.2, max_phrase_words=3)


@settings(max_examples=400, deadline=None)
@given(pieces | hard_texts | any_texts, st.sampled_from([0, 1, 2]), st.sampled_from([0.0, 0.3, 1.0]))
def test_any_text(text: str, min_words: int, share: float) -> None:
    check([text, "One line between.", text])
    check([text], min_words=min_words, max_frac_upper=share, max_frac_digits=1 - share)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("GET IT NOW\nGet it today or never.", "Get it today or never."),
        ("2024\nIn 2024 it rained.\n 7 ", "In 2024 it rained."),
        (
            "Liked by all:\n3 likes\n1.2K Views!\n(14 comments)\n14 comments were made",
            "Liked by all:\n14 comments were made",
        ),
        ("Home\nA river grows.\n\nContact", "A river grows."),
        ("You have 3 items in cart now\nA river grows.", "You have 3 now\nA river grows."),
        ("The river that grows Read more...\nRead more...", "The river that grows"),
        ("Sign-in or join us\nWho can sign-in here?", "or join us\nWho can sign-in here?"),
        ("items in cart\nItems In Cart\n", ""),
        ("", ""),
    ],
)
def test_by_hand(text: str, left: str) -> None:
    assert check([text]) == [left]


@pytest.mark.parametrize("setting", [{"max_frac_upper": 1.5}, {"max_frac_digits": -0.1}, {"min_words": -1}])
def test_settings_that_cannot_be(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"expected {next(iter(setting))}"):
        DclmLines(**setting)
