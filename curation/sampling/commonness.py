"""Commonness on DataFrames: an n-gram model of a corpus, and how probable it makes each text of it.

How it fits in. The stage `weigh` reads the texts of the documents that rules and deduplication keep, before any draw,
and writes the table `commonness`: what is measured there is not measured again when only the draw or the weights
change. The stage `sample` cuts the documents that stay, after the draw, into segments and writes `decisions.weight`,
which `winnow export` honours: 0.3 is in three of ten cases one copy, 2.5 two or three. No text is read for that.

The model is interpolated Kneser-Ney with one discount for each order, D = n1 / (n1 + 2 n2) of the n-grams that stand
once and twice (0.75 where there are none of either kind):

    P(w | context) = (max(a - D, 0) + left P(w | shorter context)) / total

where `a` is the count of an n-gram of the highest order and, below it, the number of different words before it, `total`
the sum of `a` in the context and `left` what the numerators do not take of it, so that probabilities add up to 1 also
where rare n-grams are pruned. Words before a text's first are one word of their own; nothing stands for the end.

An n-gram is a tuple of the 64-bit hashes of its words. Counting is one shuffle of the corpus's n-grams, each lower
order one of the n-grams of the order above; probabilities are two joins for each order; texts are scored by one join
of the corpus's n-grams, by one hash each. All sums are of whole numbers, hence the same whatever the engine and the
partitioning.

Reference: Chen & Goodman 1999, section 2.7 and 3 (interpolated Kneser-Ney); He et al. 2024, SoftDedup.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from curation.progress import advance
from curation.sampling.ngram_rows import commonness_rows, cost_rows, key_rows, ngram_rows, word_columns
from curation.sampling.weighting import CELLS_PER_NAT, Segment, SoftDedup, cut_segments
from curation.tables import COMMONNESS

Checkpoint = Callable[[DataFrame, str], DataFrame]

_USUAL_DISCOUNT = 0.75


@dataclass(frozen=True)
class Weights:
    """Weights by commonness.

    Attributes:
        frame: doc_id, weight; the documents that have a commonness.
        segments: the rarest first.
    """

    frame: DataFrame
    segments: tuple[Segment, ...]


def commonness_of(texts: DataFrame, settings: SoftDedup, checkpoint: Checkpoint) -> DataFrame:
    """How common each text is among these texts: rows of the table `commonness`.

    Args:
        texts: doc_id (string), text (string, may be null).
        settings: the model.
        checkpoint: writes a frame to scratch and gives a frame that reads it.
    """
    order = settings.order
    grams = {order: checkpoint(_counted(texts, order), f"ngrams_{order}")}
    for size in range(order - 1, 0, -1):
        grams[size] = checkpoint(_shorter(grams[size + 1], word_columns(order)[order - size :]), f"ngrams_{size}")
    total = grams[1].agg(F.sum("adjusted")).collect()[0][0] or 1
    last = word_columns(order)[-1:]
    probable = grams[1].select(*last, (F.col("adjusted").cast("double") / F.lit(float(total))).alias("p"))
    for size in range(2, order + 1):
        probable = _interpolated(grams[size], probable, word_columns(order)[order - size :], settings.min_count)
    return _scored(texts, checkpoint(_costs(probable, order), "ngram_costs"), order)


def weights_of(kept: DataFrame, commonness: DataFrame, settings: SoftDedup) -> Weights:
    """A weight for every kept document with a commonness; it falls with that, and its mean is 1.

    Args:
        kept: doc_id; the documents that stay.
        commonness: the table `commonness`.
        settings: the segments.
    """
    measured = commonness.where(F.col("mean_nats").isNotNull())
    cell = F.floor(F.col("mean_nats") * F.lit(float(CELLS_PER_NAT))).cast("bigint").alias("cell")
    placed = kept.select("doc_id").join(measured.select("doc_id", cell), "doc_id")
    counted = placed.groupBy("cell").agg(F.count("*").alias("documents")).collect()
    segments = cut_segments([row["cell"] for row in counted], [row["documents"] for row in counted], settings)
    return Weights(placed.select("doc_id", _weight(segments).alias("weight")), segments)


def _weight(segments: tuple[Segment, ...]) -> Column:
    """The weight of the segment that a cell is in: of the first whose least cell is not above it."""
    weight = F.when(F.lit(False), F.lit(1.0))
    for one in segments:
        weight = weight.when(F.col("cell") >= F.lit(one.least_cell), F.lit(one.weight))
    return weight


def _counted(texts: DataFrame, order: int) -> DataFrame:
    """Every n-gram of the highest order with `num` and `adjusted`, both how often it stands there."""

    def per_batch(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield from ngram_rows(batch, order)

    words = word_columns(order)
    rows = texts.select("text").mapInArrow(per_batch, ", ".join(f"{name} bigint" for name in words))
    counted = rows.groupBy(*words).agg(F.count("*").alias("num"))
    return counted.select(*words, "num", F.col("num").alias("adjusted"))


def _shorter(grams: DataFrame, words: list[str]) -> DataFrame:
    """The n-grams without their first word; `adjusted`: how many different words it was."""
    return grams.groupBy(*words).agg(F.sum("num").cast("bigint").alias("num"), F.count("*").alias("adjusted"))


def _interpolated(grams: DataFrame, shorter: DataFrame, words: list[str], min_count: int) -> DataFrame:
    """The probability `p` of the last word of every n-gram after the others."""
    discount = _discount(grams)
    seen = F.col("num") >= F.lit(min_count)
    taken = F.when(seen, F.col("adjusted")).otherwise(F.lit(0))
    contexts = grams.groupBy(*words[:-1]).agg(
        F.sum("adjusted").cast("double").alias("total"),
        F.sum(taken).cast("double").alias("taken"),
        F.sum(F.when(seen, F.lit(1)).otherwise(F.lit(0))).cast("double").alias("types"),
    )
    own = F.when(seen, F.col("adjusted").cast("double") - F.lit(discount)).otherwise(F.lit(0.0))
    left = F.col("total") - (F.col("taken") - F.col("types") * F.lit(discount))
    joined = grams.join(contexts, words[:-1]).join(shorter.withColumnRenamed("p", "lower"), words[1:])
    return joined.select(*words, ((own + left * F.col("lower")) / F.col("total")).alias("p"))


def _discount(grams: DataFrame) -> float:
    """What is taken from every count of this order, in (0, 1)."""
    counts = [F.sum(F.when(F.col("adjusted") == many, 1).otherwise(0)) for many in (1, 2)]
    once, twice = (int(value or 0) for value in grams.agg(*counts).collect()[0])
    return once / (once + 2 * twice) if once and twice else _USUAL_DISCOUNT


def _costs(probable: DataFrame, order: int) -> DataFrame:
    """The n-grams of the highest order as one hash each, `key`, with `cost`."""

    def per_batch(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield cost_rows(batch, order)

    return probable.mapInArrow(per_batch, "key bigint, cost bigint")


def _scored(texts: DataFrame, costs: DataFrame, order: int) -> DataFrame:
    """Rows of the table `commonness`."""

    def keys(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield from key_rows(batch, order)
            advance(len(batch), batch.column("text").nbytes)

    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield commonness_rows(batch, COMMONNESS.schema)

    occurring = texts.select("doc_id", "text").mapInArrow(keys, "doc_id string, key bigint")
    priced = occurring.join(costs, "key")
    summed = priced.groupBy("doc_id").agg(F.sum("cost").cast("bigint").alias("cost"), F.count("*").alias("num_words"))
    joined = texts.select("doc_id").join(summed, "doc_id", "left").select("doc_id", "cost", "num_words")
    return joined.mapInArrow(rows, from_arrow_schema(COMMONNESS.schema))
