"""Loss of each domain on the rows held out of it: token means, the same for any number of ranks up to rounding."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from training.config import EvaluationConfig
from training.data import Batch, Loader
from training.data.torch_batches import tensors
from training.objectives import IGNORED, inputs
from training.parallel import Ranks


@dataclass(frozen=True)
class Evaluated:
    """Mean losses, in nat per supervised token.

    Attributes:
        losses: of each domain that has rows held out.
        weights: by domain, the supervised tokens (weighted, where rows say so) that were measured.
    """

    losses: Mapping[str, float]
    weights: Mapping[str, float]

    @property
    def mean(self) -> float:
        """Over all tokens that were measured."""
        total = sum(self.weights.values())
        return sum(self.losses[name] * weight for name, weight in self.weights.items()) / total


class Evaluation:
    """Measures a model on held-out rows, each time the same ones.

    Args:
        loader: whose rows.
        config: how many of them.
        micro_batch_size: rows at a time, unless `config` says otherwise.
        ranks: where this process stands.
    """

    def __init__(self, loader: Loader, config: EvaluationConfig, micro_batch_size: int, ranks: Ranks) -> None:
        self._loader, self._ranks = loader, ranks
        self._batch_size = config.batch_size or micro_batch_size
        length = loader.manifest.row_length
        most = config.max_tokens_per_domain
        self.rows: dict[str, int] = {}
        for name, domain in loader.manifest.domains.items():
            there = domain.eval.num_rows
            if there:
                self.rows[name] = there if most is None else min(there, max(1, -(-most // length)))

    def measure(self, model: nn.Module) -> Evaluated:
        """The losses of a module that computes the objective; it is put into evaluation mode for the while."""
        was_training = model.training
        model.eval()
        sums = torch.zeros(2, len(self.rows), dtype=torch.float64)
        try:
            with torch.no_grad():
                for place, (domain, num_rows) in enumerate(self.rows.items()):
                    for batch in self._batches(domain, num_rows):
                        loss_B, weight_B = model(**inputs(batch, self._ranks.device))
                        sums[0, place] += float(loss_B.double().sum())
                        sums[1, place] += float(weight_B.double().sum())
        finally:
            model.train(was_training)
        total = self._ranks.summed(sums).tolist()
        measured = {name: pair for name, pair in zip(self.rows, zip(*total, strict=True), strict=True) if pair[1] > 0}
        return Evaluated(
            {name: loss / weight for name, (loss, weight) in measured.items()},
            {name: weight for name, (_, weight) in measured.items()},
        )

    def unigram_entropy(self) -> float | None:
        """Entropy of the tokens to be predicted, in nat: no model that ignores what came before has a lower loss."""
        counts = torch.zeros(self._loader.manifest.tokenizer.vocab_size, dtype=torch.float64)
        for domain, num_rows in self.rows.items():
            for batch in self._batches(domain, num_rows):
                labels = batch["labels"]
                counts += torch.bincount(labels[labels != IGNORED], minlength=counts.numel())
        counts = self._ranks.summed(counts)
        shares = counts[counts > 0] / counts.sum()
        return float(-(shares * shares.log()).sum()) if shares.numel() else None

    def _batches(self, domain: str, num_rows: int) -> Iterator[Batch]:
        """This rank's rows. Every rank has as many batches: ZeRO 3 gathers weights from all of them in each."""
        own = len(range(self._ranks.rank, num_rows, self._ranks.world_size))
        most = -(-num_rows // self._ranks.world_size)
        given = 0
        spare: Batch | None = None
        for batch in self._loader.evaluation(domain, self._batch_size):
            if given >= own:
                break
            made: dict[str, Any] = tensors(batch)
            rows = min(own - given, made["tokens"].shape[0])
            tensor_names = [name for name, value in made.items() if isinstance(value, torch.Tensor)]
            cut = {name: made[name][:rows] for name in tensor_names if made[name].shape[0] == made["tokens"].shape[0]}
            given += rows
            spare = cut
            yield cut
        missing = -(-most // self._batch_size) - -(-own // self._batch_size)
        for _ in range(missing):
            yield self._empty(spare)

    def _empty(self, like: Batch | None) -> Batch:
        """A batch in which nothing is supervised."""
        if like is not None:
            return like | {"labels": torch.full_like(like["labels"], IGNORED)}
        length = self._loader.manifest.row_length
        tokens = torch.zeros(1, length, dtype=torch.int64)
        return {
            "tokens": tokens,
            "labels": torch.full_like(tokens, IGNORED),
            "position_ids": torch.arange(length).unsqueeze(0),
        }
