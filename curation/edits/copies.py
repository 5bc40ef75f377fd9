"""Pieces that stand earlier in the corpus too, found by one shuffle of their hashes.

They are the same ones however the corpus is cut up: its order is that of (doc_id, piece). Hashes have 64 bits: of ten
thousand million different pieces about three are taken for copies of others.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from curation.edits.pieces import Pieces
from curation.text.batch import TextBatch

WHOLE = -1
"""The number that stands for all pieces of a text."""

_ROWS = 1 << 18  # of a batch that is handed on
_UNITS = pa.schema([("doc_id", pa.string()), ("number", pa.int32()), ("hash", pa.int64())])
_SPAN = pa.struct([("start", pa.int32()), ("end", pa.int32())])
_SPANS = pa.schema([("doc_id", pa.string()), ("spans", pa.list_(_SPAN))])


@dataclass(frozen=True)
class Units:
    """What is looked for, in any order; a piece may have several.

    Attributes:
        document: int64[m]; the text's number in the batch.
        number: int64[m]; the piece of the text.
        hash: uint64[m].
    """

    document: NDArray[np.int64]
    number: NDArray[np.int64]
    hash: NDArray[np.uint64]


def compared_units(documents: DataFrame, units_of: Callable[[TextBatch], Units]) -> DataFrame:
    """Every unit of every document: doc_id, number, hash, and `again`: whether a piece before its own has its hash.

    Args:
        documents: doc_id (string), text (string).
        units_of: the units of a batch of texts.
    """

    def per_batch(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            units = units_of(TextBatch.from_arrow(batch.column("text")))
            doc_ids = batch.column("doc_id").cast(pa.string())
            for k in range(0, len(units.hash), _ROWS):
                part = slice(k, k + _ROWS)
                columns = [
                    doc_ids.take(pa.array(units.document[part])),
                    pa.array(units.number[part].astype(np.int32)),
                    pa.array(units.hash[part].view(np.int64)),
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=_UNITS)

    units = documents.select("doc_id", "text").mapInArrow(per_batch, from_arrow_schema(_UNITS))
    order = Window.partitionBy("hash").orderBy("doc_id", "number")
    return units.withColumn("again", F.rank().over(order) > 1)


def spans_of(
    documents: DataFrame, numbers: DataFrame, pieces_of: Callable[[TextBatch], Pieces], *, width: int = 1
) -> DataFrame:
    """The places of pieces: what `CorpusEdit.spans` gives.

    Args:
        documents: doc_id (string), text (string).
        numbers: doc_id, numbers (array<int>): pieces of a document, or `WHOLE`.
        pieces_of: the pieces of a batch of texts, as they were numbered.
        width: how many pieces from each one on are meant.
    """

    def per_batch(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            texts = TextBatch.from_arrow(batch.column("text"))
            spans = _spans(texts, pieces_of(texts), batch.column("numbers"), width)
            yield pa.RecordBatch.from_arrays([batch.column("doc_id").cast(pa.string()), spans], schema=_SPANS)

    joined = documents.select("doc_id", "text").join(numbers, "doc_id")
    return joined.select("doc_id", "text", "numbers").mapInArrow(per_batch, from_arrow_schema(_SPANS))


def _spans(texts: TextBatch, pieces: Pieces, numbers: pa.Array, width: int) -> pa.Array:
    document = np.repeat(np.arange(len(texts)), np.asarray(numbers.value_lengths().fill_null(0)))
    number = np.asarray(numbers.flatten()).astype(np.int64)
    marked = np.zeros(len(pieces.start) + 1, np.int64)
    last = pieces.offsets[document + 1]
    whole = number == WHOLE
    first = pieces.offsets[document] + np.where(whole, 0, number)
    np.add.at(marked, first, 1)
    np.add.at(marked, np.where(whole, last, np.minimum(first + width, last)), -1)
    inside = np.cumsum(marked)[:-1] > 0
    # Neighbours become one span.
    owner = pieces.document
    before = np.append(False, inside[:-1] & (owner[1:] == owner[:-1])) if len(inside) else inside
    after = np.append(inside[1:] & (owner[1:] == owner[:-1]), False) if len(inside) else inside
    begins, ends = np.flatnonzero(inside & ~before), np.flatnonzero(inside & ~after)
    base = texts.offsets[owner[begins]]
    fields = [pa.array((values - base).astype(np.int32)) for values in (pieces.start[begins], pieces.end[ends])]
    items = pa.StructArray.from_arrays(fields, fields=list(_SPAN))
    counts = np.bincount(owner[begins], minlength=len(texts))
    return pa.ListArray.from_arrays(pa.array(np.append(0, np.cumsum(counts)).astype(np.int32)), items)


def numbers_by_document(pieces: DataFrame) -> DataFrame:
    """Rows of (doc_id, number) as doc_id and numbers, in order."""
    return pieces.groupBy("doc_id").agg(F.sort_array(F.collect_list("number")).alias("numbers"))
