import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import repetition as reference
from references.texts import any_texts, hard_texts, random_hard_texts, real_texts

from curation.signals.repetition import DIALECTS, Repetition, rules
from curation.text.batch import TextBatch

every_dialect = pytest.mark.parametrize("dialect", DIALECTS)

few_words = st.lists(st.sampled_from(["a", "bb", "ccc", "dddd", "\n", "\n\n"]), max_size=80).map(" ".join)


def measure(texts: list[str], dialect: str = "paper") -> list[dict[str, Any]]:
    return Repetition(dialect=dialect).measure(TextBatch.from_texts(texts)).to_pylist()


def check(texts: list[str], dialect: str) -> None:
    for text, row in zip(texts, measure(texts, dialect), strict=True):
        assert row == getattr(reference, dialect)(text), text


@every_dialect
def test_random_hard_texts(dialect: str) -> None:
    check(random_hard_texts(1500, seed=21), dialect)


@every_dialect
def test_real_texts(dialect: str, shared: Path) -> None:
    texts = real_texts(shared, per_file=25)
    # Real pages also repeat themselves: a document and a half, and the same document twice in one batch.
    check([*texts, *(text + "\n" + text[: len(text) // 2] for text in texts), *texts[:5]], dialect)


@every_dialect
@settings(max_examples=200, deadline=None)
@given(one=few_words, other=st.one_of(any_texts, hard_texts))
def test_any_text(dialect: str, one: str, other: str) -> None:
    check([one, other, one + " " + one], dialect)


def test_paper_by_hand() -> None:
    row = measure(["ab cd\n ab cd \n\nab cd ef\n\n\nab cd ef\n"])[0]
    # 10 words of 2 characters: ab cd ab cd ab cd ef ab cd ef
    assert row["num_lines"] == 4
    assert row["num_paragraphs"] == 3
    assert row["frac_duplicate_lines"] == 1.0
    assert row["frac_duplicate_paragraphs"] == 2 / 3
    assert row["frac_chars_duplicate_paragraphs"] == 16 / (16 + 12)
    assert row["frac_chars_top_2gram"] == 16 / 20  # ab cd, 4 times
    assert row["frac_chars_top_3gram"] == 10 / 20  # three stand twice; the first, ab cd ab, overlaps itself
    assert row["frac_chars_duplicate_5gram"] == 0.0
    assert row["frac_chars_duplicate_10gram"] == 0.0


def test_all_copies_count_in_lines() -> None:
    row = measure(["same\nsame\na\nbb\nccc\ndddd"])[0]
    assert row["frac_duplicate_lines"] == 2 / 6
    assert row["frac_chars_duplicate_lines"] == 8 / 18


def test_overlaps_count_once_in_the_paper_and_not_in_dclm() -> None:
    assert measure(["aa aa aa aa"])[0]["frac_chars_top_2gram"] == 1.0
    assert measure(["aa aa aa aa"], "dclm")[0]["ratio_chars_top_2gram"] == 3 * 4 / 8


def test_duplicate_ngrams_cover_words_once() -> None:
    words = "a b c d e f g"
    row = measure([f"{words} x {words}"])[0]
    for n in range(5, 8):
        assert row[f"frac_chars_duplicate_{n}gram"] == 14 / 15
    assert row["frac_chars_duplicate_8gram"] == 0.0


def test_dolma_own_test() -> None:
    """The values that Dolma's test of its tagger expects of a sentence in which nothing repeats (0.5, 0.583, 1.0)."""
    row = measure(["This is a sentence"], "dolma")[0]
    assert row["ratio_chars_top_2gram"] == 6 / 15
    assert row["ratio_chars_top_3gram"] == 7 / 15
    assert row["ratio_chars_top_4gram"] == 1.0
    assert row["frac_chars_duplicate_5gram"] is None


def test_too_short_for_an_ngram_is_null() -> None:
    for dialect in ("paper", "dolma", "dclm"):
        for num_words in range(12):
            row = measure([" ".join(f"w{i}" for i in range(num_words))], dialect)[0]
            for n in range(2, 11):
                (column,) = (name for name in row if name.endswith(f"_{n}gram"))
                assert (row[column] is None) == (num_words < n), (dialect, num_words, n)


def test_too_short_for_an_ngram_in_the_other_dialects() -> None:
    row = measure(["one two three"], "datatrove")[0]
    assert (row["ratio_chars_top_3gram"], row["ratio_chars_top_4gram"]) == (1.0, None)
    assert row["frac_chars_duplicate_5gram"] == 0.0
    row = measure(["one two three"], "curator")[0]
    assert (row["frac_chars_top_3gram"], row["frac_chars_top_4gram"], row["frac_chars_duplicate_5gram"]) == (1, 1, 1)
    empty = {name: value for name, value in measure([""], "datatrove")[0].items() if value is not None}
    assert empty == {
        "num_chars": 0,
        "num_lines": 1,
        "num_paragraphs": 1,
        "frac_duplicate_lines": 0.0,
        "frac_duplicate_paragraphs": 0.0,
    }


def test_where_datatrove_parts_a_text() -> None:
    row = measure(["\n\na b\n \n\n\na b\n\n"], "datatrove")[0]
    assert row["num_lines"] == 5  # empty, a b, space, a b, empty
    assert row["frac_duplicate_lines"] == 2 / 5
    assert row["frac_chars_duplicate_lines"] == 3 / 15
    assert (row["num_paragraphs"], row["frac_duplicate_paragraphs"]) == (
        2,
        0.0,
    )  # the first ends in a line of one space
    assert measure([" a\n\nb\n\n\na \n"], "datatrove")[0]["frac_duplicate_paragraphs"] == 1 / 3


def test_datatrove_takes_repeats_from_left_to_right() -> None:
    # Of a row of equal words the first six give two 5-grams, the second of which is taken with its five words.
    row = measure(["ab " * 16], "datatrove")[0]
    assert row["frac_chars_duplicate_5gram"] == 3 * 10 / 48
    assert row["ratio_chars_top_2gram"] == 5 * 15 / 48
    # Words are run together: a bc d e f and ab c d e f are equal.
    assert measure(["a bc d e f x ab c d e f"], "datatrove")[0]["frac_chars_duplicate_5gram"] == 6 / 23


@settings(max_examples=300, deadline=None)
@given(words=st.lists(st.sampled_from(["a", "aa", "b", "ab", "ba", "é", "\0"]), max_size=120))
def test_words_that_are_equal_when_run_together(words: list[str]) -> None:
    check([" ".join(words)], "datatrove")


@settings(max_examples=300, deadline=None)
@given(words=st.lists(st.sampled_from(["a", "aa", "a a", "a  a", "b\na", "é"]), max_size=60))
def test_ngrams_that_stand_within_other_words(words: list[str]) -> None:
    check([" ".join(words)], "curator")


def test_curator_by_hand() -> None:
    row = measure(["ab cd ab cd\n\n\nab cd\n \nab  cd xab cdx"], "curator")[0]
    assert (row["num_lines"], row["num_paragraphs"]) == (3, 2)
    # ab cd stands four times among the pairs; of them three in the text as it is, and once more within other words
    assert row["frac_chars_top_2gram"] == 4 * 5 / 36
    row = measure(["a b c d e f a b c d e f"], "curator")[0]
    # The second a b c d e, and f with a space: eleven characters; six words have five spaces.
    assert row["frac_chars_duplicate_5gram"] == 11 / 23
    assert row["frac_chars_duplicate_6gram"] == 11 / 23
    assert row["frac_chars_duplicate_7gram"] == 0.0


def test_later_copies_only() -> None:
    for dialect in ("datatrove", "curator"):
        assert measure(["same\nsame\na\nbb\nccc\ndddd"], dialect)[0]["frac_duplicate_lines"] == 1 / 6


def test_words_are_near_spacy_s_or_its_own() -> None:
    with pytest.raises(
        ValueError, match="expected words to be 'fast', or 'spacy' with dialect='datatrove', got 'spacy'"
    ):
        Repetition(words="spacy")
    with pytest.raises(ValueError, match="got 'nltk' with dialect='datatrove'"):
        Repetition(dialect="datatrove", words="nltk")  # type: ignore[arg-type]


@every_dialect
def test_tables_have_room_for_any_number_of_lines(dialect: str) -> None:
    """Powers of two above all: there the table is exactly half full."""
    for num_lines in (*range(1, 40), 63, 64, 65, 128, 1024):
        distinct = [f"line {n} {n * n}" for n in range(num_lines)]
        for lines in (distinct, ["a b"] * (num_lines - 1) + ["a"]):
            for text in ("\n".join(lines), "\n\n".join(lines)):
                check([text], dialect)


def test_blank_lines_are_no_duplicates_except_in_dolma() -> None:
    text = "a\n\n\n\nb"
    assert measure([text])[0]["frac_duplicate_lines"] == 0.0
    assert measure([text], "dclm")[0]["frac_duplicate_lines"] == 0.0
    assert measure([text], "dolma")[0]["frac_duplicate_lines"] == 3 / 5


def test_what_separates_paragraphs() -> None:
    text = "one\n \none\n\none"
    assert measure([text])[0]["num_paragraphs"] == 3
    assert measure([text], "dclm")[0]["num_paragraphs"] == 2


def test_documents_do_not_leak_into_each_other() -> None:
    texts = ["a b c d e f g h i j k", "a b c d e f g h i j k", "", "a b c d e f g h i j k"]
    assert measure(texts) == [measure([text])[0] for text in texts]


@every_dialect
def test_long_documents_of_many_different_words(dialect: str) -> None:
    """Tables of equal n-grams begin small and grow: here more than once, at words and at n-grams."""
    draw = random.Random(9)
    words = [f"{draw.randrange(40_000):x}" for _ in range(60_000)]
    once = " ".join(words)
    check([once, once + " " + once, " ".join(draw.choices(words[:300], k=40_000)), "short text"], dialect)


def test_datatrove_with_spacy_s_words(shared: Path) -> None:
    pytest.importorskip("spacy", reason="spaCy, of the extra `spacy`, is not installed")
    texts = [text[:3000] for text in real_texts(shared, per_file=3)]
    batch = TextBatch.from_texts([None, *texts, "", "IS_ALPHA \x1c a"])
    rows = Repetition(dialect="datatrove", words="spacy").measure(batch).to_pylist()
    data, words = batch.spacy_words
    for doc in range(1, len(batch)):
        places = range(words.offsets[doc], words.offsets[doc + 1])
        tokens = [data[words.start[k] : words.end[k]].tobytes().decode() for k in places]
        assert rows[doc] == reference.datatrove(batch.text(doc), tokens)
    assert set(rows[0].values()) == {None}


@every_dialect
def test_rules(dialect: str) -> None:
    limits = {rule.name: (rule.on, rule.max) for rule in rules(dialect)}
    signal = Repetition(dialect=dialect).name
    assert len(limits) == {"dolma": 11, "datatrove": 14}.get(dialect, 13)
    assert limits["repetition.duplicate_lines"] == (f"{signal}.frac_duplicate_lines", 0.30)
    assert limits["repetition.duplicate_line_chars"][1] == (0.30 if dialect == "dolma" else 0.20)
    assert [limits[f"repetition.top_{n}gram"][1] for n in (2, 3, 4)] == [0.20, 0.18, 0.16]
    assert [limits[f"repetition.duplicate_{n}gram"][1] for n in range(5, 11)] == [0.15, 0.14, 0.13, 0.12, 0.11, 0.10]
    if dialect == "datatrove":
        assert rules(dialect)[0].min == 1
    assert all(
        (rule.min is None or rule.name == "repetition.empty") and rule.above is None and rule.below is None
        for rule in rules(dialect)
    )


@pytest.mark.parametrize("dialect", ["tfds", "redpajama"])
def test_dialects_that_are_not_exact_are_refused(dialect: str) -> None:
    for make in (lambda: Repetition(dialect=dialect), lambda: rules(dialect)):
        with pytest.raises(ValueError, match=f"'{dialect}' is not reproduced exactly; choose one of 'paper', 'dolma'"):
            make()


@pytest.mark.parametrize("dialect", ["paper", "datatrove", "curator"])
def test_time_is_linear_in_the_length(dialect: str) -> None:
    """Of texts of which all or nothing repeats; a quadratic step would take minutes here."""
    draw = random.Random(5)
    varied = [f"{draw.randrange(10**6):x}" for _ in range(100_000)]
    for words in (["word"] * 100_000, ["one", "two"] * 50_000, ["a" * 100_000] * 10, varied):
        seconds = []
        for times in (1, 4):
            batch = TextBatch.from_texts([" ".join(words * times) + "\n" + "same line\n" * 20_000 * times])
            assert len(batch.words) > 0
            Repetition(dialect=dialect).measure(batch)
            begin = time.thread_time()
            Repetition(dialect=dialect).measure(batch)
            seconds.append(time.thread_time() - begin)
        assert seconds[1] < 10 * seconds[0] + 0.5
