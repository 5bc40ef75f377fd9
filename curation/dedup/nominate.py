"""Who may be whose duplicate: components of documents that share band keys, on one worker or on all."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from curation.dedup.candidates import Checkpoint, candidates
from curation.dedup.components import connected
from curation.dedup.config import Dedup
from curation.dedup.unionfind import components

Vertices = NDArray[np.int64]


@dataclass(frozen=True)
class Nominations:
    """Components of nominated texts, and the work that they took.

    Attributes:
        labels: (vertex, component) bigint, each vertex that has a candidate once; a vertex is the lower half of the
            hash of the normalised text, a component is its smallest vertex.
        num_buckets: band keys under which at least two vertices meet.
        num_split_buckets: buckets above the bound.
        largest_bucket: documents of the largest bucket, exact duplicates included.
        num_edges: pairs of vertices nominated (star edges), each once.
        num_rounds: rounds over all machines until the components were known; 0: one worker sufficed.
    """

    labels: DataFrame
    num_buckets: int
    num_split_buckets: int
    largest_bucket: int
    num_edges: int
    num_rounds: int


def nominate(sketches: DataFrame, num_documents: int, config: Dedup, checkpoint: Checkpoint) -> Nominations:
    """Components of the documents that share a band key, through the edges of `curation.dedup.candidates`.

    One worker does it all where the documents have at most `config.max_local_edges` band keys together, with the same
    result: on an engine that takes a tenth of a second for each of a dozen small steps this is most of the time.
    """
    assert config.minhash is not None
    if num_documents * config.minhash.bands <= config.max_local_edges:
        return _on_one_worker(sketches, config, checkpoint)
    found = candidates(sketches, config.max_bucket_size, checkpoint)
    joined = connected(found.edges, checkpoint, max_local_edges=config.max_local_edges)
    return Nominations(
        joined.labels,
        found.num_buckets,
        found.num_split_buckets,
        found.largest_bucket,
        joined.num_edges,
        joined.num_rounds,
    )


_COUNTS = ("num_buckets", "num_split_buckets", "largest_bucket", "num_edges")
_LOCAL = ("vertex", "component", *_COUNTS)


def _on_one_worker(sketches: DataFrame, config: Dedup, checkpoint: Checkpoint) -> Nominations:
    keys = sketches.select("keys", "low").where(F.col("keys").isNotNull()).coalesce(1)
    ddl = ", ".join(f"{name} bigint" for name in _LOCAL)
    found = checkpoint(keys.mapInArrow(_Nominate(config.max_bucket_size), ddl), "nominations")
    counts = found.agg(*(F.max(name) for name in _COUNTS)).collect()[0]
    buckets, split, largest, edges = (int(count or 0) for count in counts)
    return Nominations(found.select("vertex", "component"), buckets, split, largest, edges, 0)


@dataclass(frozen=True)
class _Nominate:
    """Worker's side: rows (keys, low) of all documents become rows of `_LOCAL`; the counts stand in every row."""

    max_bucket_size: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        keys, vertices = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for batch in batches:
            lists = batch.column(0)
            keys.append(np.asarray(lists.flatten()))
            lengths = np.diff(np.asarray(lists.offsets))
            vertices.append(np.repeat(np.asarray(batch.column(1)), lengths))
        stars = stars_of(np.concatenate(keys), np.concatenate(vertices), self.max_bucket_size)
        if not stars.num_edges:
            return
        found = components(stars.left, stars.right)
        counts = (stars.num_buckets, stars.num_split_buckets, stars.largest_bucket, stars.num_edges)
        columns = [found.vertex, found.component, *(np.full(len(found.vertex), count) for count in counts)]
        yield pa.RecordBatch.from_arrays([pa.array(column, pa.int64()) for column in columns], list(_LOCAL))


@dataclass(frozen=True)
class Stars:
    """Edges from the members of buckets to the smallest member: int64 `left` and `right`, and counts of buckets."""

    left: Vertices
    right: Vertices
    num_buckets: int
    num_split_buckets: int
    largest_bucket: int

    @property
    def num_edges(self) -> int:
        """Different edges."""
        return len(self.left)


def stars_of(keys: Vertices, vertices: Vertices, max_bucket_size: int) -> Stars:
    """What `curation.dedup.candidates` finds, of documents that fit into one worker.

    Args:
        keys: int64[m]; band keys.
        vertices: int64[m]; whose they are.
        max_bucket_size: vertices above which a bucket is split, by the remainders of its vertices.
    """
    order = np.argsort(keys, kind="stable")
    keys, vertices = keys[order], vertices[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.empty(0, np.int64)
    sizes = np.diff(np.r_[starts, len(keys)])
    if not len(starts):
        return Stars(keys, keys, 0, 0, 0)
    center = np.minimum.reduceat(vertices, starts)
    meets = center < np.maximum.reduceat(vertices, starts)
    centers = np.repeat(center, sizes)
    num_split = 0
    for bucket in np.flatnonzero(meets & (sizes > max_bucket_size)):
        members = slice(starts[bucket], starts[bucket] + sizes[bucket])
        split = _split(vertices[members], max_bucket_size)
        if split is not None:
            centers[members] = split
            num_split += 1
    edges = _distinct(vertices, centers)
    return Stars(*edges, int(meets.sum()), num_split, int(sizes[meets].max(initial=0)))


def _split(members: Vertices, max_bucket_size: int) -> Vertices | None:
    """The centre of each member of a bucket that is too large, None where twins alone make it large."""
    vertex, index = np.unique(members, return_inverse=True)
    if len(vertex) <= max_bucket_size:
        return None
    salts = -(-len(vertex) // max_bucket_size)
    salt = np.mod(vertex, salts)
    least = np.full(salts, np.iinfo(np.int64).max)
    np.minimum.at(least, salt, vertex)
    return least[salt][index]


def _distinct(left: Vertices, right: Vertices) -> tuple[Vertices, Vertices]:
    """Each pair of different vertices once."""
    apart = left != right
    left, right = left[apart], right[apart]
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    first = np.r_[True, (left[1:] != left[:-1]) | (right[1:] != right[:-1])] if len(left) else np.empty(0, np.bool_)
    return left[first], right[first]
