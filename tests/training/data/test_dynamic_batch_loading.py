"""Dynamic batch loading: the vectors of the specification, its bounds, its alarms, and the replay of a log."""

import json
import math
import random
from collections.abc import Mapping
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.dynamic_batch_loading import DynamicBatchLoading, MixState, replay
from training.data.errors import MixingError
from training.data.weights import ONE, from_mapping

PLAIN = DynamicBatchLoading(smoothing=0, max_step_ratio=None)
SMOOTH = replace(PLAIN, smoothing=1e-4)
UNCLIPPED = replace(SMOOTH, clip_negative=False)

SEVEN = ("cc", "github", "book", "stackexchange", "wiki", "arxiv", "c4")
WEIGHTS = dict(zip(SEVEN, (0.67, 0.045, 0.045, 0.02, 0.045, 0.025, 0.15), strict=True))
REFERENCE = dict(zip(SEVEN, (1.9643, 0.7459, 2.1393, 1.6117, 1.7590, 1.4449, 2.1251), strict=True))
LOSSES = dict(zip(SEVEN, (2.30, 0.70, 2.60, 1.75, 2.10, 1.50, 2.45), strict=True))

ABC_LOSSES, ABC_REFERENCE = {"a": 2.5, "b": 3.1, "c": 1.9}, {"a": 2.0, "b": 2.9, "c": 2.0}


def printed(weights: Mapping[str, float], names: tuple[str, ...] = SEVEN) -> list[float]:
    return [round(weights[name], 9) for name in names]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (PLAIN, [0.682220115, 0.032754394, 0.051921717, 0.016716678, 0.046064249, 0.019227672, 0.151095175]),
        (SMOOTH, [0.682166179, 0.032765405, 0.051930810, 0.016729292, 0.046073928, 0.019240034, 0.151094351]),
        (UNCLIPPED, [0.683170039, 0.031342141, 0.052007211, 0.016753890, 0.046141710, 0.019268327, 0.151316682]),
    ],
    ids=["clip", "clip, smoothing", "smoothing"],
)
def test_seven_domains(config: DynamicBatchLoading, expected: list[float]) -> None:
    update = config.update(WEIGHTS, LOSSES, REFERENCE)
    assert printed(update.weights) == expected
    differences = [0.3357, -0.0459, 0.4607, 0.1383, 0.3410, 0.0551, 0.3249]
    assert [round(update.excess[name], 4) for name in SEVEN] == differences
    if config is SMOOTH:
        bounded = DynamicBatchLoading().update(WEIGHTS, LOSSES, REFERENCE)
        assert bounded.weights == update.weights, "the default bounds hold back nothing here"


def test_twenty_updates_at_constant_losses() -> None:
    weights, state = WEIGHTS, MixState.empty()
    for _ in range(20):
        update = SMOOTH.update(weights, LOSSES, REFERENCE, state)
        weights, state = update.weights, update.state
    assert printed(weights) == [
        0.481544567,
        0.000084922,
        0.394704911,
        0.000345366,
        0.036175228,
        0.000117925,
        0.087027083,
    ]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (PLAIN, [0.592731969, 0.263463986, 0.143804045]),
        (SMOOTH, [0.592706029, 0.263470973, 0.143822998]),
        (UNCLIPPED, [0.600929147, 0.267126074, 0.131944779]),
    ],
)
def test_three_domains(config: DynamicBatchLoading, expected: list[float]) -> None:
    update = config.update({"a": 0.5, "b": 0.3, "c": 0.2}, ABC_LOSSES, ABC_REFERENCE)
    assert printed(update.weights, ("a", "b", "c")) == expected


def test_a_weight_of_zero() -> None:
    weights = {"a": 0.6, "b": 0.4, "c": 0.0}
    smooth = SMOOTH.update(weights, ABC_LOSSES, ABC_REFERENCE).weights
    assert printed(smooth, ("a", "b", "c")) == [0.669364735, 0.330601932, 0.000033333]
    with pytest.raises(MixingError, match="the weight of 'c' is 0 and would stay 0 for ever"):
        PLAIN.update(weights, ABC_LOSSES, ABC_REFERENCE)
    left_out = PLAIN.update(weights, {"a": 2.5, "b": 3.1}, ABC_REFERENCE).weights
    assert printed(left_out, ("a", "b", "c")) == [0.669398341, 0.330601659, 0]
    floored = replace(PLAIN, min_weight=0.01).update(weights, ABC_LOSSES, ABC_REFERENCE).weights
    assert floored["c"] == 0.01


def test_equal_excess_changes_nothing() -> None:
    weights = {"a": 0.5, "b": 0.3, "c": 0.2}
    losses = {name: loss + 0.4 for name, loss in ABC_REFERENCE.items()}
    assert PLAIN.update(weights, losses, ABC_REFERENCE).weights == pytest.approx(weights, abs=1e-15)


