"""Weights and optimizer states in fp32, whole and by name: the same view whatever ZeRO divides among the ranks.

What DeepSpeed keeps differs from stage to stage (flat buffers, parts of them, parts of every weight). Everything that
reads or writes a checkpoint goes through here, and so a checkpoint fits any stage and any number of ranks.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from training.optimizers import COUNTS_STEPS, STATES

WEIGHT = "weight"
"""Name of the weight itself beside the optimizer's states."""


class Parameters:
    """The trained weights of a model under a DeepSpeed engine. All ranks call the same methods in the same order.

    Args:
        engine: a DeepSpeed engine.
        model: the Hugging Face model inside it.
        optimizer: the optimizer that it was given: `adamw` or `lion`.
    """

    def __init__(self, engine: Any, model: nn.Module, optimizer: str) -> None:
        self._engine, self._states = engine, STATES[optimizer]
        self._counts = COUNTS_STEPS[optimizer]
        self._named: dict[str, Any] = {
            name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad
        }
        self._model = model

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all trained weights, in the model's order."""
        return tuple(self._named)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What there is of each weight: itself and the optimizer's states."""
        return (WEIGHT, *self._states)

    def shape(self, name: str) -> tuple[int, ...]:
        """The whole weight's shape."""
        parameter = self._named[name]
        return tuple(getattr(parameter, "ds_shape", parameter.shape))

    @torch.no_grad()
    def read(self, name: str, kind: str) -> torch.Tensor:
        """A weight, or a state of the optimizer for it: fp32, whole, on the CPU; the same on every rank."""
        parameter = self._named[name]
        key = None if kind == WEIGHT else kind
        value: torch.Tensor
        if hasattr(parameter, "ds_id"):
            value = parameter._z3_optimizer.get_full_hp_param(parameter, key)
        elif hasattr(parameter, "_hp_mapping"):
            value = parameter.get_full_hp_param(key)
        elif key is None:
            value = parameter.data
        else:
            value = self._engine.optimizer.state[parameter][key]
        return value.detach().reshape(self.shape(name)).to("cpu", torch.float32, copy=True)

    @torch.no_grad()
    def write(self, name: str, kind: str, value: torch.Tensor) -> None:
        """Put a whole fp32 tensor where `read` would find it; of a weight also the copy that computes."""
        parameter = self._named[name]
        key = None if kind == WEIGHT else kind
        if hasattr(parameter, "ds_id"):
            self._write_part(parameter, key, value)
        elif hasattr(parameter, "_hp_mapping"):
            parameter.set_full_hp_param(value.to(parameter.device), key)
        elif key is not None:
            self._engine.optimizer.state[parameter][key].copy_(value)
        if key is None:
            self._write_computing(parameter, value)

    def _write_part(self, parameter: Any, key: str | None, value: torch.Tensor) -> None:
        """This rank's part of a weight that ZeRO 3 divides; the last part is filled up with zeros."""
        size = parameter.ds_tensor.ds_numel if hasattr(parameter.ds_tensor, "ds_numel") else parameter.ds_tensor.numel()
        rank = self._engine.optimizer._get_param_partition_rank(parameter)
        flat = value.flatten()
        part = torch.zeros(size, dtype=torch.float32)
        own = flat[rank * size : (rank + 1) * size]
        part[: own.numel()] = own
        parameter._z3_optimizer.set_local_hp_param(part, parameter, key)

    def _write_computing(self, parameter: Any, value: torch.Tensor) -> None:
        if not hasattr(parameter, "ds_id"):
            parameter.data.copy_(value)
            return
        from deepspeed.runtime.zero import GatheredParameters

        with GatheredParameters([parameter], modifier_rank=0):
            parameter.data.copy_(value)

    def begin_states(self) -> None:
        """Make the optimizer's states, all zero, where it has made none: it does so at its first step only."""
        inner = self._engine.basic_optimizer
        for buffer in self._buffers():
            state = inner.state[buffer]
            for key in self._states:
                if key not in state:
                    state[key] = torch.zeros_like(buffer, memory_format=torch.preserve_format)
            if self._counts and "step" not in state:
                fused = inner.param_groups[0].get("fused")  # such a one counts where the weights are
                state["step"] = torch.zeros((), dtype=torch.float32, device=buffer.device if fused else None)
        link = getattr(self._engine.optimizer, "_lazy_init_hp_params_optimizer_state", None)
        if link is not None:
            link()

    @property
    def num_updates(self) -> int:
        """Steps that the optimizer has counted; skipped ones are none, and 0 where it does not count."""
        if not self._counts:
            return 0
        counts = {int(self._engine.basic_optimizer.state[buffer]["step"]) for buffer in self._buffers()}
        return max(counts, default=0)

    def set_num_updates(self, number: int) -> None:
        """Let the optimizer go on counting from there."""
        if self._counts:
            for buffer in self._buffers():
                self._engine.basic_optimizer.state[buffer]["step"].fill_(number)

    def _buffers(self) -> Iterator[torch.Tensor]:
        """The tensors that the optimizer itself works on."""
        outer = self._engine.optimizer
        for name in ("fp32_partitioned_groups_flat", "single_partition_of_fp32_groups", "fp32_groups_flat_partition"):
            flat = getattr(outer, name, None)
            if flat is not None:
                yield from flat
                return
        for group in outer.param_groups:
            yield from group["params"]

    @torch.no_grad()
    def whole_state(self, dtype: torch.dtype, *, keep: bool) -> dict[str, torch.Tensor]:
        """All weights and buffers as a model's state, of that type, on the CPU; {} where not `keep`.

        Tied weights stand once, under the name that comes first, as `save_pretrained` expects.
        """
        state: dict[str, torch.Tensor] = {}
        for name in self.names:
            value = self.read(name, WEIGHT)
            if keep:
                state[name] = value.to(dtype)
        for name, parameter in self._model.named_parameters():
            if name not in self._named and keep:
                state[name] = parameter.detach().to("cpu", dtype)
        saved = set(self._model.state_dict().keys())
        for name, buffer in self._model.named_buffers():
            if name in saved and keep:
                state[name] = buffer.detach().cpu()
        return state
