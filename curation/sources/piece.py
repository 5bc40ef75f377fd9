"""What readers give: documents as columns, and what could not become one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import xxhash

from curation.tables import DOCUMENTS, ORIGIN

PIECE_BYTES = 8 << 20
"""Bytes of input after which a reader gives what it has."""

_ADDED = ("ingest_id", "cuts", "edits")

COLUMNS = pa.schema([column for column in DOCUMENTS.schema if column.name not in _ADDED])
"""Columns of the documents that readers give; the ingest adds its own id, edits what they cut."""


@dataclass(frozen=True)
class Rejected:
    """A record, or a whole file, that could not become a document.

    Attributes:
        record: number of the line or row, counted from 1; None for a whole file.
        reason: short stable string.
        detail: one line for people.
        raw: the record's bytes, up to the cap; None where there are none to show.
    """

    record: int | None
    reason: str
    detail: str
    raw: bytes | None = None


def _no_documents() -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=COLUMNS)


@dataclass(frozen=True)
class Piece:
    """Part of a file, read.

    Attributes:
        num_documents: documents in it.
        rejected: what could not become one.
        num_bytes: bytes of input behind it, unpacked.
        build: makes the documents' columns (`COLUMNS`); not called where only counts are wanted.
        skipped: records that are none of a page or text by their type, by type.
    """

    num_documents: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    num_bytes: int = 0
    build: Callable[[], pa.RecordBatch] = _no_documents
    skipped: Mapping[str, int] = field(default_factory=dict)


def to_documents(
    file: str,
    records: list[int],
    texts: pa.Array,
    record_ids: pa.Array,
    sources: pa.Array,
    urls: pa.Array,
    metadata: pa.Array,
) -> pa.RecordBatch:
    """Columns of documents (`COLUMNS`), ids and hashes added.

    Args:
        file: the file's name in the lake.
        records: number of each record in the file.
        texts: string array without nulls.
        record_ids: string array.
        sources: string array.
        urls: string array.
        metadata: string array of JSON objects.
    """
    prefix = file.encode() + b"\0"
    doc_ids = [xxhash.xxh3_128_hexdigest(prefix + b"%d" % record) for record in records]
    origin = pa.StructArray.from_arrays(
        [pa.array([file]).take(pa.array(np.zeros(len(records), np.int64))), pa.array(records, pa.int64())],
        fields=list(ORIGIN),
    )
    columns = [
        pa.array(doc_ids, pa.string()),
        record_ids,
        sources,
        texts,
        urls,
        origin,
        pa.array(hashes(texts), pa.string()),
        metadata,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=COLUMNS)


def hashes(texts: pa.Array) -> list[str]:
    """Hash (xxh3_128, 32 hex digits) of each text's UTF-8 bytes, taken from Arrow's own buffer."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1].tolist()
    data = memoryview(texts.buffers()[2] or b"")
    digest = xxhash.xxh3_128_hexdigest
    return [digest(data[start:end]) for start, end in pairwise(offsets)]
