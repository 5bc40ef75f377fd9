"""Checkpoints: whole or not there, found out where damaged, of this model or refused."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from references.training_setups import losses, run_here, small_config
from safetensors.torch import load_file

from training import checkpoints
from training.config import CheckpointConfig, TrainConfig
from training.errors import CheckpointError
from training.setup import newest

SAVING = CheckpointConfig(every_steps=2, keep=2, at_end=True, save_model=False)


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainConfig, Path]:
    """A finished run with checkpoints. Not to be changed."""
    folder = tmp_path_factory.mktemp("run")
    config = small_config(corpus, steps=6, checkpoint=SAVING)
    run_here(config, folder)
    return config, folder


@pytest.fixture
def own(run: tuple[TrainConfig, Path], tmp_path: Path) -> Path:
    """A copy of that run that a test may damage."""
    shutil.copytree(run[1], tmp_path / "run")
    return tmp_path / "run"


def test_the_newest_stay_and_nothing_is_pickled(run: tuple[TrainConfig, Path]) -> None:
    place = run[1] / "checkpoints"
    assert [one.name for one in checkpoints.finished(place)] == ["step-00000004", "step-00000006"]
    assert sorted(path.name for path in place.rglob("*.*") if path.is_file()) == [
        "checkpoint.json",
        "checkpoint.json",
        "tensors-00000-000.safetensors",
        "tensors-00000-000.safetensors",
    ]
    found = checkpoints.open_checkpoint(place / "step-00000006")
    assert found.num_updates == found.step == 6
    assert json.dumps(dict(found.state))
    assert found.num_bytes == sum(file.stat().st_size for file in (place / "step-00000006").glob("*.safetensors"))


def test_holds_weights_and_states_by_name(run: tuple[TrainConfig, Path]) -> None:
    tensors = load_file(run[1] / "checkpoints" / "step-00000006" / "tensors-00000-000.safetensors")
    name = "model.layers.1.mlp.down_proj.weight"
    kinds = [tensors[f"{name}//{kind}"] for kind in ("weight", "exp_avg", "exp_avg_sq")]
    assert [one.shape for one in kinds] == [torch.Size([32, 48])] * 3
    assert {one.dtype for one in kinds} == {torch.float32}
    assert all(bool((one != 0).any()) for one in kinds)


def test_a_save_that_was_killed_is_not_taken_for_whole(run: tuple[TrainConfig, Path], own: Path) -> None:
    place = own / "checkpoints"
    shutil.copytree(place / "step-00000006", place / ".step-00000008.tmp")
    (place / "step-00000010").mkdir()  # without a head
    found = newest(own)
    assert found is not None
    assert found.step == 6
    run_here(replace(run[0], steps=7, schedule=run[0].schedule), own)
    assert not list(place.glob(".step-*"))


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "head"])
def test_damage_is_named(own: Path, damage: str) -> None:
    folder = own / "checkpoints" / "step-00000006"
    file = folder / "tensors-00000-000.safetensors"
    if damage == "flip":
        with file.open("r+b") as opened:
            opened.seek(5000)
            byte = opened.read(1)
            opened.seek(5000)
            opened.write(bytes([byte[0] ^ 1]))
    elif damage == "truncate":
        os.truncate(file, 5000)
    elif damage == "remove":
        file.unlink()
    else:
        (folder / "checkpoint.json").write_text('{"format": ')
    said = {
        "flip": "is damaged",
        "truncate": "has 5,000 bytes instead of",
        "remove": "is missing",
        "head": "is damaged",
    }
    with pytest.raises(CheckpointError, match=f"{said[damage]}.*go on from step-00000004"):
        newest(own)


def _edited(folder: Path, change: dict[str, Any]) -> None:
    head = folder / "checkpoint.json"
    head.write_text(json.dumps(json.loads(head.read_text()) | change))


def test_another_version_is_refused(own: Path) -> None:
    _edited(own / "checkpoints" / "step-00000006", {"version": 2})
    with pytest.raises(CheckpointError, match="no checkpoint of version 1"):
        newest(own)


def test_of_another_model(run: tuple[TrainConfig, Path], own: Path) -> None:
    wider = {**(run[0].model.config or {}), "intermediate_size": 64}
    config = replace(run[0], model=replace(run[0].model, config=wider))
    with pytest.raises(CheckpointError, match=r"another model: 6 weights differ.*was \[32, 48\] and is \[32, 64\]"):
        run_here(config, own)


def test_of_another_optimizer(run: tuple[TrainConfig, Path], own: Path) -> None:
    config = replace(run[0], optimizer=replace(run[0].optimizer, kind="lion"))
    with pytest.raises(
        CheckpointError, match="has the optimizer states exp_avg, exp_avg_sq, and this run needs exp_avg"
    ):
        run_here(config, own)


def test_no_room_is_said_before_the_first_step(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: free)
    with pytest.raises(CheckpointError, match=r"a checkpoint takes 0\.00 GB and .* has 0\.00 GB left"):
        run_here(small_config(corpus, checkpoint=SAVING), tmp_path)


def test_a_disk_that_fills_up_leaves_the_earlier_checkpoint(corpus: Path, tmp_path: Path) -> None:
    """A real limit on the size of files: the second save cannot be written."""
    config = small_config(corpus, steps=6, checkpoint=SAVING)
    whole = losses(run_here(config, tmp_path / "whole"))
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def watch(event: str, fields: dict[str, Any]) -> None:
        if event == "step" and fields["step"] == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))

    try:
        with pytest.raises(CheckpointError, match=r"cannot be written.*earlier checkpoints are whole"):
            run_here(config, tmp_path / "full", watch=watch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    place = tmp_path / "full" / "checkpoints"
    assert [one.name for one in place.iterdir()] == ["step-00000002"]
    assert losses(run_here(config, tmp_path / "full")) == {step: whole[step] for step in (3, 4, 5, 6)}
