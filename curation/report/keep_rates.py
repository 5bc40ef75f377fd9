"""Who is dropped: documents left after each step by source, language, length and fields of the metadata.

A filter for quality may act as a filter for topics, languages or forms of text. It is seen where a group keeps far less
than the rest does, and by the reasons that its documents have more often than others.
"""

import math
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Row, Window
from pyspark.sql import functions as F

from curation.decide import NOT_REPRESENTATIVE, without_sampling
from curation.errors import WinnowError
from curation.report.groups import Group, KeepRates

ALL, SOURCE, LANGUAGE, LENGTH, METADATA = "all", "source", "language", "length", "metadata"
MOST_GROUPS = 200
"""Groups of each kind that are told, those with most documents."""

_NUM_LENGTHS = 10
_MOST_REASONS = 3


class KeepRateError(WinnowError):
    """Documents cannot be counted by what was asked for."""


def facts(decisions: DataFrame, signals: DataFrame, documents: DataFrame, language: str | None) -> DataFrame:
    """What is counted of each document: verdict after each step, size, source, language, metadata, reasons."""
    spoken = F.lit(None).cast("string") if language is None else F.col(language)
    return (
        decisions.select(
            "doc_id",
            "kept",
            "reasons",
            after_rules().alias("ruled"),
            (F.size(without_sampling()) == 0).alias("passed"),
        )
        .join(signals.select("doc_id", "num_bytes", spoken.alias(LANGUAGE)), "doc_id")
        .join(documents.select("doc_id", SOURCE, METADATA), "doc_id")
    )


def after_rules() -> Column:
    """Whether no rule drops a document, whatever deduplication and sampling say."""
    return F.size(F.array_remove(without_sampling(), NOT_REPRESENTATIVE)) == 0


def keep_rates(counted: DataFrame, by: Sequence[str], rules: Sequence[str] = ()) -> dict[str, KeepRates]:
    """Documents by each of some properties, in one pass over `facts`, and one more where `rules` are named.

    Args:
        counted: see `facts`.
        by: `all` (one group without a name), `source`, `language`, `length` (tenths of the documents, by bytes of
            text) or `metadata.FIELD`, a field of the record that was read (`metadata.http.status`: a field in a field).
        rules: reasons whose share is to be told by group.

    Raises:
        KeepRateError: `by` names something else.
    """
    edges = length_edges(counted) if LENGTH in by else []
    ways = [F.struct(F.lit(one).alias("by"), _name_of(one, edges).alias("name")) for one in by]
    views = counted.withColumn("way", F.explode(F.array(*ways)))
    grouped = views.groupBy(F.col("way.by").alias("by"), F.col("way.name").alias("name")).agg(
        F.count("*").alias("documents"),
        F.sum("num_bytes").alias("num_bytes"),
        _number_of("ruled"),
        _number_of("passed"),
        _number_of("kept"),
        F.sum(F.when(F.col("kept"), F.col("num_bytes")).otherwise(0)).alias("kept_bytes"),
    )
    ranked = Window.partitionBy("by").orderBy(F.desc("documents"), "name")
    rows = (
        grouped.withColumn("rank", F.row_number().over(ranked))
        .withColumn("num_groups", F.count("*").over(Window.partitionBy("by")))
        .withColumn("in_all", F.sum("documents").over(Window.partitionBy("by")))
        .where(F.col("rank") <= MOST_GROUPS)
        .orderBy("by", "rank")
        .collect()
    )
    reasons = _reasons(views, rules) if rules else {}
    return {one: _gathered(one, [row for row in rows if row["by"] == one], reasons, edges) for one in by}


def length_edges(counted: DataFrame) -> list[int]:
    """Sizes in bytes that part the documents into tenths, each the largest of its tenth; equal sizes are never parted.

    Exact, so that no group depends on how the documents are divided among machines.
    """
    tenths = F.percentile("num_bytes", [number / _NUM_LENGTHS for number in range(1, _NUM_LENGTHS)]).alias("tenths")
    row = counted.agg(tenths, F.max("num_bytes").alias("most")).collect()[0]
    return sorted({math.floor(edge) for edge in row["tenths"] or () if edge < row["most"]})


