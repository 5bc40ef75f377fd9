"""Shares within bounds."""

import numpy as np
import numpy.typing as npt
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from training.data.bounded_shares import within_bounds

Floats = npt.NDArray[np.float64]


@st.composite
def problems(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    """Shares, and bounds that leave room for a sum of one."""
    num = draw(st.integers(1, 9))
    shares = np.array(draw(st.lists(st.sampled_from([0.0, 1e-300, 1e-9, 0.1, 0.5, 3.0]), min_size=num, max_size=num)))
    assume(shares.sum() > 0)
    inside = np.array(draw(st.lists(st.floats(1e-6, 1), min_size=num, max_size=num)))
    inside /= inside.sum()
    down = np.array(draw(st.lists(st.sampled_from([0.0, 0.3, 0.99, 1.0]), min_size=num, max_size=num)))
    up = np.array(draw(st.lists(st.sampled_from([1.0, 1.01, 2.0, 1e9]), min_size=num, max_size=num)))
    return shares / shares.sum(), inside * down, np.minimum(inside * up, 1)


@settings(deadline=None)
@given(problems())
def test_bounds_hold_the_sum_is_one_and_free_shares_keep_their_proportions(problem: tuple[Floats, ...]) -> None:
    shares, lower, upper = problem
    found = within_bounds(shares, lower, upper)
    assert bool((found >= lower).all())
    assert bool((found <= upper).all())
    assert abs(found.sum() - 1) <= 1e-12
    free = (found > lower) & (found < upper) & (shares > 1e-100)
    if free.any():
        ratios = found[free] / shares[free]
        np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)
        scale = ratios[0]  # what a bound holds would lie beyond it
        below, above = (found == lower) & (lower < upper), (found == upper) & (lower < upper)
        assert bool((shares[below] * scale <= lower[below] * (1 + 1e-9) + 1e-15).all())
        assert bool((shares[above] * scale >= upper[above] * (1 - 1e-9)).all())


def test_what_is_within_its_bounds_comes_back_as_it_is() -> None:
    shares = np.array([0.1, 0.2, 0.7])
    assert within_bounds(shares, np.zeros(3), np.ones(3)) is shares


def test_by_hand() -> None:
    found = within_bounds(np.array([0.8, 0.15, 0.05]), np.array([0, 0, 0.1]), np.array([0.6, 1, 1]))
    np.testing.assert_allclose(found, [0.6, 0.3, 0.1], rtol=1e-15)
    np.testing.assert_allclose(within_bounds(np.array([1.0, 0]), np.zeros(2), np.full(2, 0.75)), [0.75, 0.25])


def test_shares_of_all_magnitudes() -> None:
    dice = np.random.default_rng(0)
    for _ in range(500):
        num = int(dice.integers(1, 8))
        shares = np.nan_to_num(dice.dirichlet(np.full(num, 10 ** dice.uniform(-3, 1))))
        inside = dice.dirichlet(np.full(num, 10 ** dice.uniform(-2, 1)))
        if abs(shares.sum() - 1) > 1e-9 or abs(inside.sum() - 1) > 1e-12:
            continue  # drawn from so near the corners that nothing is left
        lower, upper = inside * dice.choice([0, 0.3, 0.999, 1], num), inside * dice.choice([1, 1.001, 3, 1e6], num)
        found = within_bounds(shares, lower, upper)
        assert bool((found >= lower).all())
        assert bool((found <= upper).all())
        assert abs(found.sum() - 1) < 1e-12
