"""What a run did, read back from its log: columns of numbers over steps, and everything else that happened.

```python
history = read_run("run/")
history.steps.to_pandas()["loss"].plot()
history.evals.to_pandas().filter(like="loss/").plot()
```

It may be read while the run is still going.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from training.log_sinks import LogError
from training.logs import NAME, read_records

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Record = Mapping[str, Any]
_COLUMNS = ("step", "eval", "weights")


class RunHistoryError(LogError):
    """A folder that holds no run, or a log that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Columns of one length N, in the order of the steps; those by domain are in mappings. NaN: not known."""

    step: Integers

    def __len__(self) -> int:
        return len(self.step)

    def to_pandas(self) -> "pd.DataFrame":
        """A frame with the step as its index; a column by domain is called `name/domain`."""
        import pandas as pd

        found: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Mapping):
                found |= {f"{field.name}/{domain}": column for domain, column in value.items()}
            elif field.name != "step":
                found[field.name] = value
        return pd.DataFrame(found, index=pd.Index(self.step, name="step"))


Table = TypeVar("Table", bound=_Columns)


@dataclass(frozen=True, kw_only=True)
class Steps(_Columns):
    """The steps (updates) of a run.

    Attributes:
        step: updates done, counted from 1.
        sample: samples read so far.
        tokens: supervised tokens so far.
        loss: nat per supervised token, over the global batch; NaN where it was not finite.
        lr: learning rate.
        grad_norm: before clipping; NaN where it was not finite.
        skipped_steps: updates left out so far, because a gradient was not finite.
        seconds: time of the step.
        tokens_per_s: throughput over all processes.
        mfu: model FLOPs utilisation in [0, 1]; NaN where the device's peak is not known.
        loss_by_domain: by domain, as `loss`; NaN where the batch had no token of it.
        tokens_by_domain: by domain, supervised tokens of the step.
        weights: by domain, the weight in force.
    """

    sample: Integers
    tokens: Integers
    loss: Floats
    lr: Floats
    grad_norm: Floats
    skipped_steps: Integers
    seconds: Floats
    tokens_per_s: Floats
    mfu: Floats
    loss_by_domain: Mapping[str, Floats]
    tokens_by_domain: Mapping[str, Integers]
    weights: Mapping[str, Floats]


@dataclass(frozen=True, kw_only=True)
class Evals(_Columns):
    """The evaluations of a run.

    Attributes:
        step: after how many updates.
        loss: nat per token, the mean over all tokens.
        seconds: time of the evaluation.
        loss_by_domain: by domain, nat per token.
        tokens_by_domain: by domain, tokens of the evaluation.
    """

    loss: Floats
    seconds: Floats
    loss_by_domain: Mapping[str, Floats]
    tokens_by_domain: Mapping[str, Integers]


@dataclass(frozen=True, kw_only=True)
class WeightUpdates(_Columns):
    """The updates of the domain weights by dynamic batch loading.

    Attributes:
        step: after how many training updates.
        sample: the first sample for which the new weights are in force.
        before: by domain, the weight until then.
        after: by domain, the weight from then on.
        reference: by domain, the reference loss.
        losses: by domain, the evaluation loss.
        excess: by domain, the loss above the reference.
    """

    sample: Integers
    before: Mapping[str, Floats]
    after: Mapping[str, Floats]
    reference: Mapping[str, Floats]
    losses: Mapping[str, Floats]
    excess: Mapping[str, Floats]


@dataclass(frozen=True, kw_only=True)
class RunHistory:
    """A run as its log tells it. Where a step was done twice, the last attempt counts.

    Attributes:
        folder: the run's folder.
        run: what the run noted of itself when it began: `config`, `num_params`, `domains` and so on.
        steps: see there.
        evals: see there.
        weights: see there; empty without dynamic batch loading.
        events: all other lines, oldest first: `start`, `checkpoint`, `resume`, `warning`, `end`.
        alarms: (step, what was said) of updates of the weights.
        last_time: when the last line was written (ISO 8601, UTC).
    """

    folder: Path
    run: Mapping[str, Any]
    steps: Steps
    evals: Evals
    weights: WeightUpdates
    events: tuple[Record, ...]
    alarms: tuple[tuple[int, str], ...]
    last_time: str

    @property
    def domains(self) -> tuple[str, ...]:
        """The run's domains, in its order."""
        return tuple(self.run.get("domains", ()))

    def of(self, event: str) -> tuple[Record, ...]:
        """The lines of one kind among `events`."""
        return tuple(record for record in self.events if record["event"] == event)

    @cached_property
    def ended(self) -> Record | None:
        """The line that ends the run; None while it is still going (or where it was killed)."""
        last = self.events[-1]
        after_it = max((int(column[-1]) for column in (self.steps.step, self.evals.step) if len(column)), default=0)
        return last if last["event"] == "end" and last.get("step", 0) >= after_it else None

    @property
    def last_step(self) -> int:
        """Updates done so far."""
        return int(self.steps.step[-1]) if len(self.steps) else 0


