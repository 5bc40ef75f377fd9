import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from curation.signals.c4 import C4
from curation.signals.fineweb import FineWeb
from curation.signals.gopher import Gopher
from curation.signals.repetition import Repetition
from curation.text import spacy_english
from curation.text.batch import TextBatch
from curation.text.spacy_english import SpacyError, count_sentences, split_words

TEXT = "Dr. Smith can't see 3.5 of them.\nThen he left!  \n\nIt was (in the end) over...\nNo one stayed. Not even he."


def count_words(texts):
    return np.diff(split_words(texts)[2])


@pytest.fixture
def without_spacy(monkeypatch):
    monkeypatch.setattr(spacy_english, "_kept", spacy_english._Kept())
    monkeypatch.setitem(sys.modules, "spacy", None)


@pytest.mark.parametrize(
    "signal",
    [
        C4(dialect="datatrove", sentences="spacy"),
        FineWeb(dialect="datatrove", words="spacy"),
        Gopher(dialect="datatrove", words="spacy"),
        Repetition(dialect="datatrove", words="spacy"),
    ],
)
def test_without_spacy_the_error_says_what_to_do(without_spacy, signal):
    with pytest.raises(SpacyError, match=r"pip install 'winnow\[spacy\]', or leave the setting at 'fast'"):
        signal.open()


def test_nothing_is_loaded_that_is_not_asked_for(without_spacy):
    for signal in (
        C4(dialect="datatrove"),
        C4(dialect="datatrove", count_sentences=False, sentences="spacy"),
        FineWeb(),
        Gopher(dialect="datatrove"),
        Repetition(dialect="datatrove"),
    ):
        signal.open()
        assert signal.measure(TextBatch.from_texts([TEXT])).num_rows == 1


def test_settings_are_checked():
    with pytest.raises(
        ValueError, match="expected sentences to be 'fast', or 'spacy' with dialect='datatrove', got 'spa"
    ):
        C4(dialect="tfds", sentences="spacy")
    with pytest.raises(ValueError, match="got 'nltk' with dialect='datatrove'"):
        C4(dialect="datatrove", sentences="nltk")
    with pytest.raises(
        ValueError, match="expected words to be 'fast', or 'spacy' with dialect='datatrove', got 'spacy'"
    ):
        FineWeb(words="spacy")


def test_words_and_sentences_by_hand():
    pytest.importorskip("spacy", reason="spaCy, of the extra `spacy`, is not installed")
    # ca, n't and the last . are tokens of their own; white space is no word
    assert count_words([TEXT.splitlines()[0], "", " \n ", "a"]).tolist() == [9, 0, 0, 1]
    assert count_sentences(["One. Two! (Three?) four", "", "3.5 is one number", "no end"]).tolist() == [4, 1, 1, 1]
    assert count_words(["x " * 600_000]).tolist() == [600_000]  # longer than spaCy's own limit


def test_words_are_bytes_one_after_the_other():
    pytest.importorskip("spacy", reason="spaCy, of the extra `spacy`, is not installed")
    data, begins, offsets = split_words(["a é.", "", " b "])
    words = [data[low:high].tobytes().decode() for low, high in pairwise(begins)]
    assert words == ["a", "é", ".", "b"]
    assert offsets.tolist() == [0, 3, 3, 4]
    assert not data.flags.writeable
    assert len(data) == begins[-1] + 8


def test_nulls_blanks_and_dropped_lines():
    pytest.importorskip("spacy", reason="spaCy, of the extra `spacy`, is not installed")
    texts = [None, "", "short", TEXT, None, TEXT + "\n" + TEXT, "A line that [1]stays here.[2] It ends. It ends."]
    rows = C4(dialect="datatrove", sentences="spacy").measure(TextBatch.from_texts(texts)).to_pylist()
    assert [row["num_sentences"] for row in rows] == [None, 0, 0, 4, None, 8, 3]
    rows = FineWeb(dialect="datatrove", words="spacy").measure(TextBatch.from_texts(texts)).to_pylist()
    assert [row["newlines_per_word"] for row in rows][:3] == [None, None, 0.0]
    assert rows[3]["newlines_per_word"] == 4 / (9 + 4 + 9 + 8)


def test_several_threads_count_as_one_does():
    pytest.importorskip("spacy", reason="spaCy, of the extra `spacy`, is not installed")
    texts = [f"{TEXT} {number} more. " * 20 for number in range(40)]
    alone = count_words(texts).tolist(), count_sentences(texts).tolist()
    with ThreadPoolExecutor(8) as pool:
        words = list(pool.map(lambda text: int(count_words([text])[0]), texts))
        sentences = list(pool.map(lambda text: int(count_sentences([text])[0]), texts))
    assert (words, sentences) == alone
