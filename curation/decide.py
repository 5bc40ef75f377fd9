"""Deciding on DataFrames: stored signals and clusters to verdicts. No text is read."""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from curation.dedup.keep import Keep
from curation.rules import Rule
from curation.sampling.config import NOT_DRAWN, NOT_RATED

FEWEST_REASONS = Keep("signals.rules.num_reasons", "asc")
"""Criterion that prefers, among duplicates, one that the recipe's rules keep."""

NOT_REPRESENTATIVE = "dedup.not_representative"
"""Reason of a document whose text another document, which is kept by the rules, stands for."""


def fires(rule: Rule) -> Column:
    """Whether a rule drops a document: true or false, never null."""
    value = F.col(rule.on)
    outside: list[Column] = []
    if rule.min is not None:
        outside.append(value < rule.min)
    if rule.max is not None:
        outside.append(value > rule.max)
    if rule.above is not None:
        outside.append(value <= rule.above)
    if rule.below is not None:
        outside.append(value >= rule.below)
    if rule.one_of is not None:
        outside.append(~value.isin(list(rule.one_of)))
    return F.coalesce(reduce(or_, outside), F.lit(False))


def _none() -> Column:
    return F.array().cast("array<string>")


def reasons_of(rules: Sequence[Rule]) -> Column:
    """All reasons that the rules give for a row of `signals`, in declared order; empty where none fires."""
    if not rules:
        return _none()
    # one array with nulls for those that do not fire, compacted, takes Spark twice the processor time
    return F.concat(*(F.when(fires(rule), F.array(F.lit(rule.name))).otherwise(_none()) for rule in rules))


def with_reason_counts(rules: Sequence[Rule]) -> Callable[[DataFrame], DataFrame]:
    """A stage: signals to signals with a struct `rules` that holds `num_reasons`, which `FEWEST_REASONS` reads."""

    def stage(signals: DataFrame) -> DataFrame:
        return signals.withColumn("rules", F.struct(F.size(reasons_of(rules)).alias("num_reasons")))

    return stage


def decided(rules: Sequence[Rule], clusters: DataFrame | None, recipe_hash: str) -> Callable[[DataFrame], DataFrame]:
    """A stage: signals to decisions, one row for every document.

    A duplicate is dropped only for a representative that the rules keep: where they drop the representative, its
    members are judged by the rules alone, so that no text is lost because a worse copy of it was.
    """

    def stage(signals: DataFrame) -> DataFrame:
        judged = signals.select("doc_id", reasons_of(rules).alias("reasons"))
        if clusters is not None:
            passing = judged.where(F.size("reasons") == 0).select(F.col("doc_id").alias("representative"))
            members = clusters.where(F.col("representative") != F.col("doc_id")).select("doc_id", "representative")
            duplicates = members.join(passing, "representative", "left_semi").select(
                "doc_id", F.lit(True).alias("is_duplicate")
            )
            extra = F.when(F.col("is_duplicate"), F.array(F.lit(NOT_REPRESENTATIVE))).otherwise(_none())
            joined = judged.join(duplicates, "doc_id", "left")
            judged = joined.select("doc_id", F.concat("reasons", extra).alias("reasons"))
        return _verdict(judged.withColumn("sampling_key", F.lit(None).cast("double")), recipe_hash)

    return stage


def sampled(keys: DataFrame, recipe_hash: str) -> Callable[[DataFrame], DataFrame]:
    """A stage: decisions to decisions, with those that were not drawn dropped.

    Args:
        keys: doc_id, sampling_key, drawn; the documents that stood for the draw.
        recipe_hash: hash of the recipe that sampled.
    """

    def stage(decisions: DataFrame) -> DataFrame:
        joined = decisions.select("doc_id", without_sampling().alias("reasons")).join(keys, "doc_id", "left")
        lost = F.when(F.col("sampling_key").isNull(), F.lit(NOT_RATED)).otherwise(F.lit(NOT_DRAWN))
        extra = F.when(F.col("drawn").isNotNull() & ~F.col("drawn"), F.array(lost)).otherwise(_none())
        rows = joined.select("doc_id", F.concat("reasons", extra).alias("reasons"), "sampling_key")
        return _verdict(rows, recipe_hash)

    return stage


def weighted(weights: DataFrame) -> Callable[[DataFrame], DataFrame]:
    """A stage: decisions to decisions with these weights where a document is kept.

    Args:
        weights: doc_id, weight (double, above 0); kept documents that are not in it have the weight 1.
    """

    def stage(decisions: DataFrame) -> DataFrame:
        found = weights.select("doc_id", F.col("weight").alias("by_commonness"))
        kept = F.coalesce(F.col("by_commonness"), F.lit(1.0))
        weight = F.when(F.col("kept"), kept).otherwise(F.lit(0.0)).alias("weight")
        joined = decisions.join(found, "doc_id", "left")
        return joined.select("doc_id", "kept", "reasons", weight, "sampling_key", "recipe_hash")

    return stage


def without_sampling() -> Column:
    """The reasons of a decision as they were before sampling."""
    return F.array_remove(F.array_remove("reasons", NOT_DRAWN), NOT_RATED)


def _verdict(rows: DataFrame, recipe_hash: str) -> DataFrame:
    kept = F.size("reasons") == 0
    return rows.select(
        "doc_id",
        kept.alias("kept"),
        "reasons",
        F.when(kept, F.lit(1.0)).otherwise(F.lit(0.0)).alias("weight"),
        "sampling_key",
        F.lit(recipe_hash).alias("recipe_hash"),
    )
