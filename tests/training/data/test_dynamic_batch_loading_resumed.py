"""A3: dynamic batch loading with a real loader, killed and resumed at another world size; nothing changes."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.data import Loader, OrderSettings
from training.data.dynamic_batch_loading import DynamicBatchLoading, MixState, replay

BATCH = 12
CONFIG = DynamicBatchLoading(every_steps=5, eta=2.0, loss_ema=0.3)
START = {"books": 0.5, "web pages": 0.25, "ärzte/..": 0.25, "held": 0.0}
REFERENCE = {"books": 2.0, "web pages": 1.5, "ärzte/..": 2.5}


class Run:
    """A run of as many ranks as one likes, without the model: a domain's loss falls with the samples drawn of it."""

    def __init__(self, export: Path, world_size: int, saved: str | None = None, block: int = 256) -> None:
        order = OrderSettings(block=block)
        self.loaders = [
            Loader(export, START, seed=5, batch_size=BATCH, rank=rank, world_size=world_size, order=order)
            for rank in range(world_size)
        ]
        self.step, self.weights, self.state = 0, dict(START), MixState.empty()
        self.read: list[tuple[int, int, int]] = []
        self.events: list[dict[str, Any]] = []
        if saved is not None:
            record = json.loads(saved)
            self.step, self.weights = record["step"], record["weights"]
            self.state, self.events = MixState.from_json(record["state"]), record["events"]
            for loader in self.loaders:
                loader.load_state(record["loader"])

    def saved(self) -> str:
        record = {"step": self.step, "weights": self.weights, "state": self.state.to_json(), "events": self.events}
        return json.dumps(record | {"loader": self.loaders[0].state()})

    def until(self, step: int) -> "Run":
        while self.step < step:
            batches = [loader.next_batch() for loader in self.loaders]
            rows = [
                row for batch in batches for row in zip(batch["domain"].tolist(), batch["row"].tolist(), strict=True)
            ]
            self.read += [(self.step, *row) for row in sorted(rows)]
            self.step += 1
            if self.step % CONFIG.every_steps == 0:
                self.update()
        return self

    def update(self) -> None:
        drawn = self.loaders[0].drawn()
        losses = {name: REFERENCE[name] * (0.9 + 8 / (10 + drawn[name])) for name in REFERENCE}
        update = CONFIG.update(self.weights, losses, REFERENCE, self.state)
        numbers = {"before": self.weights, "after": update.weights, "reference": REFERENCE, "losses": losses}
        self.events.append({"event": "weights", "step": self.step, **numbers, "excess": update.excess})
        self.weights, self.state = dict(update.weights), update.state
        for loader in self.loaders:
            loader.set_weights(self.weights)


@pytest.mark.parametrize(("before", "after"), [(1, 3), (4, 1), (2, 2)])
def test_killed_and_resumed(export: Path, before: int, after: int) -> None:
    whole = Run(export, 1).until(60)
    for killed in (4, 5, 23):
        first = Run(export, before).until(killed)
        saved = first.saved()
        first.until(killed + 3)  # what was done after the checkpoint is lost
        second = Run(export, after, saved).until(60)
        assert [row for row in first.read if row[0] < killed] + second.read == whole.read
        assert second.events == json.loads(json.dumps(whole.events))
    assert replay(CONFIG, whole.events) == []
    assert len(whole.events) == 12


def test_the_loader_follows_the_weights(export: Path) -> None:
    run = Run(export, 1, block=BATCH).until(60)  # so that no change of weights cuts a block
    drawn, expected = run.loaders[0].drawn(), dict.fromkeys(START, 0.0)
    for weights in [START, *(event["after"] for event in run.events[:-1])]:
        for name, weight in weights.items():
            expected[name] += weight * CONFIG.every_steps * BATCH
    assert max(abs(drawn[name] - expected[name]) for name in START) < 1.5
    assert drawn["held"] == 0
    assert max(abs(run.weights[name] - START[name]) for name in START) > 0.1, "the weights did move"
