"""Learning-rate schedules: the factor by which the peak learning rate is multiplied at each update, as pure functions.

Updates count from 0, so update i of T is the one before which i were done. Neither end of a run is wasted: the first
update of a warm-up has a factor above 0, and a decay arrives at its final factor where update T would be, so that the
last update of a linear decay to zero over D updates has the factor 1 / D.
"""

from dataclasses import dataclass
from math import cos, isfinite, pi, sqrt
from typing import Literal, get_args

Kind = Literal["linear", "cosine", "wsd", "rex", "power", "constant"]
Shape = Literal["linear", "1-sqrt"]

_FINAL: dict[Kind, float] = {"linear": 0.0, "cosine": 0.1, "wsd": 0.0, "rex": 0.0, "power": 0.0, "constant": 1.0}
_DECAY_SHARE: dict[Kind, float] = {"wsd": 0.2, "power": 0.1}
_EXPONENT = 0.51
_MEANINGFUL: dict[str, tuple[Kind, ...]] = {
    "final": ("linear", "cosine", "wsd", "rex", "power"),
    "decay_share": ("wsd", "power"),
    "decay_shape": ("wsd", "power"),
    "plateau_steps": ("power",),
    "exponent": ("power",),
}


class ScheduleError(ValueError):
    """A schedule whose settings contradict each other, or that does not fit into the run."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A learning-rate schedule. What is None takes the kind's default; a field that the kind lacks is refused.

    With W updates of warm-up, of T in all, update i < W has the factor (i + 1) / (W + 1) of what update W has. From
    there on, with p = (i - W) / (T - W), which is 0 at update W and below 1 at the last, and f the final factor:

    - linear: f + (1 - f) (1 - p). Down to zero unless told otherwise (D2Z).
    - cosine: f + (1 - f) (1 + cos(pi p)) / 2. Down to 10 %.
    - rex: f + (1 - f) (1 - p) / (1/2 + (1 - p) / 2). Stays high for longer than linear, then falls faster.
    - wsd (warm-up, stable, decay): 1, and in the last D updates f + (1 - f) (1 - q) or f + (1 - f) (1 - sqrt(q)), with
      q = (i - (T - D)) / D.
    - power: min(1, (i / plateau_steps)^-exponent), then a decay like that of wsd from where the law stands at T - D.
    - constant: 1.

    Attributes:
        kind: which of them.
        warmup_steps: updates of warm-up. Neither this nor `warmup_share`: none.
        warmup_share: the same as a share of the run, 0 to below 1.
        final: factor that the decay arrives at, 0 to 1.
        decay_share: share of the run that wsd (0.2) and power (0.1) decay in; for power 0 is no decay.
        decay_shape: shape of that decay; linear unless told otherwise.
        plateau_steps: power only, and needed: updates until the power law falls below the peak. `plateau_steps()`
            gives it for a peak and a batch.
        exponent: power only, above 0; the law falls with the updates to the power of minus this (0.51).

    Raises:
        ScheduleError: a value is out of its range, two say different things, or one does not belong to the kind.

    Reference:
        linear: Bergsma et al. 2025, "Straight to Zero: Why Linearly Decaying the Learning Rate to Zero Works Best for
        LLMs" (arXiv 2502.15938). rex: Chen, Wolfe and Kyrillidis 2021 (arXiv 2107.04197), the profile; its sampling
        rate is every update. wsd: Hu et al. 2024, MiniCPM (arXiv 2404.06395); its decay as 1-sqrt and over 20 %: Hägele
        et al. 2024 (arXiv 2405.18392). power: Shen et al. 2024 (arXiv 2408.13359), eta(n) = min(eta_max, beta a n^b) in
        tokens n; at a fixed batch size tokens are updates, and eta_max is the peak.
    """

    kind: Kind = "linear"
    warmup_steps: int | None = None
    warmup_share: float | None = None
    final: float | None = None
    decay_share: float | None = None
    decay_shape: Shape | None = None
    plateau_steps: int | None = None
    exponent: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ScheduleError(f"kind is {self.kind!r}: expected one of {', '.join(get_args(Kind))}")
        for name, kinds in _MEANINGFUL.items():
            if getattr(self, name) is not None and self.kind not in kinds:
                raise ScheduleError(
                    f"{name} says nothing to kind {self.kind!r}, only to {', '.join(kinds)}: leave it out"
                )
        if self.warmup_steps is not None and self.warmup_share is not None:
            raise ScheduleError("warmup_steps and warmup_share are both given: give the one that you mean")
        _check_whole("warmup_steps", self.warmup_steps, 0)
        _check_whole("plateau_steps", self.plateau_steps, 1)
        _check_number("warmup_share", self.warmup_share, below=1)
        _check_number("final", self.final)
        _check_number("decay_share", self.decay_share)
        if self.decay_shape not in (None, *get_args(Shape)):
            raise ScheduleError(f"decay_shape is {self.decay_shape!r}: expected one of {', '.join(get_args(Shape))}")
        if self.kind == "wsd" and self.decay_share == 0:
            raise ScheduleError("decay_share is 0: wsd without a decay is kind 'constant'")
        if self.kind == "power" and self.plateau_steps is None:
            raise ScheduleError(
                "kind 'power' needs plateau_steps, the updates after which the learning rate falls below its peak: "
                "training.schedules.plateau_steps() gives them for a peak and a batch"
            )
        if self.exponent is not None and not (_is_number(self.exponent) and self.exponent > 0):
            raise ScheduleError(f"exponent is {self.exponent!r}: expected a number above 0 (the paper's b is minus it)")

    def factor(self, step: int, total_steps: int) -> float:
        """What the peak learning rate is multiplied by at update `step` of `total_steps`, in [0, 1].

        Args:
            step: updates done before this one, 0 to `total_steps` - 1.
            total_steps: updates of the whole run.

        Raises:
            ScheduleError: there is no such update, or warm-up and decay do not fit into the run.
        """
        self.check(total_steps)
        if not 0 <= step < total_steps:
            raise ScheduleError(
                f"update {step} of {total_steps}: expected 0 to {total_steps - 1}, as updates count from 0"
            )
        warmup = self.num_warmup(total_steps)
        if step < warmup:
            return (step + 1) / (warmup + 1) * self._after_warmup(warmup, warmup, total_steps)
        return self._after_warmup(step, warmup, total_steps)

    def check(self, total_steps: int) -> None:
        """Make sure that the schedule fits into a run, before the run begins.

        Raises:
            ScheduleError: it does not; with the numbers.
        """
        if total_steps < 1:
            raise ScheduleError(f"total_steps is {total_steps}: expected at least 1 update")
        warmup, decay = self.num_warmup(total_steps), self.num_decay(total_steps)
        if warmup >= total_steps:
            raise ScheduleError(
                f"{warmup} updates of warm-up in a run of {total_steps}: the peak would never be reached. Expected at "
                f"most {total_steps - 1}; warm up for less, or train for longer"
            )
        if warmup + decay > total_steps:
            raise ScheduleError(
                f"{warmup} updates of warm-up and {decay} of decay do not fit into a run of {total_steps}: make "
                "warm-up or decay_share smaller, or train for longer"
            )

    def num_warmup(self, total_steps: int) -> int:
        """Updates of warm-up in a run of this length; a share is rounded, and leaves one update at least."""
        if self.warmup_steps is not None:
            return self.warmup_steps
        return min(round((self.warmup_share or 0.0) * total_steps), total_steps - 1)

    def num_decay(self, total_steps: int) -> int:
        """Updates of the decay at the end, for wsd and power; a share above 0 is one update at least."""
        share = _DECAY_SHARE.get(self.kind, 0.0) if self.decay_share is None else self.decay_share
        return max(1, round(share * total_steps)) if share > 0 else 0

    def _after_warmup(self, step: int, warmup: int, total_steps: int) -> float:
        final = _FINAL[self.kind] if self.final is None else self.final
        left = 1 - (step - warmup) / (total_steps - warmup)
        match self.kind:
            case "linear":
                return final + (1 - final) * left
            case "cosine":
                return final + (1 - final) * (1 - cos(pi * left)) / 2
            case "rex":
                return final + (1 - final) * left / (0.5 + 0.5 * left)
            case "constant":
                return 1.0
            case "wsd" | "power":
                start = total_steps - self.num_decay(total_steps)
                if step <= start:
                    return self._stable(step)
                done = (step - start) / (total_steps - start)
                share = 1 - sqrt(done) if self.decay_shape == "1-sqrt" else 1 - done
                return min(final, self._stable(start)) * (1 - share) + self._stable(start) * share

    def _stable(self, step: int) -> float:
        if self.kind == "wsd" or self.plateau_steps is None or step <= self.plateau_steps:
            return 1.0
        return float((step / self.plateau_steps) ** -(_EXPONENT if self.exponent is None else self.exponent))


