"""The documents that both sides of every benchmark read, and the files that hand them over."""

import gzip
import hashlib
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SCHEMA = pa.schema([("id", pa.string()), ("source", pa.string()), ("text", pa.string())])
ROW_GROUP = 4096


def read(folder: Path) -> pa.Table:
    """Every document of the JSONL files of a folder, in an order that the ids alone decide.

    Raises:
        SystemExit: there are none.
    """
    rows = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path) as lines:
            rows += [(found["id"], found["source"], found["text"]) for found in map(orjson.loads, lines)]
    if not rows:
        raise SystemExit(f"no *.jsonl.gz in {folder}: give a folder of documents (id, source, text) with --data")
    rows.sort(key=lambda row: hashlib.sha256(row[0].encode()).digest())
    return pa.table([pa.array(column) for column in zip(*rows, strict=True)], schema=SCHEMA)


def text_bytes(documents: pa.Table) -> int:
    """UTF-8 bytes of all texts: the size that every speed here is a multiple of."""
    return int(pc.sum(pc.binary_length(documents.column("text"))).as_py() or 0)


def first_megabytes(documents: pa.Table, megabytes: float) -> pa.Table:
    """The first documents, in their order, that together have about so many million bytes."""
    sizes = pc.cumulative_sum(pc.binary_length(documents.column("text")).cast(pa.int64()))
    return documents.slice(0, 1 + int(pc.sum(pc.less(sizes, int(megabytes * 1e6))).as_py() or 0))


def write_parquet(documents: pa.Table, path: Path) -> Path:
    """Write documents as one Parquet file, zstd, in row groups that an engine can share out."""
    pq.write_table(documents, path, row_group_size=ROW_GROUP, compression="zstd")
    return path


def write_jsonl(documents: pa.Table, path: Path) -> Path:
    """Write documents as JSONL, plain or (by the name) gzip."""
    lines = b"".join(orjson.dumps(row) + b"\n" for row in documents.to_pylist())
    path.write_bytes(gzip.compress(lines, 1, mtime=0) if path.suffix == ".gz" else lines)  # noqa: TID251
    return path
