"""A process that reads is killed without warning, again and again; what it read is what an undisturbed one reads."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.data import Loader

REPOSITORY = Path(__file__).parents[3]

PROGRAM = """
import json, os, sys
from training.data import Loader

export, folder, world_size, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
state_path, log = f"{folder}/state.json", open(f"{folder}/log.jsonl", "a")
loaders = [Loader(export, seed=3, batch_size=6, rank=r, world_size=world_size) for r in range(world_size)]
if os.path.exists(state_path):
    for loader in loaders:
        loader.load_state(json.load(open(state_path)))
for parts in zip(*(loader.dataloader(num_workers=workers) if workers else loader for loader in loaders)):
    for batch in parts:
        rows = zip(batch["sample"].tolist(), batch["tokens"].tolist())
        log.write("".join(json.dumps(row) + "\\n" for row in rows))
    log.flush()
    with open(state_path + ".new", "w") as file:
        json.dump(loaders[0].state(), file)
    os.replace(state_path + ".new", state_path)  # a step is done
    if loaders[0].n >= 900:
        break
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_at_any_moment_and_resumed_at_another_world_size(export: Path, tmp_path: Path, workers: int) -> None:
    draw = random.Random(workers)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    log, state = tmp_path / "log.jsonl", tmp_path / "state.json"
    kills = 0
    for world_size in (1, 2, 3, 6, 1, 2, 3, 1):
        arguments = [str(export), str(tmp_path), str(world_size), str(workers)]
        with (tmp_path / "errors.txt").open("w") as errors:
            running = subprocess.Popen(
                [sys.executable, str(program), *arguments],
                env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
                stderr=errors,
                start_new_session=True,
            )
            _kill_after(running, state, draw.uniform(0, 0.05))
        if running.returncode == 0:
            break
        assert running.returncode == -signal.SIGKILL, (tmp_path / "errors.txt").read_text()
        kills += 1
    assert kills >= 2
    _check(export, log, json.loads(state.read_text())["n"])


def _kill_after(running: "subprocess.Popen[bytes]", state: Path, seconds: float) -> None:
    """Kill the process and its workers so many seconds after its first step."""
    before = state.stat().st_mtime_ns if state.exists() else 0
    end = time.monotonic() + 120
    while running.poll() is None and time.monotonic() < end:
        if state.exists() and state.stat().st_mtime_ns != before:
            time.sleep(seconds)
            break
        time.sleep(0.001)
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
    running.wait(timeout=60)


def _check(export: Path, log: Path, reached: int) -> None:
    """Whatever was read before each kill and after it: sample n has the tokens of sample n, and none is missing."""
    expected: list[list[int]] = []
    for batch in Loader(export, seed=3, batch_size=6, until=reached + 60):
        expected += batch["tokens"].tolist()
    found: dict[int, list[int]] = {}
    lines = log.read_text().split("\n")
    for line in lines[:-1]:
        try:
            number, tokens = json.loads(line)
        except json.JSONDecodeError:
            continue  # a kill cut this line; its step was not counted as done
        assert tokens == expected[number]
        found[number] = tokens
    assert set(range(reached)) <= found.keys()
