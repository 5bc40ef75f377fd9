"""What a killed run left in a lake: files that no commit names. Nobody can read them; they only take room."""

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

_LOG = "_delta_log"
_WAIT_S = 10.0


def process_mark(pid: int | str) -> str | None:
    """A name for a running process that no later one has; None where there is none, or the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else f"{pid}@{fields[19]}"  # the time when it started


def wait_for_end(marks: Iterable[str]) -> bool:
    """Whether these processes have ended, after ten seconds at most.

    When a driver is killed, Spark's own process notices it half a second later, and may commit until then what it was
    writing. Were those files cleared away before, the commit would name files that are gone.
    """
    deadline = time.monotonic() + _WAIT_S
    left = set(marks)
    while left := {mark for mark in left if process_mark(mark.partition("@")[0]) == mark}:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def clear_leftovers(lake: Path, tables: Iterable[str]) -> None:
    """Delete the files that a run left in these tables without committing them, and a report that it had begun.

    Args:
        lake: folder of the lake, held by the caller: nobody else writes.
        tables: names of the tables that the run was writing to. A folder among them without a commit is the start of
            a table, and goes as a whole.
    """
    for path in lake.glob(".report.html.*"):
        if not _is_running(path.suffix.removeprefix(".")):  # `winnow report` does not hold the lake
            path.unlink(missing_ok=True)
    for table in sorted(set(tables)):
        folder = lake / table
        if not folder.is_dir():
            continue
        try:
            live = DeltaTable(str(folder)).file_uris()
        except TableNotFoundError:
            shutil.rmtree(folder)
            continue
        except DeltaError:
            continue  # a table that cannot be read is no leftover; the stage that reads it says so
        named = {Path(unquote(uri)).name for uri in live} | set(_named_by_commits(folder / _LOG))
        for path in _data_files(folder):
            if path.name not in named and _data_name(path.name) not in named:
                path.unlink()


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _named_by_commits(log: Path) -> Iterator[str]:
    """File names in every commit of the log, so that time travel keeps what it reads."""
    for commit in log.glob("*.json"):
        with commit.open(encoding="utf-8") as lines:
            for line in filter(str.strip, lines):
                for action in json.loads(line).values():
                    if isinstance(action, dict) and isinstance(action.get("path"), str):
                        yield Path(unquote(action["path"])).name


def _data_files(folder: Path) -> Iterator[Path]:
    """Files of rows in a table's folder, half-written ones and Hadoop's checksums of them included."""
    for path in folder.rglob("*.parquet*"):
        if path.is_file() and _LOG not in path.relative_to(folder).parts:
            yield path


def _data_name(name: str) -> str:
    """The name of the file that a checksum file `.NAME.crc` belongs to."""
    return name.removeprefix(".").removesuffix(".crc")
