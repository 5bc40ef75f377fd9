"""What is saved when a run diverges: the batch, where its rows come from, and the weights that it met."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from training import checkpoints
from training.data import Batch, Loader
from training.parallel import Ranks
from training.parameters import Parameters


def rows_of(loader: Loader, micro: list[Batch], rows: list[torch.Tensor], ranks: Ranks) -> list[dict[str, Any]]:
    """The rows of a batch over all ranks, with their mean losses and documents, those without a loss first.

    Args:
        loader: that gave the batch.
        micro: this rank's micro-batches.
        rows: for each, float64 [2, B], sums of loss and weight of its rows.
        ranks: where this process stands.
    """
    own: list[dict[str, Any]] = []
    for batch, pair in zip(micro, rows, strict=True):
        sums, weights = pair.cpu().tolist()
        for sample, loss, weight in zip(batch["sample"].tolist(), sums, weights, strict=True):
            mean = loss / weight if weight else 0.0
            place = loader.provenance(sample)
            segments = [segment._asdict() for segment in place["segments"]]
            own.append(place | {"segments": segments, "loss": mean, "weight": weight})
    found = own
    if ranks.world_size > 1:
        box: list[list[dict[str, Any]]] = [[] for _ in range(ranks.world_size)]
        torch.distributed.all_gather_object(box, own)
        found = [row for part in box for row in part]
    return sorted(found, key=lambda row: (row["loss"] == row["loss"], -row["loss"], row["sample"]))


def save_failure(
    folder: Path,
    step: int,
    micro: list[Batch],
    listed: list[dict[str, Any]],
    ranks: Ranks,
    parameters: Parameters,
    state: Mapping[str, Any],
) -> Path:
    """Write the batch of each rank, `rows.json` and a checkpoint; gives the folder. Every rank calls it.

    The checkpoint holds the weights that the batch met, unless a step was done with it.
    """
    place = folder / f"failed-{checkpoints.folder_name(step)}"
    if ranks.first:
        place.mkdir(parents=True, exist_ok=True)
        rows = [row | {"loss": row["loss"] if row["loss"] == row["loss"] else None} for row in listed]
        (place / "rows.json").write_text(json.dumps(rows, indent=1) + "\n")
    ranks.wait()
    tensors = {
        f"{number:03d}.{name}": value.contiguous()
        for number, batch in enumerate(micro)
        for name, value in batch.items()
        if isinstance(value, torch.Tensor)
    }
    save_file(tensors, place / f"batch-{ranks.rank:05d}.safetensors")
    checkpoints.save(place, step, parameters, ranks, state)
    return place
