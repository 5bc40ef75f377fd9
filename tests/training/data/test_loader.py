"""The loader: the same sequence whoever reads it, resumed exactly, with weights that change and domains that end."""

import json
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.data import DataError, ExhaustedError, Loader, OrderSettings, StateError, WeightsError

WEIGHTS = {"books": 0.3, "web pages": 0.2, "ärzte/..": 0.5, "held": 0.0}
OTHER = {"books": 0.1, "web pages": 0.8, "ärzte/..": 0.1, "held": 0.0}
Sample = tuple[int, int, int]


def samples(batch: dict[str, Any]) -> dict[int, Sample]:
    """Domain, row and first token of each sample of a batch."""
    columns = (batch["domain"], batch["row"], batch["tokens"][:, 0])
    return dict(zip(batch["sample"].tolist(), zip(*(c.tolist() for c in columns), strict=True), strict=True))  # type: ignore[arg-type]


def read(export: Path, until: int, *, world_size: int, micro: int, state: Any = None, **more: Any) -> dict[int, Sample]:
    """What all ranks read up to a sample; each sample by one rank only."""
    found: dict[int, Sample] = {}
    for rank in range(world_size):
        loader = Loader(
            export,
            WEIGHTS,
            seed=7,
            batch_size=micro * world_size,
            micro_batch_size=micro,
            rank=rank,
            world_size=world_size,
            until=until,
            **more,
        )
        if state is not None:
            loader.load_state(state)
        for batch in loader:
            own = samples(batch)
            assert not found.keys() & own.keys()
            assert all(number % world_size == rank for number in own)
            found |= own
    return found


def test_the_same_sequence_for_any_world_size_and_micro_batch(export: Path) -> None:
    expected = read(export, 960, world_size=1, micro=1)
    assert sorted(expected) == list(range(960))
    for world_size in (1, 2, 3, 8):
        for micro in (1, 4, 5):
            assert read(export, 960, world_size=world_size, micro=micro) == expected


def test_micro_batches_are_parts_of_a_batch(export: Path) -> None:
    loader = Loader(export, WEIGHTS, seed=7, batch_size=24, micro_batch_size=3, rank=1, world_size=2)
    first, second = loader.next_batch(), loader.next_batch()
    assert first["sample"].tolist() == [1, 3, 5]
    assert second["sample"].tolist() == [7, 9, 11]
    assert (loader.n, first["next"], second["next"]) == (12, 6, 12)


@pytest.fixture(scope="module")
def undisturbed(export: Path) -> list[Sample]:
    """What is read without a kill, with two changes of weights on the way and domains that end."""
    loader = changed(Loader(export, WEIGHTS, seed=7, batch_size=1, until=1400))
    return [samples(batch)[n] for n, batch in enumerate(loader)]


