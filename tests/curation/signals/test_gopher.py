from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from references import gopher as reference
from references.texts import any_texts, hard_texts, random_hard_texts, real_texts

from curation.signals.gopher import DIALECTS, Gopher, rules
from curation.text.batch import TextBatch

every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


def measure(texts: list[str], dialect: str = "paper") -> list[dict[str, Any]]:
    return Gopher(dialect=dialect).measure(TextBatch.from_texts(texts)).to_pylist()


def check(texts: list[str], dialect: str) -> None:
    for text, row in zip(texts, measure(texts, dialect), strict=True):
        assert row == getattr(reference, dialect)(text), text


def fired(text: str, dialect: str = "paper") -> list[str]:
    """The reasons by which `text` would be dropped."""
    row = measure([text], dialect)[0]
    reasons = []
    for rule in rules(dialect):
        signal, column = rule.on.split(".")
        assert signal == Gopher(dialect=dialect).name
        value = row[column]
        low = rule.min is not None and value is not None and value < rule.min
        high = rule.max is not None and value is not None and value > rule.max
        assert rule.above is None
        assert rule.below is None
        if low or high:
            reasons.append(rule.name)
    return reasons


@every_dialect
def test_random_hard_texts(dialect: str) -> None:
    check(random_hard_texts(1500, seed=11), dialect)


@every_dialect
def test_real_texts(dialect: str, shared: Path) -> None:
    check(real_texts(shared, per_file=60), dialect)


@every_dialect
@settings(max_examples=100, deadline=None)
@given(one=any_texts, other=hard_texts)
def test_any_text(dialect: str, one: str, other: str) -> None:
    check([one, other], dialect)


def test_paper_by_hand() -> None:
    row = measure(["# The cat...\n\n  • and … the dog\n- of 7\n"])[0]
    # words: # The cat... • and … the dog - of 7
    assert row == {
        "num_chars": 39,
        "num_words": 11,
        "num_lines": 3,
        "num_stop_words": 3,
        "num_distinct_stop_words": 3,
        "mean_word_length": (1 + 3 + 6 + 1 + 3 + 1 + 3 + 3 + 1 + 2 + 1) / 11,
        "median_word_length": 2.0,
        "frac_words_with_letter": 6 / 11,
        "frac_lines_bullet": 2 / 3,
        "frac_lines_ellipsis": 1 / 3,
        "ratio_hashes_to_words": 1 / 11,
        "ratio_ellipses_to_words": 2 / 11,
    }


def test_dialects_differ_where_they_should() -> None:
    text = "* THE the THE . . .\n  - of…\n\nbe"
    paper, dolma, dclm = (measure([text], dialect)[0] for dialect in ("paper", "dolma", "dclm"))
    assert (paper["num_lines"], dolma["num_lines"], dclm["num_lines"]) == (3, 4, 3)
    assert (paper["frac_lines_bullet"], dolma["frac_lines_bullet"], dclm["frac_lines_bullet"]) == (2 / 3, 1 / 4, 2 / 3)
    assert (paper["num_stop_words"], dolma["num_stop_words"], dclm["num_stop_words"]) == (2, 2, 4)
    assert (paper["frac_lines_ellipsis"], dclm["frac_lines_ellipsis"]) == (1 / 3, 2 / 3)
    assert dolma["frac_words_with_symbol"] == 1 / 10
    assert (paper["ratio_ellipses_to_words"], dclm["ratio_symbols_to_words"]) == (1 / 10, 2 / 10)
    assert measure(["a\0b c\x1cd \x85 ,e"], "dclm")[0]["num_fasttext_words"] == 3
    assert measure(["a\0b c\x1cd \x85 ,e"], "dclm")[0]["num_words"] == 4


def test_signs_do_not_overlap() -> None:
    row = measure(["....... . . . . . . ……"], "dclm")[0]
    assert row["ratio_symbols_to_words"] == (2 + 2 + 2) / 8


@pytest.mark.parametrize("word", ["the", "The", "\0", "the\0", "\0the", "them", "th", "that", "w\u0130th", "bE"])
def test_what_is_a_stop_word(word: str) -> None:
    for dialect in DIALECTS:
        assert measure([f"x {word} y"], dialect) == [getattr(reference, dialect)(f"x {word} y")]


def test_medians_of_long_words() -> None:
    for lengths in ([300, 400], [1, 300], [1, 255, 256], [254, 254, 300, 300], [1, 2, 3, 500], [255] * 3, [10_000]):
        text = " ".join("x" * length for length in lengths)
        assert measure([text], "dolma") == [reference.dolma(text)]


def test_nothing_to_divide_by_is_null() -> None:
    for text in ("", " \n "):
        row = measure([text])[0]
        assert (row["num_words"], row["num_lines"]) == (0, 0)
        assert [name for name, value in row.items() if value is None] == [
            name for name in row if not name.startswith("num_")
        ]