@settings(deadline=None)
@given(offset=st.floats(-0.4, 100))
def test_a_constant_in_the_reference_cancels_where_nothing_is_clipped(offset: float) -> None:
    config = replace(PLAIN, clip_negative=False)
    moved = {name: loss - offset for name, loss in REFERENCE.items()}
    expected = config.update(WEIGHTS, LOSSES, REFERENCE).weights
    assert config.update(WEIGHTS, LOSSES, moved).weights == pytest.approx(expected, rel=1e-11)


def test_the_order_of_domains_does_not_matter() -> None:
    expected = DynamicBatchLoading().update(WEIGHTS, LOSSES, REFERENCE)
    for seed in range(5):
        orders = [random.Random(seed + k).sample(SEVEN, 7) for k in range(3)]
        tables = zip(orders, (WEIGHTS, LOSSES, REFERENCE), strict=True)
        found = DynamicBatchLoading().update(*({name: table[name] for name in order} for order, table in tables))
        assert found == expected
        assert list(found.weights) == sorted(SEVEN)


def test_eta_weighs_the_excess() -> None:
    """Two updates with half of eta are one with all of it."""
    half = replace(PLAIN, eta=0.5)
    once = half.update(WEIGHTS, LOSSES, REFERENCE).weights
    twice = half.update(once, LOSSES, REFERENCE).weights
    assert twice == pytest.approx(PLAIN.update(WEIGHTS, LOSSES, REFERENCE).weights, rel=1e-12)


def test_bandit_is_the_softmax_of_the_weights_themselves() -> None:
    weights, config = {"a": 0.6, "b": 0.4, "c": 0.0}, replace(PLAIN, mode="bandit", eta=2.0)
    powers = {"a": math.exp(0.6 + 2 * 0.5), "b": math.exp(0.4 + 2 * 0.2), "c": 1.0}
    expected = {name: power / sum(powers.values()) for name, power in powers.items()}
    assert config.update(weights, ABC_LOSSES, ABC_REFERENCE).weights == pytest.approx(expected, abs=1e-9)
    smooth = replace(config, smoothing=0.03).update(weights, ABC_LOSSES, ABC_REFERENCE).weights
    assert smooth == pytest.approx({name: 0.97 * share + 0.01 for name, share in expected.items()}, abs=1e-9)


def test_constant_weights_stay_to_the_last_bit() -> None:
    weights = {"a": 0.1, "b": 0.2, "c": 0.7}
    update = DynamicBatchLoading(mode="constant").update(weights, ABC_LOSSES, ABC_REFERENCE)
    assert update.weights == weights
    assert update.excess == pytest.approx({"a": 0.5, "b": 0.2, "c": -0.1})


def test_losses_are_averaged() -> None:
    config = replace(PLAIN, loss_ema=0.75)
    weights = {"a": 0.5, "b": 0.5}
    first = config.update(weights, {"a": 3.0, "b": 2.0}, {"a": 2.0, "b": 2.0})
    assert first.excess == {"a": 1.0, "b": 0.0}
    second = config.update(first.weights, {"a": 2.0, "b": 4.0}, {"a": 2.0, "b": 2.0}, first.state)
    assert second.excess == {"a": 0.75, "b": 0.5}
    assert second.weights["a"] / second.weights["b"] == pytest.approx(math.exp(1 + 0.25))
    saved = MixState.from_json(json.loads(json.dumps(first.state.to_json())))
    assert config.update(first.weights, {"a": 2.0, "b": 4.0}, {"a": 2.0, "b": 2.0}, saved) == second


@st.composite
def situations(draw: st.DrawFn) -> tuple[DynamicBatchLoading, dict[str, float], dict[str, float]]:
    """Settings, weights and losses, reasonable ones and others."""
    num = draw(st.integers(1, 8))
    names = [f"d{i}" for i in range(num)]
    sizes = [draw(st.sampled_from([1e-9, 1e-3, 0.1, 1.0, 50.0])) for _ in names]
    config = DynamicBatchLoading(
        mode=draw(st.sampled_from(["exponentiated", "bandit"])),
        eta=draw(st.sampled_from([0.1, 1.0, 1000.0])),
        clip_negative=draw(st.booleans()),
        smoothing=draw(st.sampled_from([0, 1e-4, 0.3])),
        max_step_ratio=draw(st.sampled_from([None, 1.01, 4.0])),
        min_weight=draw(st.sampled_from([0.0, 0.01, 0.99 / num])) if num > 1 else 0.0,
        max_weight=draw(st.sampled_from([1.0, min(1.0, 1.01 / num), min(1.0, 2 / num)])),
    )
    losses = {name: draw(st.floats(0, 12)) for name in names}
    return config, {name: size / sum(sizes) for name, size in zip(names, sizes, strict=True)}, losses