def changed(loader: Loader) -> Loader:
    loader.set_weights(OTHER, at=333)
    loader.set_weights(WEIGHTS, at=700)
    return loader


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_resumes_after_a_kill_at_any_step_and_world_size(
    export: Path, undisturbed: list[Sample], data: st.DataObject
) -> None:
    state: Any = None
    number = 0
    for _ in range(data.draw(st.integers(1, 4), label="kills")):
        world_size, micro = data.draw(st.sampled_from([1, 2, 3, 8])), data.draw(st.integers(1, 6))
        steps = data.draw(st.integers(0, 300 // (world_size * micro)))
        found: dict[int, Sample] = {}
        states = []
        for rank in range(world_size):
            # A new loader, as in a new process: nothing is left of the old one but its state as JSON.
            loader = Loader(export, WEIGHTS, seed=7, batch_size=world_size * micro, rank=rank, world_size=world_size)
            if state is None:
                changed(loader)
            else:
                loader.load_state(json.loads(state))
            for _ in range(steps):
                found |= samples(loader.next_batch())
            states.append(json.dumps(loader.state()))
        assert len(set(states)) == 1
        state = states[0]
        end = number + steps * world_size * micro
        assert sorted(found) == list(range(number, end))
        assert [found[n] for n in range(number, end)] == undisturbed[number:end]
        number = end


def test_a_state_is_small_whatever_the_corpus_and_the_length(export: Path) -> None:
    loader = Loader(export, WEIGHTS, seed=7, batch_size=4)
    loader.advance(1200)
    assert len(json.dumps(loader.state())) < 1000


def test_a_state_can_be_asked_for_at_any_sample(export: Path) -> None:
    loader = changed(Loader(export, WEIGHTS, seed=7, batch_size=10))
    for number in (0, 1, 333, 334, 600, 1000):
        resumed = Loader(export, WEIGHTS, seed=7, batch_size=10)
        resumed.load_state(loader.state(number))
        assert resumed.n == number
        assert samples(resumed.next_batch()) == samples(loader.batch_at(number))
        assert resumed.weight_log == loader.weight_log
        assert resumed.state(number) == loader.state(number)


def test_resuming_replays_nothing(own_export: Path) -> None:
    loader = Loader(own_export, seed=1, batch_size=4, order=OrderSettings(max_epochs_per_domain=1 << 20))
    far = 20_000_000
    state = loader.state(far)
    resumed = Loader(own_export, seed=1, batch_size=4, order=OrderSettings(max_epochs_per_domain=1 << 20))
    resumed.load_state(state)
    assert state["block"]["start"] > far - 256
    assert samples(resumed.next_batch()) == samples(loader.batch_at(far))


def test_a_change_leaves_what_came_before_and_is_recorded(export: Path) -> None:
    still = Loader(export, WEIGHTS, seed=7, batch_size=8, until=800)
    loader = Loader(export, WEIGHTS, seed=7, batch_size=8, until=800)
    before: dict[int, Sample] = {}
    for batch in loader:
        before |= samples(batch)
        if loader.n == 200:
            assert loader.earliest_change == 200
            assert loader.set_weights(OTHER, at=301) == 301
        if loader.n == 400:
            assert loader.set_weights(WEIGHTS) == 400
    unchanged: dict[int, Sample] = {}
    for batch in still:
        unchanged |= samples(batch)
    assert [before[n] for n in range(301)] == [unchanged[n] for n in range(301)]
    assert [before[n] for n in range(301, 400)] != [unchanged[n] for n in range(301, 400)]
    assert [start for start, _ in loader.weight_log] == [0, 301, 400]
    assert loader.weight_log[1][1] == pytest.approx(OTHER, abs=1e-11)
    assert [entry[0] for entry in loader.state()["weights"]] == [0, 301, 400]
    counts = np.bincount([before[n][0] for n in range(800)], minlength=4)
    expected = (301 + 400) * np.array([0.3, 0, 0.2, 0.5]) + 99 * np.array([0.1, 0, 0.8, 0.1])
    assert np.abs(counts - expected).max() < 8  # the last block is not over
    assert list(loader.drawn().values()) == counts.tolist()


def test_changes_that_come_too_late_or_out_of_order(export: Path) -> None:
    loader = Loader(export, WEIGHTS, seed=7, batch_size=8)
    loader.next_batch()
    with pytest.raises(WeightsError, match=r"cannot change at sample 7: samples up to 7 .* earliest is 8"):
        loader.set_weights(OTHER, at=7)
    loader.set_weights(OTHER, at=100)
    with pytest.raises(WeightsError, match="a change of weights at sample 50 comes after one at sample 100"):
        loader.set_weights(OTHER, at=50)
    with pytest.raises(WeightsError, match=r"domain 'held' has weight 0\.5 but no rows"):
        loader.set_weights({"books": 0.5, "web pages": 0, "ärzte/..": 0, "held": 0.5}, at=200)
    assert len(loader.weight_log) == 2


def test_domains_that_end_are_told_and_recorded(export: Path, caplog: pytest.LogCaptureFixture) -> None:
    order = OrderSettings(block=32, max_epochs_per_domain=2)
    loader = Loader(export, {**OTHER, "held": 0.0}, seed=7, batch_size=10, order=order)
    with caplog.at_level(logging.WARNING), pytest.raises(ExhaustedError, match="corpus is exhausted at sample 1014"):
        list(loader)
    assert loader.n == 1010
    messages = [record.getMessage() for record in caplog.records]
    ended = [message for message in messages if "DOMAIN EXHAUSTED" in message]
    again = [message for message in messages if "again, in a new order" in message]
    assert "'web pages' has been read 2 times" in ended[0]
    assert len(ended) == len({name for _, name in loader.exhausted()})
    assert any("'web pages' (epoch 2)" in message for message in again)
    assert loader.exhausted()[0][1] == "web pages"
    state = loader.state()
    assert state["block"]["exhausted"][0] == [loader.exhausted()[0][0], loader.domains.index("web pages")]
    # A resumed loader knows, and does not say it again.
    caplog.clear()
    resumed = Loader(export, {**OTHER, "held": 0.0}, seed=7, batch_size=10, order=order)
    resumed.load_state(json.loads(json.dumps(state)))
    assert resumed.exhausted() == loader.exhausted()
    assert not caplog.records


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 8}, "seed was 8 and is 7"),
        ({"row_length": 64}, "row_length was 64 and is 32"),
        ({"manifest": "0" * 64}, "manifest was '0000.* and is '"),
        ({"settings": {"block": 128}}, "settings was {'block': 128} and is {'block': 256, "),
        ({"version": 2}, "has version 2, and this code reads version 1"),
        ({"format": "x"}, "this is no state of a loader"),
        ({"n": 10_000}, "sample 10000 is not in the block at"),
        ({"n": "many"}, "the state is damaged"),
        ({"block": {}}, r"the state is damaged \(KeyError: 'exhausted'\)|the state is damaged"),
        ({"weights": [[0, [1, 2, 3, 4]]]}, "its counts or weights do not add up"),
        ({"weights": []}, "contradicts itself"),
    ],
)
def test_states_of_something_else(export: Path, change: dict[str, Any], said: str) -> None:
    loader = Loader(export, WEIGHTS, seed=7, batch_size=8)
    loader.advance(400)
    state = loader.state() | change
    with pytest.raises(StateError, match=said):
        loader.load_state(state)
    assert loader.n == 400
    loader.next_batch()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rank": 2, "world_size": 2}, "rank is 2, expected 0 to 1"),
        ({"batch_size": 9, "world_size": 2}, "batch_size is 9, expected a multiple of world_size, which is 2"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 8, "micro_batch_size": 3}, "micro_batch_size is 3, expected a divisor of the 8 samples"),
        ({"weights": {"books": 1.0}}, "weights say nothing of 'held', 'web pages', 'ärzte/..'"),
        ({"weights": WEIGHTS | {"held": 0.1}}, "domain 'held' has weight 0.1 but no rows to train on"),
        ({"weights": WEIGHTS | {"books": 0.9}}, "the weights sum to 1.6"),
        ({"weights": WEIGHTS | {"boks": 0.0}}, "'boks', which is no domain"),
    ],
)
def test_arguments_that_cannot_be_followed(export: Path, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Loader(export, **arguments)


def test_without_weights_every_row_is_as_likely(export: Path) -> None:
    loader = Loader(export, seed=0, batch_size=507)
    batch = loader.next_batch()
    assert np.abs(np.bincount(batch["domain"]) - [130, 0, 77, 300]).max() <= 6
    assert loader.weight_log[0][1]["books"] == pytest.approx(130 / 507)


def test_pickled_and_copied(export: Path) -> None:
    loader = changed(Loader(export, WEIGHTS, seed=7, batch_size=8))
    loader.next_batch()
    copy = pickle.loads(pickle.dumps(loader))
    assert copy.state() == loader.state()
    assert samples(copy.next_batch()) == samples(loader.next_batch())


def test_stops_before_until(export: Path) -> None:
    assert [batch["next"] for batch in Loader(export, batch_size=8, until=30)] == [8, 16, 24]
