"""The log of a run: whole lines only, whatever happens, and the same numbers in TensorBoard and W&B."""

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from references.wandb_records import config, history

from training.logs import NAME, LogError, RunLog, read_records

STEP = {"loss": 3.5, "lr": 1e-3, "loss_by_domain": {"a": 3.0, "b": None}, "weights": {"a": 0.25, "b": 0.75}}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / NAME).read_text().splitlines()]


def test_a_line_is_there_when_it_was_written(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "a" / "run")
    log.write("start", run={"domains": ["a"]})
    log.write("step", step=1, **STEP)
    start, step = lines(tmp_path / "a" / "run")
    assert start["event"] == "start"
    assert start["time"].endswith("+00:00")
    assert "step" not in start
    assert step.items() >= STEP.items()
    assert "not_finite" not in step
    log.close()


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.write("step", step=np.int64(1), loss=math.nan, by={"a": np.float32("inf"), "b": [1.0, -math.inf]})
        log.write("step", step=2, loss=np.float32(0.5))
    first, second = lines(tmp_path)
    assert (first["loss"], first["by"], first["not_finite"]) == (None, {"a": None, "b": [1.0, None]}, True)
    assert second["loss"] == 0.5
    assert "not_finite" not in second


KILLED = """
import sys
from training.logs import RunLog
log = RunLog(sys.argv[1])
print("ready", flush=True)
step = 0
while True:
    step += 1
    log.write("step", step=step, loss=1 / step, filler="x" * 200)
"""


def test_a_killed_run_leaves_whole_lines(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    while not (tmp_path / NAME).stat().st_size > 100_000:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    found = [record["step"] for record in read_records(tmp_path / NAME)]
    assert found == list(range(1, len(found) + 1))
    assert len(found) > 100
    with RunLog(tmp_path) as log:
        log.resume(50)
        log.write("resume", step=50)
    assert [(one["event"], one["step"]) for one in lines(tmp_path)] == [
        *(("step", step) for step in range(1, 51)),
        ("resume", 50),
    ]


@pytest.mark.parametrize("torn", [b'{"event":"step","st', b"{", b'{"event":"step","step":4}', b"x" * 200_000])
def test_a_torn_line_goes_when_the_log_is_opened(tmp_path: Path, torn: bytes) -> None:
    with RunLog(tmp_path) as log:
        log.write("step", step=1)
    with (tmp_path / NAME).open("ab") as file:
        file.write(torn)
    assert [one["step"] for one in read_records(tmp_path / NAME)] == [1]
    with RunLog(tmp_path) as log:
        log.write("step", step=2)
    assert [one["step"] for one in lines(tmp_path)] == [1, 2]


def test_a_file_that_is_one_torn_line_becomes_empty(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b'{"event"')
    RunLog(tmp_path).close()
    assert (tmp_path / NAME).read_bytes() == b""


def test_resuming_cuts_off_later_lines_and_keeps_the_rest(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.write("start", run={})
        for step in range(1, 8):
            log.write("step", step=step)
        log.write("end", step=7, reason="interrupted", message="", seconds=1.0)
    before = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
    with RunLog(tmp_path) as log:
        log.resume(4)
        log.write("step", step=5)
    after = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
    assert after[:5] == before[:5]  # byte for byte: the start and four steps
    assert len(after) == 6
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"event":"start"}\nnot json\n{"event":"step","step":1}\n')
    with RunLog(tmp_path) as log, pytest.raises(LogError, match=r"line 2 of .*metrics\.jsonl is damaged.*not json"):
        log.resume(1)
    assert len((tmp_path / NAME).read_text().splitlines()) == 3  # nothing was lost


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match=r"metrics\.jsonl cannot be written: Not a directory"):
        RunLog(tmp_path / "file" / "run")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to("/dev/full")
    code = "import sys; from training.logs import RunLog; RunLog(sys.argv[1]).write('start', run={})"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "LogError: the run's log" in done.stderr
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize(("package", "wanted"), [("tensorboard", {"tensorboard": True}), ("wandb", {"wandb": "p"})])
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, wanted: dict[str, Any]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(LogError, match=rf"pip install 'winnow\[{package}\]'"):
        RunLog(tmp_path, **wanted)