def is_run(folder: str | Path) -> bool:
    """Whether a folder of this machine holds the log of a run."""
    return (Path(folder) / NAME).is_file()


def read_run(folder: str | Path) -> RunHistory:
    """The history of the run in a folder, up to the last whole line of its log.

    Raises:
        RunHistoryError: the folder holds no run, or its log is damaged.
    """
    folder = Path(folder)
    path = folder / NAME
    if not path.is_file():
        raise RunHistoryError(
            f"no {NAME} in {folder}: expected the folder of a training run, which writes that file from its first step"
        )
    attempt = _Attempt()
    try:
        for record in read_records(path):
            attempt.take(record)
    except LogError as error:
        raise RunHistoryError(str(error)) from None
    except OSError as error:
        raise RunHistoryError(f"cannot read {path}: {error.strerror or error}") from error
    if attempt.run is None:
        raise RunHistoryError(f'{path} has no line with the event "start" yet: expected it to be the first one')
    return attempt.history(folder)


class _Attempt:
    """The lines that count, gathered one after the other."""

    def __init__(self) -> None:
        self.run: Mapping[str, Any] | None = None
        self._last_time = ""
        self._columns: dict[str, dict[int, Record]] = {name: {} for name in _COLUMNS}
        self._events: list[Record] = []
        self._fresh = False  # a start that no resume has followed: what stood before it is another run

    def take(self, record: Record) -> None:
        event, step = record["event"], record.get("step", 0)
        self._last_time = record.get("time", "")
        if event == "start":
            self.run, self._fresh = record.get("run", {}), True
        elif event == "resume":
            self._cut(step)
            self._fresh = False
        elif self._fresh and (event in _COLUMNS or event == "end"):
            self._begin_anew()
        if event in _COLUMNS:
            self._columns[event][step] = record
        else:
            self._events.append(record)

    def history(self, folder: Path) -> RunHistory:
        run = self.run or {}
        steps, evals, weights = ([rows[step] for step in sorted(rows)] for rows in self._columns.values())
        named = list(run.get("domains", ()))
        seen = dict.fromkeys([*named, *(name for one in evals for name in one.get("loss_by_domain", {}))])
        domains = list(seen)
        return RunHistory(
            folder=folder,
            run=run,
            steps=_table(Steps, steps, domains),
            evals=_table(Evals, evals, domains),
            weights=_table(WeightUpdates, weights, domains),
            events=tuple(self._events),
            alarms=tuple((int(one["step"]), str(said)) for one in weights for said in one.get("alarms") or ()),
            last_time=self._last_time,
        )

    def _begin_anew(self) -> None:
        """Forget all attempts before the last start."""
        starts = [place for place, one in enumerate(self._events) if one["event"] == "start"]
        self._events = self._events[starts[-1] :]
        self._columns = {name: {} for name in _COLUMNS}
        self._fresh = False

    def _cut(self, step: int) -> None:
        """Forget what came after a step; how the attempts began and were resumed stays."""
        for name, rows in self._columns.items():
            self._columns[name] = {at: record for at, record in rows.items() if at <= step}
        self._events = [one for one in self._events if one["event"] == "start" or one.get("step", 0) <= step]


def _table(kind: type[Table], records: Sequence[Record], domains: Sequence[str]) -> Table:
    columns: dict[str, Any] = {}
    for field in fields(kind):
        make = _integers if "int64" in str(field.type) else _floats
        if "Mapping" in str(field.type):
            columns[field.name] = {domain: make(_inner(records, field.name, domain)) for domain in domains}
        else:
            columns[field.name] = make([record.get(field.name) for record in records])
    return kind(**columns)


def _inner(records: Sequence[Record], name: str, domain: str) -> list[Any]:
    return [(record.get(name) or {}).get(domain) for record in records]


def _floats(values: Sequence[Any]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _integers(values: Sequence[Any]) -> Integers:
    return np.array([0 if value is None else value for value in values], dtype=np.int64)
