"""What every stage of a run shares: where it works, what it records, and how it knows that nothing is to be done."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from curation.recipe import Recipe, Stage, canonical, encode
from jobs.lake import Lake


class Display(Protocol):
    """Shows how far a stage has come."""

    def stage(self, name: str, total_rows: int | None) -> AbstractContextManager[None]:
        """A progress bar for the length of a `with` block."""
        ...


@dataclass(frozen=True)
class StageResult:
    """What a stage did.

    Attributes:
        stage: its name.
        num_rows: rows of text that it handled, or rows that it wrote.
        num_bytes: bytes of text that it handled, None where it reads no text.
        seconds: how long it took.
        skipped: nothing was to be done, nothing was written.
        notes: what it found, for people.
        warnings: what the user should look at.
    """

    stage: str
    num_rows: int = 0
    num_bytes: int | None = None
    seconds: float = 0.0
    skipped: bool = False
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """Where a stage works: the lake, the recipe and the display."""

    lake: Lake
    recipe: Recipe
    display: Display


@dataclass
class Written:
    """Filled in by a stage while it works: what to record and to say.

    Attributes:
        num_rows: rows of text that it handles, or rows that it writes; known when it commits.
        num_bytes: bytes of text that it handles, None as long as it is not known.
        carried_bytes: bytes of the texts whose rows stand there already and are kept as they are.
        notes: what it found, for people.
        warnings: what the user should look at.
        started: when it began, seconds since 1970.
    """

    num_rows: int = 0
    num_bytes: int | None = None
    carried_bytes: int = 0
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)


def code_version() -> str:
    """Version of the installed Winnow, `0+source` where it runs from a bare checkout or a zip."""
    try:
        return version("winnow")
    except PackageNotFoundError:
        return "0+source"


def stage_key(recipe: Recipe, stage: Stage, inputs: Mapping[str, str | None], *more: Any) -> str:
    """Hash of all that a stage's result depends on: settings, inputs and code."""
    body = canonical([stage, code_version(), recipe.settings(stage), dict(inputs), encode(list(more))])
    return hashlib.sha256(body.encode()).hexdigest()[:32]


def identity(lake: Lake, table: str) -> str | None:
    """A name for the present state of a table: its version and its record, times aside. None where there is none."""
    number = lake.version(table)
    if number is None:
        return None
    record = canonical({name: value for name, value in (lake.info(table) or {}).items() if name != "timing"})
    return f"{number}-{hashlib.sha256(record.encode()).hexdigest()[:16]}"


def record(
    work: Work, stage: Stage, keys: Mapping[str, str], inputs: tuple[str, ...], written: Written, **more: Any
) -> dict[str, Any]:
    """Winnow's record of a commit: who wrote the table, by which recipe, from what.

    Args:
        work: where the stage works.
        stage: the stage that commits.
        keys: the key of every stage whose work the table holds.
        inputs: the tables that were read.
        written: when the stage began, and how much it handles.
        more: further plain values.
    """
    return {
        "winnow": code_version(),
        "stage": stage,
        "keys": dict(keys),
        **recipe_record(work.recipe),
        "inputs": {table: work.lake.version(table) for table in inputs},
        "engine": work.lake.session.description,
        "timing": timing(written.started, written.num_rows, written.num_bytes, written.carried_bytes),
        **more,
    }


def timing(started: float, num_rows: int, num_bytes: int | None, carried_bytes: int = 0) -> dict[str, Any]:
    """When a stage began and how much it handles, as its commit records it.

    How long it took is not known before the commit, but the log dates the commit itself: the time between is what
    `curation.history.Commit.seconds` gives. It is no part of a table's `identity`.
    """
    moment = datetime.fromtimestamp(started, UTC).isoformat(timespec="milliseconds")
    return {"started": moment, "num_rows": num_rows, "num_bytes": num_bytes, "carried_bytes": carried_bytes}


def recipe_record(recipe: Recipe) -> dict[str, Any]:
    """Name, hash and JSON of a recipe, as every commit records them."""
    return {"recipe_name": recipe.name, "recipe_hash": recipe.hash, "recipe": json.loads(recipe.to_json())}


def up_to_date(lake: Lake, table: str, stage: str, key: str) -> bool:
    """Whether a table holds what the stage would write."""
    info = lake.info(table)
    return info is not None and info.get("keys", {}).get(stage) == key


def timed(stage: str, body: Callable[[Written], None]) -> StageResult:
    """Run the body of a stage and give its result with the time it took."""
    written = Written()
    start = time.perf_counter()
    body(written)
    seconds = time.perf_counter() - start
    return StageResult(
        stage, written.num_rows, written.num_bytes, seconds, False, tuple(written.notes), tuple(written.warnings)
    )
