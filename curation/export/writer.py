"""The two halves of writing shards, as workers run them: texts to tokens, and tokens to files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import zstandard
from numpy.typing import NDArray

from curation.export.draws import copies_hashes
from curation.export.settings import Export
from curation.export.shard import Copies, RowFormat, as_json, shard_file, sorted_places, surrounded
from curation.export.shard_plan import ShardPlan
from curation.export.storage import Storage
from curation.export.tokenizer import ExportTokenizer, opened_once
from curation.progress import advance

TOKENIZED = pa.schema(
    [
        ("shard", pa.int32()),
        ("repeat", pa.int32()),
        ("doc_id", pa.string()),
        ("source", pa.string()),
        ("num_bytes", pa.int64()),
        ("tokens", pa.binary()),
        ("failed", pa.string()),
    ]
)
"""Copies of documents with their tokens, in the width of the shards, special tokens included; or why there are none."""

WRITTEN = pa.schema([("path", pa.string()), ("counts", pa.string())])
"""One row per shard: its file, and what is in it as JSON."""

_MOST_NAMED = 100
"""Documents that could not be tokenized and are named, per shard."""

_PIECE_BYTES = 64 << 20
"""Text that is tokenized at a time: one batch's tokens stay far below what a binary column can hold."""


@dataclass(frozen=True, kw_only=True)
class ShardWriter:
    """Tokenizes documents, and writes the shards of a partition; sent to the workers.

    Attributes:
        settings: the export's settings.
        rows: what rows look like.
        plan: the number of shards.
        storage: where they are written.
        tokenizer: the tokenizer's file, compressed, with its name and tokens.
        in_parallel: whether the library may use all cores for one batch (where all tasks share a process), or one core
            (where there is a process for each core).
    """

    settings: Export
    rows: RowFormat
    plan: ShardPlan
    storage: Storage
    tokenizer: tuple[bytes, str, str, str | None, str | None]
    in_parallel: bool

    @classmethod
    def of(cls, tokenizer: ExportTokenizer, **settings: Any) -> "ShardWriter":
        """A writer with that tokenizer."""
        packed = zstandard.compress(tokenizer.content)
        return cls(tokenizer=(packed, tokenizer.name, tokenizer.eos, tokenizer.bos, tokenizer.pad), **settings)

    def tokenize(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rows of shard, repeat, doc_id, source, text to rows of `TOKENIZED`."""
        if not self.in_parallel:
            os.environ["TOKENIZERS_PARALLELISM"] = "false"
        content, name, eos, bos, pad = self.tokenizer
        opened = opened_once(zstandard.decompress(content), name, eos, bos, pad)
        for batch in batches:
            for piece in _pieces(batch):
                yield self._tokenized(piece, opened)

    def _tokenized(self, batch: pa.RecordBatch, tokenizer: ExportTokenizer) -> pa.RecordBatch:
        texts = batch.column("text")
        sizes = pc.binary_length(texts).cast(pa.int64())
        encoded = tokenizer.encode(texts)
        tokens = surrounded(encoded.ids, encoded.lengths, self.rows)
        lengths = np.where(encoded.lengths > 0, encoded.lengths + self.rows.num_special, 0)
        ends = np.zeros(batch.num_rows + 1, np.int32)
        np.cumsum(lengths * tokens.itemsize, out=ends[1:])
        failed: list[str | None] = [None] * batch.num_rows
        for place, said in encoded.failed.items():
            failed[place] = said
        columns = [
            *(batch.column(name).cast(TOKENIZED.field(name).type) for name in ("shard", "repeat", "doc_id", "source")),
            sizes,
            pa.Array.from_buffers(pa.binary(), batch.num_rows, [None, pa.py_buffer(ends), pa.py_buffer(tokens)]),
            pa.array(failed, pa.string()),
        ]
        advance(batch.num_rows, pc.sum(sizes).as_py() or 0)
        return pa.RecordBatch.from_arrays(columns, schema=TOKENIZED)

    def write(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rows of `TOKENIZED` to rows of `WRITTEN`: one per shard, which is written then."""
        gathered = Gathered(np.dtype(self.rows.token_dtype))
        for batch in batches:
            gathered.add(batch)
        paths = self.plan.paths()
        for shard, copies, lost in gathered.shards(self.settings.seed):
            if len(copies.lengths):
                made, counts = shard_file(copies, self.rows)
                self.storage.write(paths[shard], made)
            else:
                counts = {}
            row = [pa.array([paths[shard]]), pa.array([as_json(counts | lost)])]
            yield pa.RecordBatch.from_arrays(row, schema=WRITTEN)


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in parts of about `_PIECE_BYTES` of text, at least one text each."""
    sizes = np.asarray(pc.binary_length(batch.column("text")), np.int64)
    if sizes.sum() <= _PIECE_BYTES:
        yield batch
        return
    firsts = np.flatnonzero(np.diff(np.cumsum(sizes) // _PIECE_BYTES, prepend=-1))
    for first, end in pairwise([*firsts.tolist(), batch.num_rows]):
        yield batch.slice(first, end - first)


class Gathered:
    """Tokenized copies of documents as they come in.

    Args:
        dtype: of the tokens.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._tables: list[pa.Table] = []
        self._tokens: list[NDArray[Any]] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in a batch of `TOKENIZED`."""
        packed = batch.column("tokens").cast(pa.large_binary())
        ends = np.frombuffer(packed.buffers()[1], np.int64)[packed.offset : packed.offset + len(packed) + 1]
        content = packed.buffers()[2]
        found = np.frombuffer(b"" if content is None else content, np.uint8)[ends[0] : ends[-1]].view(self._dtype)
        columns = {
            **{
                name: batch.column(name).cast(TOKENIZED.field(name).type)
                for name in TOKENIZED.names
                if name != "tokens"
            },
            "length": np.diff(ends) // self._dtype.itemsize,
        }
        self._tables.append(pa.table(columns))
        self._tokens.append(found)

    @cached_property
    def _table(self) -> pa.Table:
        return pa.concat_tables(self._tables).combine_chunks()

    def shards(self, seed: int) -> Iterator[tuple[int, Copies, dict[str, Any]]]:
        """Each shard that has a document: its number, its documents in order, and what could not become tokens."""
        if not self._tables:
            return
        table, tokens = self._table, np.concatenate(self._tokens)
        self._tables, self._tokens = [], []
        lengths = table["length"].to_numpy()
        starts = np.cumsum(lengths) - lengths
        doc_ids, repeats = table["doc_id"].combine_chunks(), table["repeat"].to_numpy().astype(np.int64)
        keys = pa.array(copies_hashes(doc_ids, repeats, seed, "order"))
        order = sorted_places(table["shard"], keys, table["doc_id"], table["repeat"])
        shards = table["shard"].to_numpy()[order]
        bounds = np.flatnonzero(np.diff(shards, prepend=-1, append=-1))
        for first, end in pairwise(bounds.tolist()):
            places, shard = order[first:end], int(shards[first])
            full = places[lengths[places] > 0]
            chosen = table.take(pa.array(full))
            copies = Copies(
                tokens=tokens,
                starts=starts[full],
                lengths=lengths[full],
                doc_ids=chosen["doc_id"].combine_chunks(),
                repeats=repeats[full],
                sources=chosen["source"].combine_chunks(),
                num_bytes=chosen["num_bytes"].to_numpy(),
            )
            yield shard, copies, _lost(table.take(pa.array(places[lengths[places] == 0])))


def _lost(without: pa.Table) -> dict[str, Any]:
    """Copies without tokens: of empty texts, and of texts that the library could not tokenize, by name."""
    said = dict(zip(without["doc_id"].to_pylist(), without["failed"].to_pylist(), strict=True))
    num_failed = without.num_rows - without["failed"].null_count
    named = sorted(doc_id for doc_id, reason in said.items() if reason is not None)[:_MOST_NAMED]
    return {
        "num_empty": without.num_rows - num_failed,
        "num_failed": num_failed,
        "failed": {doc_id: str(said[doc_id])[:200] for doc_id in named},
    }
