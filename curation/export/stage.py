"""Export on DataFrames: which document goes where, and the shards of a partition.

A shard's bytes are a pure function of the tables and the settings: rows come in any order, in any batches, on any
worker, and are sorted by a hash before they are packed. So a task that runs twice writes the same file twice.
"""

from collections.abc import Callable, Iterator

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from curation.export.draws import copies_hashes, held_out, repeats_of
from curation.export.settings import NO_DOMAIN, ONE_DOMAIN, Export
from curation.export.shard_plan import ShardPlan
from curation.export.writer import TOKENIZED, WRITTEN, ShardWriter

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


def written(
    writer: ShardWriter, texts: DataFrame, num_partitions: int, num_text_partitions: int
) -> Callable[[DataFrame], DataFrame]:
    """A stage: what `assigned` gives to one row (path, counts) per shard; the shards are written.

    Where all tasks share a process, the library tokenizes with all cores inside the tasks that write. Else texts become
    tokens where they lie, evenly, and only tokens travel to the tasks that write: there may be as few of these as
    shards, and of very unlike size.

    Args:
        writer: what writes them.
        texts: doc_id and text.
        num_partitions: tasks that the shards are shared out to.
        num_text_partitions: tasks that texts are shared out to where they become tokens first. Said, because Spark
            would join what is small into fewer tasks than there are cores, of very unlike length.
    """

    def per_partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return writer.write(writer.tokenize(batches))

    def stage(copies: DataFrame) -> DataFrame:
        columns = ("shard", "repeat", "doc_id", "source", "text")
        if writer.in_parallel:
            rows = texts.join(copies, "doc_id").select(*columns)
            return rows.repartition(num_partitions, "shard").mapInArrow(per_partition, from_arrow_schema(WRITTEN))
        shared, assigned_to = (one.repartition(num_text_partitions, "doc_id") for one in (texts, copies))
        rows = shared.join(assigned_to, "doc_id").select(*columns)
        tokens = rows.mapInArrow(writer.tokenize, from_arrow_schema(TOKENIZED))
        return tokens.repartition(num_partitions, "shard").mapInArrow(writer.write, from_arrow_schema(WRITTEN))

    return stage
