"""How a batch becomes a loss: sums over tokens, which the engine divides by the weight of the whole global batch.

B: rows of a micro-batch. T: tokens of a row. V: vocabulary.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

IGNORED = -100
"""Label of places where nothing is to be predicted."""


class LanguageModel(nn.Module):
    """A causal language model and its loss, in one forward pass, as ZeRO 3 needs it.

    Serves pretraining and fine-tuning alike: what is supervised is said by labels and `loss_weights`.

    Args:
        model: a Hugging Face causal language model.
        inside_documents: tokens attend to their own document only. The models tell documents apart by position ids that
            begin again at 0.
    """

    def __init__(self, model: nn.Module, *, inside_documents: bool = True) -> None:
        super().__init__()
        self.model = model
        self.inside_documents = inside_documents

    def forward(
        self,
        tokens: torch.Tensor,
        labels: torch.Tensor,
        position_ids: torch.Tensor | None = None,
        loss_weights: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss and weight of each row.

        Args:
            tokens: int64 [B, T].
            labels: int64 [B, T], the token that follows each, -100 where nothing is to be predicted.
            position_ids: int64 [B, T], from 0 in each document.
            loss_weights: float32 [B, T], what each prediction counts; None: 1.

        Returns:
            loss_B: float32 [B], sums of weighted negative log-likelihoods, in nat; weight_B: float32 [B], sums of the
            weights.
        """
        positions = position_ids if self.inside_documents else None
        logits_BTV = self.model(input_ids=tokens, position_ids=positions, use_cache=False).logits
        loss_BT = token_losses(logits_BTV, labels)
        weights_BT = (labels != IGNORED).float()
        if loss_weights is not None:
            weights_BT = weights_BT * loss_weights
        return (loss_BT * weights_BT).sum(1), weights_BT.sum(1)


def token_losses(logits_BTV: torch.Tensor, labels_BT: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of each label, float32 [B, T] in nat; 0 where the label is -100."""
    flat = functional.cross_entropy(
        logits_BTV.flatten(0, 1).float(), labels_BT.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return flat.view(labels_BT.shape)


def inputs(batch: dict[str, Any], device: torch.device) -> dict[str, torch.Tensor]:
    """What of a loader's batch the objective takes, on the device."""
    names = ("tokens", "labels", "position_ids", "loss_weights")
    return {name: batch[name].to(device, non_blocking=True) for name in names if name in batch}


def weight_of(batch: dict[str, Any]) -> float:
    """Sum of what the predictions of a batch count, before anything is computed."""
    supervised = batch["labels"] != IGNORED
    if "loss_weights" in batch:
        return float((supervised * batch["loss_weights"]).sum(dtype=torch.float64))
    return float(supervised.sum())
