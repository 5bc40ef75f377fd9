"""RedPajama-V2's signals: against plain Python on made and real texts, by hand, with edits, lists and a recipe."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import redpajama as reference
from references.texts import any_texts, hard_texts, random_hard_texts, real_texts

from curation.edits.newlines import Newlines
from curation.edits.splice import edit_texts
from curation.signals.list_files import ListError
from curation.signals.redpajama import CCNET, DOCUMENT, LINES, REPETITION, RedPajama, published, rules
from curation.text.batch import TextBatch

PIECES = (
    *("{", "}", "#", "....", "…", "Lorem ipsum", "lorem", "ipsum dolor", "javascript", "JavaScript;", "java-script"),
    *("THE", "the", "don't", "Ⓐ", "ǅ", "ΑΣ", "İI", "Ⅻ", "½ 7", "café", "각", "\u0344", "• one", "– two", "_", "a_b"),
    *(" ", " ", "\n", "\n", ".", "!?", "”", '"', "\u2028", "\x1c", "\0", "A.B"),
)
pieced_texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def measure(texts: list[str | None], signal: RedPajama | None = None) -> list[dict[str, Any]]:
    signal = signal or RedPajama()
    signal.open()
    return signal.measure(TextBatch.from_texts(texts)).to_pylist()


def check(texts: list[str]) -> None:
    for text, row in zip(texts, measure(list(texts)), strict=True):
        expected = reference.of_document(text)
        for name in (*CCNET[:2], *DOCUMENT, *REPETITION):
            assert row[name] == pytest.approx(expected[name], abs=1e-9), (name, text)
        assert (row["ccnet_original_length"], row["ccnet_original_nlines"]) == (
            row["ccnet_length"],
            row["ccnet_nlines"],
        )
        assert {name: row[name] for name in LINES} == {
            name: pytest.approx(scores, abs=1e-12) for name, scores in reference.of_lines(text).items()
        }, text
        ends = row["line_ends"]
        assert [text[a:b] for a, b in zip([0, *ends], ends, strict=False)] == reference.lines_of(text)


def test_random_hard_texts() -> None:
    check(random_hard_texts(800, seed=21))


def test_real_texts(shared: Path) -> None:
    check(real_texts(shared, per_file=50))


@settings(max_examples=200, deadline=None)
@given(one=any_texts, other=hard_texts, third=pieced_texts)
def test_any_text(one: str, other: str, third: str) -> None:
    check([one, other, third])


def test_by_hand() -> None:
    text = "The CAT {sat}...\n• On the mat! Don't #1\n\nA cat javascript JavaScript, 42."
    row = measure([text])[0]
    # 22 tokens: The CAT { sat }... • On the mat ! Don ' t # 1 A cat javascript JavaScript , 42 .
    assert row["rps_doc_curly_bracket"] == 2 / len(text)
    assert row["rps_doc_frac_all_caps_words"] == pytest.approx(2 / 22)  # CAT, A
    assert row["rps_doc_frac_no_alph_words"] == pytest.approx(10 / 22)
    assert row["rps_doc_symbol_to_word_ratio"] == pytest.approx(2 / 22)
    assert row["rps_doc_stop_word_fraction"] == pytest.approx(2 / 22)  # the, t; "The", "On" and "A" are not in the list
    assert row["rps_doc_num_sentences"] == 3
    assert row["rps_doc_word_count"] == 14  # the cat sat • on the mat dont 1 a cat javascript javascript 42
    assert row["rps_doc_frac_lines_end_with_ellipsis"] == 0.25
    assert row["rps_lines_ending_with_terminal_punctution_mark"] == [1.0, 0.0, 0.0, 1.0]
    assert row["rps_lines_start_with_bulletpoint"] == [0.0, 1.0, 0.0, 0.0]
    assert row["rps_lines_javascript_counts"] == [0.0, 0.0, 0.0, 2.0]
    assert row["frac_lines_start_with_bulletpoint"] == 0.25
    assert row["line_ends"][-1] == len(text) == row["ccnet_length"]


def test_an_empty_and_a_null_text() -> None:
    empty, null = measure(["", None])
    assert set(null.values()) == {None}
    assert empty["rps_doc_word_count"] == 0
    assert empty["rps_doc_mean_word_length"] is None
    assert empty["rps_doc_stop_word_fraction"] == 0
    assert empty["rps_lines_num_words"] == []


def test_before_the_edits() -> None:
    batch = TextBatch.from_texts(["one\n\n\n\n\ntwo", "three"])
    after, cuts = edit_texts(batch, (Newlines(),))
    rows = RedPajama(lines=False).measure_edited(after, cuts).to_pylist()
    assert [row["ccnet_original_length"] for row in rows] == [11, 5]
    assert [row["ccnet_original_nlines"] for row in rows] == [6, 1]
    assert [row["ccnet_nlines"] for row in rows] == [3, 1]
    assert [row["ccnet_length"] for row in rows] == [8, 5]


def test_lists(tmp_path: Path) -> None:
    stop, bad = tmp_path / "stop", tmp_path / "en"
    stop.write_text("Der\ndie\n")
    bad.write_text("darn\nheck yes\n")
    signal = RedPajama.of(stop_words=str(stop), bad_words=str(tmp_path))
    text = "Der die DARN, heck-yes heck! Yes das"
    row = measure([text], signal)[0]
    expected = reference.of_document(text, ["Der", "die"], ["darn", "heck yes"])
    assert row["rps_doc_stop_word_fraction"] == expected["rps_doc_stop_word_fraction"] == 2 / 11
    assert row["rps_doc_ldnoobw_words"] == expected["rps_doc_ldnoobw_words"] == 2
    for hashes, remedy in (
        ((signal.sha256[0], "0" * 64), "BadWords.of"),
        (("0" * 64, signal.sha256[1]), "RedPajama.of"),
    ):
        with pytest.raises(ListError, match=remedy):
            RedPajama(stop_words=str(stop), bad_words=str(bad), sha256=hashes).open()
    with pytest.raises(ListError, match="cannot be read"):
        RedPajama.of(stop_words=str(tmp_path / "none"))
    with pytest.raises(ValueError, match="1 lists and 0 sha256"):
        RedPajama(stop_words=str(stop))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(" ".join), min_size=1, max_size=6),
    st.lists(st.text("abcABC  .\n", max_size=30), max_size=3),
)
def test_any_bad_words(tmp_path_factory: pytest.TempPathFactory, words: list[str], texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("list") / "en"
    path.write_text("\n".join(words) + "\n")
    rows = measure(texts, RedPajama.of(bad_words=str(path), lines=False))
    expected = [reference.of_document(text, bad_words=words)["rps_doc_ldnoobw_words"] for text in texts]
    assert [row["rps_doc_ldnoobw_words"] for row in rows] == expected


def test_as_published() -> None:
    row, empty = measure(["One two.\nThree", ""])
    found = published(row)
    assert found["rps_lines_num_words"] == [[0, 9, 2.0], [9, 14, 1.0]]
    assert found["rps_doc_word_count"] == [[0, 14, 3.0]]
    assert found["rps_doc_unigram_entropy"] == [[0, 14, 1.09861229]]
    assert "frac_lines_start_with_bulletpoint" not in found
    assert published(empty)["rps_lines_start_with_bulletpoint"] == [[0, 0, None]]
    assert published(empty)["rps_lines_num_words"] == []


def test_lines_can_be_left_out() -> None:
    schema = RedPajama(lines=False).schema
    assert not [field for field in schema if pa.types.is_list(field.type)]
    assert {rule.on.partition(".")[2] for rule in rules()} <= set(schema.names)
