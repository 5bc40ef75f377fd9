"""Hugging Face causal language models: opened or made, initialised by a stated rule, counted."""

import hashlib
import logging
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from training.config import ModelConfig
from training.errors import CheckpointError, ConfigError

log = logging.getLogger(__name__)

_WRITES_TO_RESIDUAL = ("o_proj", "out_proj", "c_proj", "down_proj", "dense_4h_to_h", "fc_out", "w2", "fc2")
"""Last part of the names of the projections whose output is added to the residual stream."""


def open_model(
    settings: ModelConfig,
    *,
    vocab_size: int,
    special_ids: Mapping[str, int | None],
    row_length: int,
    seed: int,
    zero3: dict[str, Any] | None = None,
) -> PreTrainedModel:
    """The model of a run, in fp32.

    Args:
        settings: which.
        vocab_size: of the shards' tokenizer: ids are below it.
        special_ids: of the tokenizer: `bos`, `eos`, `pad`.
        row_length: tokens of a row.
        seed: of a new model's weights.
        zero3: DeepSpeed's configuration where weights are divided among the ranks from the beginning (ZeRO 3).

    Raises:
        CheckpointError: there is no such checkpoint, or it cannot be read.
        ConfigError: the fields are not those of a configuration; or the model is too small for the shards.
    """
    keep = _divided(zero3)
    try:
        model = _from_checkpoint(settings) if settings.checkpoint else None
        if model is None:
            config = new_config(settings.config or {}, vocab_size, special_ids, row_length)
            model = _from_config(config, settings, zero3)
            initialise(model, seed=seed, std=settings.init_std, scale_residual=settings.init_scale_residual)
    finally:
        del keep
    check_fits(model.config, vocab_size=vocab_size, row_length=row_length)
    model.config.use_cache = False
    if settings.activation_checkpointing:
        _keep_no_activations(model)
    return model


def _keep_no_activations(model: Any) -> None:
    settings = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(settings)
    else:  # transformers before 5.23
        model.gradient_checkpointing_enable(settings)


def _divided(zero3: dict[str, Any] | None) -> Any:
    """What tells Hugging Face's code, for as long as it is referred to, that weights are divided as they are made."""
    if zero3 is None:
        return None
    from transformers.integrations import deepspeed

    made: Any = deepspeed.HfDeepSpeedConfig
    return made(zero3)


def _from_checkpoint(settings: ModelConfig) -> PreTrainedModel:
    assert settings.checkpoint is not None
    place = Path(settings.checkpoint)
    if place.is_dir() and not (place / "config.json").exists():
        raise CheckpointError(
            f"model.checkpoint: {place} has no config.json: expected a folder of a Hugging Face model"
        )
    options: dict[str, Any] = {} if settings.attention is None else {"attn_implementation": settings.attention}
    if not sys.stderr.isatty():
        disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            settings.checkpoint, revision=settings.revision, dtype=torch.float32, use_safetensors=True, **options
        )
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"model.checkpoint: {settings.checkpoint!r} cannot be opened as a causal language model: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return model


def new_config(
    fields: Mapping[str, Any], vocab_size: int, special_ids: Mapping[str, int | None], row_length: int
) -> PretrainedConfig:
    """The configuration of a new model, completed from the shards.

    Raises:
        ConfigError: there is no such kind of model, or a field is unknown to it or not usable.
    """
    given = dict(fields)
    kind = given.pop("model_type")
    ids = {f"{name}_token_id": number for name, number in special_ids.items()}
    completed = {"vocab_size": vocab_size, **ids, "max_position_embeddings": row_length, **given}
    try:
        config = AutoConfig.for_model(kind, **completed)
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"model.config: {str(error).splitlines()[0]}") from error
    known = set(type(config)().to_dict()) | {"attn_implementation", "dtype"}
    unknown = sorted(set(given) - known - set(type(config).attribute_map))
    if unknown:
        raise ConfigError(
            f"model.config: {', '.join(unknown)} is no field of a {kind} configuration; there are "
            f"{', '.join(sorted(known))}"
        )
    return config


def _from_config(config: PretrainedConfig, settings: ModelConfig, zero3: dict[str, Any] | None) -> PreTrainedModel:
    options: dict[str, Any] = {} if settings.attention is None else {"attn_implementation": settings.attention}
    with torch.random.fork_rng(devices=[]) if zero3 is None else nullcontext():
        try:
            make: Any = AutoModelForCausalLM.from_config
            model: PreTrainedModel = make(config, dtype=torch.float32, **options)
        except (ValueError, KeyError, ImportError) as error:
            raise ConfigError(f"model.config: {str(error).splitlines()[0]}") from error
    return model


