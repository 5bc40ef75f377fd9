"""What the tables say, by aggregates in the engine: reasons and how they overlap. Reads no text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from curation.decide import NOT_REPRESENTATIVE
from curation.recipe import Recipe
from curation.report.axes import in_words
from curation.report.findings import Reason, ReasonKind
from curation.sampling.config import NOT_DRAWN, NOT_RATED

_MOST_OVERLAPPING = 16


@dataclass(frozen=True)
class Effects:
    """What each reason does.

    Attributes:
        reasons: every reason of the recipe in its order, then reasons that it does not know.
        by_source: (source, reason) -> documents, for the sources that were asked for.
    """

    reasons: tuple[Reason, ...]
    by_source: Mapping[tuple[str | None, str], int]


def language_column(recipe: Recipe) -> str | None:
    """The measurement that names a document's language, None where the recipe measures none."""
    for signal in recipe.signals:
        if signal.name.split("_")[0] == "language":
            for field in signal.schema:
                if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
                    return f"{signal.name}.{field.name}"
    return None


def effects(decisions: DataFrame, documents: DataFrame, recipe: Recipe, sources: Sequence[str]) -> Effects:
    """How many documents each reason drops: in all, alone, as the first, and by source.

    Args:
        decisions: the verdicts.
        documents: doc_id and source.
        recipe: gives the reasons' order and bounds.
        sources: sources to count by; the others are counted together.
    """
    name = F.when(F.col("source").isin(list(sources)), F.col("source")) if sources else F.lit(None).cast("string")
    rows = (
        decisions.where(F.size("reasons") > 0)
        .join(documents.select("doc_id", name.alias("source")), "doc_id")
        .select("source", (F.size("reasons") == 1).alias("only"), F.posexplode("reasons").alias("place", "reason"))
        .groupBy("source", "reason")
        .agg(
            F.count("*").alias("documents"),
            F.sum(F.when(F.col("only"), 1).otherwise(0)).alias("alone"),
            F.sum(F.when(F.col("place") == 0, 1).otherwise(0)).alias("first"),
        )
        .collect()
    )
    found: dict[str, list[int]] = {}
    for row in rows:
        sums = found.setdefault(row["reason"], [0, 0, 0])
        for i, column in enumerate(("documents", "alone", "first")):
            sums[i] += int(row[column])
    kinds = _kinds(recipe)
    names = [*kinds, *sorted(set(found) - set(kinds))]
    bounds = {rule.name: f"{rule.on} {in_words(rule)}" for rule in recipe.rules}
    reasons = tuple(
        Reason(
            name=reason,
            kind=kinds.get(reason, "other"),
            bound=bounds.get(reason, ""),
            documents=found.get(reason, [0, 0, 0])[0],
            alone=found.get(reason, [0, 0, 0])[1],
            first=found.get(reason, [0, 0, 0])[2],
        )
        for reason in names
        if reason in found or reason != NOT_RATED
    )
    return Effects(reasons, {(row["source"], row["reason"]): int(row["documents"]) for row in rows})


def _kinds(recipe: Recipe) -> dict[str, ReasonKind]:
    kinds: dict[str, ReasonKind] = {rule.name: "rule" for rule in recipe.rules}
    if recipe.dedup is not None:
        kinds[NOT_REPRESENTATIVE] = "dedup"
    if recipe.sampling is not None:
        kinds |= {NOT_RATED: "sampling", NOT_DRAWN: "sampling"}
    return kinds


def overlap(decisions: DataFrame, reasons: Sequence[Reason]) -> dict[tuple[str, str], int]:
    """Documents that have both of two reasons, for the most frequent reasons, in their order.

    Sampling is left out: what it does not draw has no other reason.
    """
    most = sorted((one for one in reasons if one.documents and one.kind != "sampling"), key=lambda one: -one.documents)
    chosen = {one.name for one in most[:_MOST_OVERLAPPING]}
    names = [one.name for one in reasons if one.name in chosen]
    if not names:
        return {}
    both = F.array_intersect(F.col("reasons"), F.array(*(F.lit(name) for name in names)))
    rows = (
        decisions.select(both.alias("both"))
        .where(F.size("both") > 0)
        .select("both", F.explode("both").alias("one"))
        .select("one", F.explode("both").alias("other"))
        .groupBy("one", "other")
        .count()
        .collect()
    )
    place = {name: number for number, name in enumerate(names)}
    counts = {(row["one"], row["other"]): int(row["count"]) for row in rows}
    return {pair: count for pair, count in counts.items() if place[pair[0]] <= place[pair[1]]}
