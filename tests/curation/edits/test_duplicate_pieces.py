"""Edits that depend on the corpus: against plain Python, on both engines, however the corpus is cut up."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame
from references import corpus_edits as reference
from references.texts import any_texts, hard_texts, random_hard_texts, real_texts

from curation.edits.copies import WHOLE, _spans
from curation.edits.duplicate_pieces import (
    DuplicateLines,
    DuplicateParagraphs,
    RepeatedParagraphs,
    RepeatedSentences,
)
from curation.edits.edit import CorpusEdit
from curation.edits.pieces import Pieces, compared, hashes_of, lines, paragraphs, runs_of, sentences
from curation.session import Session
from curation.text.batch import TextBatch

sail_only = pytest.mark.parametrize("session", ["sail"], indirect=True)

HAND = {
    "a": "Home | About\nThe first text, with words of its own.\n\nCopyright 2024.\n",
    "b": "home  about!\nAnother text. Copyright 2023, it says.\n\nCOPYRIGHT 2023\n\nEnd",
    "c": "",
    "d": "Another text\n\n\nHome | About",
    "e": "\n\n",
}


def frame(session: Session, corpus: dict[str, str], partitions: int) -> DataFrame:
    table = pa.table({"doc_id": list(corpus), "text": list(corpus.values())})
    return session.spark.createDataFrame(table).repartition(partitions)


def edited(session: Session, edit: CorpusEdit, corpus: dict[str, str], partitions: int = 3) -> dict[str, str]:
    spans = edit.spans(frame(session, corpus, partitions)).toArrow().to_pylist()
    assert len({row["doc_id"] for row in spans}) == len(spans)
    left = dict(corpus)
    for row in spans:
        text, kept, at = corpus[row["doc_id"]].encode(), b"", 0
        for span in row["spans"]:
            assert at <= span["start"] < span["end"] <= len(text)
            kept, at = kept + text[at : span["start"]], span["end"]
        left[row["doc_id"]] = (kept + text[at:]).decode()
    return left


def test_lines_by_hand(session: Session) -> None:
    left = edited(session, DuplicateLines(), HAND)
    assert left == {
        **HAND,
        "b": "Another text. Copyright 2023, it says.\n\n\nEnd",
        "d": "Another text\n\n\n",
    }
    assert edited(session, DuplicateLines(normalize=False), HAND) == {**HAND, "d": "Another text\n\n\n"}
    assert edited(session, DuplicateLines(min_chars=20), HAND) == HAND


def test_paragraphs_by_hand(session: Session) -> None:
    left = edited(session, DuplicateParagraphs(), {**HAND, "f": "Another  TEXT\n \nnew"})
    assert left == {**HAND, "b": HAND["b"].replace("COPYRIGHT 2023\n\n", ""), "f": "new"}


def test_sentences_by_hand(session: Session) -> None:
    corpus = {
        "a": "One is here. Two is there. Three is far. Four is near.",
        "b": "Zero. One is here! two is there. Three is far. And more.",
        "c": "One is here. Two is there.",
        "d": "Again. Again. Again. Again. End.",
    }
    left = edited(session, RepeatedSentences(), corpus)
    assert left == {**corpus, "b": "Zero. And more.", "d": "Again. End."}
    assert edited(session, RepeatedSentences(num_sentences=2), corpus)["c"] == ""


def test_ngrams_by_hand(session: Session) -> None:
    long = " ".join(f"word{k}" for k in range(20))
    corpus = {
        "a": f"{long}\nshort line\n",
        "b": f"{long} and a few more\nshort line\n{' '.join(f'other{k}' for k in range(30))}",
        "c": f"x\n{long}\n",
        "d": "short line",
    }
    left = edited(session, RepeatedParagraphs(threshold=0.6), corpus)
    # Of b's first line 8 of 12 n-grams are a's, of all its 30 n-grams 8; all of c's are.
    assert left == {**corpus, "b": corpus["b"].split("\n", 1)[1], "c": ""}
    assert edited(session, RepeatedParagraphs(threshold=8 / 12), corpus)["b"] == corpus["b"]


EDITS: list[tuple[CorpusEdit, Callable[[dict[str, str]], dict[str, str]]]] = [
    (DuplicateLines(), lambda corpus: reference.without_copies(corpus, reference.lines)),
    (
        DuplicateLines(normalize=False, min_chars=3),
        lambda corpus: reference.without_copies(corpus, reference.lines, normalize=False, min_chars=3),
    ),
    (DuplicateParagraphs(), lambda corpus: reference.without_copies(corpus, reference.paragraphs)),
    (RepeatedSentences(), lambda corpus: reference.without_repeated_runs(corpus, sentences_of, 3)),
    (
        RepeatedParagraphs(size=4, min_ngram=2, threshold=0.5),
        lambda corpus: reference.without_seen_ngrams(corpus, 4, 2, 0.5),
    ),
    (RepeatedParagraphs(), lambda corpus: reference.without_seen_ngrams(corpus, 13, 13, 0.8)),
]


def texts_of(batch: TextBatch, pieces: Pieces) -> list[str]:
    return [batch.data[a:b].tobytes().decode() for a, b in zip(pieces.start, pieces.end, strict=True)]


def sentences_of(text: str) -> list[str]:
    batch = TextBatch.from_texts([text])
    return texts_of(batch, sentences(batch)) or [text]


def corpora(shared: Path) -> list[dict[str, str]]:
    texts = [*random_hard_texts(150, seed=41), *real_texts(shared, per_file=12)]
    return [{f"{k:03d}": text for k, text in enumerate(texts + [text * 2 for text in texts[::7]])}]


@pytest.mark.parametrize(("edit", "expected"), EDITS, ids=[f"{edit.name}-{k}" for k, (edit, _) in enumerate(EDITS)])
def test_against_plain_python(session: Session, shared: Path, edit: CorpusEdit, expected: Any) -> None:
    (corpus,) = corpora(shared)
    left = edited(session, edit, corpus)
    assert left == expected(corpus)
    assert sum(left[doc_id] != text for doc_id, text in corpus.items()) > 15
    assert edited(session, edit, dict(reversed(corpus.items())), partitions=7) == left


@sail_only
def test_near_duplicates_of_real_documents(session: Session, shared: Path) -> None:
    with gzip.open(shared / "data" / "neardup" / "arxiv_versions_docs.jsonl.gz", "rt", encoding="utf-8") as rows:
        corpus = {str(row["id"]): row["text"] for row in map(json.loads, rows)}
    left = edited(session, RepeatedParagraphs(size=8, min_ngram=8), corpus)
    assert left == reference.without_seen_ngrams(corpus, 8, 8, 0.8)
    assert sum(map(len, left.values())) < 0.9 * sum(map(len, corpus.values()))


@sail_only
@pytest.mark.parametrize("edit", [edit for edit, _ in EDITS], ids=str)
def test_hardly_a_corpus(session: Session, edit: CorpusEdit) -> None:
    for corpus in ({"a": ""}, {"a": "One line. Two. Three."}):
        assert edited(session, edit, corpus) == corpus
    nulls = session.spark.createDataFrame(pa.table({"doc_id": ["a", "b"], "text": pa.array([None, None], pa.string())}))
    assert edit.spans(nulls).count() == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(hard_texts, any_texts, st.text("a.! \n\t\u3000", max_size=20)), min_size=1, max_size=4))
def test_pieces_have_no_gaps(texts: list[str]) -> None:
    batch = TextBatch.from_texts(texts)
    for pieces_of, by_python in ((lines, reference.lines), (paragraphs, reference.paragraphs), (sentences, None)):
        pieces = pieces_of(batch)
        assert len(pieces.start) == pieces.offsets[-1]
        for i, text in enumerate(texts):
            mine = slice(pieces.offsets[i], pieces.offsets[i + 1])
            own = texts_of(batch, Pieces(pieces.offsets, pieces.start[mine], pieces.end[mine]))
            assert "".join(own) in (text, "")
            assert own or not text.strip()
            if by_python is not None and own:
                assert [one for one in own if one] == [one for one in by_python(text) if one]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("aB1.\u00e9 \n\u3000", max_size=12), max_size=5))
def test_what_is_compared(texts: list[str]) -> None:
    batch = TextBatch.from_texts(texts)
    for normalize in (True, False):
        made = compared(batch, lines(batch), normalize=normalize)
        pieces = [piece for text in texts for piece in text.split("\n")]
        assert [made.text(i) for i in range(len(made))] == [
            reference.compared(piece, normalize=normalize) for piece in pieces
        ]
    assert len(runs_of(hashes_of(batch), 3)) == max(0, len(texts) - 2)


def test_spans_of_neighbours_are_one() -> None:
    batch = TextBatch.from_texts(["a\nb\nc\nd", "e\nf"])
    numbers = pa.array([[0, 1, 3], [WHOLE]], pa.list_(pa.int32()))
    spans = _spans(batch, lines(batch), numbers, 1).to_pylist()
    assert spans == [[{"start": 0, "end": 4}, {"start": 6, "end": 7}], [{"start": 0, "end": 3}]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DuplicateLines(min_chars=0), "min_chars to be 1 or more, got 0"),
        (lambda: DuplicateParagraphs(min_chars=-1), "min_chars to be 1 or more"),
        (lambda: RepeatedSentences(num_sentences=0), "num_sentences to be 1 or more"),
        (lambda: RepeatedParagraphs(size=3), "size 3 is below min_ngram 13"),
        (lambda: RepeatedParagraphs(threshold=1.5), "threshold within 0 to 1, got 1.5"),
    ],
)
def test_bad_settings(make: Callable[[], CorpusEdit], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