@settings(deadline=None)
@given(situations())
def test_bounds_hold_whatever_happens(
    situation: tuple[DynamicBatchLoading, dict[str, float], dict[str, float]],
) -> None:
    config, weights, losses = situation
    reference, num = dict.fromkeys(weights, 3.0), len(weights)
    floor = max(config.min_weight, config.smoothing / num)
    state = MixState.empty()
    for round_ in range(3):
        update = config.update(weights, losses, reference, state)
        assert from_mapping(update.weights, dict.fromkeys(weights, 1)).sum() == ONE
        assert abs(math.fsum(update.weights.values()) - 1) < 1e-11
        for name, weight in update.weights.items():
            assert floor <= weight <= config.max_weight
            if config.max_step_ratio and (
                round_ or floor <= min(weights.values()) < max(weights.values()) <= config.max_weight
            ):
                ratio = weight / weights[name]
                assert 1 / config.max_step_ratio - 1e-9 <= ratio <= config.max_step_ratio + 1e-9
        weights, state = dict(update.weights), update.state


def test_the_farther_above_its_reference_the_more_a_domain_grows() -> None:
    update = DynamicBatchLoading(max_weight=0.65).update(WEIGHTS, LOSSES, REFERENCE)
    assert update.weights["cc"] == 0.65
    order = sorted((name for name in SEVEN if name != "cc"), key=lambda name: update.excess[name])
    growth = [update.weights[name] / WEIGHTS[name] for name in order]
    assert all(before < after for before, after in pairwise(growth))


def run(config: DynamicBatchLoading, losses: dict[str, float], num: int) -> list[tuple[str, ...]]:
    weights: Mapping[str, float] = dict.fromkeys(losses, 1 / len(losses))
    state, alarms = MixState.empty(), []
    for _ in range(num):
        update = config.update(weights, losses, dict.fromkeys(losses, 2.0), state)
        weights, state = update.weights, MixState.from_json(update.state.to_json())
        alarms.append(update.alarms)
    return alarms


def test_a_runaway_is_told_of_when_it_begins_and_every_tenth_update() -> None:
    alarms = run(DynamicBatchLoading(), {"wiki": 3.0, "books": 2.1}, 22)
    heavy = [i for i, said in enumerate(alarms) if any("above alarm_weight 0.6" in one for one in said)]
    assert heavy == [0, 9, 19]
    assert "'wiki' has the weight 0.7109" in alarms[0][0]
    assert "same evaluation rows and the same tokenizer" in alarms[0][0]
    floor = [
        i
        for i, said in enumerate(alarms)
        if any("'books' has been at its floor, with the weight 8." in one for one in said)
    ]
    assert floor == [14, 21]


