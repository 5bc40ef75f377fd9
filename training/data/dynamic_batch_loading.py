"""Dynamic batch loading: domain weights that follow how far each domain's loss is above its reference loss.

All numbers are float64 and keyed by domain name; nothing depends on the order of a mapping. Neither files nor torch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal, get_args

import numpy as np

from training.data.bounded_shares import Floats, within_bounds
from training.data.errors import MixingError

Mode = Literal["exponentiated", "bandit", "constant"]

_SUM_TOLERANCE = 1e-6
_CHAIN_TOLERANCE = 1e-11  # a loader rounds weights to 2^-40
_LEAST = 2.0**-40
_PATIENCE, _REPEAT = 3, 10  # updates that a weight may sit at a bound, and after how many an alarm is repeated


@dataclass(frozen=True, kw_only=True)
class MixState:
    """What an update needs to know of the earlier ones, beside the weights; saved with every checkpoint.

    Attributes:
        losses: by domain, the moving average of its losses, in nat per token. Empty before the first update.
        streaks: by kind of finding and domain, at how many updates in a row it was found; what alarms count.
    """

    losses: Mapping[str, float] = field(default_factory=dict)
    streaks: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> "MixState":
        """The state before the first update."""
        return cls()

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads."""
        return {"losses": dict(self.losses), "streaks": dict(self.streaks)}

    @classmethod
    def from_json(cls, record: Any) -> "MixState":
        """The state that was saved.

        Raises:
            MixingError: this is none.
        """
        if not isinstance(record, dict) or set(record) != {"losses", "streaks"}:
            raise MixingError("this is no state of dynamic batch loading: expected an object of losses and streaks")
        losses, streaks = record["losses"], record["streaks"]
        if not isinstance(streaks, dict) or any(type(count) is not int for count in streaks.values()):
            raise MixingError("the state of dynamic batch loading is damaged: its streaks are not counts")
        return cls(losses=_numbers("state", losses), streaks=streaks)


@dataclass(frozen=True, kw_only=True)
class Update:
    """What an update gives.

    Attributes:
        weights: by domain, the new weight; they sum to one.
        excess: by domain, loss minus reference loss in nat per token, with `loss_ema` the averaged loss; not clipped.
        alarms: plain sentences on what a user should look at; mostly none.
        state: for the next update.
    """

    weights: Mapping[str, float]
    excess: Mapping[str, float]
    alarms: tuple[str, ...]
    state: MixState


