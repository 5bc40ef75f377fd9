"""Learning-rate schedules, each beside its formula."""

import json
import math
from dataclasses import asdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.schedules import Schedule, ScheduleError, plateau_steps


def curve(schedule: Schedule, total: int) -> list[float]:
    return [schedule.factor(step, total) for step in range(total)]


def test_linear_goes_to_zero_and_wastes_no_update() -> None:
    assert curve(Schedule(), 4) == [1.0, 0.75, 0.5, 0.25]
    assert curve(Schedule(warmup_steps=3), 7) == [0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25]
    assert curve(Schedule(final=0.2), 4) == pytest.approx([1.0, 0.8, 0.6, 0.4], rel=1e-15)


def test_cosine_goes_to_a_tenth() -> None:
    warmup, total = 5, 45
    found = curve(Schedule(kind="cosine", warmup_steps=warmup), total)
    expected = [(i + 1) / 6 for i in range(warmup)]
    expected += [0.1 + 0.45 * (1 + math.cos(math.pi * i / 40)) for i in range(40)]
    assert found == pytest.approx(expected, abs=1e-14)
    assert found[25] == pytest.approx(0.55)
    assert found[-1] == pytest.approx(0.1 + 0.9 * math.sin(math.pi / 80) ** 2)
    to_zero = curve(Schedule(kind="cosine", final=0), 40)
    assert to_zero == pytest.approx([math.cos(math.pi * i / 80) ** 2 for i in range(40)], abs=1e-14)


def test_rex_is_the_papers_profile() -> None:
    found = curve(Schedule(kind="rex", warmup_share=0.2), 50)
    profile = [(1 - i / 40) / (1 / 2 + 1 / 2 * (1 - i / 40)) for i in range(40)]
    assert found[10:] == pytest.approx(profile, abs=1e-14)
    assert found[30] == pytest.approx(2 / 3)
    assert found[-1] == pytest.approx((1 / 40) / (0.5 + 0.5 / 40))
    raised = curve(Schedule(kind="rex", final=0.1), 40)
    assert raised == pytest.approx([0.1 + 0.9 * value for value in profile], abs=1e-14)


@pytest.mark.parametrize(
    ("shape", "decay"),
    [
        ("linear", lambda step, total, num: 1 - (step - (total - num)) / num),
        ("1-sqrt", lambda step, total, num: 1 - ((step - (total - num)) / num) ** 0.5),
    ],
)
def test_wsd_is_stable_and_then_decays(shape, decay) -> None:  # type: ignore[no-untyped-def]
    schedule = Schedule(kind="wsd", warmup_steps=9, decay_share=0.3, decay_shape=shape)
    found = curve(schedule, 100)
    assert found[:9] == pytest.approx([(i + 1) / 10 for i in range(9)])
    assert found[9:71] == [1.0] * 62
    assert found[70:] == pytest.approx([decay(n, 100, 30) for n in range(70, 100)], abs=1e-14)
    assert found[-1] > 0
    raised = curve(Schedule(kind="wsd", decay_shape=shape, final=0.25), 100)
    assert raised[80:] == pytest.approx([0.25 + 0.75 * decay(n, 100, 20) for n in range(80, 100)], abs=1e-14)


