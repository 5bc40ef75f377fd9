"""What stands in the corpus before: one shuffle of hashes, and a mark on every piece that is not the first of its kind.

The first of equal pieces is the one of the smallest (doc_id, place), whatever the partitions. Only hashes are shuffled:
each document tells its own once, the corpus answers with those that an earlier document has too, and what repeats
within a document is found there.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from curation.text.batch import TextBatch

_KEYS = pa.schema([("doc_id", pa.string()), ("high", pa.int64()), ("low", pa.int64())])
_PIECE = pa.struct([("start", pa.int32()), ("end", pa.int32())])
_SPANS = pa.schema([("doc_id", pa.string()), ("spans", pa.list_(_PIECE))])


@dataclass(frozen=True)
class Pieces:
    """What is compared, in order of the documents.

    Attributes:
        document: int64[m]; the text's number in the batch.
        place: int64[m]; 0 or more. Pieces of one document at one place do not repeat each other.
        high: uint64[m]; upper half of a 128-bit hash. Pieces are equal where their hashes are.
        low: uint64[m].
    """

    document: NDArray[np.int64]
    place: NDArray[np.int64]
    high: NDArray[np.uint64]
    low: NDArray[np.uint64]


@dataclass(frozen=True)
class Found:
    """Bytes of `TextBatch.data` to be cut, in order and without overlap; all int64[m], as in `curation.edits.edit`."""

    document: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]


PiecesOf = Callable[[TextBatch], Pieces]
FoundIn = Callable[[TextBatch, Pieces, NDArray[np.bool_]], Found]
"""Texts, their pieces, and by piece whether it stands in the corpus before, to what is cut."""


def repeats(
    documents: DataFrame,
    name: str,
    checkpoint: Callable[[DataFrame, str], DataFrame],
    pieces_of: PiecesOf,
    found_in: FoundIn,
) -> DataFrame:
    """What `CorpusEdit.spans` gives. Memory: a batch of texts with its pieces; nothing goes to the driver.

    Args:
        documents: doc_id, text.
        name: of the edit; the scratch table is called after it.
        checkpoint: see `CorpusEdit.spans`.
        pieces_of: the pieces of texts.
        found_in: what is cut of texts of which that is known.
    """
    keys = checkpoint(documents.mapInArrow(_KeyBatches(pieces_of), _ddl(_KEYS)), f"{name}_keys")
    first = (
        keys.groupBy("high", "low")
        .agg(F.min("doc_id").alias("first"), F.count("doc_id").alias("documents"))
        .where("documents > 1")
        .select("high", "low", "first")
    )
    later = keys.join(first, ["high", "low"]).where(F.col("doc_id") > F.col("first"))
    known = later.groupBy("doc_id").agg(F.collect_list(F.struct("high", "low")).alias("known"))
    told = documents.join(known, "doc_id", "left").select("doc_id", "text", "known")
    return told.mapInArrow(_SpanBatches(pieces_of, found_in), _ddl(_SPANS))


def are_repeated(pieces: Pieces, known: pa.ListArray) -> NDArray[np.bool_]:
    """By piece, whether an earlier document has it (`known`, by text) or an earlier place of its own document."""
    flat = known.flatten()
    elsewhere = len(flat)
    counts = np.asarray(known.value_lengths().fill_null(0))
    document = np.concatenate([np.repeat(np.arange(len(known)), counts), pieces.document])
    place = np.concatenate([np.full(elsewhere, -1), pieces.place])
    high, low = (
        np.concatenate([np.asarray(flat.field(half)).astype(np.int64).view(np.uint64), getattr(pieces, half)])
        for half in ("high", "low")
    )
    order, begins = _grouped(document, high, low, place)
    first = place[order][begins][np.cumsum(begins) - 1] if len(order) else place
    repeated = np.empty(len(order), np.bool_)
    repeated[order] = place[order] > first
    return repeated[elsewhere:]


def _grouped(
    document: NDArray[np.int64], high: NDArray[np.uint64], low: NDArray[np.uint64], place: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """An order in which equal pieces of a document stand together, by place, and where each such group begins."""
    order = np.lexsort((place, low, high, document))
    begins = np.ones(len(order), np.bool_)
    for column in (document[order], high[order], low[order]):
        begins[1:] &= column[1:] == column[:-1]
    begins[1:] = ~begins[1:]
    return order, begins


@dataclass(frozen=True)
class _KeyBatches:
    """Texts to their hashes, each once for a document."""

    pieces_of: PiecesOf

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            pieces = self.pieces_of(TextBatch.from_arrow(batch.column("text")))
            order, begins = _grouped(pieces.document, pieces.high, pieces.low, pieces.place)
            one = order[begins]
            doc_ids = batch.column("doc_id").cast(pa.string()).take(pa.array(pieces.document[one]))
            halves = [pa.array(half[one].view(np.int64)) for half in (pieces.high, pieces.low)]
            yield pa.RecordBatch.from_arrays([doc_ids, *halves], schema=_KEYS)


@dataclass(frozen=True)
class _SpanBatches:
    """Texts, and the hashes that earlier documents have too, to what is cut."""

    pieces_of: PiecesOf
    found_in: FoundIn

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            texts = TextBatch.from_arrow(batch.column("text"))
            pieces = self.pieces_of(texts)
            found = self.found_in(texts, pieces, are_repeated(pieces, batch.column("known")))
            first = texts.offsets[found.document]
            bytes_of = [pa.array(place - first, pa.int32()) for place in (found.start, found.end)]
            counts = np.bincount(found.document, minlength=len(texts))
            ends = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
            spans = pa.ListArray.from_arrays(ends, pa.StructArray.from_arrays(bytes_of, fields=list(_PIECE)))
            doc_ids = batch.column("doc_id").cast(pa.string())
            kept = pa.array(counts > 0)
            yield pa.RecordBatch.from_arrays([doc_ids.filter(kept), spans.filter(kept)], schema=_SPANS)


def _ddl(schema: pa.Schema) -> str:
    kinds = {"spans": "array<struct<start: int, end: int>>", "doc_id": "string"}
    return ", ".join(f"{name} {kinds.get(name, 'bigint')}" for name in schema.names)
