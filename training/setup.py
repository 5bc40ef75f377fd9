"""Setting a run up: everything that can be wrong is found here, before the first step."""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerFast, set_seed

from training import checkpoints
from training.config import TrainConfig, to_json
from training.data import Loader
from training.data.reference_losses import read_reference_losses
from training.errors import CheckpointError
from training.evaluation import Evaluation
from training.model_files import check_tokenizer, tokenizer_of
from training.models import flops_per_token, num_embedding_parameters, num_parameters, open_model
from training.objectives import LanguageModel
from training.parallel import Ranks
from training.plan import Plan, check_batches, open_loader, plan_of, tokenizer_file
from training.throughput import peak_flops
from training.zero import Zero, deepspeed_config, effective_stage, import_deepspeed


@dataclass(frozen=True)
class Parts:
    """What a run consists of, ready to begin.

    Attributes:
        config: what was asked for; `config_json` is the same as plain data.
        folder: of the run.
        ranks: where this process stands.
        loader: gives rows, from the first sample on.
        plan: steps and batches.
        model: the Hugging Face model.
        zero: what trains it.
        evaluation: measures it.
        tokenizer: of the shards, where it can be read.
        reference: reference losses by domain; empty where there are none, or not yet.
        max_loss: above it the run stops; None: nowhere.
        flops_per_token: of forward and backward pass.
        peak_flops: of one device.
        notes: what people should know before it begins.
    """

    config: TrainConfig
    config_json: Mapping[str, Any]
    folder: Path
    ranks: Ranks
    loader: Loader
    plan: Plan
    model: PreTrainedModel
    zero: Zero
    evaluation: Evaluation
    tokenizer: PreTrainedTokenizerFast | None
    reference: Mapping[str, float]
    max_loss: float | None
    flops_per_token: float
    peak_flops: float
    notes: tuple[str, ...]


def prepare(config: TrainConfig, folder: Path, ranks: Ranks) -> Parts:
    """Put a run together; every rank calls it.

    Raises:
        ConfigError: see `plan`; the schedule does not fit the run, or weights cannot be updated.
        CheckpointError: the model to go on with cannot be opened or has another tokenizer; no room for checkpoints.
        DataError: the shards cannot be read, or weights and reference losses do not belong to them.
    """
    check_batches(config, ranks)
    loader = open_loader(config, ranks)
    plan = plan_of(config, loader, ranks)
    loader.until = plan.total_steps * config.batch_size
    config.schedule.factor(0, plan.total_steps)
    tokens = tokenizer_file(loader)
    if config.model.checkpoint is not None:
        check_tokenizer(config.model.checkpoint, tokens, allowed=config.model.any_tokenizer)
    evaluation = Evaluation(loader, config.evaluation, plan.micro_batch_size, ranks)
    reference, notes = _reference(config, loader, plan, evaluation)
    model = _open(config, loader, ranks, plan)
    objective = LanguageModel(model, inside_documents=config.data.inside_documents)
    zero = Zero(objective, config, ranks, plan.micro_batch_size, plan.accumulation)
    if ranks.first:
        folder.mkdir(parents=True, exist_ok=True)
        checkpoints.clean(folder / "checkpoints")
    problem = None
    if config.checkpoint.at_end or config.checkpoint.every_steps:
        with suppress(FileNotFoundError):
            try:
                checkpoints.check_room(folder, checkpoints.size_of(zero.parameters))
            except CheckpointError as error:
                problem = str(error)
    problem = ranks.agreed(problem)
    if problem is not None:
        raise CheckpointError(problem)
    manifest = loader.manifest
    special = manifest.tokenizer.special_ids
    peak = config.log.peak_tflops
    return Parts(
        config=config,
        config_json=json.loads(to_json(config)),
        folder=folder,
        ranks=ranks,
        loader=loader,
        plan=plan,
        model=model,
        zero=zero,
        evaluation=evaluation,
        tokenizer=None if tokens is None else tokenizer_of(tokens, special, manifest.row_length),
        reference=reference,
        max_loss=2 * math.log(manifest.tokenizer.vocab_size) if config.max_loss == "auto" else config.max_loss,
        flops_per_token=flops_per_token(model, manifest.row_length),
        peak_flops=peak_flops(ranks.device, config.precision) if peak is None else peak * 1e12,
        notes=notes,
    )


