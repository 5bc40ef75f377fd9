"""Optimizers: AdamW, and Lion, which needs half of its memory. Learning rates are set anew before every step."""

from typing import Any

import torch
from torch import nn

from training.config import OptimizerConfig
from training.errors import ConfigError
from training.models import named_groups

STATES = {"adamw": ("exp_avg", "exp_avg_sq"), "lion": ("exp_avg",)}
"""Names of what an optimizer keeps for each weight, in fp32."""

COUNTS_STEPS = {"adamw": True, "lion": False}
"""Whether it keeps the number of steps too."""


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """The optimizer of a run, over those weights of the model that are trained.

    Works number by number, so that it does the same whatever part of a weight a rank holds.

    Raises:
        ConfigError: nothing is trained.
    """
    decaying, others = named_groups(model, decay_embeddings=config.decay_embeddings)
    by_name = dict(model.named_parameters())
    groups: list[dict[str, Any]] = [
        {"params": [by_name[name] for name in names], "weight_decay": decay}
        for names, decay in ((decaying, config.weight_decay), (others, 0.0))
        if names
    ]
    if not groups:
        raise ConfigError("no weight of the model is trained: nothing requires a gradient")
    if config.kind == "adamw":
        # On the CPU the fused one rounds otherwise than the plain one, which other code is compared with.
        fused = all(weight.device.type == "cuda" for group in groups for weight in group["params"])
        betas = config.betas or (0.9, 0.95)
        return torch.optim.AdamW(groups, lr=config.lr, betas=betas, eps=config.eps, fused=fused)
    from lion_pytorch import Lion

    made: torch.optim.Optimizer = Lion(groups, lr=config.lr, betas=config.betas or (0.95, 0.98))
    return made