def check_fits(config: PretrainedConfig, *, vocab_size: int, row_length: int) -> None:
    """Check that a model can read the rows.

    Raises:
        ConfigError: ids or positions are beyond what it has.
    """
    text = config.get_text_config()
    if text.vocab_size < vocab_size:
        raise ConfigError(
            f"the model has {text.vocab_size:,} tokens and the shards' tokenizer {vocab_size:,}: take a checkpoint of "
            "this tokenizer, or export with the model's"
        )
    longest = getattr(text, "max_position_embeddings", None)
    if longest is not None and longest < row_length:
        raise ConfigError(
            f"the model has {longest:,} positions and a row {row_length:,} tokens: export with --row-length {longest}, "
            "or give the model more positions"
        )


def initialise(model: PreTrainedModel, *, seed: int, std: float | None, scale_residual: bool) -> None:
    """Give a new model its first weights, each from a random stream of its own.

    Matrices: normal with mean 0 and standard deviation `std` (None: the configuration's `initializer_range`, else
    0.02), divided by sqrt(2 x layers) where they write to the residual stream and `scale_residual` is set (GPT-2;
    Radford et al. 2019, section 2.3). Biases: 0. Norms: as the model's class makes them.

    The stream is keyed by (seed, name), so that neither the order of modules nor ZeRO's stage nor the number of ranks
    changes a weight.
    """
    text = model.config.get_text_config()
    spread = std if std is not None else float(getattr(text, "initializer_range", 0.02))
    residual = spread / math.sqrt(2 * text.num_hidden_layers) if scale_residual else spread
    for name, parameter in model.named_parameters():
        with torch.no_grad(), _whole(parameter):
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.ndim >= 2:
                writes = name.removesuffix(".weight").rpartition(".")[2] in _WRITES_TO_RESIDUAL
                generator = torch.Generator().manual_seed(_key(seed, name))
                drawn = torch.empty(parameter.shape).normal_(0.0, residual if writes else spread, generator=generator)
                parameter.copy_(drawn)


def _whole(parameter: nn.Parameter) -> Any:
    """The parameter gathered from all ranks while the block lasts, and divided among them again after it."""
    if not hasattr(parameter, "ds_id"):
        return nullcontext()
    from deepspeed.runtime.zero import GatheredParameters

    return GatheredParameters([parameter], modifier_rank=0)


def _key(seed: int, name: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def num_parameters(model: nn.Module) -> int:
    """Numbers in all weights, those divided among ranks counted whole, tied ones once."""
    return sum(_size(parameter) for parameter in model.parameters())


def num_embedding_parameters(model: PreTrainedModel) -> int:
    """Numbers in the input embeddings and, unless tied to them, the output layer."""
    layers = [model.get_input_embeddings(), _output_layer(model)]
    weights = {id(layer.weight): layer.weight for layer in layers if layer is not None}
    return sum(_size(weight) for weight in weights.values())


def _size(parameter: nn.Parameter) -> int:
    return int(getattr(parameter, "ds_numel", None) or parameter.numel())


def flops_per_token(model: PreTrainedModel, row_length: int) -> float:
    """Floating-point operations per token of forward and backward pass, for the share of the peak that is used (MFU).

    6 for each weight that a token is multiplied by (the output layer included, the table of input embeddings not), and
    6 x layers x heads x head_dim x row_length for attention, of which a causal model computes half of the square.
    Activations that are computed again do not count.

    Reference: Chowdhery et al. 2022 (PaLM), appendix B, with the causal half as in later practice.
    """
    text = model.config.get_text_config()
    outputs = _output_layer(model)
    head = _size(outputs.weight) if outputs is not None else 0
    matrices: float = num_parameters(model) - num_embedding_parameters(model) + head
    heads = text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // heads
    return 6.0 * matrices + 6.0 * int(text.num_hidden_layers * heads * width) * row_length


def _output_layer(model: Any) -> Any:
    return model.get_output_embeddings()


def named_groups(model: nn.Module, *, decay_embeddings: bool) -> tuple[list[str], list[str]]:
    """Names of the weights that decay, and of those that do not: norms, biases and (by default) embeddings."""
    tables = {id(weight) for weight in _embeddings(model)}
    decaying: list[str] = []
    others: list[str] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        dims = len(getattr(parameter, "ds_shape", parameter.shape))
        table = id(parameter) in tables and not decay_embeddings
        (others if dims < 2 or table else decaying).append(name)
    return decaying, others


def _embeddings(model: nn.Module) -> Iterator[torch.Tensor]:
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            yield module.weight