def _open(config: TrainConfig, loader: Loader, ranks: Ranks, plan: Plan) -> PreTrainedModel:
    import_deepspeed()
    set_seed(config.seed)
    zero3 = None
    if effective_stage(config) == 3:
        zero3 = deepspeed_config(config, ranks, plan.micro_batch_size, plan.accumulation)
    tokenizer = loader.manifest.tokenizer
    return open_model(
        config.model,
        vocab_size=tokenizer.vocab_size,
        special_ids={name: tokenizer.special_ids.get(name) for name in ("bos", "eos", "pad")},
        row_length=loader.manifest.row_length,
        seed=config.seed,
        zero3=zero3,
    )


def _reference(
    config: TrainConfig, loader: Loader, plan: Plan, evaluation: Evaluation
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Reference losses, checked, and notes on them."""
    if config.mixing is None:
        return {}, ()
    unknown = dict.fromkeys(loader.domains, 1.0) if config.reference in (None, "initial") else None
    notes: tuple[str, ...] = ()
    losses: Mapping[str, float] = unknown or {}
    if unknown is None:
        assert config.reference is not None
        table = read_reference_losses(config.reference)
        notes = table.check(loader.manifest)
        losses = table.losses
    evaluated = {name: 0.0 for name in evaluation.rows if loader.manifest.rows().get(name)}
    config.mixing.check(dict(plan.weights), evaluated, losses)
    few = [name for name, rows in evaluation.rows.items() if rows * loader.manifest.row_length < 200_000]
    if few and config.mixing.mode != "constant":
        notes += (
            f"{', '.join(few)}: fewer than 200,000 tokens are evaluated, so that weights follow noise too; hold out "
            "more (winnow export --eval-share), raise evaluation.max_tokens_per_domain, or set mixing.loss_ema",
        )
    return ({} if unknown is not None else dict(losses)), notes


def start_record(parts: Parts, *, unigram_entropy: float | None = None) -> dict[str, Any]:
    """What the log says of a run at its beginning."""
    config, manifest = parts.config, parts.loader.manifest
    try:
        release = version("winnow")
    except PackageNotFoundError:
        release = "unknown"
    params = num_parameters(parts.model)
    return {
        "config": parts.config_json,
        "winnow": release,
        "num_params": params,
        "num_params_non_embedding": params - num_embedding_parameters(parts.model),
        "world_size": parts.ranks.world_size,
        "zero_stage": effective_stage(config),
        "device": parts.ranks.device.type,
        "precision": config.precision,
        "peak_flops": parts.peak_flops,
        "domains": list(parts.loader.domains),
        "rows": manifest.rows(),
        "row_length": manifest.row_length,
        "batch_size": config.batch_size,
        "tokens_per_step": config.batch_size * manifest.row_length,
        "total_steps": parts.plan.total_steps,
        "manifest": manifest.sha256,
        "tokenizer": manifest.tokenizer.sha256,
        "eval_rows": parts.evaluation.rows,
        "unigram_entropy": unigram_entropy,
    }


def newest(folder: Path, *, verify: bool = True) -> checkpoints.Checkpoint | None:
    """The newest finished checkpoint of a run, None where there is none; its hashes are compared where `verify` is set.

    Raises:
        CheckpointError: it is damaged; the message says whether an older one is there.
    """
    there = checkpoints.finished(folder / "checkpoints")
    if not there:
        return None
    try:
        return checkpoints.open_checkpoint(there[-1], verify=verify)
    except CheckpointError as error:
        older = f" Delete {there[-1]} to go on from {there[-2].name}" if len(there) > 1 else ""
        raise CheckpointError(f"{error}.{older}") from None
