"""Checkpoints: whole fp32 tensors by name in safetensors, so that any number of ranks and any ZeRO stage goes on.

    step-00000100/
        checkpoint.json             written last: what is where, with sizes and hashes, and the state of everything else
        tensors-00000-000.safetensors ...   weights and optimizer states; each rank writes its share

A folder gets its name when all of it is on the disk; before that it is called `.step-00000100.tmp` and nobody reads it.
Nothing is pickled. All ranks have to see the same folder.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

import torch
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from training.errors import CheckpointError
from training.parallel import Ranks
from training.parameters import Parameters

FORMAT, VERSION = "winnow-checkpoint", 1
_HEAD = "checkpoint.json"
_NAME = re.compile(r"step-(\d{8,})")
_FILE_BYTES = 2 << 30
_SEPARATOR = "//"


@dataclass(frozen=True)
class Checkpoint:
    """A finished checkpoint.

    Attributes:
        folder: where it is.
        step: updates done when it was written.
        state: what was saved beside tensors.
        files: size and xxh3 of each file of tensors.
        num_updates: steps that the optimizer counted.
        shapes: of all weights.
        optimizer: which states there are.
    """

    folder: Path
    step: int
    state: Mapping[str, Any]
    files: Mapping[str, Mapping[str, Any]]
    num_updates: int
    shapes: Mapping[str, list[int]]
    optimizer: list[str]

    @property
    def num_bytes(self) -> int:
        """Size of all tensors on the disk."""
        return sum(int(file["num_bytes"]) for file in self.files.values())


def folder_name(step: int) -> str:
    """Name of a step's checkpoint."""
    return f"step-{step:08d}"


def finished(place: Path) -> list[Path]:
    """Folders of finished checkpoints, oldest first."""
    if not place.is_dir():
        return []
    found = [one for one in place.iterdir() if _NAME.fullmatch(one.name) and (one / _HEAD).exists()]
    return sorted(found, key=lambda one: int(one.name.removeprefix("step-")))


def size_of(parameters: Parameters) -> int:
    """Bytes that a checkpoint of these weights takes."""
    numbers = sum(torch.Size(parameters.shape(name)).numel() for name in parameters.names)
    return 4 * numbers * len(parameters.kinds)


def check_room(place: Path, num_bytes: int) -> None:
    """Check that a checkpoint fits onto the disk.

    Raises:
        CheckpointError: it does not.
    """
    free = shutil.disk_usage(place).free
    if free < num_bytes:
        raise CheckpointError(
            f"a checkpoint takes {num_bytes / 1e9:,.2f} GB and {place} has {free / 1e9:,.2f} GB left: make room, or "
            "give another --out"
        )


def save(
    place: Path, step: int, parameters: Parameters, ranks: Ranks, state: Mapping[str, Any], *, keep: int | None = None
) -> Path:
    """Write a checkpoint and, when it is whole, remove all but the newest `keep`; every rank calls it.

    Args:
        place: the folder of all checkpoints.
        step: updates done.
        parameters: what is saved.
        ranks: where this process stands.
        state: what else is needed to go on; JSON.
        keep: how many stay; None: all.

    Raises:
        CheckpointError: there is no room; what was begun is removed, older ones stay.
    """
    final, temporary = place / folder_name(step), place / f".{folder_name(step)}.tmp"
    if ranks.first:
        place.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
    ranks.wait()
    problem = None
    written: dict[str, dict[str, Any]] = {}
    for path, tensors in _shares(parameters, ranks):
        if problem is None:
            problem, written[path] = _write(temporary / path, tensors)
    problem = ranks.agreed(problem)
    if problem is not None:
        if ranks.first:
            shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(problem)
    files = _gathered(ranks, written)
    if ranks.first:
        head = {
            "format": FORMAT,
            "version": VERSION,
            "step": step,
            "num_updates": parameters.num_updates,
            "optimizer": list(parameters.kinds[1:]),
            "shapes": {name: list(parameters.shape(name)) for name in parameters.names},
            "files": files,
            "state": dict(state),
        }
        _write_text(temporary / _HEAD, json.dumps(head, indent=1, sort_keys=True) + "\n")
        _sync_folder(temporary)
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
        _sync_folder(place)
        for old in finished(place)[: -keep if keep is not None else 0]:
            shutil.rmtree(old)
    ranks.wait()
    return final


