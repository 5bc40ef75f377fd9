"""The page of a training run: losses, domain weights, speed and how it went, from columns of numbers alone."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from curation.report.curves import Curve, Points, smoothed, stairs, within_reach
from curation.report.page import rendered

Column = Sequence[float]
ByDomain = Mapping[str, Column]
Record = Mapping[str, Any]

MOST_DRAWN = 16
_MOST_DOMAINS = 200
_MOST_WARNINGS = 20
_MOST_EVENTS = 100
_SMOOTH = 50  # the mean of a curve is over about this part of all steps


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """What the page tells, in plain numbers. A number that is not known is NaN.

    Attributes:
        title: the run's name.
        as_of: when the log's last line was written, ISO 8601.
        run: what the run noted of itself when it began: `config`, `num_params`, `domains`, `rows` and so on.
        ended: the line that ended it (`reason`, `message`); None while it is still going.
        steps: columns `step`, `sample`, `tokens`, `loss`, `lr`, `grad_norm`, `skipped_steps`, `seconds`,
            `tokens_per_s`, `mfu`, and by domain `loss_by_domain`, `tokens_by_domain`, `weights`.
        evals: columns `step`, `loss`, `seconds`, and by domain `loss_by_domain`, `tokens_by_domain`.
        updates: of the domain weights: column `step`, and by domain `before`, `after`, `reference`, `excess`.
        events: the other lines of the log, oldest first.
        alarms: (step, what was said) of the updates.
    """

    title: str
    as_of: str
    run: Record
    ended: Record | None
    steps: Mapping[str, Any]
    evals: Mapping[str, Any]
    updates: Mapping[str, Any]
    events: Sequence[Record]
    alarms: Sequence[tuple[int, str]]

    @property
    def status(self) -> str:
        """`done`, `interrupted`, `failed`, or `going`."""
        return str(self.ended["reason"]) if self.ended is not None else "going"

    def of(self, event: str) -> list[Record]:
        """The lines of one kind."""
        return [record for record in self.events if record["event"] == event]

    def column(self, name: str) -> Points:
        """(step, value) of the training steps."""
        return list(zip(self.steps["step"], self.steps[name], strict=True))

    def held_out(self, domain: str | None = None) -> Points:
        """(step, evaluation loss), of all tokens or of a domain."""
        values = self.evals["loss"] if domain is None else self.evals["loss_by_domain"].get(domain, ())
        return list(zip(self.evals["step"], values, strict=False))

    @cached_property
    def span(self) -> int:
        """Steps that the smoothed loss is a mean of, about."""
        return max(1, len(self.steps["step"]) // _SMOOTH)

    @cached_property
    def loss(self) -> Points:
        """The smoothed training loss."""
        return smoothed(self.column("loss"), self.span)

    @cached_property
    def seconds(self) -> dict[str, float]:
        """Time by what it was spent on. Steps that were not logged are taken to be as long as the next one."""
        saved = sum(record.get("seconds") or 0.0 for record in self.of("checkpoint"))
        spent = {
            "training": self.over_steps(self.steps["seconds"]),
            "evaluation": _sum(self.evals["seconds"]),
            "checkpoints": saved,
        }
        return {name: seconds for name, seconds in spent.items() if seconds}

    @property
    def tokens(self) -> int:
        """Supervised tokens read."""
        return int(_last(self.steps["tokens"]) or 0)

    @cached_property
    def gaps(self) -> list[int]:
        """How many steps each logged step stands for: itself, and those before it that were not logged."""
        steps = self.steps["step"]
        return [int(at - before) for before, at in zip([0, *steps], steps, strict=False)]

    def over_steps(self, values: Column) -> float:
        """The sum over all steps of a value that was logged for some."""
        return math.fsum(value * gap for value, gap in zip(values, self.gaps, strict=True) if math.isfinite(value))

    def over_time(self, name: str) -> float | None:
        """The mean over the time of training; None where nothing is known."""
        rows = zip(self.steps[name], self.steps["seconds"], self.gaps, strict=True)
        known = [(value, seconds * gap) for value, seconds, gap in rows if _known(value, seconds)]
        total = math.fsum(seconds for _, seconds in known)
        return math.fsum(value * seconds for value, seconds in known) / total if total else None

    @property
    def skipped(self) -> int:
        """Updates left out, because a gradient was not finite."""
        return int(_last(self.steps["skipped_steps"]) or 0)

    @property
    def not_finite(self) -> list[int]:
        """Steps whose loss was not finite."""
        return [int(at) for at, value in self.column("loss") if not math.isfinite(value)]

    @property
    def resumed(self) -> list[int]:
        """Steps after which the run was resumed."""
        return [int(record["step"]) for record in self.of("resume")]

    @property
    def entropy(self) -> float | None:
        """Unigram entropy of the tokens, nat per token."""
        found = self.run.get("unigram_entropy")
        return float(found) if isinstance(found, int | float) else None


@dataclass(frozen=True)
class Domain:
    """A domain's row in the tables.

    Attributes:
        name: the domain.
        tokens: supervised tokens read of it.
        share: their share in those of all domains.
        rows: rows that there are to train on; None where that is not known.
        samples: rows read, by the weights in force.
        weights: the first and the last weight; None without.
        losses: the first, the last and the lowest evaluation loss; None without evaluation.
        reference: reference loss of dynamic batch loading, None without.
        excess: the last evaluation loss above it, None without.
    """

    name: str
    tokens: int
    share: float
    rows: int | None
    samples: float
    weights: tuple[float, float] | None
    losses: tuple[float, float, float] | None
    reference: float | None
    excess: float | None

    @property
    def epochs(self) -> float | None:
        """How often its rows were read on average."""
        return self.samples / self.rows if self.rows else None


def training_run_page(found: TrainingRun) -> str:
    """The page of a run as HTML, the same bytes for the same numbers. It loads nothing and runs no script."""
    table = domains_of(found)
    drawn = [
        (f"c{number}{' dashed' if number >= 8 else ''}", one.name) for number, one in enumerate(table[:MOST_DRAWN])
    ]
    events = [one for one in found.events if one["event"] != "checkpoint"]
    return rendered(
        "training_run.html.j2",
        found=found,
        table=table[:_MOST_DOMAINS],
        num_domains=len(table),
        drawn=drawn,
        whole=_loss_curves(found, 0),
        late=_loss_curves(found, _last(found.steps["step"], 0) / 2) if len(found.loss) > 8 else [],
        held=[Curve(kind=kind, says=name, points=found.held_out(name), dots=True) for kind, name in drawn],
        trained=_train_curves(found, drawn),
        excess=[Curve(kind=kind, says=name, points=_update(found, "excess", name), dots=True) for kind, name in drawn],
        weights=_weight_curves(found, drawn),
        single={name: [_single(found, name)] for name in ("lr", "grad_norm", "tokens_per_s")},
        warnings=warnings_of(found),
        events=events[:_MOST_EVENTS],
        other_events=len(events[_MOST_EVENTS:]),
        settings=_settings(found.run.get("config") or {}),
        notes=_notes(found.run),
    )


def domains_of(found: TrainingRun) -> list[Domain]:
    """The domains of a run, those with most tokens first."""
    tokens = {name: round(found.over_steps(column)) for name, column in found.steps["tokens_by_domain"].items()}
    names = dict.fromkeys([*found.run.get("domains", ()), *tokens, *found.evals["loss_by_domain"]])
    samples = _samples(found)
    return sorted((_domain(found, name, tokens, samples) for name in names), key=lambda one: (-one.tokens, one.name))


def _samples(found: TrainingRun) -> dict[str, float]:
    """Rows read of each domain, by the weights in force; a domain read as often as it may be leaves them to others."""
    most = (found.run.get("config") or {}).get("data", {}).get("max_epochs_per_domain") or math.inf
    ends = {name: rows * most for name, rows in found.run.get("rows", {}).items()}
    weights: ByDomain = found.steps["weights"]
    read = dict.fromkeys(weights, 0.0)
    before = 0.0
    for place, at in enumerate(found.steps["sample"]):
        live = {name: column[place] for name, column in weights.items() if read[name] < ends.get(name, math.inf) - 0.5}
        total = math.fsum(weight for weight in live.values() if math.isfinite(weight))
        for name, weight in live.items() if total else ():
            read[name] += (at - before) * weight / total if math.isfinite(weight) else 0.0
        before = at
    return read


def _domain(found: TrainingRun, name: str, tokens: Mapping[str, int], samples: Mapping[str, float]) -> Domain:
    weights = [value for value in found.steps["weights"].get(name, ()) if _known(value)]
    losses = [value for _, value in found.held_out(name) if _known(value)]
    last = {kind: _last([value for _, value in _update(found, kind, name)]) for kind in ("reference", "excess")}
    rows = found.run.get("rows", {}).get(name)
    return Domain(
        name=name,
        tokens=tokens.get(name, 0),
        share=tokens.get(name, 0) / (sum(tokens.values()) or 1),
        rows=None if rows is None else int(rows),
        samples=samples.get(name, 0.0),
        weights=(weights[0], weights[-1]) if weights else None,
        losses=(losses[0], losses[-1], min(losses)) if losses else None,
        reference=last["reference"],
        excess=last["excess"],
    )


def _loss_curves(found: TrainingRun, first: float) -> list[Curve]:
    """Training and evaluation loss from a step on."""

    def since(points: Points) -> Points:
        return [(at, value) for at, value in points if at >= first]

    each = since(found.column("loss"))
    lines = [
        Curve(kind="raw", says="each step", points=within_reach(each) if first else each),
        Curve(kind="smooth", says="training loss, mean", points=since(found.loss)),
        Curve(kind="held", says="evaluation loss", points=since(found.held_out()), dots=True),
    ]
    ends = [found.steps["step"][0], found.steps["step"][-1]] if len(found.steps["step"]) else []
    if found.entropy is not None and not first:
        lines.append(Curve(kind="bound", says="unigram entropy", points=[(at, found.entropy) for at in ends]))
    return lines


def _train_curves(found: TrainingRun, drawn: Sequence[tuple[str, str]]) -> list[Curve]:
    """The smoothed training loss of each domain."""
    by_domain = found.steps["loss_by_domain"]
    return [
        Curve(
            kind=kind,
            says=name,
            points=smoothed(list(zip(found.steps["step"], by_domain[name], strict=True)), found.span),
        )
        for kind, name in drawn
        if name in by_domain
    ]


def _weight_curves(found: TrainingRun, drawn: Sequence[tuple[str, str]]) -> list[Curve]:
    weights = found.steps["weights"]
    return [
        Curve(kind=kind, says=name, points=stairs(list(zip(found.steps["step"], weights[name], strict=True))))
        for kind, name in drawn
        if name in weights
    ]


def _single(found: TrainingRun, name: str) -> Curve:
    return Curve(kind="smooth", says=name, points=found.column(name))


def _update(found: TrainingRun, name: str, domain: str) -> Points:
    return list(zip(found.updates["step"], found.updates[name].get(domain, ()), strict=False))


def warnings_of(found: TrainingRun) -> list[str]:
    """What should be looked at: alarms of the weights, warnings of the run, steps without effect."""
    said: dict[str, list[int]] = {}
    told = [*found.alarms, *((int(one["step"]), str(one.get("message", ""))) for one in found.of("warning"))]
    for step, message in dict.fromkeys(told):
        said.setdefault(message, []).append(step)
    lines = [f"{message} ({_at(steps)})" for message, steps in said.items()]
    if found.not_finite:
        lines.append(f"The loss was not finite ({_at(found.not_finite)}).")
    if found.skipped:
        verb = "was" if found.skipped == 1 else "were"
        of = f"{found.skipped:,} of {int(found.steps['step'][-1]):,} updates"
        lines.append(f"{of} {verb} skipped, because a gradient was not finite.")
    if found.status == "interrupted":
        lines.append(f"The run was interrupted{_ending(found.ended)}.")
    if len(lines) > _MOST_WARNINGS:
        lines[_MOST_WARNINGS:] = [f"And {len(lines) - _MOST_WARNINGS:,} more, in the run's log."]
    return lines


def _ending(ended: Record | None) -> str:
    message = str((ended or {}).get("message") or "")
    return f": {message.rstrip('.')}" if message else ""


def _at(steps: Sequence[int]) -> str:
    if len(steps) == 1:
        return f"step {steps[0]:,}"
    return f"{len(steps):,} times, steps {steps[0]:,} to {steps[-1]:,}"


def _settings(config: Record) -> list[tuple[str, list[tuple[str, str]]]]:
    """A heading and (setting, value) pairs for each part of the config; what stands alone comes first."""
    alone = [(name, value) for name, value in config.items() if not isinstance(value, Mapping)]
    parts = [("run", dict(alone))] if alone else []
    parts += [(name, dict(value)) for name, value in config.items() if isinstance(value, Mapping)]
    return [(heading, list(_flat(part)) or [("", "none")]) for heading, part in parts]


def _flat(config: Record, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield prefix + str(name), _text_of(value)


def _notes(run: Record) -> list[tuple[str, str]]:
    """What the run noted of itself, besides its config and what the tables show."""
    return [
        (name, _text_of(value))
        for name, value in run.items()
        if not isinstance(value, Mapping) and value is not None and name != "domains"
    ]


def _text_of(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple | Mapping):
        return ", ".join(_text_of(one) for one in value) or "none"
    return str(value)


def _known(*values: float | None) -> bool:
    return all(value is not None and math.isfinite(value) for value in values)


def _sum(values: Column) -> float:
    return math.fsum(value for value in values if math.isfinite(value))


def _last(values: Column, default: Any = None) -> Any:
    """The last value that is known."""
    return next((value for value in reversed(values) if _known(value)), default)
