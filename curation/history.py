"""History: what the commits of a lake say about themselves, and which versions a table was made from."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

_ROWS = ("numOutputRows", "num_added_rows", "numCopiedRows")
"""Names of the number of written rows in the metrics of Spark and Sail, and of delta-rs."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit of one table.

    Attributes:
        table: the table's name.
        version: the version that the commit made.
        time: when, UTC.
        operation: what Delta calls it.
        num_rows: rows that the commit wrote; None where the engine did not count them.
        stage: the stage that wrote it; None where the commit is not Winnow's, as are the next five.
        recipe_name: name of its recipe; None for an ingest, which has none.
        recipe_hash: hash of its recipe.
        inputs: the versions of the tables that were read.
        engine: the engine that ran.
        code: version of Winnow.
        record: all that Winnow recorded, the recipe as plain JSON included.
    """

    table: str
    version: int
    time: datetime
    operation: str
    num_rows: int | None = None
    stage: str | None = None
    recipe_name: str | None = None
    recipe_hash: str | None = None
    inputs: Mapping[str, int] = field(default_factory=dict)
    engine: str | None = None
    code: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """From the start of the stage, as recorded, to the commit; None where no start, or a later one, is recorded.

        On a Spark Connect server the commit is dated by the server's clock, the start by the client's.
        """
        started = self.record.get("timing", {}).get("started")
        took = -1.0 if started is None else (self.time - datetime.fromisoformat(started)).total_seconds()
        return took if took >= 0 else None

    def as_json(self) -> dict[str, Any]:
        """The commit as plain JSON, without the recipe, which `recipe_hash` stands for."""
        fields = {name: value for name, value in asdict(self).items() if name != "record"}
        return fields | {"time": self.time.isoformat(timespec="milliseconds"), "seconds": self.seconds}


def commit_of(table: str, entry: Mapping[str, Any]) -> Commit:
    """A commit from an entry of a Delta log.

    Args:
        table: the table's name.
        entry: `version`, `timestamp` (milliseconds since 1970, or a datetime), `operation`, `operationMetrics` and
            `userMetadata`, as `deltalake` and `DESCRIBE HISTORY` give them.
    """
    record = winnow_record(entry.get("userMetadata")) or {}
    inputs = {name: int(number) for name, number in record.get("inputs", {}).items() if number is not None}
    return Commit(
        table=table,
        version=int(entry["version"]),
        time=_time(entry["timestamp"]),
        operation=str(entry.get("operation") or ""),
        num_rows=_num_rows(entry.get("operationMetrics") or {}),
        stage=record.get("stage"),
        recipe_name=record.get("recipe_name"),
        recipe_hash=record.get("recipe_hash"),
        inputs=dict(sorted(inputs.items())),
        engine=record.get("engine"),
        code=record.get("winnow"),
        record=record,
    )


def winnow_record(text: str | None) -> dict[str, Any] | None:
    """Winnow's record in a commit's `userMetadata`; None where the commit is not Winnow's."""
    if not text:
        return None
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and "winnow" in found else None


def newest_first(commits: Iterable[Commit]) -> list[Commit]:
    """Commits of several tables in one order: newest first, by time, then by table and version."""
    return sorted(commits, key=lambda commit: (commit.time, commit.table, commit.version), reverse=True)


def lineage(commits: Iterable[Commit], table: str, version: int) -> dict[str, int]:
    """The versions that one version of a table was made from, directly or through other tables.

    Args:
        commits: the commits of all tables.
        table: the table to start from.
        version: its version.

    Returns:
        Table to version; the table itself included. Where a table was read at several versions on the way, the one
        that was read last: a decision answers for the signals that it saw.
    """
    known = {(commit.table, commit.version): commit for commit in commits}
    found = {table: version}
    waiting = [(table, version)]
    while waiting:
        commit = known.get(waiting.pop(0))
        for name, number in (commit.inputs if commit else {}).items():
            if name == (commit.table if commit else ""):
                waiting.append((name, number))  # sampling reads the decisions that it writes anew
            elif name not in found:
                found[name] = number
                waiting.append((name, number))
    return found


def _time(stamp: Any) -> datetime:
    if isinstance(stamp, datetime):
        return stamp.astimezone(UTC)
    return datetime.fromtimestamp(int(stamp) / 1000, UTC)


def _num_rows(metrics: Mapping[str, Any]) -> int | None:
    for name in _ROWS:
        if metrics.get(name) is not None:
            return int(metrics[name])
    return None
