"""How processes find together, and what is said when they do not."""

import os
import socket
from pathlib import Path

import pytest
import torch
from references.training_setups import small_config

from training.errors import ConfigError, LaunchError
from training.parallel import Ranks, environment, running
from training.plan import check_batches

WHOLE = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


def test_one_process_without_a_launcher() -> None:
    assert environment({}) == (0, 1, 0)
    assert environment({"MASTER_PORT": "1", "LOCAL_RANK": "0"}) == (0, 1, 0)


def test_what_a_launcher_says() -> None:
    assert environment(WHOLE) == (1, 2, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"MASTER_PORT": ""}, "has RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR but not MASTER_PORT"),
        ({"RANK": ""}, "but not RANK"),
        ({"RANK": "2"}, "RANK is 2 and WORLD_SIZE 2: expected a rank from 0 to 1"),
        ({"WORLD_SIZE": "two"}, "whole numbers"),
    ],
)
def test_contradicting_variables(change: dict[str, str], said: str) -> None:
    with pytest.raises(LaunchError, match=said):
        environment(WHOLE | change)


def _variables(monkeypatch: pytest.MonkeyPatch, change: dict[str, str]) -> None:
    for name, value in (WHOLE | change).items():
        monkeypatch.setenv(name, value)


def test_a_port_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        _variables(monkeypatch, {"RANK": "0", "LOCAL_RANK": "0", "MASTER_PORT": port})
        with (
            pytest.raises(LaunchError, match=rf"127\.0\.0\.1:{port} is in use.*another port"),
            running(device="cpu", timeout_s=5),
        ):
            pass


def test_a_rank_that_finds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    _variables(monkeypatch, {"MASTER_PORT": port})
    with (
        pytest.raises(LaunchError, match=r"rank 1 of 2 did not find the others at 127\.0\.0\.1.* within 1 s"),
        running(device="cpu", timeout_s=1),
    ):
        pass


def test_a_machine_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    if torch.cuda.is_available():
        _variables(monkeypatch, {"LOCAL_RANK": "64"})
    with pytest.raises(LaunchError, match="has no GPU: there are"), running(device="cuda"):
        pass


def test_one_process_needs_no_port_and_can_follow_another(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WHOLE:
        monkeypatch.delenv(name, raising=False)
    for _ in range(2):
        with running(device="cpu") as ranks:
            assert ranks == Ranks(0, 1, 0, torch.device("cpu"))
            assert ranks.first
    assert "WORLD_SIZE" not in os.environ  # what follows in this process may look for it


@pytest.mark.parametrize(
    ("world_size", "batch_size", "micro", "said"),
    [
        (3, 8, None, "batch_size is 8 and there are 3 ranks.* 6 or 9 rows would do"),
        (16, 8, None, "there are 16 ranks.* 16 rows would do"),
        (2, 8, 3, "micro_batch_size is 3, and each of 2 ranks has 4 of the 8 rows of a batch: expected one of 1, 2, 4"),
    ],
)
def test_batches_that_cannot_be_divided(world_size: int, batch_size: int, micro: int | None, said: str) -> None:
    ranks = Ranks(0, world_size, 0, torch.device("cpu"))
    config = small_config(Path("shards"), batch_size=batch_size, micro_batch_size=micro)
    with pytest.raises(ConfigError, match=said):
        check_batches(config, ranks)