BASE = "words of the " * 20


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (BASE, []),
        ("of the words " * 16 + "of the", []),
        ("of the words " * 16 + "of", ["gopher.too_few_words"]),
        ("of the no " * 20, ["gopher.words_too_short"]),
        ("of the abcd " * 20, []),
        ("of the " + "abcdefghijk" * 2 + " abcdefghijk" * 60, ["gopher.words_too_long"]),
        (BASE + "#" * 6, []),
        (BASE + "#" * 7, ["gopher.too_many_hashes"]),
        (BASE + "... " * 3 + "… " * 3 + "end", []),
        (BASE + "...…" * 4 + " end", ["gopher.too_many_ellipses"]),
        ("\n".join(["- of the line here and more"] * 9 + ["of the line here and more"]), []),
        ("\n".join(["- of the line here and more"] * 10), ["gopher.too_many_bullets"]),
        ("\n".join(["of the line here, and then some words more..."] * 3 + ["of the line here, and more"] * 7), []),
        (
            "\n".join(["of the line here, and then some words more..."] * 4 + ["of the line here, and more"] * 6),
            ["gopher.too_many_ellipsis_lines"],
        ),
        ("of the word come 1234 " * 20, []),
        ("of the word come 1234 " * 20 + "5678", ["gopher.too_few_words_with_letter"]),
        ("the abcde " * 40, ["gopher.too_few_stop_words"]),
        ("", ["gopher.too_few_words", "gopher.too_few_stop_words"]),
    ],
)
def test_bounds_of_the_paper_are_inclusive(text: str, reasons: list[str]) -> None:
    assert fired(text) == reasons


def test_too_many_words() -> None:
    assert fired("of the " * 50_000 + "x") == ["gopher.too_many_words", "gopher.words_too_short"]
    assert fired("of that " * 50_000) == []


def test_rules_of_other_dialects() -> None:
    assert fired(BASE, "dolma") == []
    assert fired("the abcde " * 40, "dolma") == []
    assert fired("THE abcde " * 40, "dclm") == []
    assert fired("THE abcde " * 40, "dolma") == ["gopher.too_few_stop_words"]
    assert [rule.name for rule in rules("dclm")] == [
        "gopher.too_few_words",
        "gopher.too_many_words",
        "gopher.words_too_short",
        "gopher.words_too_long",
        "gopher.too_many_symbols",
        "gopher.too_many_bullets",
        "gopher.too_many_ellipsis_lines",
        "gopher.too_few_words_with_letter",
        "gopher.too_few_stop_words",
    ]


def test_datatrove_by_hand() -> None:
    row = measure(["# The cat, ... and\n\n  • the dog's –\n- of 7…\x85x\n"], "datatrove")[0]
    # words: # The cat , ... and • the dog 's – - of 7 … x; of punctuation alone: # , ... – - … (datatrove: • is none)
    assert row["num_words_and_symbols"] == 16
    assert row["num_words"] == 10
    assert row["num_lines"] == 5  # one is empty, and one ends at U+0085
    assert row["frac_words_with_letter"] == 8 / 16
    assert row["mean_word_length"] == (3 + 3 + 3 + 1 + 3 + 3 + 2 + 2 + 1 + 1) / 10
    assert row["ratio_hashes_to_words"] == 1 / 16
    assert row["ratio_ellipses_to_words"] == 2 / 16
    assert (row["frac_lines_bullet"], row["frac_lines_ellipsis"]) == (2 / 5, 1 / 5)
    assert (row["num_stop_words"], row["num_distinct_stop_words"]) == (3, 3)


def test_curator_by_hand() -> None:
    row = measure(["# ## #a# [...] ... .... Ⅳ\n\n  • the\n- of the [...]\n* READ more\nread more.."], "curator")[0]
    # symbols: # #a# [...] ... [...]; `##` is one run of two characters
    assert row["num_words"] == 18
    assert row["frac_symbol_words"] == 5 / 18
    assert row["num_lines"] == 5
    assert row["frac_lines_bullet"] == 1 / 5
    assert row["frac_lines_ellipsis"] == 3 / 5
    assert row["num_stop_words"] == 3
    assert fired("the of " * 30, "curator") == ["gopher.words_too_short"]
    assert fired("the of word " * 30, "curator") == []
    assert fired("word " * 60, "curator") == ["gopher.too_few_stop_words"]


def test_datatrove_with_spacy_s_words(shared: Path) -> None:
    pytest.importorskip("spacy", reason="spaCy, of the extra `spacy`, is not installed")
    texts = [text[:3000] for text in real_texts(shared, per_file=3)]
    batch = TextBatch.from_texts([None, *texts, "", ". , !"])
    rows = Gopher(dialect="datatrove", words="spacy").measure(batch).to_pylist()
    data, words = batch.spacy_words
    for doc in range(1, len(batch)):
        places = range(words.offsets[doc], words.offsets[doc + 1])
        tokens = [data[words.start[k] : words.end[k]].tobytes().decode() for k in places]
        assert rows[doc] == reference.datatrove(batch.text(doc), tokens)
    assert set(rows[0].values()) == {None}


def test_words_are_near_spacy_s_or_its_own() -> None:
    with pytest.raises(
        ValueError, match="expected words to be 'fast', or 'spacy' with dialect='datatrove', got 'spacy'"
    ):
        Gopher(words="spacy")
    with pytest.raises(ValueError, match="got 'nltk' with dialect='datatrove'"):
        Gopher(dialect="datatrove", words="nltk")  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", ["tfds", "redpajama"])
def test_dialects_that_are_not_exact_are_refused(dialect: str) -> None:
    for make in (lambda: Gopher(dialect=dialect), lambda: rules(dialect)):
        with pytest.raises(ValueError, match=f"'{dialect}' is not reproduced exactly; choose one of 'paper', 'dolma'"):
            make()


def test_names_and_types() -> None:
    assert Gopher().name == "gopher"
    assert Gopher(dialect="dclm").name == "gopher_dclm"
    for field in Gopher().schema:
        assert field.type == (pa.int64() if field.name.startswith("num_") else pa.float64())
