"""Job: files -> documents, quarantine, and the ledger `files`, which is committed last.

A run that is killed anywhere leaves at most rows of an ingest that the ledger does not confirm; the next run replaces
them in the same commit that adds its own. So no record ever stands twice, and none is lost.
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from curation.errors import LakeError
from curation.sources.extraction import check_extractor, extractor_version
from curation.sources.ledger import LEDGER, Entry, Plan, compare, entries_of, format_of, ingest_id, is_one_of, resolve
from curation.sources.listing import SourceFile, find_files, without_credentials
from curation.sources.piece import COLUMNS
from curation.sources.settings import Ingest, InputError
from curation.sources.unpack import NOT_READABLE
from curation.sources.work import Unit, fingerprints, is_extracted, read, scan, share_out, units_of
from curation.tables import DOCUMENTS, QUARANTINE
from jobs.display import Silent
from jobs.ingested import Ingested, notes_of, warnings_of
from jobs.lake import Lake
from jobs.stage import Display, StageResult, Work, code_version, recipe_record, timing

_TASK_BYTES = 64 << 20
_KINDS = from_arrow_schema(DOCUMENTS.schema)
_COUNTS = ("num_records", "num_documents", "num_quarantined", "num_bytes")


@dataclass(frozen=True)
class _Ledger:
    """The ledger as the last complete ingest left it: its rows, and the versions of the tables that they speak of."""

    entries: dict[str, Entry]
    versions: dict[str, int]
    exists: bool

    @property
    def confirmed(self) -> set[str]:
        return {entry.ingest_id for entry in self.entries.values()}


@dataclass(frozen=True, kw_only=True)
class _Scanned:
    """What the scan of the new and changed files found.

    `counts` and `fingerprints` are by file; a file that cannot be read has no fingerprint. `withheld` are files that
    could be read before and cannot now: they keep the rows that they have, and stand in neither. `extracted` are
    documents whose texts the scan has made of HTML already; `units` hold the others.
    """

    units: list[Unit] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    fingerprints: dict[str, str | None] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    rows: DataFrame | None = None
    extracted: DataFrame | None = None
    skipped: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)

    def total(self, name: str) -> int:
        return sum(counts[name] for counts in self.counts.values())

    @property
    def unreadable(self) -> tuple[str, ...]:
        return tuple(sorted([*self.withheld, *(name for name, hashed in self.fingerprints.items() if hashed is None)]))


def ingest(work: Work, reading: Ingest) -> StageResult:
    """Read the files that are new or changed into the lake, and say what was found."""
    done = ingest_files(work.lake, reading, display=work.display, recorded=recipe_record(work.recipe))
    return StageResult(
        "ingest",
        num_rows=done.num_documents,
        num_bytes=done.num_bytes,
        seconds=done.seconds,
        skipped=done.nothing_to_do,
        notes=notes_of(done),
        warnings=warnings_of(done),
    )


def ingest_files(
    lake: Lake,
    config: Ingest,
    *,
    display: Display | None = None,
    num_tasks: int | None = None,
    recorded: Mapping[str, Any] | None = None,
) -> Ingested:
    """Read the files that are new or changed into the tables `documents`, `quarantine` and `files`.

    Args:
        lake: where the tables are.
        config: what is read and how.
        display: shows how far it has come.
        num_tasks: tasks to share the files over, None to choose by size and cores.
        recorded: what else every commit records: the recipe of the run that this ingest is part of.

    Raises:
        InputError: an input is not there, names clash, or no document at all could be read.
    """
    start, started = time.perf_counter(), time.time()
    display = display or Silent()
    key = config.reading_key()
    found = find_files(config)
    ledger = _read_ledger(lake)
    plan = compare(found, ledger.entries, key)
    if any(_has_pages(file, config) for file in [*plan.new, *plan.changed]):
        check_extractor(config.extractor)
    if plan.suspects:
        heaps = _heaps(lake, [Unit(file=file) for file in plan.suspects], num_tasks)
        resolve(plan, ledger.entries, key, fingerprints(lake.spark, heaps))
    scanned = _scan(lake, config, plan, ledger, num_tasks, display)
    plan.changed = [file for file in plan.changed if file.name not in scanned.withheld]
    took = timing(started, scanned.total("num_documents"), scanned.total("num_bytes"))
    commit = _Commit(lake, config, plan, ledger, scanned, {**(recorded or {}), "timing": took})
    nothing = commit.is_empty()
    if not nothing:
        commit.run(display, num_tasks)
    return Ingested(
        new=tuple(file.name for file in plan.new),
        changed=tuple(file.name for file in plan.changed),
        num_unchanged=len(plan.unchanged),
        missing=tuple(plan.missing),
        removed=tuple(plan.removed),
        ignored=found.ignored,
        unreadable=scanned.unreadable,
        num_records=scanned.total("num_records"),
        num_documents=scanned.total("num_documents"),
        quarantined=scanned.reasons,
        skipped=scanned.skipped,
        num_bytes=scanned.total("num_bytes"),
        seconds=time.perf_counter() - start,
        versions={name: lake.version(name) for name in ("documents", "quarantine", "files")},
        nothing_to_do=nothing,
    )


def _has_pages(file: SourceFile, config: Ingest) -> bool:
    # WET files hold texts: they need no library.
    return is_extracted(file, config) and not (file.format == "warc" and ".wet" in file.name.lower())


def _read_ledger(lake: Lake) -> _Ledger:
    if lake.version("files") is None:
        return _Ledger({}, {}, exists=False)
    rows = lake.read("files").toArrow().to_pylist()
    versions = (lake.info("files") or {}).get("tables", {})
    return _Ledger(entries_of(rows), versions, exists=True)


def _heaps(lake: Lake, units: list[Unit], num_tasks: int | None) -> list[tuple[Unit, ...]]:
    if num_tasks is None:
        cores = os.cpu_count() or 1
        # Sail works on all tasks at once, in this process: more of them than cores cost memory and give nothing.
        many = sum(unit.weight for unit in units) // _TASK_BYTES
        num_tasks = cores if lake.session.engine == "sail" else max(cores, many)
    return share_out(units, num_tasks)


def _scan(lake: Lake, config: Ingest, plan: Plan, ledger: _Ledger, num_tasks: int | None, display: Display) -> _Scanned:
    units = units_of([*plan.new, *plan.changed])
    if not units:
        return _Scanned()
    with display.stage("scan", None):
        rows = lake.checkpoint(scan(lake.spark, _heaps(lake, units, num_tasks), config), "ingest_scan")
    reports = rows.where("num_records IS NOT NULL").drop("reason", "detail", "raw", "record", "document")
    reports = reports.toArrow().to_pylist()
    marks = {report["file"]: report["fingerprint"] for report in reports if report["part"] == 0}
    unread = {name for name, mark in marks.items() if mark is None}
    withheld = {name for name in unread if name in ledger.entries and ledger.entries[name].fingerprint is not None}
    counts = _counts(reports, unread, withheld)
    found = {(report["file"], report["part"]): int(report["num_documents"]) for report in reports}
    units = [replace(unit, num_documents=found[unit.file.name, unit.part]) for unit in units]
    documents = rows.where("document IS NOT NULL").select("document.*")
    rows = rows.where(
        f"reason IS NOT NULL AND NOT {is_one_of('file', withheld)}"
        f" AND (reason = '{NOT_READABLE}' OR NOT {is_one_of('file', unread)})"
    )
    reasons = rows.groupBy("reason").agg(F.count("*").alias("num"), F.min("detail").alias("detail")).collect()
    scanned = _Scanned(
        units=[
            unit
            for unit in units
            if unit.num_documents and unit.file.name not in unread and not is_extracted(unit.file, config)
        ],
        extracted=documents.where(f"NOT {is_one_of('origin.file', unread)}")
        if any(is_extracted(unit.file, config) for unit in units)
        else None,
        skipped=_skipped(reports),
        counts=counts,
        fingerprints={name: mark for name, mark in marks.items() if name not in withheld},
        withheld=tuple(withheld),
        rows=rows,
        reasons={
            row["reason"]: int(row["num"]) for row in sorted(reasons, key=lambda row: (-row["num"], row["reason"]))
        },
    )
    if not scanned.total("num_documents") and not any(entry.num_documents for entry in ledger.entries.values()):
        told = "; ".join(f"{row['reason']} {row['num']} times ({row['detail']})" for row in reasons)
        raise InputError(f"no document could be read from {', '.join(config.inputs)}: {told or 'nothing is in there'}")
    return scanned


def _skipped(reports: list[dict[str, Any]]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for report in reports:
        sums.update(json.loads(report["skipped"]))
    return dict(sums.most_common())


def _counts(reports: list[dict[str, Any]], unread: set[str], withheld: set[str]) -> dict[str, dict[str, int]]:
    """Counts per file, summed over its units. Of a file that cannot be read, the reason why is all that counts."""
    counts: dict[str, dict[str, int]] = {}
    for report in reports:
        name = report["file"]
        if name in withheld:
            continue
        sums = counts.setdefault(name, dict.fromkeys(_COUNTS, 0))
        for column in _COUNTS:
            sums[column] += int(report[column])
        if name in unread:
            sums |= {"num_records": 0, "num_documents": 0, "num_quarantined": 1}
    return counts


class _Commit:
    """The three commits of an ingest: documents, quarantine, and the ledger that confirms them."""

    def __init__(
        self,
        lake: Lake,
        config: Ingest,
        plan: Plan,
        ledger: _Ledger,
        scanned: _Scanned,
        recorded: Mapping[str, Any],
    ) -> None:
        self._lake, self._config, self._plan, self._ledger, self._scanned = lake, config, plan, ledger, scanned
        self._settings = config.reading_key()
        self._replaced = {*plan.removed, *(file.name for file in plan.changed)}
        self._id = ingest_id(scanned.fingerprints, self._settings)
        while self._id in ledger.confirmed:
            self._id = ingest_id({self._id: None}, self._settings)
        self._info: dict[str, Any] = {
            **recorded,
            "winnow": code_version(),
            "stage": "ingest",
            "keys": {"ingest": self._id},
            "ingest_id": self._id,
            "reading": asdict(config) | {"inputs": [without_credentials(text) for text in config.inputs]},
            "extractor": extractor_version(config.extractor) if scanned.extracted is not None else None,
            "inputs": {},
            "engine": lake.session.description,
        }
        self._broken = {name for name in ("documents", "quarantine") if self._is_broken(name)}

    def is_empty(self) -> bool:
        """Whether the lake is as it should be already."""
        return not (self._plan.new or self._replaced or self._broken) and self._ledger.exists

    def run(self, display: Display, num_tasks: int | None) -> None:
        """Commit the three tables, the ledger last."""
        scanned = self._scanned
        unedited = {name: F.lit(None).cast(_KINDS[name].dataType) for name in ("cuts", "edits")}
        documents = self._stamped(self._documents(num_tasks).withColumns(unedited), DOCUMENTS.schema)
        with display.stage("ingest", scanned.total("num_documents")):
            versions: dict[str, int | None] = {
                "documents": self._write("documents", documents, scanned.total("num_documents"))
            }
        quarantine = self._stamped(self._quarantine(), QUARANTINE.schema)
        versions["quarantine"] = self._write("quarantine", quarantine, sum(scanned.reasons.values()))
        entries = self._entries()
        rows = pa.Table.from_pylist([asdict(entries[name]) for name in sorted(entries)], schema=LEDGER)
        ledger = self._lake.spark.createDataFrame(rows)
        self._lake.write("files", ledger, info=self._info | {"tables": versions})

    def _is_broken(self, name: str) -> bool:
        """Whether a killed ingest left its mark on a table: a commit, or rows, that the ledger does not confirm."""
        now = self._lake.version(name)
        if not self._ledger.exists or now == self._ledger.versions.get(name):
            return False
        if now is None:
            raise LakeError(
                f"{self._lake.location(name)} is gone, while the ledger of ingested files is still there: delete "
                f"{self._lake.location('files')} too, so that everything is read again"
            )
        newest = (self._lake.info(name) or {}).get("ingest_id")
        if newest is not None and newest not in self._ledger.confirmed:
            return True
        return self._lake.read(name).where(self._unconfirmed()).limit(1).count() > 0

    def _unconfirmed(self) -> str:
        return f"NOT {is_one_of('ingest_id', self._ledger.confirmed)}"

    def _documents(self, num_tasks: int | None) -> DataFrame:
        units, extracted = self._scanned.units, self._scanned.extracted
        if units:
            others = read(self._lake.spark, _heaps(self._lake, units, num_tasks), self._config)
            return others if extracted is None else others.unionByName(extracted)
        if extracted is not None:
            return extracted
        return self._lake.spark.createDataFrame([], from_arrow_schema(COLUMNS))

    def _quarantine(self) -> DataFrame:
        if self._scanned.rows is None:
            return self._lake.spark.createDataFrame([], from_arrow_schema(QUARANTINE.schema))
        origin = F.struct(F.col("file"), F.col("record")).alias("origin")
        return self._scanned.rows.select(origin, "reason", "detail", "raw")

    def _stamped(self, frame: DataFrame, schema: pa.Schema) -> DataFrame:
        return frame.withColumn("ingest_id", F.lit(self._id)).select(*schema.names)

    def _write(self, name: str, frame: DataFrame, num_rows: int) -> int:
        """Commit the new rows of a table, and with them whatever has to leave it; no commit where neither is."""
        lake = self._lake
        if not self._ledger.exists or lake.version(name) is None:
            return lake.write(name, frame, info=self._info)
        held = "num_documents" if name == "documents" else "num_quarantined"
        leaving = {old for old in self._replaced if getattr(self._ledger.entries[old], held)}
        if name in self._broken:
            damaged = self._damaged(name, held)
            old = lake.read(name, self._ledger.versions[name])
            lost = old.where(f"{is_one_of('origin.file', damaged)} AND NOT {self._unconfirmed()}")
            leaving = self._replaced | damaged
            frame = frame.unionByName(lost) if damaged else frame
        if leaving or name in self._broken:
            predicate = f"{self._unconfirmed()} OR {is_one_of('origin.file', leaving)}"
            return lake.write(name, frame, info=self._info, replace_where=predicate)
        if num_rows:
            return lake.write(name, frame, info=self._info, mode="append")
        version = lake.version(name)
        assert version is not None
        return version

    def _damaged(self, name: str, held: str) -> set[str]:
        """Files whose confirmed rows a killed ingest took away, and never got to the ledger."""
        rows = self._lake.read(name).where(f"NOT ({self._unconfirmed()})").groupBy(F.col("origin.file").alias("file"))
        there = {row["file"]: int(row["count"]) for row in rows.count().collect()}
        entries = self._ledger.entries
        return {file for file, entry in entries.items() if there.get(file, 0) != getattr(entry, held)} - self._replaced

    def _entries(self) -> dict[str, Entry]:
        """The ledger after this ingest."""
        entries = {name: entry for name, entry in self._ledger.entries.items() if name not in self._plan.removed}
        for file in [*self._plan.new, *self._plan.changed]:
            counts = self._scanned.counts[file.name]
            entries[file.name] = Entry(
                name=file.name,
                uri=file.recorded_uri,
                size=file.size,
                modified=file.modified,
                format=format_of(file),
                fingerprint=self._scanned.fingerprints[file.name],
                num_records=counts["num_records"],
                num_documents=counts["num_documents"],
                num_quarantined=counts["num_quarantined"],
                ingest_id=self._id,
                settings=self._settings,
            )
        return entries


if __name__ == "__main__":
    from jobs.cli import main

    main(["ingest", *sys.argv[1:]])
