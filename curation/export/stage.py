"""Export on DataFrames: which document goes where, and the shards of a partition.

A shard's bytes are a pure function of the tables and the settings: rows come in any order, in any batches, on any
worker, and are sorted by a hash before they are packed. So a task that runs twice writes the same file twice.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import zstandard
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from curation.export.draws import copies_hashes, held_out, repeats_of
from curation.export.settings import NO_DOMAIN, ONE_DOMAIN, Export
from curation.export.shard import (
    EVAL,
    TRAIN,
    Copies,
    RowFormat,
    as_json,
    shard_file,
    shard_path,
    sorted_places,
    surrounded,
)
from curation.export.storage import Storage
from curation.export.tokenizer import ExportTokenizer, opened_once
from curation.progress import advance

_PLACED = pa.schema(
    [
        ("doc_id", pa.string()),
        ("domain", pa.string()),
        ("source", pa.string()),
        ("eval", pa.bool_()),
        ("num_repeats", pa.int32()),
        ("num_bytes", pa.int64()),
    ]
)
_ASSIGNED = pa.schema([("doc_id", pa.string()), ("shard", pa.int32()), ("repeat", pa.int32()), ("source", pa.string())])
_WRITTEN = pa.schema([("path", pa.string()), ("counts", pa.string())])

_MOST_NAMED = 100
"""Documents that could not be tokenized and are named, per shard."""

Split = tuple[str, bool]
"""A domain, and whether its held-out part is meant."""


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """How many shards each domain and split has; all shards are numbered through.

    Attributes:
        counts: number of shards by (domain, held out).
    """

    counts: Mapping[Split, int]
    firsts: Mapping[Split, int] = field(init=False)

    def __post_init__(self) -> None:
        firsts, total = {}, 0
        for split, count in sorted(self.counts.items()):
            firsts[split] = total
            total += count
        object.__setattr__(self, "firsts", firsts)

    @property
    def num_shards(self) -> int:
        """Number of all shards."""
        return sum(self.counts.values())

    def paths(self) -> list[str]:
        """The path of each shard, by its number."""
        return [
            shard_path(domain, EVAL if is_eval else TRAIN, number)
            for (domain, is_eval), count in sorted(self.counts.items())
            for number in range(count)
        ]


def kept_documents(
    documents: DataFrame, decisions: DataFrame, signals: DataFrame, clusters: DataFrame | None, settings: Export
) -> DataFrame:
    """What places the kept documents: doc_id, source, weight, num_bytes, group (its cluster, else itself), metadata."""
    domain = F.col("metadata") if settings.metadata_field else F.lit(None).cast("string").alias("metadata")
    kept = decisions.where(F.col("kept")).select("doc_id", "weight")
    found = kept.join(documents.select("doc_id", "source", domain), "doc_id")
    found = found.join(signals.select("doc_id", "num_bytes"), "doc_id")
    group = F.col("doc_id")
    if clusters is not None:
        found = found.join(clusters.select("doc_id", "cluster_id"), "doc_id", "left")
        group = F.coalesce(F.col("cluster_id"), F.col("doc_id"))
    size = F.coalesce(F.col("num_bytes"), F.lit(0)).cast("bigint").alias("num_bytes")
    weight = F.col("weight").cast("double").alias("weight")
    return found.select("doc_id", "source", weight, size, group.alias("group"), "metadata")


def placed(settings: Export) -> Callable[[DataFrame], DataFrame]:
    """A stage: `kept_documents` to doc_id, domain, source, eval, num_repeats (-1: no usable weight), num_bytes."""

    def per_batch(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _place(batch, settings)

    def stage(kept: DataFrame) -> DataFrame:
        return kept.mapInArrow(per_batch, from_arrow_schema(_PLACED))

    return stage


def _place(batch: pa.RecordBatch, settings: Export) -> pa.RecordBatch:
    doc_ids, sources, groups = (batch.column(name).cast(pa.string()) for name in ("doc_id", "source", "group"))
    weights = pc.fill_null(batch.column("weight"), float("nan")).to_numpy(zero_copy_only=False)
    repeats = repeats_of(doc_ids, weights, settings.seed)
    is_eval = held_out(groups, settings.eval_share, settings.seed)
    domains = _domains(batch, settings)
    repeats = np.where(is_eval, np.minimum(repeats, 1), repeats)  # a held-out document is seen once
    columns = [
        doc_ids,
        domains,
        pc.fill_null(sources, NO_DOMAIN),
        pa.array(is_eval),
        pa.array(repeats.astype(np.int32)),
        batch.column("num_bytes"),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_PLACED)


def _domains(batch: pa.RecordBatch, settings: Export) -> pa.Array:
    if settings.domain == "one":
        return pa.array([ONE_DOMAIN] * batch.num_rows, pa.string())
    name = settings.metadata_field
    if name is None:
        return pc.fill_null(batch.column("source").cast(pa.string()), NO_DOMAIN)
    return pa.array([_field(text, name) for text in batch.column("metadata").to_pylist()], pa.string())


def _field(metadata: str | None, name: str) -> str:
    """A field of a record's other fields, as text: strings as they are, everything else as JSON."""
    found = orjson.loads(metadata).get(name) if metadata else None
    if found is None or found == "":
        return NO_DOMAIN
    return found if isinstance(found, str) else orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode()


