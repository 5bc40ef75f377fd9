"""Reference losses for a model that was never trained: a power law in the size, through those of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log

import numpy as np
import numpy.typing as npt

from training.data.errors import ReferenceLossError

_LEAST, _MOST = 1e-4, 4.0  # exponents; published ones lie between 0.03 and 0.6
_FAR = 4.0
_WHAT_TO_DO = "Take the losses of the largest model as they are, or measure all on the same rows again"


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """loss(N) = amplitude N^-exponent + floor, in nat per token, of a model with N parameters."""

    amplitude: float
    exponent: float
    floor: float

    def loss(self, num_params: float) -> float:
        """The loss at a size, in nat per token."""
        return self.amplitude * float(num_params**-self.exponent) + self.floor


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted law.

    Attributes:
        law: see there.
        residual: root mean square of what it misses the given losses by, in nat per token; 0 for three sizes, which
            any law with three constants goes through.
        warnings: sentences on why not to trust it.
    """

    law: PowerLaw
    residual: float
    warnings: tuple[str, ...]


def fit_power_law(losses: Mapping[int, float], *, domain: str = "") -> Fit:
    """The power law through the losses of one domain at three sizes of model, or nearest to those at more.

    Three give three equations, which are solved; of more the squared errors are made smallest.

    Args:
        losses: by number of parameters, the loss in nat per token.
        domain: for messages.

    Raises:
        ReferenceLossError: there are fewer than three sizes, a number is none, or losses do not fall and flatten as the
            models grow, so that no power law with a positive exponent describes them.

    Reference: llm-shearing specification, section 5; Xia et al. 2023, "Sheared LLaMA" (arXiv 2310.06694), which takes
    the form of Hoffmann et al. 2022 for a fixed number of tokens.
    """
    what = f"the losses of domain {domain!r}" if domain else "the losses"
    sizes = sorted(losses)
    if len(sizes) < 3:
        raise ReferenceLossError(
            f"{what} are of {len(sizes)} sizes of model; a power law with a floor has three constants, and needs "
            "three. Take the losses of the largest model as they are: they serve about as well"
        )
    values = [losses[size] for size in sizes]
    if sizes[0] <= 0 or not all(isfinite(value) and value > 0 for value in (*sizes, *values)):
        raise ReferenceLossError(f"{what} are {dict(losses)}: expected finite numbers above 0 for sizes above 0")
    if values[-1] >= values[0]:
        raise ReferenceLossError(f"{what} do not fall as the models grow: {_listed(sizes, values)}. {_WHAT_TO_DO}")
    exponent = _solved(sizes, values) if len(sizes) == 3 else _nearest(sizes, values)
    if exponent is None:
        raise ReferenceLossError(
            f"{what} do not flatten as the models grow: {_listed(sizes, values)}. No power law with a positive "
            f"exponent describes that. {_WHAT_TO_DO}"
        )
    law, residual = _line(sizes, values, exponent)
    return Fit(law=law, residual=0.0 if len(sizes) == 3 else residual, warnings=tuple(_doubts(what, law, len(sizes))))


def far_from(sizes: Sequence[int], num_params: int) -> str | None:
    """A sentence where a size lies far outside the fitted ones; more than four times their ends."""
    if min(sizes) / _FAR <= num_params <= max(sizes) * _FAR:
        return None
    return (
        f"{num_params:,} parameters are {max(min(sizes) / num_params, num_params / max(sizes)):.1f} times beyond the "
        f"models that the law was fitted to ({min(sizes):,} to {max(sizes):,})"
    )


def _solved(sizes: Sequence[int], values: Sequence[float]) -> float | None:
    """The exponent at which the two drops between three losses have the ratio that they have; None where none does."""
    x, y, z = (log(size / sizes[1]) for size in sizes)
    first, second = values[0] - values[1], values[1] - values[2]
    if first <= 0 or second <= 0:
        return None

    def ratio(exponent: float) -> float:  # grows with the exponent
        return (exp(-exponent * x) - exp(-exponent * y)) / (exp(-exponent * y) - exp(-exponent * z))

    low, high, wanted = _LEAST, _MOST, first / second
    if not ratio(low) < wanted < ratio(high):
        return None
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if ratio(middle) < wanted else (low, middle)
    return middle


def _nearest(sizes: Sequence[int], values: Sequence[float]) -> float | None:
    """The exponent whose law has the smallest squared error; None where that is at the end of the range."""
    grid = np.geomspace(_LEAST, _MOST, 120)
    errors = [_line(sizes, values, float(exponent))[1] for exponent in grid]
    best = int(np.argmin(errors))
    if best in (0, grid.size - 1):
        return None
    low, high = log(grid[best - 1]), log(grid[best + 1])
    for _ in range(100):  # thirds, until nothing is left between
        third = (high - low) / 3
        left, right = (_line(sizes, values, exp(point))[1] for point in (low + third, high - third))
        low, high = (low, high - third) if left <= right else (low + third, high)
    law_exponent = exp((low + high) / 2)
    return law_exponent if _line(sizes, values, law_exponent)[0].amplitude > 0 else None


def _line(sizes: Sequence[int], values: Sequence[float], exponent: float) -> tuple[PowerLaw, float]:
    """The best amplitude and floor for an exponent, in which the loss is a line; and the root mean square error."""
    middle = exp(sum(log(size) for size in sizes) / len(sizes))
    powers: npt.NDArray[np.float64] = np.array([(size / middle) ** -exponent for size in sizes])
    found = np.array(values)
    deviations = powers - powers.mean()
    slope = float(deviations @ (found - found.mean()) / (deviations @ deviations))
    floor = float(found.mean() - slope * powers.mean())
    error = float(np.sqrt(np.mean((slope * powers + floor - found) ** 2)))
    return PowerLaw(amplitude=slope * middle**exponent, exponent=exponent, floor=floor), error


def _doubts(what: str, law: PowerLaw, num_sizes: int) -> list[str]:
    doubts = []
    if num_sizes == 3:
        doubts.append(
            f"{what} are of three sizes, and the law has three constants: that it goes through them shows nothing"
        )
    if law.floor < 0:
        doubts.append(
            f"{what} give a law with the floor {law.floor:.4f}, below 0, which no loss can reach: do not use it far "
            "from the sizes that it was fitted to"
        )
    return doubts


def _listed(sizes: Sequence[int], values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4f} at {size:,}" for size, value in zip(sizes, values, strict=True))