def open_checkpoint(folder: Path, *, verify: bool = True) -> Checkpoint:
    """What a finished checkpoint says of itself, its files compared with that.

    Raises:
        CheckpointError: it is missing, unfinished, damaged, or of another version.
    """
    try:
        head = json.loads((folder / _HEAD).read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is no finished checkpoint: it has no {_HEAD}") from None
    except ValueError as error:
        raise CheckpointError(f"{folder / _HEAD} is damaged ({error}): use an earlier checkpoint") from None
    if not isinstance(head, dict) or head.get("format") != FORMAT or head.get("version") != VERSION:
        raise CheckpointError(f"{folder / _HEAD} is no checkpoint of version {VERSION} of this format")
    for name, described in head["files"].items():
        _check_file(folder / name, described, verify=verify)
    return Checkpoint(
        folder=folder,
        step=head["step"],
        state=head["state"],
        files=head["files"],
        num_updates=head["num_updates"],
        shapes=head["shapes"],
        optimizer=head["optimizer"],
    )


def load(checkpoint: Checkpoint, parameters: Parameters) -> None:
    """Put a checkpoint's weights and states where they belong; every rank calls it.

    Raises:
        CheckpointError: it is of another model or another optimizer.
    """
    here = {name: list(parameters.shape(name)) for name in parameters.names}
    if here != checkpoint.shapes:
        differing = sorted(
            name for name in here.keys() | checkpoint.shapes.keys() if here.get(name) != checkpoint.shapes.get(name)
        )
        name = differing[0]
        raise CheckpointError(
            f"{checkpoint.folder} is of another model: {len(differing)} weights differ, for instance {name}, which was "
            f"{checkpoint.shapes.get(name, 'not there')} and is {here.get(name, 'not there')}"
        )
    if checkpoint.optimizer != list(parameters.kinds[1:]):
        raise CheckpointError(
            f"{checkpoint.folder} has the optimizer states {', '.join(checkpoint.optimizer)}, and this run needs "
            f"{', '.join(parameters.kinds[1:])}: go on with the same optimizer"
        )
    places = _places(checkpoint)
    for name in parameters.names:
        for kind in parameters.kinds:
            path, key = places[f"{name}{_SEPARATOR}{kind}"]
            with safe_open(path, framework="pt") as file:
                parameters.write(name, kind, file.get_tensor(key))
    parameters.set_num_updates(checkpoint.num_updates)


def clean(place: Path) -> None:
    """Remove what killed saves have left."""
    if place.is_dir():
        for one in place.glob(".step-*.tmp"):
            shutil.rmtree(one, ignore_errors=True)


def _shares(parameters: Parameters, ranks: Ranks) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """This rank's files; reading a tensor takes all ranks, so every rank goes through all of them."""
    held: dict[str, torch.Tensor] = {}
    size = number = 0
    for place, name in enumerate(parameters.names):
        for kind in parameters.kinds:
            value = parameters.read(name, kind)
            if place % ranks.world_size == ranks.rank:
                held[f"{name}{_SEPARATOR}{kind}"] = value.contiguous()
                size += 4 * value.numel()
        if size >= _FILE_BYTES:
            yield f"tensors-{ranks.rank:05d}-{number:03d}.safetensors", held
            held, size, number = {}, 0, number + 1
    if held:
        yield f"tensors-{ranks.rank:05d}-{number:03d}.safetensors", held


def _write(path: Path, tensors: dict[str, torch.Tensor]) -> tuple[str | None, dict[str, Any]]:
    """Write one file to the disk; gives what went wrong, and what the file is."""
    try:
        save_file(tensors, path)
        with path.open("r+b") as file:
            os.fsync(file.fileno())
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) in (ENOSPC, EDQUOT) or "No space left" in str(error)
        why = "the disk is full" if full else str(error)
        return f"{path.parent} cannot be written: {why}. Make room and run again; earlier checkpoints are whole", {}
    return None, {"num_bytes": path.stat().st_size, "xxh3": _hash(path)}


def _gathered(ranks: Ranks, written: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    if ranks.world_size == 1:
        return written
    box: list[dict[str, dict[str, Any]]] = [{} for _ in range(ranks.world_size)]
    torch.distributed.all_gather_object(box, written)
    return {path: described for one in box for path, described in one.items()}


def _check_file(path: Path, described: Mapping[str, Any], *, verify: bool) -> None:
    if not path.exists():
        raise CheckpointError(f"{path} is missing: use an earlier checkpoint")
    size = path.stat().st_size
    if size != described["num_bytes"]:
        raise CheckpointError(
            f"{path} has {size:,} bytes instead of {described['num_bytes']:,}: use an earlier checkpoint"
        )
    if verify and _hash(path) != described["xxh3"]:
        raise CheckpointError(f"{path} is damaged: its content has changed since it was written. Use an earlier one")


def _places(checkpoint: Checkpoint) -> dict[str, tuple[Path, str]]:
    places: dict[str, tuple[Path, str]] = {}
    for name in checkpoint.files:
        path = checkpoint.folder / name
        with safe_open(path, framework="pt") as file:
            places |= {key: (path, key) for key in file.keys()}  # noqa: SIM118 - it is no dictionary
    return places


def _hash(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(1 << 24):
            digest.update(chunk)
    return digest.hexdigest()


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