def length_names(edges: Sequence[int]) -> list[str]:
    """The groups of lengths in words, from the shortest."""
    lows = [0, *(edge + 1 for edge in edges)]
    spans = [f"{low:,} to {high:,} bytes" for low, high in zip(lows, edges, strict=False)]
    return [*spans, f"{lows[-1]:,} bytes or more"]


def _name_of(by: str, edges: Sequence[int]) -> Column:
    if by == ALL:
        return F.lit(None).cast("string")
    if by in (SOURCE, LANGUAGE):
        return F.col(by)
    if by == LENGTH:
        names = length_names(edges)
        # Null where there is no size, which never is: Sail fails where only some of the names may be null.
        column = F.when(F.col("num_bytes").isNotNull(), F.lit(names[-1]))
        for edge, name in reversed(list(zip(edges, names, strict=False))):
            column = F.when(F.col("num_bytes") <= edge, F.lit(name)).otherwise(column)
        return column
    kind, _, name = by.partition(".")
    if kind != METADATA or not name or any(part == "" or "'" in part for part in name.split(".")):
        raise KeepRateError(
            f"documents cannot be counted by {by!r}: expected source, language, length or metadata.FIELD, where FIELD "
            "is a field of the records that were read"
        )
    path = "$" + "".join(f".{part}" for part in name.split("."))
    return F.get_json_object(F.col(METADATA), path)


def _number_of(flag: str) -> Column:
    return F.sum(F.when(F.col(flag), 1).otherwise(0)).alias(flag)


def _reasons(views: DataFrame, rules: Sequence[str]) -> dict[str, dict[str | None, dict[str, int]]]:
    """By property and group, how many documents have each of the reasons."""
    rows = (
        views.select("way", F.explode("reasons").alias("reason"))
        .where(F.col("reason").isin(list(rules)))
        .groupBy(F.col("way.by").alias("by"), F.col("way.name").alias("name"), "reason")
        .count()
        .collect()
    )
    found: dict[str, dict[str | None, dict[str, int]]] = {}
    for row in rows:
        found.setdefault(row["by"], {}).setdefault(row["name"], {})[row["reason"]] = int(row["count"])
    return found


def _gathered(
    by: str, rows: Sequence[Row], reasons: Mapping[str, Mapping[str | None, Mapping[str, int]]], edges: Sequence[int]
) -> KeepRates:
    groups = [_group(row) for row in rows]
    if by == LENGTH:
        place = {name: number for number, name in enumerate(length_names(edges))}
        groups.sort(key=lambda group: place[group.name or ""])
    num_groups, in_all = (int(rows[0][name]) if rows else 0 for name in ("num_groups", "in_all"))
    others = num_groups - len(groups), in_all - sum(group.documents for group in groups)
    counts = reasons.get(by, {})
    whole: dict[str, int] = {}
    for one in counts.values():
        for reason, count in one.items():
            whole[reason] = whole.get(reason, 0) + count
    told = {group.name: _above(group, counts.get(group.name, {}), whole, in_all) for group in groups}
    return KeepRates(by=by, groups=tuple(groups), others=others, reasons={n: r for n, r in told.items() if r})


def _above(
    group: Group, counts: Mapping[str, int], whole: Mapping[str, int], in_all: int
) -> tuple[tuple[str, int, float], ...]:
    """Reasons that a group has more often than the whole, by how many documents that makes."""
    found = []
    for reason, count in counts.items():
        usual = whole[reason] / in_all * group.documents
        if count > usual:
            found.append((count - usual, reason, count, count / usual))
    found.sort(key=lambda one: (-one[0], one[1]))
    return tuple((reason, count, times) for _, reason, count, times in found[:_MOST_REASONS])


def _group(row: Row) -> Group:
    def number(name: str) -> int:
        return int(row[name] or 0)

    name = row["name"]
    return Group(
        name=None if name is None else str(name),
        documents=number("documents"),
        num_bytes=number("num_bytes"),
        after_rules=number("ruled"),
        after_dedup=number("passed"),
        kept=number("kept"),
        kept_bytes=number("kept_bytes"),
    )
