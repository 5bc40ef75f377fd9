"""Verification of nominated documents, group by group: each group in one compiled call per Arrow batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from curation.dedup.shingles import Shingles
from curation.dedup.verify import verify_groups
from curation.progress import advance
from curation.text.batch import TextBatch

GROUP = ("component", "scope", "part")
"""Columns that name a group; `part` tells the pieces of a component too large for one group."""

VERIFIED = pa.schema(
    {
        "doc_id": pa.string(),
        "cluster_id": pa.string(),
        "representative": pa.string(),
        "similarity": pa.float64(),
        "num_comparisons": pa.int64(),
        "num_verified": pa.int64(),
    }
)
VERIFIED_DDL = (
    "doc_id string, cluster_id string, representative string, similarity double, num_comparisons bigint, "
    "num_verified bigint"
)


PARTITION_BYTES = 16 << 20
"""Text that one partition of a verification should hold, about; a larger group makes a larger partition."""


def group_starts(rows: pa.Table) -> NDArray[np.int64]:
    """Rows at which another group begins than that of the row before, int64, the first always 0."""
    changed = np.zeros(max(0, rows.num_rows - 1), np.bool_)
    for name in GROUP:
        column = rows.column(name).to_numpy()
        changed |= column[1:] != column[:-1]
    return np.concatenate([[0], np.flatnonzero(changed) + 1]).astype(np.int64)


@dataclass(frozen=True)
class VerifyBatches:
    """Worker's side: rows (doc_id, least_id, keep_key, text, is_leader, max_leaders, component, scope, part) of whole
    groups in any order become rows of `VERIFIED`; where no representative was found, all but the id is null.

    The rows of a partition are ordered here, because an engine may drop a sort that nothing in its plan asks for (Sail
    does). The counts of a group stand in its first row.
    """

    shingles: Shingles
    threshold: float
    linked: bool

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """One batch of results for the whole partition."""
        gathered = [batch for batch in batches if batch.num_rows]
        if gathered:
            yield self._verify(_in_order(pa.Table.from_batches(gathered)))

    def _verify(self, rows: pa.Table) -> pa.RecordBatch:
        starts = group_starts(rows)
        texts = TextBatch.from_arrow(rows.column("text"))
        num_leaders = np.add.reduceat(rows.column("is_leader").to_numpy().astype(np.int64), starts)
        found = verify_groups(
            texts,
            np.append(starts, len(texts)),
            threshold=self.threshold,
            shingles=self.shingles,
            linked=self.linked,
            num_leaders=np.where(num_leaders > 0, num_leaders, -1),
            max_leaders=rows.column("max_leaders").to_numpy()[starts],
        )
        advance(len(texts), int(texts.offsets[-1]))
        doc_ids = rows.column("doc_id").combine_chunks()
        known = pa.array(found.representative, mask=found.representative < 0)
        counts = np.zeros((2, len(texts)), np.int64)
        counts[:, starts] = found.counts.T
        cluster_ids = _least_ids(rows.column("least_id").combine_chunks(), found.cluster)
        columns = [
            doc_ids,
            pc.if_else(pc.is_valid(known), cluster_ids, pa.scalar(None, cluster_ids.type)),
            doc_ids.take(known),
            pa.array(found.similarity, mask=np.isnan(found.similarity)),
            pa.array(counts[0]),
            pa.array(counts[1]),
        ]
        columns = [column.cast(field.type) for column, field in zip(columns, VERIFIED, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=VERIFIED)


def _in_order(rows: pa.Table) -> pa.Table:
    """Group by group, leaders first, then the best first; the offsets of the texts wide enough for any partition."""
    place = rows.schema.get_field_index("text")
    rows = rows.set_column(place, "text", rows.column("text").cast(pa.large_string()))
    order = [(name, "ascending") for name in GROUP] + [("is_leader", "descending"), ("keep_key", "ascending")]
    flags = rows.select([*GROUP, "keep_key"]).append_column("is_leader", rows.column("is_leader").cast(pa.int8()))
    return rows.take(pc.sort_indices(flags, sort_keys=order)).combine_chunks()


def _least_ids(ids: pa.Array, cluster: NDArray[np.int64]) -> pa.Array:
    """For each row the smallest of the ids in its cluster."""
    order = np.asarray(pc.sort_indices(ids))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    least = np.full(len(order), len(order), np.int64)
    np.minimum.at(least, cluster, place)
    return ids.take(pa.array(order[least[cluster]]))


def verify(
    nodes: DataFrame, documents: DataFrame, shingles: Shingles, threshold: float, *, linked: bool, num_bytes: int
) -> DataFrame:
    """Rows of `VERIFIED` for each of `nodes` (doc_id, least_id, keep_key, is_leader, max_leaders and `GROUP`).

    The groups must be small enough for one worker. In a group leaders come first, then all by keep_key. `num_bytes` is
    the size of all the texts, about; it decides the number of partitions, and nothing else.
    """
    texts = documents.select("doc_id", "text").join(nodes, "doc_id")
    columns = ["doc_id", "least_id", "keep_key", "text", "is_leader", "max_leaders", *GROUP]
    spread = texts.select(*columns).repartition(1 + num_bytes // PARTITION_BYTES, *GROUP)
    return spread.mapInArrow(VerifyBatches(shingles, threshold, linked), VERIFIED_DDL)