def test_nothing_is_imported_that_was_not_asked_for(tmp_path: Path) -> None:
    code = (
        "import sys; from training.logs import RunLog; log = RunLog(sys.argv[1]); log.write('step', step=1, loss=1.0); "
        "log.close(); sys.exit(bool({'torch', 'tensorboard', 'wandb'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def logged(log: RunLog) -> None:
    """A run of six steps, of which the last two are done again."""
    log.write("start", run={"domains": ["a", "b/c"], "num_params": 7})
    for step in range(1, 7):
        log.write("step", step=step, loss=10.0 - step, lr=0.1, loss_by_domain={"a": 1.0 * step, "b/c": None})
    log.write("eval", step=4, loss=2.5, loss_by_domain={"a": 2.0, "b/c": 3.0}, tokens_by_domain={}, seconds=1.0)
    log.resume(4)
    log.write("resume", step=4, path="checkpoints/step-00000004", world_size=1)
    for step in (5, 6):
        log.write("step", step=step, loss=0.5, lr=0.1, loss_by_domain={"a": 7.0, "b/c": None})
    log.write("step", step=7, loss=math.nan, lr=0.1)
    log.write("warning", step=7, message="the loss is not finite")


def test_tensorboard_reads_what_was_logged(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with RunLog(tmp_path, tensorboard=True) as log:
        logged(log)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = events.Tags()
    assert set(tags["scalars"]) == {
        "train/loss",
        "optimizer/lr",
        "train_by_domain/a",
        "eval/loss",
        "eval_by_domain/a",
        "eval_by_domain/b/c",
    }
    loss = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert loss == [(1, 9.0), (2, 8.0), (3, 7.0), (4, 6.0), (5, 0.5), (6, 0.5)]
    assert [(event.step, event.value) for event in events.Scalars("eval_by_domain/b/c")] == [(4, 3.0)]
    assert len(events.Scalars("train_by_domain/a")) == 6
    assert {"run/text_summary", "warnings/text_summary"} <= set(tags["tensors"])
    assert b"not finite" in events.Tensors("warnings/text_summary")[0].tensor_proto.string_val[0]


def test_tensorboard_forgets_an_attempt_that_begins_anew(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for losses in ([9.0, 8.0, 7.0], [5.0, 4.0]):
        with RunLog(tmp_path, tensorboard=True) as log:
            log.write("start", run={})
            log.write("eval", step=0, loss=losses[0])
            for step, loss in enumerate(losses, start=1):
                log.write("step", step=step, loss=loss)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 5.0), (2, 4.0)]
    assert [event.value for event in events.Scalars("eval/loss")] == [5.0]


def test_wandb_keeps_what_was_logged_and_goes_on_with_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline, as on a machine without a network; the run's id is the same after it was opened anew."""
    for name in ("CACHE_DIR", "CONFIG_DIR", "DATA_DIR"):
        monkeypatch.setenv(f"WANDB_{name}", str(tmp_path / name))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("WANDB_SILENT", "true")
    import wandb

    run = tmp_path / "run"
    with RunLog(run, wandb="winnow") as log:
        logged(log)
    wandb.teardown()  # ends the process that writes, which is done a little after the run
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    rows = history(file)
    assert [(row["step"], row["train/loss"]) for row in rows if "train/loss" in row] == [
        *((step, 10.0 - step) for step in range(1, 7)),
        (5, 0.5),
        (6, 0.5),
    ]
    assert [row["eval_by_domain/b/c"] for row in rows if "eval/loss" in row] == [3.0]
    assert config(file).items() >= {"domains": ["a", "b/c"], "num_params": 7}.items()
    number = (run / "wandb/run_id.txt").read_text().strip()
    with RunLog(run, wandb="winnow") as log:
        log.resume(4)
        log.write("step", step=5, loss=0.25)
    wandb.teardown()
    assert {path.stem for path in run.glob("wandb/offline-run-*/*.wandb")} == {f"run-{number}"}