def plateau_steps(
    peak: float,
    *,
    batch_size: int,
    tokens_per_step: int,
    amplitude: float,
    exponent: float = _EXPONENT,
) -> int:
    """Updates after which the power law beta a n^-exponent falls below the peak learning rate.

    Args:
        peak: the peak learning rate (the paper's eta_max).
        batch_size: sequences per update (beta).
        tokens_per_step: tokens per update, so that update i comes after n = i tokens_per_step tokens.
        amplitude: the paper's a, about 4 with muP and its peak of 0.02; other parametrisations have others.
        exponent: the paper's -b.

    Raises:
        ScheduleError: a value is not above 0, or the law is below the peak from the first update on.

    Reference: Shen et al. 2024 (arXiv 2408.13359).
    """
    given = {"peak": peak, "batch_size": batch_size, "tokens_per_step": tokens_per_step}
    for name, value in {**given, "amplitude": amplitude, "exponent": exponent}.items():
        if not (_is_number(value) and value > 0):
            raise ScheduleError(f"{name} is {value!r}: expected a number above 0")
    steps = float((batch_size * amplitude / peak) ** (1 / exponent)) / tokens_per_step
    if not 1 <= steps < 1 << 62:
        raise ScheduleError(
            f"a peak of {peak} is reached by the power law after {steps:.3g} updates, expected at least one: "
            + ("lower the peak" if steps < 1 else "raise the peak")
        )
    return round(steps)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _check_whole(name: str, value: int | None, least: int) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
        raise ScheduleError(f"{name} is {value!r}: expected a whole number of at least {least}")


def _check_number(name: str, value: float | None, *, below: float | None = None) -> None:
    if value is None:
        return
    if not _is_number(value) or not 0 <= value <= 1 or (below is not None and value >= below):
        raise ScheduleError(f"{name} is {value!r}: expected a number from 0 to {'below ' if below else ''}1")
