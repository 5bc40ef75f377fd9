"""Shares of one within bounds: the nearest to given ones that are proportional to them where no bound holds them."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LEAST = 1e-100


def within_bounds(shares: Floats, lower: Floats, upper: Floats) -> Floats:
    """Shares in [lower, upper] that sum to one: clip(s * shares, lower, upper) for the one scale s that does it.

    Among all shares within the bounds these have the smallest Kullback-Leibler divergence from the given ones. What is
    within its bounds comes back as it is, to the last bit; and no bound is ever passed by a rounding.

    Args:
        shares: float64[K], not negative, summing to one.
        lower: float64[K], not negative, summing to one at most.
        upper: float64[K], not below `lower`, summing to one at least.

    Returns:
        float64[K], whose sum is one within 1e-12.
    """
    if bool(((shares >= lower) & (shares <= upper)).all()):
        return shares
    positive = np.maximum(shares, _LEAST)  # a share that underflowed can grow all the same
    # The sum of the clipped shares grows with s, in straight lines between the scales at which one of them meets a
    # bound: find the two scales around a sum of one, and solve for s there.
    scales = np.unique(np.concatenate([lower / positive, upper / positive]))
    first, last = 0, scales.size - 1
    while first < last:
        middle = (first + last) // 2
        if _clipped(positive, scales[middle], lower, upper).sum() >= 1:
            last = middle
        else:
            first = middle + 1
    scale, least = scales[first], scales[max(first - 1, 0)]
    between = positive * (least + scale) / 2
    free = (between > lower) & (between < upper)
    if free.any():
        held = np.where(between <= lower, lower, upper)[~free].sum()
        scale = min(max((1 - held) / positive[free].sum(), least), scale)  # between them, whatever was rounded
    return _clipped(positive, scale, lower, upper)


def _clipped(shares: Floats, scale: float, lower: Floats, upper: Floats) -> Floats:
    found: Floats = np.minimum(np.maximum(scale * shares, lower), upper)
    return found
