"""The order of samples: against plain Python, and the properties that it is there for."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import sample_order

from training.data import order_kernels
from training.data.errors import ExhaustedError, WeightsError
from training.data.order import Order, OrderSettings
from training.data.weights import ONE, largest_remainder

SPEC = [0.682166179, 0.032765405, 0.051930810, 0.016729292, 0.046073928, 0.019240034, 0.151094351]


def plain(order: Order, start: int, stop: int) -> list[tuple[int, int, int]]:
    found = order.samples(start, stop)
    assert found.number.tolist() == list(range(start, stop))
    return list(zip(found.domain.tolist(), found.epoch.tolist(), found.row.tolist(), strict=True))


def weights_of(values: list[float]) -> dict[str, float]:
    total = sum(values)
    return {f"d{i:05d}": value / total for i, value in enumerate(values)}


@st.composite
def sequences(draw: Any) -> dict[str, Any]:
    """Domains, weights, settings, changes: small enough that domains end and blocks are cut."""
    num = draw(st.integers(1, 6))
    rows = {f"d{i:05d}": draw(st.integers(1, 90)) for i in range(num)}
    value = st.one_of(st.just(0.0), st.floats(1e-4, 1))
    vectors = st.lists(value, min_size=num, max_size=num).filter(lambda values: sum(values) > 0)
    starts = sorted(draw(st.sets(st.integers(1, 250), max_size=3)))
    return {
        "rows": rows,
        "log": [(start, weights_of(draw(vectors))) for start in (0, *starts)],
        "seed": draw(st.integers(-5, 2**70)),
        "settings": OrderSettings(
            block=draw(st.sampled_from([1, 2, 7, 16, 64, 256])),
            max_epochs_per_domain=draw(st.integers(1, 3)),
            window_rows=draw(st.sampled_from([0, 0, 1, 5, 16])),
        ),
    }


def made(case: dict[str, Any]) -> Order:
    first, *later = case["log"]
    order = Order(case["rows"], first[1], seed=case["seed"], settings=case["settings"])
    for start, weights in later:
        order.change(start, weights)
    return order


def reference(case: dict[str, Any], num: int) -> list[tuple[int, int, int]]:
    return sample_order.sequence(
        case["rows"],
        [(change.start, change.weights.tolist()) for change in made(case).log],
        seed=case["seed"],
        block=case["settings"].block,
        max_epochs=case["settings"].max_epochs_per_domain,
        window=case["settings"].window_rows,
        num=num,
    )


@settings(max_examples=200, deadline=None)
@given(sequences(), st.data())
def test_agrees_with_plain_python(case: dict[str, Any], data: st.DataObject) -> None:
    expected = reference(case, 300)
    order = made(case)
    assert plain(order, 0, len(expected)) == expected
    if len(expected) < 300:
        with pytest.raises(ExhaustedError, match=f"exhausted at sample {len(expected)}"):
            order.samples(0, len(expected) + 1)
    # From anywhere, in any order, by the same object and by a new one.
    for _ in range(3):
        start = data.draw(st.integers(0, len(expected)))
        stop = data.draw(st.integers(start, len(expected)))
        assert plain(order, start, stop) == expected[start:stop]
        assert plain(made(case), start, stop) == expected[start:stop]
    drawn = [order.drawn(stop)[name] for name in order.names]
    assert drawn == [sum(domain == one for one, *_ in expected[:stop]) for domain in range(len(order.names))]


@settings(max_examples=100, deadline=None)
@given(sequences(), st.integers(0, 250))
def test_a_change_leaves_what_came_before(case: dict[str, Any], at: int) -> None:
    at = max(at, case["log"][-1][0] + 1)
    before = reference(case, at)
    order = made(case)
    if len(before) == at:
        order.samples(0, at)  # the block that will be cut has been planned
    num = len(case["rows"])
    order.change(at, weights_of([1.0] * num))
    assert plain(order, 0, len(before)) == before


def test_the_first_block_is_the_specification_s() -> None:
    weights = weights_of(SPEC)
    order = Order(dict.fromkeys(weights, 1000), weights, seed=3)
    assert np.bincount(order.samples(0, 256).domain).tolist() == [175, 8, 13, 4, 12, 5, 39]
    order.change(1000, weights_of(SPEC[::-1]))
    assert next(iter(order.drawn(1000).values())) in (682, 683, 681)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(1e-6, 1), min_size=2, max_size=60), st.sampled_from([1, 5, 32, 256]), st.integers(1, 300))
def test_counts_are_within_one_at_the_end_of_every_block(values: list[float], block: int, num: int) -> None:
    weights = largest_remainder(values, ONE)
    carry, counts = np.zeros_like(weights), np.zeros_like(weights)
    drawn = np.zeros_like(weights)
    for done in range(1, num + 1):
        order_kernels.divide(block, weights, carry, counts)
        drawn += counts
        assert counts.min() >= 0
        assert counts.sum() == block
        assert np.array_equal(carry, weights * block * done - drawn * ONE)
        assert np.abs(carry).max() < ONE
        if done == 1:
            assert counts.tolist() == largest_remainder(weights / ONE, block).tolist()


def test_ten_thousand_domains_with_tiny_weights() -> None:
    draw = np.random.default_rng(0)
    weights = weights_of(draw.dirichlet(np.full(10_000, 0.3)).tolist())
    order = Order(dict.fromkeys(weights, 10**9), weights, seed=0)
    assert len(order.samples(0, 256).row) == 256
    position = order.position(256 * 2000)
    assert position.start == 256 * 2000
    expected = order.log[0].weights.astype(float) / ONE * position.start
    assert np.abs(position.drawn - expected).max() < 1


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 2000), st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 3, 16, 100, 3000]))
def test_an_epoch_reads_every_row_once(size: int, key: int, window: int) -> None:
    rows = [order_kernels.row_at(place, size, window, np.uint64(key)) for place in range(size)]
    assert sorted(rows) == list(range(size))
    assert rows == sample_order.epoch_rows(size, window, key)


def test_windows_are_read_one_after_another() -> None:
    rows = np.array([order_kernels.row_at(place, 1050, 100, np.uint64(9)) for place in range(1050)])
    windows = [window for window, _ in itertools.groupby(rows // 100)]
    assert sorted(windows) == list(range(11))
    assert windows != sorted(windows)


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_all_permutations_of_few_rows_are_equally_likely(size: int) -> None:
    tries = 24_000
    found: dict[tuple[int, ...], int] = {}
    for key in range(tries):
        mixed = np.uint64(order_kernels.random_bits(np.uint64(7), key))
        one = tuple(order_kernels.permuted(place, size, mixed) for place in range(size))
        found[one] = found.get(one, 0) + 1
    num = len(list(itertools.permutations(range(size))))
    assert len(found) == num
    assert _chi_square(np.array(list(found.values())), tries / num) < 4.5


@pytest.mark.parametrize("size", [10, 50, 257])
def test_pairs_of_rows_are_equally_likely(size: int) -> None:
    """Chi-square on (place, row), and on the rows at neighbouring places, over many keys."""
    keys = max(400, 10 * size)
    at = np.zeros((size, size), dtype=np.int64)
    following = np.zeros((size, size), dtype=np.int64)
    for number in range(keys):
        key = np.uint64(order_kernels.random_bits(np.uint64(11), number))
        rows = np.array([order_kernels.permuted(place, size, key) for place in range(size)])
        at[np.arange(size), rows] += 1
        np.add.at(following, (rows[:-1], rows[1:]), 1)
    assert _chi_square(at.ravel(), keys / size) < 4.5
    assert not np.diag(following).any()
    neighbours = following[~np.eye(size, dtype=bool)]
    assert _chi_square(neighbours, keys * (size - 1) / neighbours.size) < 4.5


def _chi_square(found: Any, expected: float) -> float:
    """How many standard deviations the statistic is above its mean."""
    freedom = found.size - 1
    return float((((found - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom))


def test_epochs_domains_and_seeds_have_orders_of_their_own() -> None:
    def rows(seed: int, name: str, epoch: int) -> list[int]:
        order = Order({name: 1000}, {name: 1}, seed=seed)
        return order.samples(epoch * 1000, (epoch + 1) * 1000).row.tolist()

    first = rows(1, "a", 0)
    for other in (rows(1, "a", 1), rows(2, "a", 0), rows(1, "b", 0)):
        assert sorted(other) == sorted(first)
        assert sum(a == b for a, b in zip(first, other, strict=True)) < 12  # 1 is expected


def test_rows_of_a_domain_do_not_depend_on_the_others() -> None:
    weights = {"a": 0.4, "b": 0.6}
    both = Order({"a": 100, "b": 100}, weights, seed=5).samples(0, 200)
    mixed = both.row[both.domain == 0]
    alone = Order({"a": 100}, {"a": 1.0}, seed=5).samples(0, mixed.size)
    assert mixed.tolist() == alone.row.tolist()


def test_an_exhausted_domain_leaves_its_weight_to_the_others() -> None:
    order = Order({"a": 10, "b": 1000, "c": 1000}, {"a": 0.5, "b": 0.25, "c": 0.25}, seed=0)
    found = order.samples(0, 2000)
    counts = np.bincount(found.domain)
    assert counts[0] == 40
    assert abs(counts[1] - counts[2]) <= 8  # 2000 is not the end of a block
    assert sorted(found.row[found.domain == 0].tolist()) == sorted(list(range(10)) * 4)
    ((sample, name),) = order.exhausted(2000)
    assert name == "a"
    assert found.domain[sample - 1] == 0
    assert not (found.domain[sample:] == 0).any()
    assert order.exhausted(sample - 1) == ()
    assert order.exhausted(sample) == ((sample, "a"),)


def test_everything_is_read_before_the_end() -> None:
    order = Order({"a": 3, "b": 50}, {"a": 0.5, "b": 0.5}, seed=0, settings=OrderSettings(max_epochs_per_domain=2))
    found = order.samples(0, 106)
    assert np.bincount(found.domain).tolist() == [6, 100]
    with pytest.raises(ExhaustedError, match="exhausted at sample 106: every domain with weight has been read 2 times"):
        order.samples(106, 107)
    assert order.samples(106, 106).row.size == 0


def test_a_domain_without_weight_is_never_read_and_may_get_some_later() -> None:
    order = Order({"a": 500, "b": 500}, {"a": 1, "b": 0}, seed=0)
    order.change(300, {"a": 0.0, "b": 1.0})
    assert order.samples(0, 600).domain.tolist() == [0] * 300 + [1] * 300


def test_changes_are_recorded_in_their_order() -> None:
    order = Order({"a": 5}, {"a": 1}, seed=0)
    order.change(10, {"a": 1.0})
    with pytest.raises(WeightsError, match="at sample 9 comes after one at sample 10"):
        order.change(9, {"a": 1.0})


def test_a_change_at_the_same_sample_is_replaced() -> None:
    order = Order({"a": 500, "b": 500}, {"a": 1, "b": 0}, seed=0)
    order.change(0, {"a": 0.0, "b": 1.0})
    order.change(50, {"a": 0.5, "b": 0.5})
    order.samples(0, 100)
    order.change(50, {"a": 1.0, "b": 0.0})
    assert order.samples(0, 100).domain.tolist() == [1] * 50 + [0] * 50
    assert [change.start for change in order.log] == [0, 50]


@pytest.mark.parametrize(
    "wrong", [{"block": 0}, {"block": 1 << 17}, {"max_epochs_per_domain": 0}, {"window_rows": -1}, {"block": True}]
)
def test_settings_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*: expected a whole number from"):
        OrderSettings(**wrong)


def test_far_samples_are_reached_fast_and_going_back_too() -> None:
    weights = weights_of(SPEC)
    order = Order(dict.fromkeys(weights, 10**9), weights, seed=3)
    far = plain(order, 20_000_000, 20_000_010)
    order.samples(5, 10)
    assert plain(order, 20_000_000, 20_000_010) == far
    assert len(order._snapshots) <= 33
