"""MDS, the shards of mosaicml-streaming: one sample per row.

Reference:
    mosaicml-streaming 0.13, streaming/base/format/mds/: the layout of shards and index.json, format version 2.
    Written here, because the library asks for versions of NumPy and transformers that nothing else can live with.
"""

from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from curation.export.formats.documents import rows_of


def shard_of(batch: pa.RecordBatch, name: str) -> tuple[bytes, dict[str, Any]]:
    """A shard's file, and its entry in index.json.

    A sample has `tokens` (an array of a row's length), `num_tokens`, and `documents`: JSON, for each piece its doc_id,
    and where it begins in the row (start) and in the document (offset), and the number of the copy (repeat).

    Args:
        batch: the rows.
        name: the file's name.

    Raises:
        ValueError: the shard is larger than 4 GB, which the format cannot hold.
    """
    rows = rows_of(batch)
    config = _config(rows.dtype.name, rows.shape[1])
    counts = np.asarray(batch.column("num_tokens")).astype("<i4")
    samples = []
    for number, documents in enumerate(_documents(batch)):
        # Columns in order of their names, behind the sizes of those whose size is not fixed.
        parts = (documents, counts[number].tobytes(), rows[number].tobytes())
        samples.append(len(documents).to_bytes(4, "little") + b"".join(parts))
    said = orjson.dumps(config, option=orjson.OPT_SORT_KEYS)
    ends = np.cumsum([0, *map(len, samples)]) + 4 + 4 * (len(samples) + 1) + len(said)
    if ends[-1] >= 1 << 32:
        raise ValueError(f"{name} would have {ends[-1]:,} bytes, and a shard of this format has less than 4 GB")
    content = b"".join([len(samples).to_bytes(4, "little"), ends.astype("<u4").tobytes(), said, *samples])
    raw = {"basename": name, "bytes": len(content), "hashes": {}}
    return content, {**config, "raw_data": raw, "samples": len(samples), "version": 2, "zip_data": None}


def index_of(entries: list[dict[str, Any]]) -> bytes:
    """The index.json of some shards."""
    return orjson.dumps({"shards": entries, "version": 2}, option=orjson.OPT_SORT_KEYS)


def _config(dtype: str, row_length: int) -> dict[str, Any]:
    size = row_length * np.dtype(dtype).itemsize
    return {
        "column_encodings": ["json", "int32", f"ndarray:{dtype}:{row_length}"],
        "column_names": ["documents", "num_tokens", "tokens"],
        "column_sizes": [None, 4, size],
        "compression": None,
        "format": "mds",
        "hashes": [],
        "size_limit": None,
    }


def _documents(batch: pa.RecordBatch) -> list[bytes]:
    names = ("doc_ids", "starts", "offsets", "repeats")
    columns = [batch.column(name).to_pylist() for name in names]
    return [
        orjson.dumps(
            [
                {"doc_id": doc_id, "start": start, "offset": offset, "repeat": repeat}
                for doc_id, start, offset, repeat in zip(*row, strict=True)
            ]
        )
        for row in zip(*columns, strict=True)
    ]
