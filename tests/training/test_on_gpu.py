"""The engine on a GPU: the CPU's numbers, the same at every stage of ZeRO, and a killed run that goes on.

Needs of Winnow's packages only what training needs, so that a bare machine with a GPU can run it:
`python -m pytest --confcutdir tests/training tests/training/test_on_gpu.py`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from references.training_setups import losses, run_here, small_config
from safetensors.torch import load_file

from training.config import CheckpointConfig, DataConfig, EvaluationConfig, TrainConfig, to_json
from training.data.dynamic_batch_loading import DynamicBatchLoading

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

REPOSITORY = Path(__file__).parents[2]
ROUNDED = 2e-3
"""How far losses of 4 in bf16 lie apart where the same is added up in another order."""


ON_CPU = """
import json, sys
from pathlib import Path
from references.training_setups import losses, run_here, small_config
print(json.dumps(losses(run_here(small_config(Path(sys.argv[1])), Path(sys.argv[2])))))
"""


@pytest.fixture(scope="module")
def on_cpu(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, float]:
    """Losses of a process of its own: DeepSpeed decides once in a process whether it works on GPUs."""
    command = [sys.executable, "-c", ON_CPU, str(corpus), str(tmp_path_factory.mktemp("cpu"))]
    said = finished(started(command, OMP_NUM_THREADS="1"))
    return {int(step): loss for step, loss in json.loads(said.splitlines()[-1]).items()}


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_every_stage_has_the_losses_of_the_cpu(
    corpus: Path, tmp_path: Path, on_cpu: dict[int, float], stage: Any
) -> None:
    found = losses(run_here(small_config(corpus, zero_stage=stage), tmp_path, device="cuda"))
    assert found == pytest.approx(on_cpu, abs=1e-4)


@pytest.mark.parametrize("micro", [1, 2, 4])
def test_the_loss_does_not_depend_on_how_a_batch_is_cut(
    corpus: Path, tmp_path: Path, on_cpu: dict[int, float], micro: int
) -> None:
    found = losses(run_here(small_config(corpus, micro_batch_size=micro), tmp_path, device="cuda"))
    assert found == pytest.approx(on_cpu, abs=1e-4)


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_bf16_follows_fp32(corpus: Path, tmp_path: Path, on_cpu: dict[int, float], stage: Any) -> None:
    config = small_config(corpus, zero_stage=stage, precision="bf16")
    found = losses(run_here(config, tmp_path, device="cuda"))
    assert found == pytest.approx(on_cpu, abs=0.03)
    assert found[8] < found[1] - 0.3


@pytest.mark.parametrize(("stage", "precision"), [(0, "fp32"), (1, "bf16"), (2, "bf16"), (3, "bf16")])
def test_goes_on_after_an_interruption(corpus: Path, tmp_path: Path, stage: Any, precision: Any) -> None:
    config = small_config(
        corpus,
        zero_stage=stage,
        precision=precision,
        evaluation=EvaluationConfig(every_steps=4),
        checkpoint=CheckpointConfig(every_steps=2, at_end=False, save_model=False),
        mixing=DynamicBatchLoading(every_steps=2, clip_negative=False),
        reference="initial",
    )
    whole = losses(run_here(config, tmp_path / "whole", device="cuda"))

    def watch(event: str, fields: dict[str, Any]) -> None:
        if event == "step" and fields["step"] == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_here(config, tmp_path / "cut", watch=watch, device="cuda")
    found = losses(run_here(config, tmp_path / "cut", device="cuda"))
    assert list(found) == [5, 6, 7, 8]
    assert found == pytest.approx({step: whole[step] for step in found}, abs=1e-5 if precision == "fp32" else ROUNDED)


def command_of(config: TrainConfig, folder: Path) -> subprocess.Popen[str]:
    file = folder.with_suffix(".json")
    file.write_text(to_json(config))
    command = [sys.executable, "-m", "jobs.train_lm", str(file), "-o", str(folder)]
    return started(command)


def started(command: list[str], **variables: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    path = f"{REPOSITORY}:{REPOSITORY / 'tests'}:{os.environ.get('PYTHONPATH', '')}"
    return subprocess.Popen(
        command,
        env=inherited | variables | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=REPOSITORY,
    )


def finished(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    return said


def test_a_killed_run_ends_with_the_same_weights(corpus: Path, tmp_path: Path) -> None:
    config = small_config(
        corpus,
        steps=120,
        precision="bf16",
        zero_stage=2,
        data=DataConfig(shards=str(corpus), num_workers=2, max_epochs_per_domain=40),
        checkpoint=CheckpointConfig(every_steps=20, model_dtype="float32"),
    )
    finished(command_of(config, tmp_path / "whole"))
    killed = command_of(config, tmp_path / "killed")
    until = time.monotonic() + 200
    while not (tmp_path / "killed" / "checkpoints" / "step-00000040").is_dir() and time.monotonic() < until:
        assert killed.poll() is None, killed.communicate()[0]
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed" / "model").exists()
    said = finished(command_of(config, tmp_path / "killed"))
    assert "report.html" in said
    one, other = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed"))
    assert one.keys() == other.keys()
    differing = {name: (one[name] - other[name]).abs().max().item() for name in one}
    assert max(differing.values()) < 1e-3, differing
