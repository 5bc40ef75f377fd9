"""Duplicate lines and paragraphs of a corpus beside plain Python."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.corpus_edits import duplicate_lines
from references.corpus_texts import on_engine, real_corpus, without_engine
from references.texts import any_texts, hard_texts, random_hard_texts

from curation.edits.duplicate_lines import DuplicateLines, DuplicateParagraphs, _Look
from curation.edits.edit import CorpusEdit
from curation.session import Session

_LINES = ("One.", "one", "Two 12", "two 99!", "ΣΑΣ", "σας", "---", " ", "", "", "\r", "İx", "ix", "三٣")
line_texts = st.lists(st.sampled_from(_LINES), max_size=12).map("\n".join)


def check(texts: list[str | None], **options: Any) -> None:
    corpus = {f"d{number:03}": text for number, text in enumerate(texts)}
    look = _Look(**{"paragraphs": False, "min_chars": 1, "normalize": True} | options)
    assert without_engine(corpus, look.pieces, look.found) == duplicate_lines(corpus, **options)
    backwards = dict(reversed(corpus.items()))
    assert without_engine(backwards, look.pieces, look.found) == duplicate_lines(corpus, **options)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.none() | line_texts | hard_texts | any_texts, max_size=5),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 4]),
)
def test_any_corpus(texts: list[str | None], paragraphs: bool, normalize: bool, min_chars: int) -> None:
    check(texts, paragraphs=paragraphs, normalize=normalize, min_chars=min_chars)


@pytest.mark.parametrize("paragraphs", [False, True])
def test_made_up_texts(paragraphs: bool) -> None:
    check([*random_hard_texts(150, 5)], paragraphs=paragraphs)


@pytest.mark.parametrize("edit", [DuplicateLines(), DuplicateParagraphs(), DuplicateLines(normalize=False)])
def test_real_documents_in_any_partitions(session: Session, shared: Path, edit: Any) -> None:
    assert isinstance(edit, CorpusEdit)
    corpus = real_corpus(shared)
    planted = next(text for text in corpus.values() if text and text.count("\n\n") > 8)
    corpus |= {"zz1": f"A new beginning.\n\n{planted.upper()}\n\nA new end.", "zz2": planted}
    paragraphs = isinstance(edit, DuplicateParagraphs)
    expected = duplicate_lines(corpus, paragraphs=paragraphs, normalize=edit.normalize)
    assert expected["zz2"] == ""
    assert expected["zz1"] == "A new beginning.\n\nA new end." or not edit.normalize
    for partitions in (1, 7):
        assert on_engine(session, edit, corpus, partitions) == expected


def test_small_corpora(session: Session) -> None:
    assert on_engine(session, DuplicateLines(), {}, 2) == {}
    assert on_engine(session, DuplicateLines(), {"a": None}, 2) == {"a": None}
    assert on_engine(session, DuplicateLines(), {"a": "x\ny\nX."}, 2) == {"a": "x\ny"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\nmenu\nb", "a\nb"),
        ("a\n\nmenu\nb", "a\n\nb"),
        ("a\nmenu\n\nb", "a\n\nb"),
        ("a\n\nmenu\n\nMENU!\n\nb\n", "a\n\nb\n"),
        ("menu\n\na", "a"),
        ("a\n\nmenu\n", "a"),
        (" \nmenu\n\n", ""),
        ("...\n...", "...\n..."),
    ],
)
def test_by_hand(text: str, left: str) -> None:
    look = _Look(False, 1, True)
    assert without_engine({"a": "Menu", "b": text}, look.pieces, look.found) == {"a": "Menu", "b": left}


@pytest.mark.parametrize("edit", [DuplicateLines, DuplicateParagraphs])
def test_settings_that_cannot_be(edit: Any) -> None:
    with pytest.raises(ValueError, match="expected min_chars to be 1 or more, got 0"):
        edit(min_chars=0)