@dataclass(frozen=True, kw_only=True)
class DynamicBatchLoading:
    """How domain weights w follow the losses, every `every_steps` updates of the model.

    With the excess D (loss minus reference loss, in nat per token), over K domains:

    - exponentiated: softmax(ln w + eta D). As integral control: weights drift for as long as excesses differ, and only
      differences between them count. The reference implementation calls it "doremi".
    - bandit: softmax(w + eta D), which forgets the past but for w itself.
    - constant: w stays as it is, to the last bit. Excess is still reported.

    Then (1 - smoothing) times that plus smoothing / K; then the nearest weights within the bounds. A domain with
    weight 0 for which no loss is given is left out, and stays at 0.

    Attributes:
        mode: see above.
        every_steps: steps between two updates. It acts together with `eta`: half of it is twice the speed.
        eta: weight of the excess, above 0.
        clip_negative: count an excess below 0 as 0, as in the paper; its code does not.
        smoothing: share of the weights that is spread evenly, so that no weight gets stuck at 0.
        max_step_ratio: most that one update may multiply or divide a weight by; None for no such bound.
        min_weight: floor of every weight; smoothing / K is one in any case, and 2^-40 without smoothing.
        max_weight: cap of every weight.
        alarm_weight: weight above which an alarm is given.
        loss_ema: share of the earlier average in the loss that counts, 0 to below 1; 0 takes each loss as it comes.

    Raises:
        MixingError: a value is out of its range.

    Reference: Xia et al. 2023, "Sheared LLaMA" (arXiv 2310.06694), algorithm 1; domain-mixing specification, section A.
    Smoothing and the modes are those of its code. The bounds, the average and the alarms are ours.
    """

    mode: Mode = "exponentiated"
    every_steps: int = 50
    eta: float = 1.0
    clip_negative: bool = True
    smoothing: float = 1e-4
    max_step_ratio: float | None = 4.0
    min_weight: float = 0.0
    max_weight: float = 1.0
    alarm_weight: float = 0.6
    loss_ema: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise MixingError(f"mode is {self.mode!r}: expected one of {', '.join(get_args(Mode))}")
        if type(self.every_steps) is not int or self.every_steps < 1:
            raise MixingError(f"every_steps is {self.every_steps!r}: expected a whole number of at least 1")
        if type(self.clip_negative) is not bool:
            raise MixingError(f"clip_negative is {self.clip_negative!r}: expected true or false")
        if not _is_number(self.eta) or self.eta <= 0:
            raise MixingError(f"eta is {self.eta!r}: expected a number above 0")
        for name in ("smoothing", "min_weight", "max_weight", "alarm_weight", "loss_ema"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value <= 1:
                raise MixingError(f"{name} is {value!r}: expected a number from 0 to 1")
        if self.loss_ema == 1:
            raise MixingError("loss_ema is 1: no loss after the first would count; expected below 1")
        if self.max_step_ratio is not None and not (_is_number(self.max_step_ratio) and self.max_step_ratio > 1):
            raise MixingError(
                f"max_step_ratio is {self.max_step_ratio!r}: expected a number above 1, or none for no bound"
            )
        if self.min_weight >= self.max_weight:
            raise MixingError(
                f"min_weight is {self.min_weight} and max_weight {self.max_weight}: expected a floor below"
            )

    def update(
        self,
        weights: Mapping[str, float],
        losses: Mapping[str, float],
        reference: Mapping[str, float],
        state: MixState | None = None,
    ) -> Update:
        """New weights after an evaluation.

        Args:
            weights: by domain, the weights in force; they sum to one within 1e-6.
            losses: by domain, the mean loss of its evaluation rows just measured, in nat per token. Leave out domains
                without training rows: with a loss, smoothing gives them a weight that no loader can follow.
            reference: by domain, its reference loss. More domains than `weights` names do no harm.
            state: what the last update gave; None at the first.

        Raises:
            MixingError: a domain has no loss or no reference loss, a number is none, a weight is 0 and could never
                grow, or the bounds leave no room for this many domains.
        """
        state = MixState.empty() if state is None else state
        given, losses = _numbers("weights", weights), _numbers("losses", losses)
        names = sorted(name for name, weight in given.items() if weight != 0 or name in losses)
        self.check(given, losses, reference)
        before = np.array([given[name] for name in names])
        averaged = {name: self._averaged(state.losses.get(name), losses[name]) for name in names}
        excess = {name: averaged[name] - reference[name] for name in names}
        found, findings = before, dict[str, str]()
        if self.mode != "constant":
            found, findings = self._moved(names, before, np.array([excess[name] for name in names]))
        findings |= self._too_heavy(names, found)
        streaks = {kind: state.streaks.get(kind, 0) + 1 for kind in findings}
        alarms = (_said(kind, finding, streaks[kind]) for kind, finding in findings.items())
        return Update(
            weights=dict.fromkeys(sorted(given), 0.0) | dict(zip(names, found.tolist(), strict=True)),
            excess=excess,
            alarms=tuple(alarm for alarm in alarms if alarm is not None),
            state=MixState(losses=averaged, streaks=streaks),
        )

    def check(self, weights: Mapping[str, float], losses: Mapping[str, Any], reference: Mapping[str, float]) -> None:
        """Make sure that weights like these can be updated, before the run begins.

        Args:
            weights: by domain, the first weights.
            losses: the domains that are evaluated; the values do not matter.
            reference: by domain, the reference losses.

        Raises:
            MixingError: as in `update`.
        """
        weights = _numbers("weights", weights)
        if not weights or any(weight < 0 for weight in weights.values()):
            raise MixingError(f"weights are {dict(weights)}: expected numbers of at least 0 that sum to one")
        total = float(np.sum([weights[name] for name in sorted(weights)]))
        if abs(total - 1) > _SUM_TOLERANCE:
            raise MixingError(f"the weights sum to {total!r}, expected 1 (within {_SUM_TOLERANCE})")
        names = sorted(name for name, weight in weights.items() if weight != 0 or name in losses)
        _complain("is not evaluated, though it has weight: it needs evaluation rows", set(names) - set(losses))
        _complain("has no reference loss: add it to the table", set(names) - set(reference))
        _numbers("reference losses", {name: reference[name] for name in names})
        if self.mode == "constant":
            return
        stuck = [name for name in names if weights[name] == 0]
        if stuck and self.smoothing == 0 and self.min_weight == 0 and self.mode == "exponentiated":
            raise MixingError(
                f"the weight of {', '.join(map(repr, stuck))} is 0 and would stay 0 for ever: give it a weight, set "
                "smoothing or min_weight above 0, or give no losses for it to leave it out"
            )
        num = len(names)
        if self._floor(num) * num > 1 or self.max_weight * num < 1:
            raise MixingError(
                f"no weights of {num} domains lie between min_weight {self.min_weight} and max_weight "
                f"{self.max_weight}: expected a floor of at most {1 / num:.6g} and a cap of at least that"
            )

    def _floor(self, num: int) -> float:
        # Without smoothing the least that a loader can hold: a weight that arrives at 0 would never come back.
        return max(self.min_weight, self.smoothing / num, _LEAST if self.mode == "exponentiated" else 0.0)

    def _averaged(self, earlier: float | None, loss: float) -> float:
        return loss if earlier is None or self.loss_ema == 0 else self.loss_ema * earlier + (1 - self.loss_ema) * loss

    def _moved(self, names: list[str], before: Floats, excess: Floats) -> tuple[Floats, dict[str, str]]:
        """The next weights, and what there is to say of them."""
        num, difference = before.size, np.maximum(excess, 0) if self.clip_negative else excess
        with np.errstate(divide="ignore"):  # ln 0 is -inf, whose exponential is 0
            exponent = (np.log(before) if self.mode == "exponentiated" else before) + self.eta * difference
        shares = np.exp(exponent - exponent.max())
        wanted = (1 - self.smoothing) * (shares / shares.sum()) + self.smoothing / num
        floor, cap = np.full(num, self._floor(num)), np.full(num, self.max_weight)
        lower, upper = floor, cap
        if self.max_step_ratio is not None:
            # Weights from outside floor and cap are brought inside first: then there is a way within the ratio.
            start = within_bounds(before / before.sum(), floor, cap)
            lower = np.maximum(floor, start / self.max_step_ratio)
            upper = np.where(start > 0, np.minimum(cap, start * self.max_step_ratio), cap)
        found = within_bounds(wanted, lower, upper)
        findings = self._held(names, before, wanted, found, lower, upper)
        if self.clip_negative and not difference.any():
            findings["still"] = (
                "every domain's loss is at or below its reference loss, so every excess counts as 0 and nothing moves "
                "but by smoothing: take the reference losses of a larger model, or set clip_negative to false"
            )
        return found, findings

    def _held(
        self, names: list[str], before: Floats, wanted: Floats, found: Floats, lower: Floats, upper: Floats
    ) -> dict[str, str]:
        """By kind of finding and domain, what is to be said of weights that a bound holds."""
        findings, floor, cap = {}, self._floor(len(names)), self.max_weight
        # Where smoothing is the floor, weights come to rest a little above it: there they are at least half smoothing.
        low_weight = floor if floor == self.min_weight else 2 * floor
        rows = (array.tolist() for array in (before, wanted, found, lower, upper))
        for name, old, asked, new, low, high in zip(names, *rows, strict=True):
            too_fast = new == high < asked and high < cap
            if too_fast or (new == low > asked and low > floor):
                findings[f"fast {name}"] = (
                    f"{name!r} was to go from {old:.4g} to {asked:.4g} in one update, and max_step_ratio "
                    f"{self.max_step_ratio:g} held it at {new:.4g}: check its reference loss, or make eta smaller"
                )
            elif new == cap < 1:
                findings[f"cap {name}"] = f"{name!r} has been held at its cap, max_weight {cap:g},"
            elif new <= low_weight:
                findings[f"floor {name}"] = f"{name!r} has been at its floor, with the weight {new:.4g},"
        return findings

    def _too_heavy(self, names: list[str], weights: Floats) -> dict[str, str]:
        if len(names) == 1:
            return {}
        return {
            f"heavy {name}": f"{name!r} has the weight {weight:.4g}, above alarm_weight {self.alarm_weight:g}: check "
            "that the reference losses come from the same evaluation rows and the same tokenizer; max_weight caps it"
            for name, weight in zip(names, weights.tolist(), strict=True)
            if weight > self.alarm_weight
        }


def replay(config: DynamicBatchLoading, events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Where a recorded trajectory is not what its recorded losses give; nothing if it is, to the last bit.

    Args:
        config: the settings of the run.
        events: the run's log in its order, from the beginning on; only events "weights" are looked at.

    Returns:
        A sentence for each number that differs, and for weights that changed between two updates.

    Raises:
        MixingError: an event could not have been written by a run with these settings.
    """
    state, mismatches = MixState.empty(), []
    last: Mapping[str, float] | None = None
    for event in events:
        if event.get("event") != "weights":
            continue
        missing = [name for name in ("step", "before", "after", "reference", "losses", "excess") if name not in event]
        if missing:
            raise MixingError(f"an event 'weights' lacks {', '.join(missing)}: expected the log as the run wrote it")
        where = f"step {event['step']}"
        if last is not None:
            mismatches += _differing(f"{where}: before the update", event["before"], last, _CHAIN_TOLERANCE)
        update = config.update(event["before"], event["losses"], event["reference"], state)
        mismatches += _differing(f"{where}: after the update", event["after"], update.weights, 0)
        mismatches += _differing(f"{where}: excess", event["excess"], update.excess, 0)
        if "alarms" in event and tuple(event["alarms"]) != update.alarms:
            mismatches.append(f"{where}: the alarms were {list(event['alarms'])} and are {list(update.alarms)}")
        last, state = event["after"], update.state
    return mismatches


def _differing(where: str, logged: Mapping[str, float], found: Mapping[str, float], tolerance: float) -> list[str]:
    return [
        f"{where}, {name!r} was logged as {logged.get(name)!r} and is {found.get(name)!r}"
        for name in sorted({*logged, *found})
        if name not in logged or name not in found or not abs(logged[name] - found[name]) <= tolerance
    ]


def _said(kind: str, finding: str, streak: int) -> str | None:
    """The alarm for a finding of `streak` updates in a row, None where it is not time to give it."""
    lasting = kind.startswith(("cap ", "floor "))
    if streak != (_PATIENCE if lasting else 1) and streak % _REPEAT:
        return None
    return f"{finding} for {streak} updates" if lasting else finding


def _numbers(what: str, values: Any) -> dict[str, float]:
    """The mapping, if every value of it is a number."""
    if not isinstance(values, Mapping):
        raise MixingError(f"{what} are {values!r}: expected a number for each domain")
    for name, value in values.items():
        if not _is_number(value):
            raise MixingError(f"{what}: {name!r} has {value!r}, expected a finite number")
    return {name: float(value) for name, value in values.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.floating) and not isinstance(value, bool) and isfinite(value)


def _complain(what: str, names: set[str]) -> None:
    if names:
        raise MixingError("; ".join(f"domain {name!r} {what}" for name in sorted(names)))
