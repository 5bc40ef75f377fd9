"""Job: the tables of a lake -> one HTML page that tells what happened."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from curation.errors import LakeError
from curation.history import Commit
from curation.report.clusters import duplicates
from curation.report.collect import effects, language_column, overlap
from curation.report.distributions import histograms
from curation.report.examples import pick_dropped, quarantined, with_texts, with_values
from curation.report.findings import Findings, StageTime, TableVersion
from curation.report.groups import Group, KeepRates
from curation.report.keep_rates import ALL, LANGUAGE, LENGTH, SOURCE, facts, keep_rates
from curation.report.page import page
from curation.report.times import recorded_times
from curation.tables import TABLES
from jobs.compare_dialects import dialects_of_lake
from jobs.lake import Lake
from jobs.lake_reader import EngineReader
from jobs.page_file import write_page
from jobs.stage import StageResult, Work, code_version
from jobs.summary import Summary, summarise

_ALWAYS = (ALL, SOURCE, LANGUAGE, LENGTH)


def write_report(
    work: Work,
    path: str | None = None,
    results: Sequence[StageResult] = (),
    *,
    summary: Summary | None = None,
    by: Sequence[str] = (),
    num_compared: int | None = None,
) -> Path:
    """Write the report of a lake as one HTML file and give its path.

    Args:
        work: the lake, and the recipe that its decisions were made by.
        path: the file; None: `report.html` in the lake, or in the current folder where the lake is not a local one.
        results: what the stages did, where they have just run.
        summary: the summary, where it has been counted already.
        by: see `collect`.
        num_compared: documents, about, on which the dialects of the recipe's rules are compared; None: they are not.

    Raises:
        LakeError: a table is not there yet, or the file cannot be written.
    """
    target = Path(path) if path is not None else _default_path(work.lake)
    found = collect(work, results, summary, by)
    if num_compared is not None:
        found = replace(found, dialects=dialects_of_lake(work.lake, work.recipe, num_compared, work.display))
    return write_page(page(found, work.recipe), target, LakeError)


def collect(
    work: Work, results: Sequence[StageResult] = (), summary: Summary | None = None, by: Sequence[str] = ()
) -> Findings:
    """Count everything that the report tells, from the newest tables, each at one version throughout.

    Args:
        work: the lake, and the recipe that its decisions were made by.
        results: what the stages did, where they have just run.
        summary: the summary, where it has been counted already.
        by: further properties to count documents by: `metadata.FIELD`.

    Raises:
        KeepRateError: `by` names something that is none.
        LakeError: a table is not there yet.
    """
    lake, recipe = work.lake, work.recipe
    counted = summary or summarise(lake, recipe)
    history = _commits(lake)
    commits = {name: found[0] for name, found in history.items()}
    tables = {name: lake.read(name, commit.version) for name, commit in commits.items()}
    decisions, signals, documents = tables["decisions"], tables["signals"], tables["documents"]
    clusters = tables.get("clusters") if recipe.dedup is not None else None
    language = language_column(recipe)
    asked = [ALL, SOURCE, *([LANGUAGE] if language else []), LENGTH, *(one for one in by if one not in _ALWAYS)]
    rates = keep_rates(facts(decisions, signals, documents, language), asked, [rule.name for rule in recipe.rules])
    total = next(iter(rates.pop(ALL).groups), Group(name=None))
    sources = rates[SOURCE]
    found = effects(decisions, documents, recipe, [group.name for group in sources.groups if group.name is not None])
    doubles = None
    if clusters is not None and recipe.dedup is not None:
        doubles = duplicates(clusters, recipe.dedup.threshold)
    examples = with_values(pick_dropped(decisions, found.reasons), recipe, signals, clusters)
    read, doubles = with_texts(examples, doubles, documents)
    return Findings(
        title=Path(lake.path).name or lake.path,
        made_at=datetime.now(UTC).replace(microsecond=0),
        engine=lake.session.description,
        code=code_version(),
        total=total,
        warnings=_warnings(commits, results, counted, recipe.hash),
        sources=sources.groups,
        other_sources=sources.others,
        languages=rates.get(LANGUAGE, KeepRates(by=LANGUAGE)).groups,
        rates=tuple(rates.values()),
        reasons=found.reasons,
        overlap=overlap(decisions, found.reasons),
        by_source=found.by_source,
        histograms=histograms(signals, recipe, total.documents),
        duplicates=doubles,
        examples=read,
        quarantine=quarantined(tables["quarantine"]) if "quarantine" in tables else (),
        nulls=counted.nulls,
        times=_times(results, recorded_times(history, recipe, total.num_bytes)),
        versions=tuple(_version(commit) for commit in commits.values()),
        files=_files(tables.get("files")),
        budget=_budget(commits["decisions"].record),
    )


def _default_path(lake: Lake) -> Path:
    is_local = "://" not in lake.path and not lake.session.is_remote
    return Path(lake.path) / "report.html" if is_local else Path("report.html")


def _commits(lake: Lake) -> dict[str, list[Commit]]:
    """The commits of every table that is there, newest first."""
    reader = EngineReader(lake)
    found = {table.name: reader.commits(table.name) for table in TABLES}
    for name in ("documents", "signals", "decisions"):
        if not found[name]:
            lake.read(name)  # says which stage makes it
    return {name: commits for name, commits in found.items() if commits}


def _version(commit: Commit) -> TableVersion:
    return TableVersion(
        table=commit.table,
        version=commit.version,
        time=commit.time,
        stage=commit.stage or "",
        recipe=commit.recipe_hash or "",
        code=commit.code or "",
        engine=commit.engine or "",
    )


def _warnings(
    commits: dict[str, Commit], results: Sequence[StageResult], summary: Summary, recipe_hash: str
) -> tuple[str, ...]:
    """What the stages, the recorded commits and the summary warn about, each once."""
    found = [f"{warning}" for result in results for warning in result.warnings]
    if "clusters" in commits:
        found += [f"dedup: {alarm['message']}" for alarm in commits["clusters"].record.get("alarms", ())]
    by = commits["decisions"].recipe_hash
    if by is not None and by != recipe_hash:
        found.append(
            f"The decisions were made by another recipe ({by}) than the one that this report explains ({recipe_hash}): "
            "run `winnow decide` with it first."
        )
    return tuple(dict.fromkeys([*found, *summary.warnings]))


def _times(results: Sequence[StageResult], recorded: Mapping[str, StageTime]) -> tuple[StageTime, ...]:
    """How long the stages took just now, and where they did not run, when they last did."""
    times = dict(recorded)
    for result in results:
        if result.skipped:
            said = "; ".join(result.notes) or "up to date"
            known = recorded.get(result.stage, StageTime(stage=result.stage))
            times[result.stage] = replace(known, note=f"{said}; {known.note}" if known.note else said)
        else:
            times[result.stage] = StageTime(
                stage=result.stage, num_rows=result.num_rows, num_bytes=result.num_bytes, seconds=result.seconds
            )
    return tuple(times[stage] for stage in dict.fromkeys([*(result.stage for result in results), *times]))


def _files(files: DataFrame | None) -> tuple[int, int] | None:
    if files is None:
        return None
    row = files.agg(F.count("*").alias("files"), F.sum("num_records").alias("records")).collect()[0]
    return int(row["files"]), int(row["records"] or 0)


def _budget(record: Any) -> dict[str, tuple[int, int]]:
    """(asked, drawn) by domain, as the draw recorded them."""
    asked, drawn = record.get("asked", {}), record.get("drawn", {})
    return {name: (int(asked[name]), int(drawn.get(name, 0))) for name in sorted(asked)}


if __name__ == "__main__":
    from jobs.cli import main

    main(["report", *sys.argv[1:]])
