"""What each of two processes does in the tests of several ranks; started by torchrun, one launch for all scenarios.

Usage: ranks_worker.py SHARDS FOLDER. FOLDER/single holds a checkpoint of one rank to go on from; FOLDER/found.json is
written.
"""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from references.training_setups import small_config

from training.config import CheckpointConfig, EvaluationConfig, TrainConfig
from training.data.dynamic_batch_loading import DynamicBatchLoading
from training.engine import Training
from training.parallel import Ranks, running
from training.setup import newest, prepare


class StoppedHereError(Exception):
    """Ends a run on all ranks at the same step."""


def weights_hash(parameters: Any) -> str:
    """A hash of all weights, as every rank reads them."""
    digest = hashlib.sha256()
    for name in parameters.names:
        digest.update(parameters.read(name, "weight").numpy().tobytes())
    return digest.hexdigest()


def run(config: TrainConfig, folder: Path, ranks: Ranks, *, stop_at: int | None = None) -> dict[str, Any]:
    """Train, from a checkpoint if one is there; what came out, as this rank sees it."""
    losses: dict[int, float] = {}
    evals: list[dict[str, float]] = []
    weights: list[dict[str, float]] = []
    local: list[str] = []

    def write(event: str, **fields: Any) -> None:
        if event == "step":
            losses[fields["step"]] = fields["loss"]
            if fields["step"] == stop_at:
                raise StoppedHereError
        if event == "eval":
            evals.append(fields["loss_by_domain"])
        if event == "weights":
            weights.append(fields["after"])

    parts = prepare(config, folder, ranks)
    training = Training(parts, write)
    checkpoint = newest(folder)
    if checkpoint is not None:
        training.resume(checkpoint)
    try:
        training.run()
    except StoppedHereError:
        return {"losses": losses}
    finally:
        local.append(weights_hash(parts.zero.parameters))
        parts.zero.close()
    hashes: list[Any] = [None] * ranks.world_size
    torch.distributed.all_gather_object(hashes, local[0])
    return {"losses": losses, "evals": evals, "weights": weights, "hashes": hashes}


def main() -> None:
    shards, folder = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    with running(device="cpu", timeout_s=120) as ranks:
        for stage in (0, 1, 2, 3):
            config = small_config(shards, zero_stage=stage, micro_batch_size=2 if stage % 2 else 4, steps=4)
            found[f"stage {stage}"] = run(config, folder / f"stage-{stage}", ranks)
        mixing = DynamicBatchLoading(every_steps=2, clip_negative=False)
        config = small_config(shards, mixing=mixing, reference="initial", steps=6)
        found["mixing"] = run(config, folder / "mixing", ranks)
        bf16 = small_config(shards, zero_stage=2, precision="bf16", steps=3)
        found["bf16"] = run(replace(bf16, evaluation=EvaluationConfig(every_steps=None)), folder / "bf16", ranks)
        saving = CheckpointConfig(every_steps=4, at_end=False, save_model=False)
        found["from one rank"] = run(small_config(shards, zero_stage=3, checkpoint=saving), folder / "single", ranks)
        two = small_config(shards, zero_stage=2, checkpoint=saving)
        found["stopped"] = run(two, folder / "two", ranks, stop_at=6)
        if ranks.first:
            (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
