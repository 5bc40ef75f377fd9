"""What a tree of processes uses, and what the rest of the machine does meanwhile."""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Of a process and all its descendants.

    Attributes:
        cpu_s: seconds on all cores since they began, descendants that have ended included.
        members: the processes.
    """

    cpu_s: float
    members: tuple[int, ...]


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def usage(root: int) -> Usage:
    """What the process `root` and its descendants use now."""
    found = {int(entry.name): _stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    children: dict[int, list[int]] = {}
    for pid, fields in found.items():
        if fields is not None:
            children.setdefault(int(fields[1]), []).append(pid)
    waiting, ticks, members = [root], 0, []
    while waiting:
        pid = waiting.pop()
        fields = found.get(pid)
        if fields is not None:
            ticks += sum(int(field) for field in fields[11:15])  # own and ended children's, user and system
            members.append(pid)
        waiting += children.get(pid, [])
    return Usage(ticks / _TICKS, tuple(members))


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; a page that it shares with n others counts as 1/(n + 1) of a page."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def machine_busy_s() -> float:
    """Seconds that the cores of this machine have worked since it started, stolen time included."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS  # all but idle and waiting for disks


@dataclass(frozen=True)
class Spent:
    """What one stretch of work took.

    Attributes:
        wall_s: seconds that passed.
        cpu_s: seconds on all cores of the watched processes.
        others: cores that the rest of the machine kept busy meanwhile, on average.
    """

    wall_s: float
    cpu_s: float
    others: float


class Watch:
    """Measures a stretch of work of this process and its descendants: `start = Watch()`, then `start.spent()`."""

    def __init__(self) -> None:
        self._begun = time.perf_counter(), usage(os.getpid()).cpu_s, machine_busy_s()

    def spent(self) -> Spent:
        """What was spent since the watch was made."""
        wall, cpu, busy = time.perf_counter(), usage(os.getpid()).cpu_s, machine_busy_s()
        wall_s, cpu_s = wall - self._begun[0], cpu - self._begun[1]
        return Spent(wall_s, cpu_s, max(0.0, busy - self._begun[2] - cpu_s) / max(wall_s, 1e-3))


class PeakMemory:
    """The largest resident memory of a process tree between `with` and its end, looked at four times a second."""

    def __init__(self, root: int) -> None:
        self.peak_bytes = 0
        self._root = root
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.25):
            self.peak_bytes = max(self.peak_bytes, sum(map(resident_bytes, usage(self._root).members)))


def wait_for_quiet(others: float = 0.1, *, patience_s: float) -> float:
    """Wait until the rest of the machine keeps fewer than `others` cores busy; gives what it keeps busy then."""
    end = time.monotonic() + patience_s
    while True:
        watch = Watch()
        time.sleep(2)
        now = watch.spent().others
        if now < others or time.monotonic() > end:
            return now
