"""The log of a run: one JSON object a line, in `metrics.jsonl`, always; TensorBoard and W&B beside it where asked for.

A line is written in one go when it happens, so that a run that is killed loses at most the line it was writing.
What is read back goes by the same rule: a last line without an end was never written.
"""

import math
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson

from training.log_sinks import LogError, Sink, TensorBoard, WeightsAndBiases

__all__ = ["NAME", "LogError", "RunLog", "read_records"]

NAME = "metrics.jsonl"


class RunLog:
    """Writes the log of a run. One process of a run has one; the others have none.

    Args:
        folder: the run's folder; made where it is not there.
        tensorboard: write event files for TensorBoard to `tensorboard/` in the folder.
        wandb: the project of Weights & Biases to log to; None: to none.

    Raises:
        LogError: the folder cannot be written, a package is missing, or Weights & Biases refuses.
    """

    def __init__(self, folder: str | Path, *, tensorboard: bool = False, wandb: str | None = None) -> None:
        self.path = Path(folder) / NAME
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _cut_torn_line(self.path)
            self._file = self.path.open("ab")
            self._goes_on = self._file.tell() > 0
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._sinks: list[Sink] = []
        try:
            if tensorboard:
                self._sinks.append(TensorBoard(self.path.parent))
            if wandb is not None:
                self._sinks.append(WeightsAndBiases(self.path.parent, wandb))
        except LogError:
            self.close()
            raise

    def resume(self, step: int) -> None:
        """Go on after `step`: lines of later steps are cut off, the history before them stays.

        The file is replaced as a whole, so that a kill leaves the old one or the new one.

        Raises:
            LogError: the log is damaged before its end, or cannot be written.
        """
        kept = [line for line, record in _lines(self.path) if record.get("step", 0) <= step]
        beside = self.path.with_name(f".{NAME}.{os.getpid()}")
        try:
            self._file.close()
            with beside.open("wb") as file:
                file.writelines(kept)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
            self._file = self.path.open("ab")
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise _unwritable(self.path, error) from error
        for sink in self._sinks:
            sink.resume(step)

    def write(self, event: str, **fields: Any) -> None:
        """Add one line.

        Args:
            event: what happened: `start`, `step`, `eval`, `weights`, `checkpoint`, `resume`, `warning` or `end`.
            fields: its numbers and words, `step` among them (but for `start`). A number that is not finite becomes
                null, and the line then says `"not_finite": true`.

        Raises:
            LogError: the line cannot be written.
        """
        assert event == "start" or "step" in fields, f"the event {event!r} does not say its step"
        time = datetime.now(UTC)
        plain = _finite(fields)
        record: dict[str, Any] = {"event": event, "time": time.isoformat(timespec="milliseconds"), **plain[0]}
        if plain[1]:
            record["not_finite"] = True
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            raise _unwritable(self.path, error) from error
        for sink in self._sinks:
            if event == "start" and self._goes_on:
                sink.resume(-1)  # an attempt that was killed before its first checkpoint is void
            sink.write(record, time.timestamp())
        self._goes_on = True

    def close(self) -> None:
        """Close the file, and hand over what TensorBoard and W&B have not yet written."""
        self._file.close()
        while self._sinks:
            self._sinks.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log as they were written, oldest first; a last line that a kill cut short is left out.

    Raises:
        LogError: a line before the last is no JSON object.
    """
    for _, record in _lines(path):
        yield record


def _lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                record = None
            if not isinstance(record, dict) or not isinstance(record.get("event"), str):
                raise LogError(
                    f'line {number:,} of {path} is damaged: expected a JSON object with an "event", got '
                    f"{line[:60]!r}. Delete that line to read the rest"
                )
            yield line, record


def _cut_torn_line(path: Path) -> None:
    """Cut off a last line without an end, which a killed process left."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        place = end
        while place:
            first = max(0, place - (1 << 16))
            file.seek(first)
            found = file.read(place - first).rfind(b"\n")
            if found >= 0:
                place = first + found + 1
                break
            place = first
        if place != end:
            file.truncate(place)


def _finite(value: Any) -> tuple[Any, bool]:
    """The value in what JSON knows, and whether a number in it was not finite, for which it has None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return (value, False) if math.isfinite(value) else (None, True)
    if isinstance(value, Mapping):
        pairs = {str(name): _finite(item) for name, item in value.items()}
        return {name: item for name, (item, _) in pairs.items()}, any(bad for _, bad in pairs.values())
    if isinstance(value, list | tuple):
        items = [_finite(item) for item in value]
        return [item for item, _ in items], any(bad for _, bad in items)
    return value, False


def _unwritable(path: Path, error: OSError) -> LogError:
    reason = error.strerror or str(error)
    return LogError(
        f"the run's log {path} cannot be written: {reason}. Make room for it or choose another folder, then resume "
        "from the newest checkpoint"
    )
