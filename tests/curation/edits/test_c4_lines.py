"""C4's line removal beside plain Python: the texts are those that the reference leaves, sign by sign."""

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.c4 import REFERENCES
from references.edits import check_edit
from references.texts import any_texts, hard_texts, random_hard_texts, real_texts

from curation.edits.c4_lines import C4Lines
from curation.signals.c4 import C4, Dialect
from curation.text.batch import TextBatch

every_dialect = pytest.mark.parametrize("dialect", get_args(Dialect))

_PIECES = (
    *(
        "A line of five words here.",
        "Too short.",
        "no end mark in this line",
        "[12]",
        "[edit]",
        "[citation needed]",
        "[",
    ),
    *("Please accept our cookie policy at once.", "Turn on JavaScript to see it.", '"Quoted as it is meant."', "..."),
    *(
        "\n",
        "\n",
        "\r\n",
        "\x0b",
        "\x85",
        "\u2028",
        " ",
        "\t",
        "\u3000",
        "x" * 1001,
        "Lorem ipsum dolor sit amet.",
        "{",
    ),
)
c4_texts = st.lists(st.sampled_from(_PIECES), max_size=30).map("".join)


def check(texts: list[str], dialect: Any, **options: Any) -> list[str]:
    edited = check_edit(C4Lines(dialect=dialect, **{_NAMES[name]: value for name, value in options.items()}), texts)
    assert edited == [REFERENCES[dialect](text, **options).remaining for text in texts]
    return edited


_NAMES = {"min_words": "min_words_per_line", "end_marks": "end_marks"}


@every_dialect
def test_real_documents(dialect: Any, shared: Path) -> None:
    texts = real_texts(shared, per_file=100)
    edited = check(texts, dialect)
    assert sum(map(len, edited)) < 0.9 * sum(map(len, texts))
    assert any(edited)
    check(texts, dialect, end_marks=False)


@every_dialect
def test_made_up_texts(dialect: Any) -> None:
    texts = random_hard_texts(300, 9)
    check(texts, dialect)
    check(texts, dialect, end_marks=False, min_words=0)


@every_dialect
@settings(max_examples=200, deadline=None)
@given(text=c4_texts | hard_texts | any_texts, min_words=st.sampled_from([0, 1, 3]), end_marks=st.booleans())
def test_any_text(dialect: Any, text: str, min_words: int, end_marks: bool) -> None:
    check([text, "Between others this one stays as it is.", text], dialect, min_words=min_words, end_marks=end_marks)


@every_dialect
def test_the_signal_measures_what_the_edit_leaves(dialect: Any, shared: Path) -> None:
    texts = real_texts(shared, per_file=60)
    measured = C4(dialect=dialect).measure(TextBatch.from_texts(texts)).column("num_kept_chars").to_pylist()
    assert [len(text) for text in check_edit(C4Lines(dialect=dialect), texts)] == measured


def test_by_hand() -> None:
    lines = ("Menu", "  The rivers grow[1] where rain falls.  \r", "Accept the cookie policy of this site.")
    text = "\n".join((*lines, "It is so[edit], as we know.", ""))
    edited = check_edit(C4Lines(), [text])
    assert edited == ["The rivers grow where rain falls.\nIt is so, as we know."]


def test_unknown_dialects_are_refused() -> None:
    with pytest.raises(ValueError, match="expected dialect to be one of"):
        C4Lines(dialect="curator")  # type: ignore[arg-type]
