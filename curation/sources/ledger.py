"""What has been ingested already: the ledger's rows, and what a new listing means beside them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import xxhash

from curation.sources.listing import Found, SourceFile
from curation.sources.settings import InputError
from curation.tables import FILES

LEDGER = pa.schema(
    [*FILES.schema, *(pa.field(name, pa.string()) for name in ("settings",) if name not in FILES.schema.names)]
)
"""Columns of the table `files`: those of the map of tables, and the key of the settings that a file was read with."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file that has been ingested: one row of the ledger.

    Attributes:
        name: what it is called in the lake.
        uri: where it was.
        size: bytes as stored.
        modified: time of its last change, nanoseconds since 1970.
        format: `jsonl`, `parquet`, `delta` or `warc`.
        fingerprint: hash of its stored bytes; None where it could not be read to its end.
        num_records: records in it.
        num_documents: records that became documents.
        num_quarantined: rows that it has in the quarantine.
        ingest_id: the ingest that read it.
        settings: key of the settings that it was read with.
    """

    name: str
    uri: str
    size: int
    modified: int
    format: str
    fingerprint: str | None
    num_records: int
    num_documents: int
    num_quarantined: int
    ingest_id: str
    settings: str


@dataclass(kw_only=True)
class Plan:
    """What a listing means beside the ledger; every field holds files in the order of their names.

    Attributes:
        new: files that the ledger does not know.
        changed: files whose rows are to be replaced: other bytes, or other settings.
        unchanged: files that need nothing.
        suspects: files that look touched, until their fingerprint has been taken.
        missing: names of ingested files that the inputs should hold and do not; their documents stay.
        removed: names of files that left a Delta table's newest version; their documents leave too.
    """

    new: list[SourceFile] = field(default_factory=list)
    changed: list[SourceFile] = field(default_factory=list)
    unchanged: list[SourceFile] = field(default_factory=list)
    suspects: list[SourceFile] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def format_of(file: SourceFile) -> str:
    """The format as the ledger calls it: a file of a Delta table is `delta`."""
    return "delta" if file.table is not None else file.format


def compare(found: Found, entries: Mapping[str, Entry], settings: str) -> Plan:
    """Sort the files found by what has to be done with them.

    Args:
        found: what the inputs hold now.
        entries: the ledger, by name.
        settings: key of the settings of this ingest.

    Raises:
        InputError: a file is in the ledger under another name, or another file under this one.
    """
    names = {entry.uri: entry.name for entry in entries.values()}
    plan = Plan()
    for file in found.files:
        entry = entries.get(file.name)
        if entry is None:
            known = names.get(file.recorded_uri)
            if known is not None:
                raise InputError(
                    f"{file.uri} has been ingested before, as {known}, and would now be called {file.name}: give the "
                    "root that it had then, or ingest into another lake"
                )
            plan.new.append(file)
        elif entry.uri != file.recorded_uri:
            if entry.size != file.size:
                raise _other_file(file, entry)
            plan.suspects.append(file)
        elif entry.settings != settings:
            plan.changed.append(file)
        elif (entry.size, entry.modified) == (file.size, file.modified) and entry.fingerprint is not None:
            plan.unchanged.append(file)
        elif entry.size != file.size:
            plan.changed.append(file)
        else:
            plan.suspects.append(file)
    there = {file.name for file in found.files}
    for name in sorted(entries.keys() - there):
        uri = entries[name].uri
        if any(uri.startswith(table + "/") for table, _ in found.tables):
            plan.removed.append(name)
        elif any(place.covers(uri) for place in found.places):
            plan.missing.append(name)
    return plan


def resolve(plan: Plan, entries: Mapping[str, Entry], settings: str, fingerprints: Mapping[str, str | None]) -> None:
    """Sort the plan's suspects by their fingerprints.

    Raises:
        InputError: another file stands in the ledger under the name of one of them.
    """
    for file in plan.suspects:
        entry, now = entries[file.name], fingerprints[file.name]
        if now == entry.fingerprint and entry.settings == settings:
            plan.unchanged.append(file)
        elif now != entry.fingerprint and entry.uri != file.recorded_uri and None not in (now, entry.fingerprint):
            raise _other_file(file, entry)
        else:
            plan.changed.append(file)
    plan.suspects = []
    for files in (plan.changed, plan.unchanged):
        files.sort(key=lambda file: file.name)


def ingest_id(fingerprints: Mapping[str, str | None], settings: str) -> str:
    """Name of an ingest (32 hex digits): the same for the same files under the same settings, on any machine."""
    hasher = xxhash.xxh3_128(settings.encode())
    for name in sorted(fingerprints):
        hasher.update(f"\0{name}\0{fingerprints[name]}".encode())
    return hasher.hexdigest()


def entries_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Entry]:
    """The ledger by name, from the rows of its table."""
    return {row["name"]: Entry(**{name: row[name] for name in LEDGER.names}) for row in rows}


def is_one_of(column: str, values: Iterable[str]) -> str:
    """SQL predicate: `column` is one of `values`. Never null where the column is not."""
    quoted = sorted("'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for value in values)
    return f"{column} IN ({', '.join(quoted)})" if quoted else "false"


def _other_file(file: SourceFile, entry: Entry) -> InputError:
    return InputError(
        f"{file.uri} would be called {file.name}, as {entry.uri} was, which has been ingested and had other content: "
        "give a root that tells them apart"
    )
