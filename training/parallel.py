"""The processes of a run: how they find together, on GPUs or the CPU, by plain Python, torchrun or `deepspeed`."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from training.errors import LaunchError

_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Ranks:
    """Where this process stands among the processes of a run.

    Attributes:
        rank: its number, from 0.
        world_size: how many there are.
        local_rank: its number on this machine.
        device: where it computes.
    """

    rank: int
    world_size: int
    local_rank: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """The sums over all ranks of a tensor, on the CPU; every rank gets the same."""
        if self.world_size == 1:
            return values
        total = values.to(self.device, copy=True)
        distributed.all_reduce(total)
        return total.cpu()

    def told(self, value: object) -> object:
        """What rank 0 has here; anything that can be pickled and is small."""
        if self.world_size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0, device=self.device if self.device.type == "cuda" else None)
        return box[0]

    def wait(self) -> None:
        """Go on when every rank is here."""
        if self.world_size > 1:
            distributed.barrier()

    def agreed(self, problem: str | None) -> str | None:
        """The first rank's problem, if any rank has one: so that all of them stop together."""
        if self.world_size == 1:
            return problem
        box: list[str | None] = [None] * self.world_size
        distributed.all_gather_object(box, problem)
        return next((one for one in box if one is not None), None)


def environment(variables: dict[str, str]) -> tuple[int, int, int]:
    """Rank, world size and local rank that a launcher has put into the environment; (0, 1, 0) where none has.

    Raises:
        LaunchError: some of the variables are there and others are not, or they contradict each other.
    """
    given = [name for name in _VARIABLES if variables.get(name)]
    if "WORLD_SIZE" not in given and "RANK" not in given:
        return 0, 1, 0
    missing = [name for name in _VARIABLES if name not in given and name != "LOCAL_RANK"]
    if missing:
        raise LaunchError(
            f"the environment has {', '.join(given)} but not {', '.join(missing)}: start with torchrun or deepspeed, "
            f"which set all of them, or unset them all for one process"
        )
    try:
        rank, world_size = int(variables["RANK"]), int(variables["WORLD_SIZE"])
        local_rank = int(variables.get("LOCAL_RANK") or 0)
    except ValueError as error:
        raise LaunchError(f"RANK, WORLD_SIZE and LOCAL_RANK are whole numbers: {error}") from None
    if not 0 <= rank < world_size:
        raise LaunchError(f"RANK is {rank} and WORLD_SIZE {world_size}: expected a rank from 0 to {world_size - 1}")
    return rank, world_size, local_rank


def stream_seed(seed: int, step: int, rank: int) -> int:
    """Seed of torch's random numbers in a step: a function of where the run stands, so that no state is saved."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB) & ((1 << 64) - 1)
    mixed ^= mixed >> 31
    return mixed & ((1 << 63) - 1)


@contextmanager
def running(*, device: str | None = None, timeout_s: float = 600.0) -> Iterator[Ranks]:
    """The processes of a run, found together for as long as the block lasts.

    Args:
        device: `cpu` or `cuda`; None: GPUs where there are any.
        timeout_s: how long to wait for the others.

    Raises:
        LaunchError: see `environment`; the port is taken; others do not come; there are fewer GPUs than processes.
    """
    rank, world_size, local_rank = environment(dict(os.environ))
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda":
        if local_rank >= torch.cuda.device_count():
            raise LaunchError(
                f"process {local_rank} of this machine has no GPU: there are {torch.cuda.device_count()}. Start as "
                "many processes as there are GPUs"
            )
        torch.cuda.set_device(local_rank)
    else:
        os.environ["DS_ACCELERATOR"] = "cpu"  # before deepspeed is imported: it warns and guesses otherwise
    placed = torch.device(kind, local_rank) if kind == "cuda" else torch.device("cpu")
    before = {name: os.environ.get(name) for name in _VARIABLES}
    try:
        _join(rank, world_size, placed, timeout_s)
        yield Ranks(rank, world_size, local_rank, placed)
    finally:
        _leave(before)


def _leave(before: Mapping[str, str | None]) -> None:
    """Undo `_join`, what DeepSpeed remembers of it too, so that another run can follow in this process."""
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    deepspeed = sys.modules.get("deepspeed")
    if deepspeed is not None and deepspeed.comm.is_initialized():
        deepspeed.comm.destroy_process_group()
        deepspeed.comm.comm.cdb = None
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _join(rank: int, world_size: int, device: torch.device, timeout_s: float) -> None:
    backend, bound = ("nccl", device) if device.type == "cuda" else ("gloo", None)
    wait = timedelta(seconds=timeout_s)
    if world_size == 1:
        # No port at all: two runs on one machine cannot meet. DeepSpeed reads the variables nevertheless.
        os.environ |= {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", "0")
        store = torch._C._distributed_c10d.HashStore()
        distributed.init_process_group(backend, store=store, rank=0, world_size=1, timeout=wait, device_id=bound)
        return
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        distributed.init_process_group(backend, rank=rank, world_size=world_size, timeout=wait, device_id=bound)
    except (distributed.DistError, RuntimeError, ValueError) as error:
        said = str(error).splitlines()[0]
        if "EADDRINUSE" in said or "address already in use" in said:
            raise LaunchError(
                f"{where} is in use, by another run perhaps: give another port (torchrun --master-port, deepspeed "
                "--master_port, or MASTER_PORT)"
            ) from error
        raise LaunchError(
            f"rank {rank} of {world_size} did not find the others at {where} within {timeout_s:.0f} s ({said}): check "
            "that as many processes were started, and that this address can be reached from every machine"
        ) from error
