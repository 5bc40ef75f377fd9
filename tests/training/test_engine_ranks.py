"""Two processes on the CPU: the numbers of one at every stage of ZeRO, and checkpoints that go both ways."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from references.training_setups import losses, run_here, small_config

from training.config import CheckpointConfig
from training.data.dynamic_batch_loading import DynamicBatchLoading

REPOSITORY = Path(__file__).parents[2]
WORKER = REPOSITORY / "tests" / "references" / "ranks_worker.py"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass(frozen=True)
class Two:
    """What two ranks found, and what one rank finds with the same settings."""

    found: dict[str, Any]
    whole: dict[int, float]
    folder: Path


@pytest.fixture(scope="module")
def two(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Two:
    """One launch of two ranks that goes through all scenarios."""
    folder = tmp_path_factory.mktemp("ranks")
    saving = CheckpointConfig(every_steps=4, at_end=False, save_model=False)
    whole = losses(run_here(small_config(corpus, checkpoint=saving), folder / "single"))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-addr=127.0.0.1"]
    command += [f"--master-port={free_port()}", str(WORKER), str(corpus), str(folder)]
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return Two(json.loads((folder / "found.json").read_text()), whole, folder)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_two_ranks_train_like_one(two: Two, corpus: Path, tmp_path: Path, stage: int) -> None:
    one = run_here(small_config(corpus, steps=4), tmp_path)
    found = two.found[f"stage {stage}"]
    assert {int(step): loss for step, loss in found["losses"].items()} == pytest.approx(losses(one), abs=1e-6)
    assert found["hashes"][0] == found["hashes"][1]
    expected = [event["loss_by_domain"] for event in one if event["event"] == "eval"]
    for ours, theirs in zip(found["evals"], expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_gradients_of_the_ranks_are_summed(two: Two, corpus: Path, tmp_path: Path) -> None:
    # Rank 0 alone, with half of each batch, goes elsewhere by the second step.
    half = losses(run_here(small_config(corpus, steps=4, batch_size=4), tmp_path))
    assert abs(two.found["stage 2"]["losses"]["3"] - half[3]) > 1e-3


def test_two_ranks_weigh_domains_like_one(two: Two, corpus: Path, tmp_path: Path) -> None:
    mixing = DynamicBatchLoading(every_steps=2, clip_negative=False)
    one = run_here(small_config(corpus, mixing=mixing, reference="initial", steps=6), tmp_path)
    after = [event["after"] for event in one if event["event"] == "weights"]
    assert len(after) == 2
    for ours, theirs in zip(two.found["mixing"]["weights"], after, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_bf16_trains_on_two_ranks(two: Two) -> None:
    found = two.found["bf16"]
    assert found["losses"]["3"] < found["losses"]["1"]
    assert found["hashes"][0] == found["hashes"][1]


def test_two_ranks_go_on_from_a_checkpoint_of_one(two: Two) -> None:
    resumed = {int(step): loss for step, loss in two.found["from one rank"]["losses"].items()}
    assert list(resumed) == [5, 6, 7, 8]
    assert resumed == pytest.approx({step: two.whole[step] for step in resumed}, abs=1e-6)


def test_one_rank_goes_on_from_a_checkpoint_of_two(two: Two, corpus: Path) -> None:
    files = sorted(path.name for path in (two.folder / "two" / "checkpoints" / "step-00000004").iterdir())
    assert files == ["checkpoint.json", "tensors-00000-000.safetensors", "tensors-00001-000.safetensors"]
    saving = CheckpointConfig(every_steps=4, at_end=False, save_model=False)
    resumed = losses(run_here(small_config(corpus, checkpoint=saving), two.folder / "two"))
    assert list(resumed) == [5, 6, 7, 8]
    assert resumed == pytest.approx({step: two.whole[step] for step in resumed}, abs=1e-6)
