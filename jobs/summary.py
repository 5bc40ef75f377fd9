"""What happened to every document: counted from the tables, told in one screen."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.decide import NOT_REPRESENTATIVE, without_sampling
from curation.recipe import Recipe
from curation.sampling.config import NOT_DRAWN, NOT_RATED
from jobs.flags import show_warnings
from jobs.lake import Lake
from jobs.stage import StageResult


@dataclass(frozen=True)
class SourceCount:
    """Documents of one source: in the lake, left by rules and deduplication, kept in the end; and bytes of these."""

    source: str
    documents: int
    passed: int
    kept: int
    kept_bytes: int


@dataclass(frozen=True)
class Summary:
    """Counts of a lake's newest tables.

    Attributes:
        documents: documents in the lake.
        num_bytes: bytes of their texts.
        kept: documents kept.
        kept_bytes: bytes of their texts.
        quarantined: records that could not become documents, by reason.
        dropped: per reason, in the recipe's order: documents with it, and documents with no other.
        duplicates: documents in clusters, by kind; and the number of clusters.
        sources: per source.
        nulls: measurements that rules look at and that are undefined for some documents.
        warnings: what should be looked at.
    """

    documents: int = 0
    num_bytes: int = 0
    kept: int = 0
    kept_bytes: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, tuple[int, int]] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=dict)
    clusters: int = 0
    sources: tuple[SourceCount, ...] = ()
    nulls: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def summarise(lake: Lake, recipe: Recipe) -> Summary:
    """Count what the tables of a lake say, by aggregates in the engine."""
    decisions, signals = lake.read("decisions"), lake.read("signals")
    sizes = signals.select("doc_id", "num_bytes")
    passed = F.size(without_sampling()) == 0
    sources = lake.read("documents").select("doc_id", "source")
    counted = (
        decisions.select("doc_id", "kept", passed.alias("passed"))
        .join(sizes, "doc_id")
        .join(sources, "doc_id")
        .groupBy("source", "kept", "passed")
        .agg(F.count("*").alias("documents"), F.sum("num_bytes").alias("size"))
        .collect()
    )
    dropped = _dropped(lake, recipe)
    per_source = _per_source(
        [(row["source"], row["kept"], row["passed"], int(row["documents"]), int(row["size"] or 0)) for row in counted]
    )
    kept = sum(source.kept for source in per_source)
    documents = sum(source.documents for source in per_source)
    quarantined = lake.read("quarantine").groupBy("reason").count().collect()
    duplicates, clusters = _duplicates(lake, recipe)
    nulls = _nulls(lake, recipe)
    return Summary(
        documents=documents,
        num_bytes=sum(int(row["size"] or 0) for row in counted),
        kept=kept,
        kept_bytes=sum(int(row["size"] or 0) for row in counted if row["kept"]),
        quarantined={row["reason"]: int(row["count"]) for row in sorted(quarantined, key=lambda row: row["reason"])},
        dropped=dropped,
        duplicates=duplicates,
        clusters=clusters,
        sources=per_source,
        nulls=nulls,
        warnings=_alarms(documents, kept, dropped, per_source, recipe),
    )


def _dropped(lake: Lake, recipe: Recipe) -> dict[str, tuple[int, int]]:
    reasons = lake.read("decisions").select(
        F.explode("reasons").alias("reason"), (F.size("reasons") == 1).alias("only")
    )
    only = F.sum(F.when(F.col("only"), 1).otherwise(0))
    rows = reasons.groupBy("reason").agg(F.count("*").alias("documents"), only.alias("alone")).collect()
    counts = {row["reason"]: (int(row["documents"]), int(row["alone"])) for row in rows}
    order = [rule.name for rule in recipe.rules] + [NOT_REPRESENTATIVE] * (recipe.dedup is not None)
    order += [NOT_RATED, NOT_DRAWN] if recipe.sampling is not None else []
    order += sorted(set(counts) - set(order))
    return {name: counts.get(name, (0, 0)) for name in order if name in counts or name != NOT_RATED}


def _per_source(rows: Sequence[tuple[str, bool, bool, int, int]]) -> tuple[SourceCount, ...]:
    counts: dict[str, list[int]] = {}
    for source, kept, passed, documents, size in rows:
        sums = counts.setdefault(source, [0, 0, 0, 0])
        for place, number in enumerate((documents, documents * passed, documents * kept, size * kept)):
            sums[place] += number
    return tuple(SourceCount(source, *sums) for source, sums in sorted(counts.items()))


def _duplicates(lake: Lake, recipe: Recipe) -> tuple[dict[str, int], int]:
    if recipe.dedup is None:
        return {}, 0
    clusters = lake.read("clusters")
    rows = clusters.groupBy("kind").count().collect()
    number = clusters.select("cluster_id").distinct().count()
    return {row["kind"]: int(row["count"]) for row in rows}, number


def _nulls(lake: Lake, recipe: Recipe) -> dict[str, int]:
    columns = sorted({rule.on for rule in recipe.rules})
    if not columns:
        return {}
    counts = [F.sum(F.when(F.col(name).isNull(), 1).otherwise(0)).alias(f"n{i}") for i, name in enumerate(columns)]
    row = lake.read("signals").agg(*counts).collect()[0]
    found = {name: int(row[f"n{i}"] or 0) for i, name in enumerate(columns)}
    return {name: count for name, count in found.items() if count}


def _alarms(
    documents: int,
    kept: int,
    dropped: dict[str, tuple[int, int]],
    sources: tuple[SourceCount, ...],
    recipe: Recipe,
) -> tuple[str, ...]:
    found: list[str] = []
    if not documents:
        found.append("The lake holds no document: everything was quarantined, or the input was empty.")
    elif not kept:
        found.append(
            "No document is kept. Look at the reasons above: `winnow decide` with another recipe takes seconds."
        )
    found += [
        f"{name} drops every document." for name, (count, _) in dropped.items() if documents and count == documents
    ]
    for source in sources:
        lost = 1 - source.passed / source.documents
        if lost > recipe.alarm_source_loss:
            found.append(
                f"Source {source.source} loses {lost:.1%} of its {source.documents:,} documents to rules and "
                f"deduplication (alarm above {recipe.alarm_source_loss:.0%})."
            )
    return tuple(found)


def show(summary: Summary, results: Sequence[StageResult], recipe: Recipe, console: Console) -> None:
    """Print the summary: stages, sources, reasons, warnings."""
    console.print(stage_table(results))
    show_notes(results, console)
    console.print(_source_table(summary))
    console.print(_reason_table(summary))
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(summary.duplicates.items()))
    if kinds:
        console.print(
            f"Duplicates: {sum(summary.duplicates.values()):,} documents in {summary.clusters:,} clusters ({kinds})."
        )
    quarantined = ", ".join(f"{count:,} {reason}" for reason, count in summary.quarantined.items())
    console.print(
        f"Quarantined: {sum(summary.quarantined.values()):,} records" + (f" ({quarantined})." if quarantined else ".")
    )
    idle = [name for name, (count, _) in summary.dropped.items() if not count]
    if idle:
        console.print(Text(f"Rules that dropped nothing: {', '.join(idle)}.", style="dim"))
    if summary.nulls:
        nulls = ", ".join(f"{name} ({count:,})" for name, count in summary.nulls.items())
        console.print(Text(f"Undefined for some documents, which no rule drops: {nulls}.", style="dim"))
    show_warnings([*(warning for result in results for warning in result.warnings), *summary.warnings], console)


def show_notes(results: Sequence[StageResult], console: Console) -> None:
    """Print what the stages found, a line each."""
    for result in results:
        for note in () if result.skipped else result.notes:
            console.print(Text(f"{result.stage}: {note}"))


def stage_table(results: Sequence[StageResult]) -> Table:
    """One row per stage: how much text, how long, how fast."""
    table = Table(title="Stages", title_justify="left", title_style="bold")
    table.add_column("stage")
    for name in ("documents", "MB", "seconds", "MB/s"):
        table.add_column(name, justify="right")
    table.add_column("")
    for result in results:
        if result.skipped:
            table.add_row(result.stage, "", "", "", "", "; ".join(result.notes) or "nothing to do", style="dim")
            continue
        megabytes = None if result.num_bytes is None else result.num_bytes / 1e6
        rate = "" if megabytes is None or not result.seconds else f"{megabytes / result.seconds:,.1f}"
        size = "" if megabytes is None else f"{megabytes:,.1f}"
        table.add_row(result.stage, f"{result.num_rows:,}", size, f"{result.seconds:.1f}", rate, "")
    return table


def _source_table(summary: Summary) -> Table:
    table = Table(title="Documents", title_justify="left", title_style="bold", show_footer=True)
    share = summary.kept / summary.documents if summary.documents else 0.0
    table.add_column("source", "all")
    table.add_column("documents", f"{summary.documents:,}", justify="right")
    table.add_column("passed", f"{sum(source.passed for source in summary.sources):,}", justify="right")
    table.add_column("kept", f"{summary.kept:,}", justify="right")
    table.add_column("share kept", f"{share:.1%}", justify="right")
    table.add_column("MB kept", f"{summary.kept_bytes / 1e6:,.1f} of {summary.num_bytes / 1e6:,.1f}", justify="right")
    for source in summary.sources:
        kept = f"{source.kept / source.documents:.1%}"
        size = f"{source.kept_bytes / 1e6:,.1f}"
        table.add_row(source.source, f"{source.documents:,}", f"{source.passed:,}", f"{source.kept:,}", kept, size)
    return table


def _reason_table(summary: Summary) -> Table:
    table = Table(title="Dropped, by reason (a document may have several)", title_justify="left", title_style="bold")
    table.add_column("reason", no_wrap=True)
    table.add_column("documents", justify="right")
    table.add_column("share", justify="right")
    table.add_column("for it alone", justify="right")
    for reason, (count, alone) in summary.dropped.items():
        if count:
            table.add_row(reason, f"{count:,}", f"{count / max(summary.documents, 1):.1%}", f"{alone:,}")
    return table
