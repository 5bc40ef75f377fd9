"""Worker: what each of two ranks holds at every stage of ZeRO, counted from the tensors. Prints one line of JSON.

Without RANK in the environment it starts the two ranks and waits for them.
"""

import argparse
import gc
import json
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from training_corpus import config_of

from training.models import num_parameters
from training.objectives import inputs
from training.parallel import Ranks, running
from training.setup import Parts, prepare

RANKS, ACCUMULATION, STEPS = 2, 2, 2
SIZE = "1M"
RUNS = [
    (precision, stage) for precision in ("fp32", "bf16") for stage in (0, 1, 2, 3) if (precision, stage) != ("bf16", 0)
]

Storages = dict[int, int]
"""Bytes by address: what several tensors share counts once."""


def formula(precision: str, stage: int) -> float:
    """Bytes of a rank for each weight: weights, gradients and optimizer states, divided as the stage divides them.

    In bf16 2 for the weight, 4 for its gradient (ours are added up in fp32, the paper's are 2), and 12 for the fp32
    weight and AdamW's two averages. In fp32 4, 4 and 8; from stage 1 on DeepSpeed keeps a rank's part of the weights
    a second time here too.

    Reference: Rajbhandari et al. 2020, "ZeRO" (arXiv 1910.02054), section 5 and figure 1.
    """
    weight = 2 if precision == "bf16" else 4
    states = 8 if precision == "fp32" and stage == 0 else 12
    share = [1 / RANKS if stage >= least else 1 for least in (3, 2, 1)]
    return weight * share[0] + 4 * share[1] + states * share[2]


def storages(tensors: Iterable[torch.Tensor | None]) -> Storages:
    """Where tensors lie."""
    found = {}
    for tensor in tensors:
        if tensor is not None and tensor.device.type != "meta" and tensor.untyped_storage().nbytes():
            found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    return found


def everything() -> Storages:
    """All tensors of this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # asking deprecated things for their class makes them complain
        return storages(one for one in gc.get_objects() if issubclass(type(one), torch.Tensor))


def weights_of(parts: Parts) -> Iterator[torch.Tensor]:
    """What the model computes with, as far as this rank holds it."""
    for weight in parts.model.parameters():
        yield getattr(weight, "ds_tensor", weight.data)


def states_of(parts: Parts) -> Iterator[torch.Tensor]:
    """The optimizer's states, and its own copy of the weights where it has one."""
    optimizer = parts.zero.engine.basic_optimizer
    for buffer in parts.zero.parameters._buffers():
        yield buffer
        yield from (one for one in optimizer.state[buffer].values() if one.ndim)


def held(parts: Parts, before: Storages) -> dict[str, float]:
    """Bytes for each weight of the model, by what they are for; gradients are what else there is but buffers."""
    gc.collect()
    weights = storages(weights_of(parts))
    states = {place: size for place, size in storages(states_of(parts)).items() if place not in weights}
    optimizer, gradients = parts.zero.engine.optimizer, list[Any]()
    for weight in parts.model.parameters():
        gradients += [weight.grad, getattr(weight, "grad_accum", None)]
    for name in ("averaged_gradients", "all_grad_tensors"):
        gradients += [one for some in getattr(optimizer, name, {}).values() for one in (some or [])]
    gradients.append(getattr(optimizer, "grad_partitions_flat_buffer", None))
    gradients += getattr(optimizer, "fp32_groups_gradients_flat", [])
    kinds = {"weights": weights, "states": states, "gradients": storages(gradients)}
    known = {place for kind in kinds.values() for place in kind}
    rest = {place: size for place, size in everything().items() if place not in known and place not in before}
    size = num_parameters(parts.model)
    return {name: sum(kind.values()) / size for name, kind in (kinds | {"buffers": rest}).items()}


def measured(folder: Path, precision: str, stage: int, ranks: Ranks) -> dict[str, Any]:
    """The most that this rank holds of each kind, between the passes of two steps with two micro-batches each."""
    before = everything()
    config = config_of(
        SIZE, folder, STEPS, batch_size=RANKS * ACCUMULATION, micro_batch_size=1, precision=precision, zero_stage=stage
    )
    parts = prepare(config, folder / f"memory-{precision}-{stage}", ranks)
    most: dict[str, float] = {}
    for number, batch in enumerate(parts.loader.dataloader(num_workers=0), start=1):
        loss_B, weight_B = parts.zero.engine(**inputs(batch, ranks.device))
        parts.zero.backward(loss_B.sum() / weight_B.sum(), last=number % ACCUMULATION == 0)
        del loss_B, weight_B, batch
        now = held(parts, before)
        most = {name: max(value, most.get(name, 0.0)) for name, value in now.items()}
        if number % ACCUMULATION == 0:
            parts.zero.step(config.optimizer.lr)
    parts.zero.close()
    return {"precision": precision, "stage": stage, "formula": formula(precision, stage), **most}


def launch(arguments: list[str]) -> str:
    """What the first of two ranks prints."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    started = []
    for rank in range(RANKS):
        place = {"RANK": rank, "WORLD_SIZE": RANKS, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        variables = os.environ | {name: str(value) for name, value in place.items()} | {"OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, *arguments]
        started.append(subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True))
    said = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("a rank failed")
    return said[0].splitlines()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    if "RANK" not in os.environ:
        sys.stdout.write(launch(sys.argv[1:]) + "\n")
        return
    torch.set_num_threads(1)
    with running(device="cpu") as ranks:
        found = [measured(given.folder, precision, stage, ranks) for precision, stage in RUNS]
    sys.stdout.write(json.dumps({"runs": found}) + "\n")


if __name__ == "__main__":
    main()
