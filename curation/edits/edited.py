"""Editing on DataFrames: documents to documents with other texts, and what was cut out of them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from curation.edits.edit import CorpusEdit, Cuts, Edit
from curation.edits.splice import edit_texts, recorded, restored, spliced, to_strings
from curation.progress import advance
from curation.sources.piece import hashes
from curation.tables import CUT, DOCUMENTS
from curation.text.batch import TextBatch

_SPANS = "spans"
_CUTS = pa.list_(CUT)

Checkpoint = Callable[[DataFrame, str], DataFrame]


def edited(
    edits: Sequence[Edit | CorpusEdit], key: str | None, checkpoint: Checkpoint
) -> Callable[[DataFrame], DataFrame]:
    """A stage: rows of `documents`, edited or not, to the same rows with what these edits make of the originals.

    Args:
        edits: in order; none: every text becomes what was read.
        key: what `documents.edits` is to say; None where there are no edits.
        checkpoint: writes a frame under a name and gives one that reads it; used where an edit needs the whole corpus.
    """

    def stage(documents: DataFrame) -> DataFrame:
        documents = documents.select(*DOCUMENTS.schema.names)
        waiting: list[Edit] = []
        anew = True
        for number, one in enumerate(edits):
            if not isinstance(one, CorpusEdit):
                waiting.append(one)
                continue
            if anew or waiting:
                documents = _each(tuple(waiting), key, documents, anew=anew)
            documents = _of_corpus(one, key, checkpoint(documents, f"edit_{number}"))
            waiting, anew = [], False
        return _each(tuple(waiting), key, documents, anew=anew) if anew or waiting else documents

    return stage


def _each(edits: Sequence[Edit], key: str | None, documents: DataFrame, *, anew: bool) -> DataFrame:
    """Carry out edits of single texts; `anew`: of the texts as they were read."""

    def per_batch(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for edit in edits:
            edit.open()
        for batch in batches:
            texts, before = TextBatch.from_arrow(batch.column("text")), batch.column("cuts").cast(_CUTS)
            if anew:
                texts, before = restored(texts, before), None
            after, cuts = edit_texts(texts, edits)
            advance(len(texts), int(texts.offsets[-1]))
            yield _with_texts(batch, after, cuts if before is None else _joined(before, cuts), key)

    return documents.mapInArrow(per_batch, from_arrow_schema(DOCUMENTS.schema))


def _of_corpus(edit: CorpusEdit, key: str | None, documents: DataFrame) -> DataFrame:
    """Carry out an edit that depends on the whole corpus."""
    name = edit.name  # the edit itself need not be known where texts are cut
    spans = edit.spans(documents.select("doc_id", "text")).select("doc_id", _SPANS)

    def per_batch(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            texts = TextBatch.from_arrow(batch.column("text"))
            cuts = _cuts_of(texts, batch.column(_SPANS))
            told = recorded(len(texts), [(name, texts, cuts)])
            after = spliced(texts, cuts) if len(cuts) else texts
            advance(len(texts), int(texts.offsets[-1]))
            yield _with_texts(batch, after, _joined(batch.column("cuts").cast(_CUTS), told), key)

    joined = documents.join(spans, "doc_id", "left").select(*DOCUMENTS.schema.names, _SPANS)
    return joined.mapInArrow(per_batch, from_arrow_schema(DOCUMENTS.schema))


def _cuts_of(texts: TextBatch, spans: pa.Array) -> Cuts:
    """Spans by document, relative to its text, as cuts of the batch."""
    pieces = spans.flatten()
    document = np.repeat(np.arange(len(texts)), np.asarray(spans.value_lengths().fill_null(0)))
    start, end = (np.asarray(pieces.field(name)).astype(np.int64) for name in ("start", "end"))
    first = texts.offsets[document]
    return Cuts(document, first + start, first + end, np.zeros(len(document), np.int64))


def _with_texts(batch: pa.RecordBatch, texts: TextBatch, cuts: pa.Array, key: str | None) -> pa.RecordBatch:
    columns = {name: batch.column(name) for name in batch.schema.names}
    strings = to_strings(texts).cast(pa.string())
    columns |= {
        "text": strings,
        "content_hash": pa.array(hashes(strings), pa.string()),
        "cuts": cuts,
        "edits": pa.repeat(pa.scalar(key, pa.string()), len(batch)),  # a literal of Sail's would make it NOT NULL
    }
    return pa.RecordBatch.from_arrays(
        [columns[field.name].cast(field.type) for field in DOCUMENTS.schema], schema=DOCUMENTS.schema
    )


def _joined(one: pa.Array, other: pa.Array) -> pa.Array:
    """Lists of two columns, one behind the other; null where both are."""
    counts = [np.asarray(column.value_lengths().fill_null(0)) for column in (one, other)]
    rows = np.concatenate([np.repeat(np.arange(len(one)), count) for count in counts])
    pieces = pa.concat_arrays([one.flatten(), other.flatten()]).take(pa.array(np.argsort(rows, kind="stable")))
    total = counts[0] + counts[1]
    ends = np.concatenate([[0], np.cumsum(total)]).astype(np.int32)
    bits = pa.py_buffer(np.packbits(total > 0, bitorder="little"))
    return pa.Array.from_buffers(_CUTS, len(one), [bits, pa.py_buffer(ends)], children=[pieces])
