"""A few of each: dropped documents per reason, quarantined records. Bounded, and the same in every run and engine."""

import dataclasses
from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from curation.decide import NOT_REPRESENTATIVE
from curation.recipe import Recipe
from curation.report.axes import plain
from curation.report.findings import Broken, Duplicates, Example, Excerpt, Quarantined, Reason
from curation.rules import Rule

Examples = Mapping[str, tuple[Example, ...]]

_PER_REASON = 3
_CANDIDATES = 100  # documents per reason among which the few are chosen
_BROKEN = 3
_TEXT_CHARS = 600
_NAME_CHARS = 300
_RAW_BYTES = 200


def pick_dropped(decisions: DataFrame, reasons: Sequence[Reason]) -> Examples:
    """For each reason the documents with the smallest doc_ids, not read yet.

    A doc_id is a hash, so that the smallest ones are a fair sample, and a bound on it spares sorting all documents.
    """
    asked = [reason for reason in reasons if reason.documents]
    if not asked:
        return {}
    limits = {reason.name: _limit(reason.documents) for reason in asked}
    few = decisions.where(F.size("reasons") > 0).where(F.col("doc_id") <= max(limits.values()))
    below = F.lit(False)
    for limit in sorted(set(limits.values())):
        names = [name for name, own in limits.items() if own == limit]
        below = below | (F.col("reason").isin(names) & (F.col("doc_id") <= limit))
    order = Window.partitionBy("reason").orderBy("doc_id")
    rows = (
        few.select("doc_id", "reasons", F.explode("reasons").alias("reason"))
        .where(below)
        .withColumn("rank", F.row_number().over(order))
        .where(F.col("rank") <= _PER_REASON)
        .orderBy("reason", "rank")
        .collect()
    )
    found: dict[str, list[Example]] = {}
    for row in rows:
        one = Example(excerpt=Excerpt(doc_id=row["doc_id"]), reasons=tuple(row["reasons"]))
        found.setdefault(row["reason"], []).append(one)
    return {reason.name: tuple(found.get(reason.name, ())) for reason in asked}


def _limit(documents: int) -> str:
    """The doc_id below which about a hundred of so many lie; above every doc_id where there are not more."""
    return "g" if documents <= _CANDIDATES else f"{(_CANDIDATES << 128) // documents:032x}"


def with_values(
    examples: Examples, recipe: Recipe, signals: DataFrame, clusters: DataFrame | None
) -> dict[str, tuple[Example, ...]]:
    """The examples with what was measured of them, and with the documents that stand for duplicates."""
    chosen = sorted({one.excerpt.doc_id for few in examples.values() for one in few})
    values = _measured(signals, recipe.rules, chosen)
    copies = [one.excerpt.doc_id for one in examples.get(NOT_REPRESENTATIVE, ())]
    stands = _standing_for(clusters, copies)
    on = {rule.name: rule.on for rule in recipe.rules}

    def completed(reason: str, one: Example) -> Example:
        other = stands.get(one.excerpt.doc_id) if reason == NOT_REPRESENTATIVE else None
        return dataclasses.replace(
            one,
            value=values.get((one.excerpt.doc_id, on[reason])) if reason in on else None,
            representative=other[0] if other else None,
            similarity=other[1] if other else None,
        )

    return {reason: tuple(completed(reason, one) for one in few) for reason, few in examples.items()}


def with_texts(
    examples: Examples, found: Duplicates | None, documents: DataFrame
) -> tuple[dict[str, tuple[Example, ...]], Duplicates | None]:
    """The examples, and the largest clusters, with how their texts begin: the only place where a report reads text."""
    largest = found.largest if found is not None else ()
    chosen = {one.excerpt.doc_id for few in examples.values() for one in few}
    texts = excerpts(documents, sorted(chosen | {cluster.representative.doc_id for cluster in largest}))
    read = {
        reason: tuple(dataclasses.replace(one, excerpt=texts.get(one.excerpt.doc_id, one.excerpt)) for one in few)
        for reason, few in examples.items()
    }
    if found is None:
        return read, None
    clusters = tuple(
        dataclasses.replace(one, representative=texts.get(one.representative.doc_id, one.representative))
        for one in largest
    )
    return read, dataclasses.replace(found, largest=clusters)


def excerpts(documents: DataFrame, doc_ids: Sequence[str]) -> dict[str, Excerpt]:
    """How documents begin, by doc_id."""
    if not doc_ids:
        return {}
    cut = [F.substring(name, 1, _NAME_CHARS).alias(name) for name in ("record_id", "source", "url")]
    begins = [F.substring("text", 1, _TEXT_CHARS).alias("text"), F.length("text").alias("num_chars")]
    rows = documents.where(F.col("doc_id").isin(list(doc_ids))).select("doc_id", *cut, *begins).collect()
    return {
        row["doc_id"]: Excerpt(
            doc_id=row["doc_id"],
            record_id=row["record_id"],
            source=row["source"],
            url=row["url"],
            text=row["text"] or "",
            num_chars=int(row["num_chars"] or 0),
        )
        for row in rows
    }


def _measured(signals: DataFrame, rules: Sequence[Rule], doc_ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """(doc_id, measurement) -> value in words."""
    columns = list(dict.fromkeys(rule.on for rule in rules))
    if not columns or not doc_ids:
        return {}
    cells = [F.col(name).alias(f"c{number}") for number, name in enumerate(columns)]
    rows = signals.where(F.col("doc_id").isin(list(doc_ids))).select("doc_id", *cells).collect()
    return {
        (row["doc_id"], name): in_words(row[f"c{number}"])
        for row in rows
        for number, name in enumerate(columns)
        if row[f"c{number}"] is not None
    }


def in_words(value: object) -> str:
    """A measurement for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return plain(value)
    return str(value)[:_NAME_CHARS]


def _standing_for(clusters: DataFrame | None, doc_ids: Sequence[str]) -> dict[str, tuple[str, float | None]]:
    """doc_id -> (representative, similarity)."""
    if clusters is None or not doc_ids:
        return {}
    rows = clusters.where(F.col("doc_id").isin(list(doc_ids))).select("doc_id", "representative", "similarity")
    return {row["doc_id"]: (row["representative"], row["similarity"]) for row in rows.collect()}


def quarantined(quarantine: DataFrame) -> tuple[Quarantined, ...]:
    """Quarantined records by reason, with the first few of each by file and record."""
    order = Window.partitionBy("reason").orderBy("file", "record", "detail")
    rows = (
        quarantine.select(
            F.coalesce("reason", F.lit("")).alias("reason"),
            F.col("origin.file").alias("file"),
            F.col("origin.record").alias("record"),
            F.substring("detail", 1, _NAME_CHARS).alias("detail"),
            "raw",  # Sail 0.7.2 cannot cut binary that is not UTF-8; ingest has capped it
        )
        .withColumn("rank", F.row_number().over(order))
        .withColumn("count", F.count("*").over(Window.partitionBy("reason")))
        .where(F.col("rank") <= _BROKEN)
        .orderBy(F.desc("count"), "reason", "rank")
        .collect()
    )
    found: dict[str, list[Broken]] = {}
    counts = {row["reason"]: int(row["count"]) for row in rows}
    for row in rows:
        raw = bytes(row["raw"] or b"")[:_RAW_BYTES].decode("utf-8", "backslashreplace")
        one = Broken(file=row["file"] or "", record=row["record"], detail=row["detail"] or "", raw=raw)
        found.setdefault(row["reason"], []).append(one)
    return tuple(Quarantined(reason=name, count=counts[name], examples=tuple(few)) for name, few in found.items())
