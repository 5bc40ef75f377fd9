"""Redaction and short runs of newlines, beside plain Python."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.edits import check_edit, check_edits
from references.pii import find_in
from references.texts import any_texts, hard_texts, random_hard_texts, real_texts

from curation.edits.dclm_lines import DclmLines
from curation.edits.newlines import Newlines
from curation.edits.redact import RedactPii
from curation.text.pii import CARD, EMAIL, IBAN, IP_ADDRESS, PHONE

WORDS = {
    EMAIL: "|||EMAIL_ADDRESS|||",
    IP_ADDRESS: "|||IP_ADDRESS|||",
    PHONE: "|||PHONE_NUMBER|||",
    IBAN: "|||IBAN|||",
    CARD: "|||CARD_NUMBER|||",
}
_PII = (
    "a@b.com",
    "8.8.8.8",
    "+49 30 1234567",
    "212-555-0100",
    "DE89370400440532013000",
    "4111111111111111",
    " ",
    "é",
    "x",
)


def redacted(text: str) -> str:
    data = text.encode()
    for kind, first, last in reversed(find_in(text)):
        data = data[:first] + WORDS[kind].encode() + data[last:]
    return data.decode()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(_PII), max_size=12).map("".join) | any_texts)
def test_any_text_is_redacted(text: str) -> None:
    assert check_edit(RedactPii(), [text, "a@b.de", text]) == [redacted(text), "|||EMAIL_ADDRESS|||", redacted(text)]


def test_real_documents_are_redacted(shared: Path) -> None:
    texts = real_texts(shared, per_file=150)
    edited = check_edit(RedactPii(), texts)
    assert edited == [redacted(text) for text in texts]
    assert edited != texts
    assert check_edit(RedactPii(), edited) == edited


def test_kinds_can_be_left_and_words_chosen() -> None:
    edit = RedactPii(email="<mail>", ip_address=None, phone_number="", iban=None, card_number=None)
    text = "a@b.com 8.8.8.8 212-555-0100 DE89370400440532013000 4111111111111111"
    assert check_edit(edit, [text]) == ["<mail> 8.8.8.8  DE89370400440532013000 4111111111111111"]


@pytest.mark.parametrize("most", [1, 2, 3])
@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("\n\n\nab é"), max_size=30).map("".join) | hard_texts)
def test_runs_of_newlines(most: int, text: str) -> None:
    expected = re.sub(f"\n{{{most + 1},}}", "\n" * most, text)
    assert check_edit(Newlines(most=most), [text, text]) == [expected, expected]


def test_several_edits_and_nulls() -> None:
    texts = [*random_hard_texts(50, 1), None, "a\n\n\nmail a@b.com\nto 8.8.8.8", ""]
    edited = check_edits([RedactPii(email="\n\n\n\n"), Newlines(), DclmLines()], texts)
    assert edited[-3:] == [None, "to |||IP_ADDRESS|||", ""]


def test_no_run_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="expected most to be 1 or more"):
        Newlines(most=0)