def test_a_cap_is_told_of_once_it_lasts() -> None:
    alarms = run(DynamicBatchLoading(max_weight=0.58), {"wiki": 3.0, "books": 2.1}, 10)
    assert [len(said) for said in alarms] == [0, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    assert alarms[2] == ("'wiki' has been held at its cap, max_weight 0.58, for 3 updates",)


def test_nothing_above_its_reference_is_told_of() -> None:
    (alarms,) = run(DynamicBatchLoading(), {"wiki": 1.0, "books": 2.0}, 1)
    assert len(alarms) == 1
    assert "every domain's loss is at or below its reference loss" in alarms[0]
    assert run(DynamicBatchLoading(clip_negative=False), {"wiki": 1.9, "books": 2.0}, 1) == [()]


def test_an_update_that_is_too_fast_is_told_of() -> None:
    config = DynamicBatchLoading(eta=10, alarm_weight=1)
    update = config.update({"a": 0.1, "b": 0.9}, {"a": 3.0, "b": 2.0}, {"a": 2.0, "b": 2.0})
    assert update.weights == pytest.approx({"a": 0.4, "b": 0.6})
    assert update.alarms == (
        "'a' was to go from 0.1 to 0.9995 in one update, and max_step_ratio 4 held it at 0.4: check its reference "
        "loss, or make eta smaller",
    )


def log(config: DynamicBatchLoading, num: int) -> list[dict[str, Any]]:
    """A run's log as a loader and a trainer would write it; losses fall with the weights."""
    dice = random.Random(3)
    weights, state, events = dict(WEIGHTS), MixState.empty(), [dict[str, Any](event="start")]
    for number in range(1, num + 1):
        losses = {name: LOSSES[name] - 0.05 * number * weights[name] + dice.gauss(0, 0.02) for name in SEVEN}
        held = from_mapping(weights, dict.fromkeys(SEVEN, 1)) / ONE  # the loader's precision
        before = dict(zip(sorted(SEVEN), held.tolist(), strict=True))
        update = config.update(before, losses, REFERENCE, state)
        numbers = {"before": before, "after": update.weights, "reference": REFERENCE, "losses": losses}
        events.append({"event": "step", "step": 50 * number})
        found = {"excess": update.excess, "alarms": update.alarms}
        events.append({"event": "weights", "step": 50 * number, **numbers, **found})
        weights, state = dict(update.weights), update.state
    return [json.loads(json.dumps(event)) for event in events]


@pytest.mark.parametrize(
    "config",
    [DynamicBatchLoading(loss_ema=0.5), DynamicBatchLoading(mode="bandit"), DynamicBatchLoading(mode="constant")],
)
def test_a_log_replays_to_the_last_bit(config: DynamicBatchLoading) -> None:
    events = log(config, 30)
    assert replay(config, events) == []
    assert replay(DynamicBatchLoading(**json.loads(json.dumps(asdict(config)))), events) == []


def test_a_log_that_was_changed_does_not_replay() -> None:
    config = DynamicBatchLoading(loss_ema=0.5)
    events = log(config, 5)
    events[4]["after"]["book"] = math.nextafter(events[4]["after"]["book"], 1)
    (said,) = replay(config, events)
    assert said.startswith("step 100: after the update, 'book' was logged as ")
    events = log(config, 5)
    del events[4]
    found = replay(config, events)
    assert any(said.startswith("step 150: before the update, 'arxiv' was logged as") for said in found)
    assert any(said.startswith("step 150: excess, 'arxiv'") for said in found)
    assert len(replay(replace(config, eta=2), log(config, 5))) >= 5 * 7
    with pytest.raises(MixingError, match="an event 'weights' lacks reference, losses"):
        replay(config, [{"event": "weights", "step": 1, "before": {}, "after": {}, "excess": {}}])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"losses": {"a": 1.0}}, "domain 'b' is not evaluated, though it has weight"),
        ({"reference": {"b": 1.0}}, "domain 'a' has no reference loss"),
        ({"losses": {"a": float("nan"), "b": 1.0}}, "losses: 'a' has nan, expected a finite number"),
        ({"reference": {"a": 1.0, "b": float("inf")}}, "reference losses: 'b' has inf"),
        ({"weights": {"a": 0.5, "b": 0.6}}, "the weights sum to 1.1, expected 1"),
        ({"weights": {"a": 1.5, "b": -0.5}}, "expected numbers of at least 0"),
        ({"weights": {}}, "expected numbers of at least 0 that sum to one"),
    ],
)
def test_what_cannot_be_updated(changed: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {
        "weights": {"a": 0.5, "b": 0.5},
        "losses": {"a": 1.0, "b": 2.0},
        "reference": {"a": 1, "b": 1},
    }
    DynamicBatchLoading().update(**given)
    with pytest.raises(MixingError, match=said):
        DynamicBatchLoading().update(**given | changed)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mode": "doremi"}, "mode is 'doremi': expected one of exponentiated, bandit, constant"),
        ({"every_steps": 0}, "every_steps is 0"),
        ({"eta": 0}, "eta is 0: expected a number above 0"),
        ({"smoothing": 2}, "smoothing is 2: expected a number from 0 to 1"),
        ({"max_step_ratio": 1}, "max_step_ratio is 1: expected a number above 1"),
        ({"loss_ema": 1}, "loss_ema is 1"),
        ({"min_weight": 0.5, "max_weight": 0.4}, "min_weight is 0.5 and max_weight 0.4"),
        ({"clip_negative": "yes"}, "clip_negative is 'yes'"),
    ],
)
def test_settings_that_mean_nothing(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(MixingError, match=said):
        DynamicBatchLoading(**settings)


def test_bounds_without_room_for_the_domains() -> None:
    with pytest.raises(MixingError, match=r"no weights of 7 domains lie between min_weight 0.2 and max_weight 1.0"):
        DynamicBatchLoading(min_weight=0.2).check(WEIGHTS, LOSSES, REFERENCE)
    with pytest.raises(
        MixingError, match=r"max_weight 0.1: expected a floor of at most 0.142857 and a cap of at least"
    ):
        DynamicBatchLoading(max_weight=0.1).check(WEIGHTS, LOSSES, REFERENCE)


@pytest.mark.parametrize(
    "record", [None, {}, {"losses": {"a": "1"}, "streaks": {}}, {"losses": {}, "streaks": {"a": 1.5}}]
)
def test_a_state_that_is_none(record: Any) -> None:
    with pytest.raises(MixingError, match="state"):
        MixState.from_json(record)
