"""A shard: documents of one domain and split as rows of tokens in one Arrow file, and what is counted on the way."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

from curation.export.pack import Packed, fill, pack
from curation.export.settings import Packing
from curation.text.kernel import kernel

FORMAT = {"winnow.format": "tokens", "winnow.version": "1"}
"""Metadata of a shard's schema."""

TRAIN, EVAL = "train", "eval"

_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TAKEN = {"manifest.json", "tokenizer.json", "report.html", "conversations.parquet", "chat_template.jinja"}


@dataclass(frozen=True, kw_only=True)
class RowFormat:
    """What the rows of an export look like.

    Attributes:
        row_length: tokens of a row.
        packing: how documents become rows.
        token_dtype: `uint16` or `uint32`.
        eos: id of the token behind every document.
        bos: id of the token before every document, None for none.
        pad: id of the token that fills rows.
        vocab_size: one more than the largest id.
        loss_weights: whether each token has a weight in the loss.
    """

    row_length: int
    packing: Packing
    token_dtype: str
    eos: int
    bos: int | None
    pad: int
    vocab_size: int
    loss_weights: bool = False

    @property
    def num_special(self) -> int:
        """Special tokens that each document gets."""
        return 1 if self.bos is None else 2

    @property
    def schema(self) -> pa.Schema:
        """Columns of a shard."""
        kind = pa.uint16() if self.token_dtype == "uint16" else pa.uint32()
        weights = pa.field("loss_weights", pa.list_(pa.float16(), self.row_length), nullable=False)
        return pa.schema(
            [
                pa.field("tokens", pa.list_(kind, self.row_length), nullable=False),
                pa.field("num_tokens", pa.int32()),
                pa.field("starts", pa.list_(pa.int32())),
                pa.field("doc_ids", pa.list_(pa.string())),
                pa.field("offsets", pa.list_(pa.int32())),
                pa.field("repeats", pa.list_(pa.int16())),
                *([weights] if self.loss_weights else []),
            ],
            metadata=FORMAT,
        )


@dataclass(frozen=True)
class Copies:
    """Tokenized documents of one shard, in the order in which they are packed; one that is repeated stands repeatedly.

    Attributes:
        tokens: of the format's type; special tokens included.
        starts: int64[n]; where each document begins in `tokens`.
        lengths: int64[n]; its tokens.
        doc_ids: strings.
        repeats: int64[n]; number of the copy, from 0.
        sources: strings; the documents' sources.
        num_bytes: int64[n]; UTF-8 bytes of the texts.
        loss_weights: float16, one for each of `tokens`; None where the format has none.
    """

    tokens: NDArray[Any]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    doc_ids: pa.Array
    repeats: NDArray[np.int64]
    sources: pa.Array
    num_bytes: NDArray[np.int64]
    loss_weights: NDArray[np.float16] | None = None


def folder_of(domain: str) -> str:
    """Name of a domain's folder: its own where every file system takes that, else what is plain of it and a hash."""
    if _PLAIN.fullmatch(domain) and not domain.startswith(".") and domain not in _TAKEN:
        return domain
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", domain).strip("-")[:48]
    return f"{plain or 'domain'}-{hashlib.sha256(domain.encode()).hexdigest()[:8]}"


def shard_path(domain: str, split: str, number: int) -> str:
    """Path of a shard below the export's folder."""
    return f"{folder_of(domain)}/{split}-{number:05d}.arrow"


@kernel
def _surrounded(ids: Any, lengths: Any, bos: int, eos: int, into: Any) -> int:
    """Copy ids of documents with special tokens around each (none for bos < 0); gives the largest id."""
    source, place, largest = 0, 0, 0
    for length in lengths:
        if length == 0:
            continue
        if bos >= 0:
            into[place] = bos
            place += 1
        for i in range(source, source + length):
            largest = max(largest, ids[i])
            into[place] = ids[i]
            place += 1
        source += length
        into[place] = eos
        place += 1
    return largest


def surrounded(ids: NDArray[np.uint32], lengths: NDArray[np.int64], rows: RowFormat) -> NDArray[Any]:
    """Token ids of documents with their special tokens, in the width of the format; a document of no ids gets none.

    Raises:
        AssertionError: the library gave an id that is not in its vocabulary.
    """
    into = np.empty(len(ids) + rows.num_special * int((lengths > 0).sum()), np.dtype(rows.token_dtype))
    largest = _surrounded(ids, lengths, -1 if rows.bos is None else rows.bos, rows.eos, into)
    assert largest < rows.vocab_size, f"token {largest} of a vocabulary of {rows.vocab_size}"
    return into


