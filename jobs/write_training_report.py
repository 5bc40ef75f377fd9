"""Job: the log of a training run -> one HTML page that tells how it went. Works while the run is still going."""

import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from curation.errors import WinnowError
from curation.report.training_run import TrainingRun, training_run_page
from jobs.page_file import write_page
from training.run_history import Evals, RunHistory, RunHistoryError, Steps, WeightUpdates, read_run

NAME = "report.html"


class TrainingReportError(WinnowError):
    """A run that cannot be read, or a page that cannot be written."""


def write_training_report(run_folder: str | Path, path: str | Path | None = None) -> Path:
    """Write the page of a run as one HTML file and give its path.

    Args:
        run_folder: the run's folder.
        path: the file; None: `report.html` in the run's folder.

    Raises:
        TrainingReportError: the folder holds no run, its log is damaged, or the file cannot be written.
    """
    try:
        history = read_run(run_folder)
    except RunHistoryError as error:
        raise TrainingReportError(str(error)) from error
    target = Path(path) if path is not None else Path(run_folder) / NAME
    return write_page(training_run_page(told(history)), target, TrainingReportError)


def told(history: RunHistory) -> TrainingRun:
    """What the page is to tell, in plain numbers."""
    return TrainingRun(
        title=history.folder.resolve().name,
        as_of=history.last_time,
        run=history.run,
        ended=history.ended,
        steps=_plain(history.steps),
        evals=_plain(history.evals),
        updates=_plain(history.weights),
        events=history.events,
        alarms=history.alarms,
    )


def _plain(columns: Steps | Evals | WeightUpdates) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields(columns):
        value = getattr(columns, field.name)
        is_by_domain = isinstance(value, Mapping)
        found[field.name] = {name: one.tolist() for name, one in value.items()} if is_by_domain else value.tolist()
    return found


if __name__ == "__main__":
    from jobs.cli import main

    main(["report", *sys.argv[1:]])
