"""What a run amounts to, worked out and checked before the first step and before any GPU time is spent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.config import TrainConfig, to_json
from training.data import Content, Loader, OrderSettings
from training.data.files import LocalFiles
from training.data.weights import proportional
from training.errors import ConfigError
from training.parallel import Ranks

MAY_CHANGE = (
    "name",
    "data.shards",
    "data.num_workers",
    "data.verify",
    "data.cache",
    "data.cache_gb",
    "micro_batch_size",
    "zero_stage",
    "model.attention",
    "model.activation_checkpointing",
    "max_loss",
    "fail_on_skipped",
    "evaluation.batch_size",
    "checkpoint",
    "log",
)
"""Fields that may differ where a run goes on: they do not decide which numbers come out, but for rounding."""


@dataclass(frozen=True)
class Plan:
    """What a config means for these shards and this number of ranks.

    Attributes:
        total_steps: updates of the whole run.
        micro_batch_size: rows that a rank computes at a time.
        accumulation: micro-batches of a step on each rank.
        weights: share of each domain at the beginning.
    """

    total_steps: int
    micro_batch_size: int
    accumulation: int
    weights: Mapping[str, float]


def plan_of(config: TrainConfig, loader: Loader, ranks: Ranks) -> Plan:
    """Work out steps and batches.

    Raises:
        ConfigError: the batch cannot be divided among the ranks, or the run has no whole batch.
    """
    own = config.batch_size // ranks.world_size
    micro = own if config.micro_batch_size is None else config.micro_batch_size
    rows = loader.manifest.rows()
    row_length = loader.manifest.row_length
    if config.steps is not None:
        steps = config.steps
    elif config.tokens is not None:
        steps = config.tokens // (config.batch_size * row_length)
    else:
        steps = int((config.epochs or 0) * sum(rows.values())) // config.batch_size
    if steps < 1:
        raise ConfigError(
            f"the run has no whole batch: a batch is {config.batch_size} rows of {row_length:,} tokens, and there are "
            f"{sum(rows.values()):,} rows. Give a smaller batch_size, or more steps, tokens or epochs"
        )
    weights = dict(config.data.weights) if config.data.weights is not None else proportional(rows)
    return Plan(total_steps=steps, micro_batch_size=micro, accumulation=own // micro, weights=weights)


def check_batches(config: TrainConfig, ranks: Ranks) -> None:
    """Check that a batch can be divided.

    Raises:
        ConfigError: it cannot; with numbers that would do.
    """
    world, size, micro = ranks.world_size, config.batch_size, config.micro_batch_size
    if size % world:
        fitting = sorted({max(size - size % world, world), size + world - size % world})
        raise ConfigError(
            f"batch_size is {size} and there are {world} ranks: a batch is divided evenly. "
            f"{' or '.join(map(str, fitting))} rows would do"
        )
    own = size // world
    if micro is not None and own % micro:
        fitting = [number for number in range(1, own + 1) if own % number == 0]
        raise ConfigError(
            f"micro_batch_size is {micro}, and each of {world} ranks has {own} of the {size} rows of a batch: expected "
            f"one of {', '.join(map(str, fitting))}"
        )


def open_loader(config: TrainConfig, ranks: Ranks) -> Loader:
    """The loader of a run, from its first sample."""
    data = config.data
    content = Content(labels="shifted", position_ids=data.inside_documents)
    arguments: dict[str, Any] = {
        "seed": config.seed,
        "batch_size": config.batch_size,
        "micro_batch_size": config.micro_batch_size,
        "rank": ranks.rank,
        "world_size": ranks.world_size,
        "order": OrderSettings(max_epochs_per_domain=data.max_epochs_per_domain),
        "verify": data.verify,
        "cache": data.cache,
        "cache_bytes": int(data.cache_gb * 1e9),
    }
    loader = Loader(data.shards, data.weights, content=content, **arguments)
    if loader.manifest.loss_weights:
        weighted = Content(labels="shifted", position_ids=data.inside_documents, loss_weights=True)
        loader = Loader(data.shards, data.weights, content=weighted, **arguments)
    return loader


def tokenizer_file(loader: Loader) -> Path | None:
    """The tokenizer beside the shards, where these lie on a disk of this machine."""
    files = loader._files
    if not isinstance(files, LocalFiles):
        return None
    found = files.folder / loader.manifest.tokenizer.file
    return found if found.is_file() else None


def differences(before: TrainConfig, now: TrainConfig) -> list[str]:
    """What decides a run's numbers and differs between two configs, as sentences."""
    old, new = dict(_flat(json.loads(to_json(before)))), dict(_flat(json.loads(to_json(now))))
    return [
        f"{name} was {old.get(name)!r} and is {new.get(name)!r}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name) and not _may_change(name)
    ]


def _may_change(name: str) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in MAY_CHANGE)


def _flat(record: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(record, dict):
        return [(prefix.removesuffix("."), record)]
    return [pair for name, value in record.items() for pair in _flat(value, f"{prefix}{name}.")] or [
        (prefix.removesuffix("."), {})
    ]