def shard_file(copies: Copies, rows: RowFormat) -> tuple[pa.Buffer, dict[str, Any]]:
    """The bytes of a shard's file, a pure function of the arguments, and what is to be known of it.

    Returns:
        The Arrow IPC file (one record batch, not compressed), and its counts (see `counts_of`) with `num_bytes`,
        `sha256` and `xxh3` of the file.
    """
    packed = pack(copies.lengths, rows.row_length, rows.packing)
    tokens = fill(copies.tokens, copies.starts, packed, rows.row_length, rows.pad)
    batch = pa.RecordBatch.from_arrays(_columns(tokens, copies, packed, rows), schema=rows.schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content = sink.getvalue()
    found = counts_of(copies, packed, rows)
    found["num_bytes"] = content.size
    found["sha256"] = hashlib.sha256(content).hexdigest()
    found["xxh3"] = xxhash.xxh3_64_hexdigest(content)
    return content, found


def _columns(tokens: NDArray[Any], copies: Copies, packed: Packed, rows: RowFormat) -> list[pa.Array]:
    ends = np.cumsum(packed.length)
    before = np.concatenate([np.zeros(1, np.int64), ends])[packed.rows]  # tokens before each row, padding left out
    num_tokens = np.diff(before)
    starts = ends - packed.length - np.repeat(before[:-1], np.diff(packed.rows))
    bounds = pa.array(packed.rows.astype(np.int32))
    documents = pa.array(packed.document)

    def lists(values: pa.Array) -> pa.Array:
        return pa.ListArray.from_arrays(bounds, values)

    columns = [
        pa.FixedSizeListArray.from_arrays(pa.array(tokens.reshape(-1)), rows.row_length),
        pa.array(num_tokens.astype(np.int32)),
        lists(pa.array(starts.astype(np.int32))),
        lists(copies.doc_ids.take(documents)),
        lists(pa.array(packed.offset.astype(np.int32))),
        lists(pa.array(copies.repeats[packed.document].astype(np.int16))),
    ]
    if copies.loss_weights is not None:
        bits = copies.loss_weights.view(np.uint16)  # as bits, which Numba knows; padding has the weight 0
        weights = fill(bits, copies.starts, packed, rows.row_length, 0).reshape(-1).view(np.float16)
        columns.append(pa.FixedSizeListArray.from_arrays(pa.array(weights), rows.row_length))
    return columns


def counts_of(copies: Copies, packed: Packed, rows: RowFormat) -> dict[str, Any]:
    """What is in a shard.

    `num_documents` counts each document once (its copy number 0), `num_repeats` every copy. `length_histogram[i]`
    counts copies of 2**i to 2**(i + 1) - 1 tokens. `sources` says how many documents and tokens each source has.
    `num_supervised_tokens`, where there are loss weights, counts those above 0.
    """
    num_tokens = int(copies.lengths.sum())
    cuts = np.bincount(packed.document, minlength=len(copies.lengths)) - (copies.lengths > 0)
    buckets = np.frexp(copies.lengths.astype(np.float64))[1] - 1
    found = {
        "num_documents": int((copies.repeats == 0).sum()),
        "num_repeats": len(copies.lengths),
        "num_tokens": num_tokens,
        "num_special_tokens": rows.num_special * len(copies.lengths),
        "num_padding": packed.num_rows * rows.row_length - num_tokens,
        "num_rows": packed.num_rows,
        "num_truncated_documents": int((cuts > 0).sum()),
        "num_truncations": int(cuts.sum()),
        "num_text_bytes": int(copies.num_bytes.sum()),
        "length_histogram": np.bincount(buckets).tolist(),
        "sources": _sources(copies),
    }
    if copies.loss_weights is not None:
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(copies.loss_weights > 0)])
        supervised = before[copies.starts + copies.lengths] - before[copies.starts]
        found["num_supervised_tokens"] = int(supervised.sum())
    return found


def _sources(copies: Copies) -> dict[str, dict[str, int]]:
    table = pa.table(
        {"source": copies.sources, "tokens": copies.lengths, "documents": (copies.repeats == 0).astype(np.int64)}
    )
    sums = table.group_by("source").aggregate([("tokens", "sum"), ("documents", "sum")]).to_pylist()
    return {
        row["source"]: {"num_documents": row["documents_sum"], "num_tokens": row["tokens_sum"]}
        for row in sorted(sums, key=lambda row: str(row["source"]))
    }


def as_json(counts: dict[str, Any]) -> str:
    """Counts as one line, as workers hand them to the driver."""
    return orjson.dumps(counts, option=orjson.OPT_SORT_KEYS).decode()


def sorted_places(shards: pa.Array, keys: pa.Array, doc_ids: pa.Array, repeats: pa.Array) -> NDArray[np.int64]:
    """The order of copies by shard and, inside it, by key; where keys are the same by document and copy."""
    table = pa.table({"shard": shards, "key": keys, "doc_id": doc_ids, "repeat": repeats})
    order = [(name, "ascending") for name in table.column_names]
    return np.asarray(pc.sort_indices(table, sort_keys=order)).astype(np.int64)
