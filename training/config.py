"""What a training run is: one frozen value, readable as Python and as JSON.

No file of shards and no torch is touched here; what depends on them is checked when a run is set up.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from training.data.dynamic_batch_loading import DynamicBatchLoading
from training.errors import ConfigError
from training.schedules import Schedule

LARGEST_SEED = (1 << 63) - 1


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which model is trained.

    Attributes:
        checkpoint: folder of a Hugging Face causal language model, or its name on the hub, to go on with.
        config: a new model instead: fields of its Hugging Face configuration, `model_type` among them; the vocabulary's
            size and the special ids come from the shards where they are not given.
        revision: of a checkpoint on the hub.
        attention: implementation that Hugging Face's models know: `sdpa`, `eager`, `flash_attention_2`...; None for the
            model's own choice.
        activation_checkpointing: compute activations again in the backward pass instead of keeping them.
        init_std: standard deviation of a new model's matrices; None: `initializer_range` of its configuration.
        init_scale_residual: divide it by sqrt(2 x layers) for the projections that write to the residual stream.
        any_tokenizer: go on with a checkpoint although its tokenizer is not that of the shards.
    """

    checkpoint: str | None = None
    config: Mapping[str, Any] | None = None
    revision: str | None = None
    attention: str | None = None
    activation_checkpointing: bool = False
    init_std: float | None = None
    init_scale_residual: bool = True
    any_tokenizer: bool = False

    def __post_init__(self) -> None:
        if (self.checkpoint is None) == (self.config is None):
            raise ConfigError("model: expected either `checkpoint` (to go on with) or `config` (for a new model)")
        if self.config is not None and "model_type" not in self.config:
            raise ConfigError('model.config: expected a "model_type", for instance "llama", among its fields')
        if self.init_std is not None and not self.init_std > 0:
            raise ConfigError(f"model.init_std is {self.init_std}: expected a number above 0")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is read, and in which proportions.

    Attributes:
        shards: folder of an export, or its address in the words of fsspec.
        weights: share of each domain in the samples at the beginning, summing to one; None: their shares in the rows.
        inside_documents: tokens attend to their own document only, and positions count from its beginning.
        max_epochs_per_domain: how often a domain is read before its weight becomes 0.
        num_workers: processes that read ahead, for each rank.
        verify: what is checked when a shard is first touched.
        cache: folder for copies of shards that lie elsewhere.
        cache_gb: how much these copies may take.
    """

    shards: str
    weights: Mapping[str, float] | None = None
    inside_documents: bool = True
    max_epochs_per_domain: int = 4
    num_workers: int = 0
    verify: Literal["first_touch", "sha256", "size"] = "first_touch"
    cache: str | None = None
    cache_gb: float = 50.0


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How weights change.

    Attributes:
        kind: `adamw`, or `lion`, which keeps one number for each weight where AdamW keeps two (Chen et al. 2023; its
            learning rate is 3 to 10 times smaller and its weight decay as much larger).
        lr: peak learning rate; the schedule multiplies it.
        betas: decay rates of the running averages; None: (0.9, 0.95) for AdamW, (0.95, 0.98) for Lion.
        eps: AdamW's.
        weight_decay: decoupled, multiplied by the learning rate. On matrices only: never on norms, biases and, unless
            `decay_embeddings`, embeddings.
        decay_embeddings: decay embeddings and an output layer tied to them too.
        clip_norm: gradients are scaled down to this global norm; 0 leaves them as they are.
    """

    kind: Literal["adamw", "lion"] = "adamw"
    lr: float = 3e-4
    betas: tuple[float, float] | None = None
    eps: float = 1e-8
    weight_decay: float = 0.1
    decay_embeddings: bool = False
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ConfigError(f"optimizer.lr is {self.lr}: expected a number above 0")
        if self.weight_decay < 0 or self.clip_norm < 0:
            raise ConfigError("optimizer.weight_decay and optimizer.clip_norm may not be negative (0 turns them off)")


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """When the loss of each domain is measured on the rows held out of it.

    Attributes:
        every_steps: how often, beside the beginning and the end; 0: at these two only, None: never.
        max_tokens_per_domain: rows are taken in their order until there are so many tokens; None: all rows. Dynamic
            batch loading wants 200,000 tokens or more, else it follows noise.
        batch_size: rows of each rank at a time; None: `micro_batch_size`.
    """

    every_steps: int | None = 0
    max_tokens_per_domain: int | None = 1_000_000
    batch_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """What is kept to go on from.

    Attributes:
        every_steps: how often; 0: at the end only.
        keep: how many of the newest stay; None: all.
        at_end: write one when the run is done.
        save_model: write the model at the end as Hugging Face safetensors.
        model_dtype: of its numbers.
    """

    every_steps: int = 0
    keep: int | None = 2
    at_end: bool = True
    save_model: bool = True
    model_dtype: Literal["bfloat16", "float32"] = "bfloat16"

    def __post_init__(self) -> None:
        if self.every_steps < 0 or (self.keep is not None and self.keep < 1):
            raise ConfigError("checkpoint.every_steps is at least 0, and checkpoint.keep at least 1 (or null for all)")


