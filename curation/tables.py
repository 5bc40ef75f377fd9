"""The map of the engine: name, key and columns of every Delta table."""

from dataclasses import dataclass

import pyarrow as pa

ORIGIN = pa.struct([("file", pa.string()), ("record", pa.int64())])
"""Where a record came from: the file's name below the input's root, and the record's number in it."""

CUT = pa.struct([("edit", pa.string()), ("start", pa.int64()), ("text", pa.string()), ("put", pa.string())])
"""One piece that was cut out of a text: by which edit, at which byte of the text that the edit was given, what, and
what stands there now. In the order of the edits and, within one, of the places; null where nothing was cut."""


@dataclass(frozen=True)
class Table:
    """What one Delta table of a lake holds.

    Attributes:
        name: the folder's name inside the lake.
        key: the columns that identify a row.
        schema: the columns that are always there; `signals` adds one struct per signal of the recipe.
        stage: the stage that writes it.
        says: one line for people.
    """

    name: str
    key: tuple[str, ...]
    schema: pa.Schema
    stage: str
    says: str


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()])


DOCUMENTS = Table(
    "documents",
    ("doc_id",),
    _schema(
        doc_id=pa.string(),
        record_id=pa.string(),
        source=pa.string(),
        text=pa.string(),
        url=pa.string(),
        origin=ORIGIN,
        content_hash=pa.string(),
        metadata=pa.string(),
        ingest_id=pa.string(),
        cuts=pa.list_(CUT),
        edits=pa.string(),
    ),
    "ingest",
    "what was read, changed by the recipe's edits, with what they cut",
)
QUARANTINE = Table(
    "quarantine",
    ("origin",),
    _schema(origin=ORIGIN, reason=pa.string(), detail=pa.string(), raw=pa.binary(), ingest_id=pa.string()),
    "ingest",
    "what could not become a document, and why",
)
FILES = Table(
    "files",
    ("name",),
    _schema(
        name=pa.string(),
        uri=pa.string(),
        size=pa.int64(),
        modified=pa.int64(),
        format=pa.string(),
        fingerprint=pa.string(),
        num_records=pa.int64(),
        num_documents=pa.int64(),
        num_quarantined=pa.int64(),
        ingest_id=pa.string(),
        settings=pa.string(),
    ),
    "ingest",
    "the input files that have been ingested; committed last",
)
SIGNALS = Table(
    "signals",
    ("doc_id",),
    _schema(doc_id=pa.string(), content_hash=pa.string(), num_bytes=pa.int64()),
    "measure",
    "what was measured: one struct of numbers per signal",
)
CLUSTERS = Table(
    "clusters",
    ("doc_id",),
    _schema(
        doc_id=pa.string(),
        cluster_id=pa.string(),
        representative=pa.string(),
        similarity=pa.float64(),
        kind=pa.string(),
    ),
    "dedup",
    "documents that have a duplicate, and which document stands for them",
)
SIGNATURES = Table(
    "signatures",
    ("doc_id",),
    _schema(
        doc_id=pa.string(),
        content_hash=pa.string(),
        high=pa.int64(),
        low=pa.int64(),
        num_chars=pa.int64(),
        num_bytes=pa.int64(),
        signature=pa.list_(pa.int64()),
    ),
    "dedup",
    "MinHash signatures, where the recipe keeps them; the settings are in the commit's recipe",
)
VERIFIED_TEXTS = Table(
    "verified",
    ("doc_id",),
    _schema(
        doc_id=pa.string(),
        least_id=pa.string(),
        keep_key=pa.string(),
        component=pa.int64(),
        scope=pa.int64(),
        high=pa.int64(),
        low=pa.int64(),
        num_bytes=pa.int64(),
        num_texts=pa.int64(),
        cluster_id=pa.string(),
        representative=pa.string(),
        similarity=pa.float64(),
        num_comparisons=pa.int64(),
        num_verified=pa.int64(),
    ),
    "dedup",
    "the texts that were compared and what was found, where the recipe keeps signatures: the next run takes it over",
)
COMMONNESS = Table(
    "commonness",
    ("doc_id",),
    _schema(doc_id=pa.string(), commonness=pa.float64(), mean_nats=pa.float64(), num_words=pa.int64()),
    "weigh",
    "how common the text of each document that rules and deduplication keep is among them, where the recipe weights",
)
DECISIONS = Table(
    "decisions",
    ("doc_id",),
    _schema(
        doc_id=pa.string(),
        kept=pa.bool_(),
        reasons=pa.list_(pa.string()),
        weight=pa.float64(),
        sampling_key=pa.float64(),
        recipe_hash=pa.string(),
    ),
    "decide, sample",
    "the verdict on every document, with all its reasons",
)

TABLES: tuple[Table, ...] = (
    *(DOCUMENTS, QUARANTINE, FILES, SIGNALS, SIGNATURES, VERIFIED_TEXTS, CLUSTERS, COMMONNESS),
    DECISIONS,
)
"""Every table of a lake, in the order of the data flow."""