def test_power_is_the_smaller_of_peak_and_law() -> None:
    peak, batch, tokens, a, b = 0.02, 128, 524_288, 4.0, -0.51
    start = plateau_steps(peak, batch_size=batch, tokens_per_step=tokens, amplitude=a)
    total = 20 * start
    schedule = Schedule(kind="power", warmup_share=0.01, plateau_steps=start, decay_share=0)
    for step in {start - 1, start, start + 1, 2 * start, total // 2, total - 1}:
        law = min(peak, batch * a * (step * tokens) ** b)
        assert schedule.factor(step, total) * peak == pytest.approx(law, rel=2e-3)  # the plateau is whole updates long
    exact = Schedule(kind="power", plateau_steps=100, exponent=0.5, decay_share=0)
    assert exact.factor(400, 1000) == pytest.approx(0.5, rel=1e-15)
    assert exact.factor(900, 1000) == pytest.approx(1 / 3, rel=1e-15)


def test_power_decays_from_where_the_law_stands_and_warms_up_to_it() -> None:
    schedule = Schedule(kind="power", plateau_steps=100, exponent=0.5, decay_share=0.1)
    assert schedule.factor(900, 1000) == pytest.approx(1 / 3)
    assert [schedule.factor(n, 1000) for n in (925, 950, 999)] == pytest.approx([1 / 4, 1 / 6, 1 / 300])
    late = Schedule(kind="power", plateau_steps=25, exponent=0.5, warmup_steps=100)
    assert late.factor(49, 1000) == pytest.approx(50 / 101 * 0.5)
    above = Schedule(kind="power", plateau_steps=100, exponent=0.5, final=0.5)
    assert above.factor(999, 1000) == pytest.approx(1 / 3), "a final factor above the law changes nothing"


def test_constant_stays() -> None:
    assert curve(Schedule(kind="constant"), 3) == [1.0] * 3
    assert curve(Schedule(kind="constant", warmup_steps=1), 3) == [0.5, 1.0, 1.0]


EVERY = [
    Schedule(),
    Schedule(kind="cosine"),
    Schedule(kind="wsd"),
    Schedule(kind="wsd", decay_shape="1-sqrt", decay_share=1.0),
    Schedule(kind="rex"),
    Schedule(kind="power", plateau_steps=7),
    Schedule(kind="constant"),
]


@pytest.mark.parametrize("schedule", EVERY, ids=lambda schedule: schedule.kind)
def test_a_run_of_one_update_has_the_peak(schedule: Schedule) -> None:
    assert schedule.factor(0, 1) == 1.0


@pytest.mark.parametrize("kind", ["linear", "cosine", "wsd", "rex", "power", "constant"])
@settings(deadline=None)
@given(total=st.integers(1, 400), share=st.floats(0, 0.5), final=st.floats(0, 1), steps=st.booleans())
def test_every_factor_is_above_zero_and_rises_only_in_warm_up(kind, total, share, final, steps) -> None:  # type: ignore[no-untyped-def]
    settings = {} if kind == "constant" else {"final": final}
    if kind == "power":
        settings["plateau_steps"] = 20
    warmup = min(int(share * total), total - 1)
    settings |= {"warmup_steps": warmup} if steps else {"warmup_share": share}
    schedule = Schedule(kind=kind, **settings)
    if schedule.num_warmup(total) + schedule.num_decay(total) > total:
        with pytest.raises(ScheduleError, match="do not fit into a run"):
            schedule.check(total)
        return
    found, warmup = curve(schedule, total), schedule.num_warmup(total)
    assert all(0 < factor <= 1 for factor in found)
    assert all(before < after for before, after in pairwise(found[: warmup + 1]))
    assert all(before >= after - 1e-15 for before, after in pairwise(found[warmup:]))
    if kind != "power":
        assert found[warmup] == 1.0


@pytest.mark.parametrize("schedule", EVERY, ids=lambda schedule: schedule.kind)
def test_a_schedule_survives_json(schedule: Schedule) -> None:
    assert Schedule(**json.loads(json.dumps(asdict(schedule)))) == schedule


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "exponential"}, "kind is 'exponential': expected one of linear, cosine, wsd, rex, power, constant"),
        ({"warmup_steps": 3, "warmup_share": 0.1}, "both given"),
        ({"warmup_steps": -1}, "warmup_steps is -1: expected a whole number of at least 0"),
        ({"warmup_steps": 0.1}, "warmup_steps is 0.1: expected a whole number"),
        ({"warmup_share": 1.0}, "warmup_share is 1.0: expected a number from 0 to below 1"),
        ({"warmup_share": float("nan")}, "warmup_share is nan"),
        ({"final": 1.5}, "final is 1.5: expected a number from 0 to 1"),
        ({"kind": "constant", "final": 0.1}, "final says nothing to kind 'constant', only to linear, cosine"),
        ({"kind": "cosine", "decay_share": 0.1}, "decay_share says nothing to kind 'cosine', only to wsd, power"),
        ({"kind": "wsd", "decay_shape": "sqrt"}, "decay_shape is 'sqrt': expected one of linear, 1-sqrt"),
        ({"kind": "wsd", "decay_share": 0}, "wsd without a decay is kind 'constant'"),
        ({"kind": "power"}, "needs plateau_steps"),
        ({"kind": "power", "plateau_steps": 5, "exponent": -0.51}, "exponent is -0.51: expected a number above 0"),
    ],
)
def test_settings_that_make_no_schedule(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ScheduleError, match=said):
        Schedule(**settings)  # type: ignore[arg-type]


def test_what_does_not_fit_into_the_run() -> None:
    with pytest.raises(ScheduleError, match="100 updates of warm-up in a run of 50: the peak would never be reached"):
        Schedule(warmup_steps=100).factor(0, 50)
    with pytest.raises(ScheduleError, match="Expected at most 0"):
        Schedule(warmup_steps=1).check(1)
    with pytest.raises(ScheduleError, match="60 updates of warm-up and 50 of decay do not fit into a run of 100"):
        Schedule(kind="wsd", warmup_steps=60, decay_share=0.5).check(100)
    with pytest.raises(ScheduleError, match="update 10 of 10: expected 0 to 9"):
        Schedule().factor(10, 10)
    with pytest.raises(ScheduleError, match="total_steps is 0"):
        Schedule().factor(0, 0)


def test_a_power_law_that_is_nowhere_above_the_peak() -> None:
    with pytest.raises(ScheduleError, match="expected at least one: lower the peak"):
        plateau_steps(0.5, batch_size=1, tokens_per_step=1_000_000, amplitude=4)
    with pytest.raises(ScheduleError, match="peak is 0: expected a number above 0"):
        plateau_steps(0, batch_size=1, tokens_per_step=1, amplitude=4)
