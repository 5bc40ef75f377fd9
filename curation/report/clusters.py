"""What deduplication found: cluster sizes, similarities and the largest clusters, by aggregates in the engine."""

import bisect
import math
from collections.abc import Sequence
from itertools import pairwise

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from curation.report.axes import short
from curation.report.findings import Bin, Cluster, Duplicates, Excerpt

_LARGEST = 10
_SIZES = ((2, 2), (3, 3), (4, 4), (5, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, 1000), (1001, math.inf))
_SIMILARITY_BARS = 20


def duplicates(clusters: DataFrame, threshold: float) -> Duplicates:
    """What deduplication found. The representatives of the largest clusters are named, not read.

    Args:
        clusters: the table `clusters`.
        threshold: least similarity of near duplicates, in (0, 1].
    """
    similarity = F.when(F.col("doc_id") != F.col("representative"), F.col("similarity"))
    each = clusters.groupBy("cluster_id").agg(
        F.count("*").alias("size"),
        F.sum(F.when(F.col("kind") == "exact", 1).otherwise(0)).alias("exact"),
        F.min(similarity).alias("least"),
        F.max(similarity).alias("most"),
        F.min("representative").alias("representative"),
    )
    sizes = _sizes(clusters)
    by_kind, similarities = _similarities(clusters, threshold)
    largest = each.orderBy(F.desc("size"), "cluster_id").limit(_LARGEST).collect()
    return Duplicates(
        clusters=sum(number for _, number in sizes),
        by_kind=by_kind,
        sizes=sizes,
        similarities=similarities,
        largest=tuple(
            Cluster(
                cluster_id=row["cluster_id"],
                size=int(row["size"]),
                num_exact=int(row["exact"]),
                least=row["least"],
                most=row["most"],
                representative=Excerpt(doc_id=row["representative"]),
            )
            for row in largest
        ),
    )


def _sizes(clusters: DataFrame) -> tuple[tuple[str, int], ...]:
    """(documents per cluster in words, clusters), up to the largest size that occurs."""
    # count("*") here makes Sail 0.7.2 fail on tables of a few rows (it gets the nullability of the inner count wrong).
    sizes = clusters.groupBy("cluster_id").agg(F.count("doc_id").alias("size"))
    counts = [0] * len(_SIZES)
    # Sizes that differ are few: n documents have at most sqrt(2n) of them.
    for row in sizes.groupBy("size").agg(F.count("*").alias("clusters")).collect():
        counts[bisect.bisect_right(_SIZES, (row["size"], math.inf)) - 1] += int(row["clusters"])
    largest = max((i for i, number in enumerate(counts) if number), default=-1)
    return tuple((_in_words(*_SIZES[i]), counts[i]) for i in range(largest + 1))


def _in_words(first: int, last: float) -> str:
    if last == math.inf:
        return f"> {short(first - 1)}"
    return str(first) if first == last else f"{first}–{short(last)}"


def _similarities(clusters: DataFrame, threshold: float) -> tuple[dict[str, int], tuple[Bin, ...]]:
    """Documents in clusters by kind, and bars over the similarity of near duplicates with their representative."""
    edges = [threshold + (1.0 - threshold) * i / _SIMILARITY_BARS for i in range(_SIMILARITY_BARS + 1)]
    bar = F.lit(0)
    for edge in edges[1:-1]:
        bar = bar + F.when(F.col("similarity") >= F.lit(edge), 1).otherwise(0)
    is_copy = F.col("doc_id") != F.col("representative")
    kinds: dict[str, int] = {}
    counts = [0] * _SIMILARITY_BARS
    for row in clusters.groupBy("kind", is_copy.alias("copy"), bar.alias("bar")).count().collect():
        kinds[row["kind"]] = kinds.get(row["kind"], 0) + int(row["count"])
        if row["copy"] and row["kind"] == "minhash":
            counts[row["bar"]] += int(row["count"])
    return dict(sorted(kinds.items())), _bins(edges, counts) if any(counts) and threshold < 1 else ()


def _bins(edges: Sequence[float], counts: Sequence[int]) -> tuple[Bin, ...]:
    return tuple(
        Bin(left=left, right=right, count=count, dropped=False, says=f"{left:.3g} to {right:.3g}")
        for (left, right), count in zip(pairwise(edges), counts, strict=True)
    )
