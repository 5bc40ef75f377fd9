"""Progress bars: rows where the engine shares this process, tasks where it is Spark."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from curation.progress import so_far
from curation.session import Session

_REFRESH_S = 0.2


class Silent:
    """A display that shows nothing."""

    @contextmanager
    def stage(self, name: str, total_rows: int | None) -> Iterator[None]:
        """Show nothing for the length of a `with` block."""
        yield


class Bars:
    """A display that draws one bar per stage on a terminal, and nothing where the output is no terminal.

    Args:
        session: the engine that does the work; None where this process does it alone.
        console: where it draws.
    """

    def __init__(self, session: Session | None, console: Console) -> None:
        self._session = session
        self._console = console

    @contextmanager
    def stage(self, name: str, total_rows: int | None) -> Iterator[None]:
        """A progress bar for the length of a `with` block."""
        if not self._console.is_terminal:
            yield
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[what]}"),
            TimeElapsedColumn(),
        )
        done = threading.Event()
        with Progress(*columns, console=self._console, transient=True, refresh_per_second=5) as progress:
            task = progress.add_task(name, total=total_rows, what="")
            update = self._updater(progress, task, total_rows)
            thread = threading.Thread(target=_poll, args=(update, done), daemon=True)
            thread.start()
            try:
                yield
            finally:
                done.set()
                thread.join()

    def _updater(self, progress: Progress, task: Any, total_rows: int | None) -> Callable[[], None]:
        if self._session is None or self._session.shares_process:
            return _row_updater(progress, task)
        if self._session.is_remote:
            return _remote_updater(self._session, progress, task)
        return _task_updater(self._session, progress, task)


def _poll(update: Callable[[], None], done: threading.Event) -> None:
    while not done.wait(_REFRESH_S):
        update()


def _row_updater(progress: Progress, task: Any) -> Callable[[], None]:
    before, start = so_far(), time.perf_counter()

    def update() -> None:
        now = so_far()
        rate = (now.num_bytes - before.num_bytes) / 1e6 / (time.perf_counter() - start)
        progress.update(task, completed=now.num_rows - before.num_rows, what=f"documents  {rate:,.0f} MB/s")

    return update


def _task_updater(session: Session, progress: Progress, task: Any) -> Callable[[], None]:
    tracker = session.spark.sparkContext.statusTracker()
    finished: dict[int, tuple[int, int]] = {}

    def update() -> None:
        for number in tracker.getActiveStageIds():
            info = tracker.getStageInfo(number)
            if info is not None:
                finished[number] = (info.numCompletedTasks, info.numTasks)
        active = set(tracker.getActiveStageIds())
        for number, (_, total) in list(finished.items()):
            if number not in active:
                finished[number] = (total, total)
        completed, total = (sum(column) for column in zip(*finished.values(), strict=True)) if finished else (0, 0)
        progress.update(task, completed=completed, total=total or None, what="tasks")

    return update


def _remote_updater(session: Session, progress: Progress, task: Any) -> Callable[[], None]:
    counts = {"completed": 0, "total": 0}

    def handler(stages: Any, inflight_tasks: int, operation_id: str | None, done: bool) -> None:
        counts["completed"] = sum(stage.num_completed_tasks for stage in stages or ())
        counts["total"] = sum(stage.num_tasks for stage in stages or ())

    session.spark.registerProgressHandler(cast(Any, handler))

    def update() -> None:
        progress.update(task, completed=counts["completed"], total=counts["total"] or None, what="tasks")

    return update