def assigned(
    settings: Export, plan: ShardPlan, first: int = 0, end: int | None = None
) -> Callable[[DataFrame], DataFrame]:
    """A stage: what `placed` gives to one row per copy: doc_id, shard, repeat, source.

    Args:
        settings: the export's settings.
        plan: the number of shards.
        first: the first shard that is wanted.
        end: the shard after the last; None: all.
    """
    last = plan.num_shards if end is None else end

    def per_batch(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _assign(batch, settings, plan, first, last)

    def stage(frame: DataFrame) -> DataFrame:
        return frame.mapInArrow(per_batch, from_arrow_schema(_ASSIGNED))

    return stage


def _assign(batch: pa.RecordBatch, settings: Export, plan: ShardPlan, first: int, end: int) -> pa.RecordBatch:
    times = np.maximum(batch.column("num_repeats").to_numpy(), 0)
    rows = np.repeat(np.arange(batch.num_rows), times)
    repeats = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    doc_ids = batch.column("doc_id").cast(pa.string()).take(pa.array(rows))
    domains = batch.column("domain").cast(pa.string()).dictionary_encode()
    is_eval = batch.column("eval").to_numpy(zero_copy_only=False)[rows]
    codes = domains.indices.to_numpy()[rows]
    firsts, counts = np.zeros((2, len(domains.dictionary), 2), np.int64)
    for code, domain in enumerate(domains.dictionary.to_pylist()):
        for split in (False, True):
            firsts[code, int(split)] = plan.firsts.get((domain, split), 0)
            counts[code, int(split)] = plan.counts.get((domain, split), 1)
    hashes = copies_hashes(doc_ids, repeats, settings.seed, "shard")
    split = is_eval.astype(np.int64)
    shards = firsts[codes, split] + (hashes % counts[codes, split].astype(np.uint64)).astype(np.int64)
    wanted = pa.array((shards >= first) & (shards < end))
    sources = batch.column("source").cast(pa.string()).take(pa.array(rows))
    columns = [doc_ids, pa.array(shards.astype(np.int32)), pa.array(repeats.astype(np.int32)), sources]
    return pa.RecordBatch.from_arrays(columns, schema=_ASSIGNED).filter(wanted)


@dataclass(frozen=True, kw_only=True)
class ShardWriter:
    """Writes the shards of a partition; sent to the workers.

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

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rows of shard, repeat, doc_id, source, text to rows of path, counts: one per shard, which is written then."""
        if not self.in_parallel:
            os.environ["TOKENIZERS_PARALLELISM"] = "false"
        content, name, eos, bos, pad = self.tokenizer
        opened = opened_once(zstandard.decompress(content), name, eos, bos, pad)
        gathered = Gathered(self.rows)
        for batch in batches:
            gathered.add(batch, opened)
        paths = self.plan.paths()
        for shard, copies, lost in gathered.shards(self.settings.seed):
            if len(copies.lengths):
                made, counts = shard_file(copies, self.rows)
                self.storage.write(paths[shard], made)
            else:
                counts = {}
            row = [pa.array([paths[shard]]), pa.array([as_json(counts | lost)])]
            yield pa.RecordBatch.from_arrays(row, schema=_WRITTEN)


class Gathered:
    """Copies of documents as they come in, tokenized at once: of a text only its tokens are kept."""

    def __init__(self, rows: RowFormat) -> None:
        self._rows = rows
        self._tables: list[pa.Table] = []
        self._tokens: list[NDArray[Any]] = []
        self._failed: dict[tuple[int, str], str] = {}

    def add(self, batch: pa.RecordBatch, tokenizer: ExportTokenizer) -> None:
        """Tokenize a batch of shard, repeat, doc_id, source, text."""
        texts = batch.column("text")
        sizes = pc.binary_length(texts).cast(pa.int64())
        encoded = tokenizer.encode(texts)
        tokens = surrounded(encoded.ids, encoded.lengths, self._rows)
        lengths = np.where(encoded.lengths > 0, encoded.lengths + self._rows.num_special, 0)
        doc_ids = batch.column("doc_id").cast(pa.string())
        shards = batch.column("shard").cast(pa.int32())
        for place, said in encoded.failed.items():
            self._failed[shards[place].as_py(), doc_ids[place].as_py()] = said
        columns = {
            "shard": shards,
            "repeat": batch.column("repeat").cast(pa.int32()),
            "doc_id": doc_ids,
            "source": batch.column("source").cast(pa.string()),
            "num_bytes": sizes,
            "length": lengths,
        }
        self._tables.append(pa.table(columns))
        self._tokens.append(tokens)
        advance(batch.num_rows, pc.sum(sizes).as_py() or 0)

    def shards(self, seed: int) -> Iterator[tuple[int, Copies, dict[str, Any]]]:
        """Each shard that has a document: its number, its documents in order, and what could not become tokens."""
        if not self._tables:
            return
        table = pa.concat_tables(self._tables).combine_chunks()
        tokens = np.concatenate(self._tokens)
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
            yield shard, copies, self._lost(shard, doc_ids.take(pa.array(places[lengths[places] == 0])))

    def _lost(self, shard: int, doc_ids: pa.Array) -> dict[str, Any]:
        """Copies without tokens: of empty texts, and of texts that the library could not tokenize, by name."""
        ids = doc_ids.to_pylist()
        failed = [doc_id for doc_id in ids if (shard, doc_id) in self._failed]
        named = sorted(set(failed))[:_MOST_NAMED]
        return {
            "num_empty": len(ids) - len(failed),
            "num_failed": len(failed),
            "failed": {doc_id: self._failed[shard, doc_id][:200] for doc_id in named},
        }


def written(writer: ShardWriter, texts: DataFrame, num_partitions: int) -> Callable[[DataFrame], DataFrame]:
    """A stage: what `assigned` gives to one row (path, counts) per shard; the shards are written.

    Args:
        writer: what writes them.
        texts: doc_id and text.
        num_partitions: tasks that the shards are shared out to.
    """

    def per_partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return writer(batches)

    def stage(copies: DataFrame) -> DataFrame:
        rows = texts.join(copies, "doc_id").select("shard", "repeat", "doc_id", "source", "text")
        return rows.repartition(num_partitions, "shard").mapInArrow(per_partition, from_arrow_schema(_WRITTEN))

    return stage
