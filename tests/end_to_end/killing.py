"""Runs of a command, watched while they work on a lake and killed at a moment of choice."""

import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from end_to_end.lake_content import KEYS
from end_to_end.workshop import Engine, Workshop

_LONGEST_S = 600
"""No run here takes so long: one that does, hangs."""


class Run:
    """A running command in a session of its own, so that everything it starts can be found and killed with it.

    As a context manager it leaves no process behind, however the block ends.
    """

    def __init__(self, command: Sequence[str], cwd: Path) -> None:
        self._output = tempfile.TemporaryFile(dir=cwd)  # noqa: SIM115 - open as long as the process may print
        environment = os.environ | {"COLUMNS": "1000", "NO_COLOR": "1"}
        self.process = subprocess.Popen(
            # a shell that starts jobs in the background has them ignore Ctrl-C, and their children with them
            ["env", "--default-signal=INT", *command],
            stdout=self._output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd=cwd,
            env=environment,
        )
        self.started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.kill()
        self._output.close()

    def goes_on(self) -> bool:
        """Whether the driver still runs.

        Raises:
            AssertionError: it has run for far too long.
        """
        if self.process.poll() is not None:
            return False
        if time.monotonic() - self.started > _LONGEST_S:
            raise AssertionError(f"no end after {_LONGEST_S} s; so far it said: {self.output()}")
        return True

    def members(self) -> list[int]:
        """All living processes of the session: the driver, Spark's JVM, its Python workers."""
        return [pid for pid, session in _sessions() if session == self.process.pid]

    def holds(self, lake: Path) -> bool:
        """Whether the driver has the lake's lock file open (trying the lock itself would disturb the run)."""
        for entry in Path(f"/proc/{self.process.pid}/fd").glob("*"):
            try:
                if entry.readlink() == lake.resolve() / ".winnow.lock":
                    return True
            except OSError:
                continue
        return False

    def emptied(self, timeout_s: float) -> bool:
        """Whether no process of the session is left after at most this time."""
        deadline = time.monotonic() + timeout_s
        while self.members():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def kill(self) -> None:
        """SIGKILL to every process of the session, again until none is left."""
        deadline = time.monotonic() + 30
        while members := self.members():
            if time.monotonic() > deadline:
                raise AssertionError(f"processes {members} outlive SIGKILL")
            for pid in members:
                _signal(pid, signal.SIGKILL)
            time.sleep(0.002)
        self.process.wait()

    def to_all(self, number: int) -> None:
        """Send a signal to the process group of the driver, as a terminal does."""
        os.killpg(self.process.pid, number)

    def finish(self) -> tuple[int, str]:
        """Wait for the end; give the exit code and all output."""
        while self.goes_on():
            time.sleep(0.005)
        return self.process.returncode, self.output()

    def output(self) -> str:
        """What was printed so far."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _sessions() -> Iterator[tuple[int, int]]:
    """Process id and session id of every process that is not a zombie (Linux)."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] not in ("Z", "X"):
            yield int(path.name), int(fields[3])


Mark = tuple[str, str]
"""A thing that a run does to a lake: (table or scratch table, `rows` | `committing` | `committed`)."""


class Watch:
    """Sees what a run adds to a lake."""

    def __init__(self, lake: Path) -> None:
        self._lake = lake
        self._known = {path for path, _ in self._files()}

    def new(self) -> list[Mark]:
        """The marks of files that were not there before, in an order that is the same every time."""
        found = [(path, mark) for path, mark in self._files() if path not in self._known]
        self._known.update(path for path, _ in found)
        return sorted({mark for _, mark in found})

    def _files(self) -> Iterator[tuple[str, Mark]]:
        tables = [(name, self._lake / name) for name in KEYS]
        tables += [(f"_scratch/{entry.name}", Path(entry.path)) for entry in _entries(self._lake / "_scratch")]
        for name, folder in tables:
            for entry in _entries(folder):
                if ".parquet" in entry.name:
                    yield entry.path, (name, "rows")
            for entry in _entries(folder / "_delta_log"):
                if entry.name[0].isdigit() and entry.name.endswith(".json"):
                    yield entry.path, (name, "committed")
                elif ".json" in entry.name:
                    yield entry.path, (name, "committing")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


@dataclass(frozen=True)
class Moment:
    """When to kill: so many seconds after the first mark, or after this mark was seen.

    Attributes:
        mark: what to wait for, None to count from the start of the work on the lake.
        delay_s: seconds to wait after it.
        whom: the whole session, or the driver alone (what an out-of-memory killer does).
    """

    mark: Mark | None
    delay_s: float
    whom: Literal["all", "driver"] = "all"

    def __str__(self) -> str:
        after = "the start" if self.mark is None else " ".join(self.mark)
        return f"{self.delay_s * 1000:.0f} ms after {after}" + (", the driver alone" if self.whom == "driver" else "")


@dataclass
class Profile:
    """What an undisturbed run does, and when: what moments are drawn from.

    Attributes:
        marks: its marks in order.
        work_s: seconds from the moment when it holds the lake to its end.
    """

    marks: list[Mark] = field(default_factory=list)
    work_s: float = 0.0

    def draw(self, dice: random.Random, engine: Engine) -> Moment:
        """A moment: half of them anywhere in time, half of them at something that happens to the lake."""
        whom: Literal["all", "driver"] = "driver" if engine == "spark" and dice.random() < 0.25 else "all"
        if dice.random() < 0.5:
            return Moment(None, dice.uniform(0, self.work_s), whom)
        return Moment(dice.choice(self.marks), dice.choice((0, 0, dice.uniform(0, 0.1))), whom)


def finished(command: Sequence[str], cwd: Path) -> str:
    """Run a command to its end; give what it printed.

    Raises:
        AssertionError: it failed.
    """
    with Run(command, cwd) as run:
        code, output = run.finish()
    if code:
        raise AssertionError(f"{' '.join(command)} ended with {code}: {output}")
    return output


def profiled(workshop: Workshop, engine: Engine, lake: Path) -> Profile:
    """Run to the end; give the run's profile.

    Raises:
        AssertionError: the run failed.
    """
    watch, profile = Watch(lake), Profile()
    with Run(workshop.command(engine, lake), workshop.base) as run:
        held = None
        while run.goes_on():
            if held is None and run.holds(lake):
                held = time.monotonic()
            profile.marks += [mark for mark in watch.new() if mark not in profile.marks]
            time.sleep(0.002)
        profile.work_s = time.monotonic() - (held or run.started)
        code, output = run.finish()
    if code:
        raise AssertionError(f"the undisturbed run failed with {code}: {output}")
    return profile


def kill_at(workshop: Workshop, engine: Engine, lake: Path, moment: Moment) -> bool:
    """Start a run and kill it at a moment; whether it was still running then.

    Raises:
        AssertionError: it failed by itself, or something that it started outlives it.
    """
    watch = Watch(lake)
    with Run(workshop.command(engine, lake), workshop.base) as run:
        while run.goes_on():
            seen = watch.new()
            if moment.mark in seen or (moment.mark is None and (seen or run.holds(lake))):
                break
            time.sleep(0.001)
        time.sleep(moment.delay_s)
        alive = run.goes_on()
        if not alive and run.process.returncode != 0:
            raise AssertionError(f"{moment}: the run ended with {run.process.returncode} by itself: {run.output()}")
        if moment.whom == "driver" and alive:
            _signal(run.process.pid, signal.SIGKILL)
            run.process.wait()
            if not run.emptied(20):
                raise AssertionError(f"{moment}: processes {run.members()} outlive the driver by 20 s")
        run.kill()
    return alive
