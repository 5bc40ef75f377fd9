"""DeepSpeed behind one narrow face: its configuration, said in full, and the engine that accumulates and steps."""

import gc
import io
import logging
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

import torch
from torch import nn

from training.config import TrainConfig
from training.optimizers import make_optimizer
from training.parallel import Ranks
from training.parameters import Parameters

_NEVER = 1 << 62
_BUCKET = 50_000_000
"""Gradients that are summed over the ranks at once. Room for so many in fp32 (200 MB) is taken of every rank, however
small the model, and ZeRO 3 keeps it throughout; DeepSpeed's own 500 million would be 2 GB."""


def deepspeed_config(config: TrainConfig, ranks: Ranks, micro_batch_size: int, accumulation: int) -> dict[str, Any]:
    """DeepSpeed's configuration: everything that decides a number is said, nothing is left to its defaults.

    Gradients are summed over micro-batches and ranks in fp32, whatever the precision of the model.
    """
    stage = effective_stage(config)
    return {
        "train_micro_batch_size_per_gpu": micro_batch_size,
        "gradient_accumulation_steps": accumulation,
        "train_batch_size": micro_batch_size * accumulation * ranks.world_size,
        "gradient_clipping": 0.0 if _plain(config) else config.optimizer.clip_norm,
        "zero_optimization": {
            "stage": stage,
            "contiguous_gradients": True,
            "overlap_comm": stage == 3,
            "reduce_bucket_size": _BUCKET,
        },
        "bf16": {"enabled": config.precision == "bf16"},
        "data_types": {"grad_accum_dtype": "fp32"},
        "communication_data_type": "fp32",
        "zero_allow_untested_optimizer": True,
        "steps_per_print": _NEVER,
        "wall_clock_breakdown": False,
    }


def effective_stage(config: TrainConfig) -> int:
    """The stage that is run: in bf16 somebody has to hold the fp32 weights, so that 0 becomes 1."""
    return max(config.zero_stage, 1) if config.precision == "bf16" else config.zero_stage


def _plain(config: TrainConfig) -> bool:
    """Whether the optimizer works on the weights themselves: DeepSpeed tells no norm then, and we clip."""
    return effective_stage(config) == 0


class Zero:
    """A model whose gradients, states and weights DeepSpeed keeps.

    Args:
        objective: the module that computes a loss; its submodule `model` is what is trained.
        config: the run's.
        ranks: where this process stands.
        micro_batch_size: rows that this rank computes at a time.
        accumulation: micro-batches of a step.

    Attributes:
        engine: DeepSpeed's engine; calling it computes the objective.
        parameters: weights and states by name.
    """

    def __init__(
        self, objective: nn.Module, config: TrainConfig, ranks: Ranks, micro_batch_size: int, accumulation: int
    ) -> None:
        deepspeed = import_deepspeed()
        self._accumulation, self._world_size = accumulation, ranks.world_size
        model: Any = objective.model
        exact = {
            name: buffer.detach().clone()
            for name, buffer in model.named_buffers()
            if buffer.is_floating_point() and buffer.dtype == torch.float32
        }
        objective.to(ranks.device)
        optimizer = make_optimizer(model, config.optimizer)
        with redirect_stdout(io.StringIO()):  # it prints how much memory is used, at every step on the way
            self.engine, *_ = deepspeed.initialize(
                model=objective,
                optimizer=optimizer,
                config=deepspeed_config(config, ranks, micro_batch_size, accumulation),
                dist_init_required=False,
            )
        if _plain(config) and ranks.world_size == 1:
            # It would copy every gradient to and fro to add it up over one rank: 6 % of a step on the CPU.
            self.engine.enable_backward_allreduce = False
        if hasattr(self.engine.optimizer, "has_overflow_partitioned_grads_serial"):
            # It would ask every gradient whether it is finite, and wait for each answer; their norm says the same.
            self.engine.optimizer.check_overflow = lambda **_: None
        _restore_buffers(model, exact, ranks.device)
        self.parameters = Parameters(self.engine, model, config.optimizer.kind)
        self.parameters.begin_states()
        self._clip = config.optimizer.clip_norm or math.inf
        self._trained = [one for one in model.parameters() if one.requires_grad] if _plain(config) else None
        self._norm: float | None = None

    def backward(self, loss: torch.Tensor, *, last: bool) -> None:
        """Add the gradients of a micro-batch; the `last` one of a step sums them over the ranks.

        `loss` is this rank's share of the batch's loss: the gradients become the sum over micro-batches and ranks.
        """
        self.engine.set_gradient_accumulation_boundary(last)
        # DeepSpeed averages over the ranks; ours is a sum.
        self.engine.backward(loss * self._world_size, scale_wrt_gas=False)

    def step(self, lr: float) -> bool:
        """Update the weights; gives whether that was done, or left out for gradients that are not finite."""
        for group in self.engine.basic_optimizer.param_groups:
            group["lr"] = lr
        before, finite = self.engine.skipped_steps, True
        if self._trained is not None:
            self._norm = float(nn.utils.clip_grad_norm_(self._trained, self._clip))
            finite = math.isfinite(self._norm)
            if not finite:
                for parameter in self._trained:
                    parameter.grad = None
        self.engine.step()
        if self._trained is None:
            norm = self.engine.get_global_grad_norm()
            self._norm = None if norm is None else float(norm)
        return finite and bool(self.engine.skipped_steps == before)

    @property
    def grad_norm(self) -> float | None:
        """Global norm of the last step's gradients, before clipping; None before the first step."""
        return self._norm

    def close(self) -> None:
        """Give back hooks and buffers."""
        self.engine.destroy()
        gc.collect()


def import_deepspeed() -> Any:
    """DeepSpeed, without its chatter, and without the compiling of an operation that gloo does as well."""
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
    with _quiet_compilers():
        import deepspeed

    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    compatible: dict[str, bool] = deepspeed.ops.__compatible_ops__
    compatible["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(verbose=False)
    return deepspeed


@contextmanager
def _quiet_compilers() -> Iterator[None]:
    """Keep from the terminal what compilers say that DeepSpeed tries on operations which nobody asked for."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        imported = False
        try:
            yield
            imported = True
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if not imported:  # then what was said may be the reason
                said.seek(0)
                os.write(2, said.read())


def _restore_buffers(model: nn.Module, exact: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Put fp32 buffers back that were rounded to bf16 with the model: rotary frequencies need their digits."""
    for name, buffer in exact.items():
        parent, _, last = name.rpartition(".")
        owner: nn.Module = model.get_submodule(parent)
        owner._buffers[last] = buffer.to(device)
