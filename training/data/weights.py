"""Domain weights as whole numbers: the same on every machine, and exact however many samples are drawn."""

from collections.abc import Mapping, Sequence
from math import fsum, isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from training.data.errors import WeightsError

ONE = 1 << 40
"""What the whole-numbered weights of all domains sum to."""

Integers = npt.NDArray[np.int64]

_TOLERANCE = 1e-6


def largest_remainder(shares: Sequence[float] | npt.NDArray[np.float64], total: int) -> Integers:
    """`total` things divided in proportion to `shares`: the whole parts, then one more by largest remainder.

    Args:
        shares: not negative, with a sum above 0; they need not sum to one.
        total: how many things there are.

    Returns:
        int64[K], which sums to `total`. Of equal remainders the first comes first.

    Reference: domain-mixing specification, section A, "Loader": the quota of a global batch.
    """
    values = np.asarray(shares, dtype=np.float64)
    exact = values / fsum(values.tolist()) * total
    whole = np.floor(exact)
    counts = whole.astype(np.int64)
    counts[np.argsort(whole - exact, kind="stable")[: total - int(counts.sum())]] += 1
    return counts


def from_mapping(weights: Mapping[str, float], rows: Mapping[str, int]) -> Integers:
    """The weights of all domains, sorted by name, as int64[K] that sums to `ONE`.

    Args:
        weights: for each domain a share, 0 to leave it out; they sum to one (within 1e-6).
        rows: how many rows each domain has.

    Raises:
        WeightsError: a name is no domain or is missing, a weight is no share, they do not sum to one, or a domain
            without rows has weight.
    """
    unknown, missing = sorted(set(weights) - set(rows)), sorted(set(rows) - set(weights))
    if unknown:
        raise WeightsError(
            f"weights name {_listed(unknown)}, which is no domain; the domains are {_listed(sorted(rows))}"
        )
    if missing:
        raise WeightsError(f"weights say nothing of {_listed(missing)}: give every domain a weight, 0 to leave it out")
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float | np.floating) or not isfinite(weight):
            raise WeightsError(f"the weight of {name!r} is {weight!r}: expected a number from 0 to 1")
        if weight < 0:
            raise WeightsError(f"the weight of {name!r} is {weight!r}: expected a number from 0 to 1")
        if weight > 0 and rows[name] == 0:
            raise WeightsError(f"domain {name!r} has weight {weight!r} but no rows to train on: give it the weight 0")
    total = fsum(weights.values())
    if abs(total - 1) > _TOLERANCE:
        raise WeightsError(f"the weights sum to {total!r}, expected 1 (within {_TOLERANCE}): divide each by their sum")
    return largest_remainder([float(weights[name]) for name in sorted(rows)], ONE)


def proportional(sizes: Mapping[str, int]) -> dict[str, float]:
    """The share of each domain in the sum of `sizes`.

    Raises:
        WeightsError: all sizes are 0.
    """
    total = sum(sizes.values())
    if total == 0:
        raise WeightsError("no domain has a row to train on: the export kept nothing, or all of it for evaluation")
    return {name: size / total for name, size in sizes.items()}


def without(weights: Integers, gone: npt.NDArray[np.bool_]) -> Integers:
    """The weights with those of some domains 0 and the rest scaled up to `ONE`; all 0 where nothing is left."""
    left = np.where(gone, 0, weights)
    total = int(left.sum())
    if total in (0, ONE):
        return left
    # floor(left * 2^40 / total) by long division, 20 bits at a time, as the product has up to 80 bits.
    high, rest = np.divmod(left << 20, total)
    low, rest = np.divmod(rest << 20, total)
    scaled: Integers = (high << 20) + low
    scaled[np.argsort(-rest, kind="stable")[: ONE - int(scaled.sum())]] += 1
    return scaled


def hand_over(carry: Integers, weights: Integers) -> Integers:
    """What domains are owed, with that of domains without weight divided among the others; the sum stays."""
    idle = weights == 0
    total = int(carry[idle].sum())
    kept = np.where(idle, 0, carry)
    if total:
        shares: Any = [total * int(weight) // ONE for weight in weights]
        kept += np.array(shares, dtype=np.int64)
        kept[np.flatnonzero(~idle)[: int(carry.sum() - kept.sum())]] += 1
    return kept


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:8]))
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
