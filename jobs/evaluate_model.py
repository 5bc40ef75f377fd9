"""Job: a model and shards -> its loss on each domain's held-out rows, as a table of reference losses."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import torch

from training.config import EvaluationConfig, ModelConfig
from training.data import Content, Loader
from training.data.reference_losses import ReferenceLosses, measured, write_reference_losses
from training.errors import TrainError
from training.evaluation import Evaluation
from training.model_files import check_tokenizer
from training.models import num_parameters, open_model
from training.objectives import LanguageModel
from training.parallel import running
from training.plan import tokenizer_file


@dataclass(frozen=True)
class EvaluatedModel:
    """What a model's evaluation gave.

    Attributes:
        table: losses by domain, and what they were measured on.
        mean: over all tokens, in nat.
        num_rows: that were read, by domain.
    """

    table: ReferenceLosses
    mean: float
    num_rows: dict[str, int]


def evaluate(
    model: str,
    shards: str,
    to: str | Path | None = None,
    *,
    max_tokens_per_domain: int | None = 1_000_000,
    batch_size: int = 8,
    precision: Literal["bf16", "fp32"] = "bf16",
    any_tokenizer: bool = False,
    device: str | None = None,
) -> EvaluatedModel:
    """Measure a model on the rows held out of an export and, if asked to, write the table.

    Args:
        model: folder or hub name of a Hugging Face causal language model.
        shards: the export.
        to: file of the table; None: none.
        max_tokens_per_domain: rows are taken in their order until there are so many tokens; None: all.
        batch_size: rows at a time.
        precision: that the model computes in.
        any_tokenizer: measure although the model's tokenizer is not that of the shards.
        device: `cpu` or `cuda`; None: what there is.

    Raises:
        TrainError, DataError: the model or the shards cannot be read, or nothing is held out.
    """
    with running(device=device) as ranks:
        first = Loader(shards, batch_size=ranks.world_size, rank=ranks.rank, world_size=ranks.world_size)
        content = Content(labels="shifted", position_ids=True, loss_weights=first.manifest.loss_weights)
        loader = Loader(
            shards, batch_size=ranks.world_size, rank=ranks.rank, world_size=ranks.world_size, content=content
        )
        check_tokenizer(model, tokenizer_file(loader), allowed=any_tokenizer)
        manifest = loader.manifest
        opened = open_model(
            ModelConfig(checkpoint=model),
            vocab_size=manifest.tokenizer.vocab_size,
            special_ids=manifest.tokenizer.special_ids,
            row_length=manifest.row_length,
            seed=0,
        )
        config = EvaluationConfig(max_tokens_per_domain=max_tokens_per_domain, batch_size=batch_size)
        evaluation = Evaluation(loader, config, batch_size, ranks)
        if not evaluation.rows:
            raise TrainError(f"no rows of {shards} are held out: export with --eval-share above 0")
        objective = LanguageModel(opened).to(ranks.device)
        with torch.autocast(ranks.device.type, torch.bfloat16, enabled=precision == "bf16"):
            found = evaluation.measure(objective)
        table = measured(
            found.losses,
            manifest,
            tokens={name: int(weight) for name, weight in found.weights.items()},
            model=model,
            num_params=num_parameters(opened),
            date=datetime.now(UTC).date().isoformat(),
        )
        if to is not None and ranks.first:
            write_reference_losses(table, to)
        return EvaluatedModel(table, found.mean, evaluation.rows)


if __name__ == "__main__":
    import sys

    from jobs.cli import main

    main(["evaluate", *sys.argv[1:]])
