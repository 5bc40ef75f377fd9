"""Training as plainly as it can be written: one process, whole batches, nothing but torch."""

import math
from typing import Any

import torch
from torch.nn import functional


def learning_rate(peak: float, step: int, total: int) -> float:
    """Linear to zero, without warm-up."""
    return peak * (1 - step / total)


def train_plainly(
    model: Any, batches: list[dict[str, torch.Tensor]], *, lr: float, weight_decay: float, clip: float
) -> tuple[list[float], list[float]]:
    """Train on whole batches in their order; gives the loss and the norm of the gradients of every step.

    Each batch has `tokens`, `labels` (the next token, -100 for none) and `position_ids`, as tensors [rows, length].
    """
    tables = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    groups: tuple[list[Any], list[Any]] = ([], [])
    for parameter in model.parameters():
        groups[parameter.ndim < 2 or id(parameter) in tables].append(parameter)
    decaying, others = groups
    optimizer = torch.optim.AdamW(
        [{"params": decaying, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=lr,
        betas=(0.9, 0.95),
        eps=1e-8,
    )
    losses, norms = [], []
    model.train()
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(lr, step, len(batches))
        logits = model(input_ids=batch["tokens"], position_ids=batch["position_ids"], use_cache=False).logits
        loss = functional.cross_entropy(logits.flatten(0, 1).float(), batch["labels"].flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        squares = sum(float(one.grad.double().square().sum()) for one in model.parameters() if one.grad is not None)
        norms.append(math.sqrt(squares))
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(loss.item())
    return losses, norms