@dataclass(frozen=True, kw_only=True)
class LogConfig:
    """Where numbers go beside `metrics.jsonl`.

    Attributes:
        tensorboard: write event files into the run's folder.
        wandb: project of Weights & Biases; None: none.
        every_steps: how often a step is written down.
        peak_tflops: of one device, for the share of it that is used (MFU); None: known for common GPUs, measured else.
    """

    tensorboard: bool = False
    wandb: str | None = None
    every_steps: int = 1
    peak_tflops: float | None = None

    def __post_init__(self) -> None:
        if self.every_steps < 1:
            raise ConfigError(f"log.every_steps is {self.every_steps}: expected at least 1")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training run.

    Attributes:
        name: for people.
        model: which model.
        data: which rows.
        steps: updates of the weights; or `tokens`, or `epochs` (of all rows), of which exactly one is given.
        tokens: places in rows to read, padding included; rounded down to whole batches.
        epochs: times that all rows are read; rounded down to whole batches.
        batch_size: rows per update, over all ranks.
        micro_batch_size: rows that a rank computes at a time; None: as many as it has of a batch.
        precision: `bf16` with weights and sums of gradients kept in fp32, or `fp32`.
        zero_stage: what ZeRO divides among the ranks: 0 nothing, 1 optimizer states, 2 and gradients, 3 and weights. In
            bf16 stage 0 is run as 1: somebody has to hold the fp32 weights. 2 needs the least memory at the same speed
            but where ranks are joined by a slow network: it sums gradients after every micro-batch, 1 after the last.
        seed: decides the order of rows, a new model's weights, and dropout.
        max_loss: a loss above it stops the run, like one that is not a number; None: only the latter does. By default
            twice the loss of guessing evenly among all tokens.
        fail_on_skipped: consecutive updates left out for gradients that are not finite, after which the run stops.
        mixing: dynamic batch loading; None: weights stay as they are.
        reference: file of reference losses for it (see `training.data.reference_losses`), or `initial`: the losses that
            the model has at the beginning.
    """

    name: str = "run"
    model: ModelConfig
    data: DataConfig
    steps: int | None = None
    tokens: int | None = None
    epochs: float | None = None
    batch_size: int = 32
    micro_batch_size: int | None = None
    precision: Literal["bf16", "fp32"] = "bf16"
    zero_stage: Literal[0, 1, 2, 3] = 2
    seed: int = 1
    max_loss: float | Literal["auto"] | None = "auto"
    fail_on_skipped: int = 10
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: Schedule = field(default_factory=Schedule)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    log: LogConfig = field(default_factory=LogConfig)
    mixing: DynamicBatchLoading | None = None
    reference: str | None = None

    def __post_init__(self) -> None:
        lengths = [name for name in ("steps", "tokens", "epochs") if getattr(self, name) is not None]
        if len(lengths) != 1:
            given = " and ".join(lengths) or "none of them"
            raise ConfigError(f"expected exactly one of steps, tokens and epochs, got {given}")
        if not getattr(self, lengths[0]) > 0:
            raise ConfigError(f"{lengths[0]} is {getattr(self, lengths[0])}: expected a number above 0")
        if self.batch_size < 1 or (self.micro_batch_size is not None and self.micro_batch_size < 1):
            raise ConfigError("batch_size and micro_batch_size are at least 1")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ConfigError(f"seed is {self.seed}: expected a whole number from 0 to 2**63 - 1")
        if self.mixing is not None and self.mixing.mode != "constant" and self.reference is None:
            raise ConfigError(
                "mixing needs reference losses: give `reference`, a file of them, or `initial` for the losses that the "
                "model has at the beginning"
            )
        if self.mixing is not None and self.reference == "initial" and self.mixing.clip_negative:
            raise ConfigError(
                "reference is `initial`: losses only fall from there, so that every excess would be clipped to 0. Set "
                "mixing.clip_negative=false, or give a file of reference losses"
            )
        if self.mixing is not None and self.evaluation.every_steps is None:
            raise ConfigError("mixing needs evaluation: evaluation.every_steps may not be null")


def to_json(config: TrainConfig) -> str:
    """A config as JSON, to be read by `from_json`."""
    return json.dumps(TypeAdapter(TrainConfig).dump_python(config, mode="json"), indent=1) + "\n"


def from_json(content: str | bytes, where: str) -> TrainConfig:
    """The config that a JSON text holds.

    Raises:
        ConfigError: it is none; with every field that is wrong.
    """
    try:
        found = json.loads(content)
    except ValueError as error:
        raise ConfigError(f"{where} is not JSON ({error}): expected the config of a training run") from None
    return from_mapping(found, where)


def from_mapping(found: Any, where: str) -> TrainConfig:
    """The config that nested mappings describe.

    Raises:
        ConfigError: a field is unknown (with the nearest that there is), is missing, or has a wrong value.
    """
    problems = list(_unknown(TrainConfig, found, ""))
    if not problems:
        try:
            return TypeAdapter(TrainConfig).validate_python(found)
        except ValidationError as error:
            problems = [_plainly(one) for one in error.errors(include_url=False)]
    raise ConfigError(f"{where}: " + "; ".join(problems))


def changed(config: TrainConfig, assignments: list[str]) -> TrainConfig:
    """A config with some fields set: `optimizer.lr=1e-3`, `data.shards=export`; values are JSON or plain words.

    Raises:
        ConfigError: see `from_mapping`.
    """
    found = json.loads(to_json(config))
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise ConfigError(f"{assignment!r}: expected FIELD=VALUE, for instance optimizer.lr=1e-3")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        *parents, last = path.split(".")
        inner = found
        for name in parents:
            if not isinstance(inner.get(name), dict):
                inner[name] = {}
            inner = inner[name]
        inner[last] = value
    return from_mapping(found, "the changed config") if assignments else config


def _unknown(kind: Any, found: Any, prefix: str) -> typing.Iterator[str]:
    """What is said of fields that a dataclass does not have, at any depth."""
    if not isinstance(found, Mapping):
        return
    hints = typing.get_type_hints(kind)
    known = [one.name for one in dataclasses.fields(kind)]
    for name, value in found.items():
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"there are {', '.join(known)}"
            yield f"{prefix}{name} is no field of a training run: {hint}"
            continue
        for inner in _options(hints[name]):
            if dataclasses.is_dataclass(inner):
                yield from _unknown(inner, value, f"{prefix}{name}.")


def _options(hint: Any) -> tuple[Any, ...]:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


def _plainly(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    said = error["msg"].removeprefix("Value error, ")
    if error["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{place} is missing"
    came = "" if error["type"] == "value_error" else f", got {error['input']!r}"
    return f"{place}: {said}{came}" if place else said + came
