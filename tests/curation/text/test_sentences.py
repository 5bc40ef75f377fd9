import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.c4 import CITATION
from references.sentences import ABBREVIATIONS as EXPECTED_ABBREVIATIONS
from references.sentences import count_sentences
from references.texts import any_texts, hard_texts

from curation.signals.c4 import C4
from curation.text.batch import TextBatch
from curation.text.sentences import ABBREVIATIONS

PIECES = (
    *(
        ".",
        "..",
        "...",
        "…",
        "!",
        "?",
        "。",
        "！",
        "？",
        "｡",
        ")",
        '"',
        "'",
        "]",
        "}",
        "”",
        "’",
        "»",
        "」",
        "）",
        "(",
        "[",
    ),
    *(
        "Dr",
        "dr",
        "No",
        "Mr",
        "approx",
        "approximately",
        "J",
        "U.S",
        "e.g",
        "i.e",
        "a.m",
        "É",
        "é",
        "Ärzte",
        "the",
        "The",
    ),
    *("3", "3.5", "x", "漢字", "Жизнь", "жизнь", "؟", "।", "\u200b", "a.b", "1.a", "a1"),
)
sentence_lines = st.lists(st.sampled_from((*PIECES, " ", " ", " ")), max_size=25).map("".join)

SIGNAL = C4(end_marks=False, min_words_per_line=0)


def measured(lines: list[str]) -> list[int]:
    return SIGNAL.measure(TextBatch.from_texts(lines)).column("num_sentences").to_pylist()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", 0),
        ("   ", 0),
        ("No mark at all", 1),
        ("One. Two. Three.", 3),
        ("One! two? three.", 3),
        ("The value is 3.5 here. It is e.g. large.", 2),
        ("Dr. Smith met Mr. J. R. Jones in the U.S. last year.", 1),
        ("See fig. 3 and vol. 2. Then stop.", 2),
        ('He said "no." Then "yes!" and left (slowly.) Good.', 4),
        ("It went on... and on... And on.", 2),
        ("It went on\u2026 and on\u2026 And on.", 2),
        ("これは文です。「次の文です。」最後", 3),
        ("本当ですか？！はい。", 2),
        ("क्या यह वाक्य है। हाँ।", 2),
        ("approx. 5 of them. Approximately. None", 3),
        ("École est finie. Été est là. étrange", 2),
        ("a.b.c. Next", 1),
        ("ab.cd. Next", 2),
    ],
)
def test_by_hand(line: str, expected: int) -> None:
    assert measured([line]) == [expected]
    assert count_sentences(line) == expected


@settings(max_examples=400, deadline=None)
@given(text=st.one_of(sentence_lines, hard_texts, any_texts))
def test_any_line(text: str) -> None:
    lines = text.split("\n")
    # a citation mark sends a line through the kernel's other way of reading words
    marked = [line + "[edit]" for line in lines]
    for some in (lines, marked):
        assert measured(some) == [count_sentences(CITATION.sub("", line).strip()) for line in some]


def test_abbreviations_fit_the_kernel() -> None:
    assert set(ABBREVIATIONS) == EXPECTED_ABBREVIATIONS
    assert all(word.isascii() and word.islower() and word.isalpha() and len(word) <= 8 for word in ABBREVIATIONS)
    for word in ABBREVIATIONS:
        assert measured([f"See {word}. Five", f"See ({word.title()}. Five", f"See x{word}. Five"]) == [1, 1, 2]
