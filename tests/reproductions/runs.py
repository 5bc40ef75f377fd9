"""Small runs of the real engine, and the file that their figures are kept in."""

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from training.config import (
    CheckpointConfig,
    DataConfig,
    EvaluationConfig,
    LogConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)
from training.data.reference_losses import measured, write_reference_losses
from training.engine import Training
from training.models import num_parameters
from training.parallel import Ranks, running
from training.schedules import Schedule
from training.setup import prepare

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
RESULTS = HERE / "results.json"
INIT_STD = 0.08
"""The usual 0.02 is for wide models; with it these learn little but how frequent bytes are in their first 300 steps."""


@dataclass(frozen=True)
class Finished:
    """What a run came to.

    Attributes:
        losses: by domain, the mean loss over its held-out rows at the end, in nat per byte.
        num_params: of the model.
        weights: by domain, its share of the samples at the end.
        alarms: what dynamic batch loading said.
    """

    losses: dict[str, float]
    num_params: int
    weights: dict[str, float]
    alarms: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Over domains, each counting the same."""
        return sum(self.losses.values()) / len(self.losses)


@dataclass
class Bench:
    """Where small runs are made: one process, one thread, so that a seed gives the same figures again.

    Attributes:
        export: the folder of shards.
        work: a folder for what runs leave.
        ranks: this process.
    """

    export: Path
    work: Path
    ranks: Ranks
    _done: int = field(default=0, init=False)

    def run(self, config: TrainConfig, reference_to: Path | None = None) -> Finished:
        """Train to the end; the losses then become a table of reference losses where a file for it is named."""
        self._done += 1
        events: list[dict[str, Any]] = []
        parts = prepare(config, self.work / f"run-{self._done}", self.ranks)
        try:
            done = Training(parts, lambda event, **fields: events.append({"event": event, **fields})).run()
            assert done.evaluated is not None
            losses, weights = dict(done.evaluated.losses), dict(done.evaluated.weights)
            size = num_parameters(parts.model)
        finally:
            parts.zero.close()
        if reference_to is not None:
            table = measured(
                losses,
                parts.loader.manifest,
                tokens={name: int(number) for name, number in weights.items()},
                model=config.name,
                num_params=size,
            )
            write_reference_losses(table, reference_to)
        updates = [event for event in events if event["event"] == "weights"]
        shares = updates[-1]["after"] if updates else parts.plan.weights
        alarms = tuple(alarm for update in updates for alarm in update["alarms"])
        return Finished(losses, size, dict(shares), alarms)


@contextmanager
def bench(export: Path, work: Path) -> Iterator[Bench]:
    """A bench for as long as the block lasts."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with running(device="cpu") as ranks:
            yield Bench(export, work, ranks)
    finally:
        torch.set_num_threads(threads)


def settings(
    name: str,
    export: Path,
    *,
    width: int,
    layers: int,
    steps: int,
    batch_size: int,
    seed: int,
    eval_tokens: int,
    lr: float,
    schedule: Schedule,
    weights: dict[str, float] | None = None,
) -> TrainConfig:
    """A small Llama in fp32, evaluated at its end, of which nothing is saved."""
    return TrainConfig(
        name=name,
        model=ModelConfig(
            config={
                "model_type": "llama",
                "hidden_size": width,
                "intermediate_size": 8 * width // 3 // 8 * 8,
                "num_hidden_layers": layers,
                "num_attention_heads": width // 32,
                "num_key_value_heads": width // 32,
                "tie_word_embeddings": True,
            },
            init_std=INIT_STD,
        ),
        data=DataConfig(shards=str(export), weights=weights),
        steps=steps,
        batch_size=batch_size,
        precision="fp32",
        zero_stage=0,
        seed=seed,
        optimizer=OptimizerConfig(lr=lr),
        schedule=schedule,
        evaluation=EvaluationConfig(every_steps=0, max_tokens_per_domain=eval_tokens, batch_size=64),
        checkpoint=CheckpointConfig(at_end=False, save_model=False),
        log=LogConfig(peak_tflops=1.0),
    )  # fmt: skip


def recorded() -> dict[str, Any]:
    """The figures that are kept, by what they are of."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def record(name: str, figures: dict[str, Any]) -> None:
    """Keep figures, with when and on what they were made."""
    processors = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    here = {
        "processor": processors[0].partition(":")[2].strip() if processors else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "transformers": version("transformers"),
        "deepspeed": version("deepspeed"),
    }
    date = datetime.now(UTC).date().isoformat()
    everything = recorded() | {name: {"date": date, "machine": here, **figures}}
    RESULTS.write_text(json.dumps(dict(sorted(everything.items())), indent=1) + "\n")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
