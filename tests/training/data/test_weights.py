"""Weights as whole numbers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.errors import WeightsError
from training.data.weights import ONE, from_mapping, hand_over, largest_remainder, proportional, without

SPEC = [0.682166179, 0.032765405, 0.051930810, 0.016729292, 0.046073928, 0.019240034, 0.151094351]


def test_largest_remainder_of_the_specification() -> None:
    assert largest_remainder(SPEC, 256).tolist() == [175, 8, 13, 4, 12, 5, 39]


def test_equal_remainders_go_to_the_first() -> None:
    assert largest_remainder([0.25] * 4, 6).tolist() == [2, 2, 1, 1]
    assert largest_remainder([1, 0, 1], 3).tolist() == [2, 0, 1]


shares = st.lists(st.floats(0, 1), min_size=1, max_size=40).filter(lambda values: sum(values) > 1e-3)


@given(shares)
def test_quantised_weights_sum_to_one_and_are_within_a_unit(values: list[float]) -> None:
    total = sum(values)
    weights = {f"{i:03d}": value / total for i, value in enumerate(values)}
    found = from_mapping(weights, dict.fromkeys(weights, 5))
    assert found.sum() == ONE
    for integer, weight in zip(found.tolist(), weights.values(), strict=True):
        assert abs(Fraction(integer, ONE) - Fraction(weight) / Fraction(sum(weights.values()))) < Fraction(2, ONE)


@given(shares, st.data())
def test_without_some_the_rest_keeps_its_proportions(values: list[float], data: st.DataObject) -> None:
    weights = largest_remainder(values, ONE)
    gone = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    found = without(weights, gone)
    assert not found[gone].any()
    left = int(weights[~gone].sum())
    if left == 0:
        assert not found.any()
        return
    assert found.sum() == ONE
    for old, new in zip(weights[~gone].tolist(), found[~gone].tolist(), strict=True):
        assert abs(Fraction(old, left) - Fraction(new, ONE)) < Fraction(1, ONE)


def test_what_is_owed_is_handed_over_whole() -> None:
    weights = np.array([0, ONE // 4, ONE - ONE // 4 - 1, 1])
    carry = np.array([-7 * ONE + 3, ONE, 5 * ONE, ONE - 3])
    found = hand_over(carry, weights)
    assert found.sum() == carry.sum() == 0
    assert found[0] == 0


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"a": 0.5, "b": 0.4, "empty": 0}, "sum to 0.9, expected 1"),
        ({"a": 0.5, "b": 0.25, "empty": 0, "c": 0.25}, "'c', which is no domain; the domains are 'a', 'b', 'empty'"),
        ({"a": 1.0}, "say nothing of 'b', 'empty'"),
        ({"a": 1.5, "b": -0.5, "empty": 0}, "the weight of 'b' is -0.5: expected a number from 0 to 1"),
        ({"a": float("nan"), "b": 1, "empty": 0}, "the weight of 'a' is nan"),
        ({"a": "1", "b": 0, "empty": 0}, "the weight of 'a' is '1'"),
        ({"a": True, "b": 0, "empty": 0}, "the weight of 'a' is True"),
        ({"a": 0.5, "b": 0.25, "empty": 0.25}, "domain 'empty' has weight 0.25 but no rows"),
    ],
)
def test_weights_that_cannot_be_followed(weights: dict[str, float], said: str) -> None:
    with pytest.raises(WeightsError, match=said):
        from_mapping(weights, {"a": 10, "b": 10, "empty": 0})


def test_proportional_to_nothing() -> None:
    assert proportional({"a": 1, "b": 3}) == {"a": 0.25, "b": 0.75}
    with pytest.raises(WeightsError, match="no domain has a row"):
        proportional({"a": 0})
