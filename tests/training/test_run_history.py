"""A run read back: what the log says, the last attempt where steps were done twice, while it is still going."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from references.training_runs import CURVES, failed_run, plain_run, whole_run

from training.logs import NAME, RunLog
from training.run_history import RunHistory, RunHistoryError, is_run, read_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed, resumed, and came to its end. Not to be changed."""
    return whole_run(tmp_path_factory.mktemp("runs") / "whole", total_steps=150)


@pytest.fixture(scope="module")
def history(folder: Path) -> RunHistory:
    return read_run(folder)


def records(folder: Path, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / NAME).read_text().splitlines()]
    return [record for record in found if record["event"] == event]


def test_columns_are_those_of_the_log(folder: Path, history: RunHistory) -> None:
    written = records(folder, "step")
    assert history.steps.step.tolist() == list(range(1, 151)) == [record["step"] for record in written]
    for name in ("sample", "tokens", "loss", "lr", "grad_norm", "skipped_steps", "seconds", "tokens_per_s", "mfu"):
        assert getattr(history.steps, name).tolist() == [record[name] for record in written], name
    for domain in CURVES:
        assert history.steps.weights[domain].tolist() == [record["weights"][domain] for record in written]
        told = [record["loss_by_domain"][domain] for record in written]
        assert np.array_equal(history.steps.loss_by_domain[domain], np.array(told, dtype=np.float64), equal_nan=True)
    assert {column.dtype.kind for column in (history.steps.step, history.steps.tokens, history.evals.step)} == {"i"}
    assert history.steps.tokens_by_domain["web"].dtype.kind == "i"
    assert history.steps.loss.dtype == history.evals.loss_by_domain["web"].dtype == np.float64
    assert history.evals.step.tolist() == [50, 100, 150]
    assert history.evals.loss_by_domain["code"].tolist() == [
        record["loss_by_domain"]["code"] for record in records(folder, "eval")
    ]
    assert history.weights.step.tolist() == [50, 100, 150]
    for name in ("before", "after", "reference", "losses", "excess"):
        assert getattr(history.weights, name)["web"].tolist() == [
            record[name]["web"] for record in records(folder, "weights")
        ]
    assert history.domains == tuple(CURVES)
    assert history.run["num_params"] == 11_020_544


def test_events(history: RunHistory) -> None:
    assert [record["event"] for record in history.events] == [
        "start",
        "checkpoint",
        "resume",
        "warning",
        "end",
    ]
    (resumed,) = history.of("resume")
    assert resumed["step"] == 50
    assert history.ended is not None
    assert history.ended["reason"] == "done"
    assert history.last_step == 150


def test_frames_for_notebooks(history: RunHistory) -> None:
    steps = history.steps.to_pandas()
    assert steps.index.name == "step"
    assert steps.loc[7, "loss"] == history.steps.loss[6]
    assert steps["loss_by_domain/qa"].isna().sum() == np.isnan(history.steps.loss_by_domain["qa"]).sum()
    assert list(history.evals.to_pandas().filter(like="loss_by_domain/")) == [
        f"loss_by_domain/{name}" for name in CURVES
    ]
    assert history.weights.to_pandas()["after/web"].iloc[-1] == history.weights.after["web"][-1]


def test_a_run_that_is_still_going(tmp_path: Path) -> None:
    plain_run(tmp_path, num_steps=5)
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"event":"step","step":6,"lo')
    history = read_run(tmp_path)
    assert history.ended is None
    assert history.last_step == 5
    assert np.isnan(history.steps.mfu).all()
    assert len(history.evals) == len(history.weights) == 0
    assert history.evals.to_pandas().empty


def test_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    history = read_run(failed_run(tmp_path))
    assert history.steps.step.tolist() == [1, 2, 3]
    assert np.isfinite(history.steps.loss).tolist() == [True, True, False]
    assert history.ended is not None
    assert history.ended["reason"] == "failed"


def step(log: RunLog, number: int, loss: float) -> None:
    log.write("step", step=number, loss=loss, loss_by_domain={"a": loss})


def test_the_last_attempt_wins_where_nothing_was_cut_off(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.write("start", run={"domains": ["a"]})
        for number in (1, 2, 3, 4):
            step(log, number, 10.0)
        log.write("eval", step=2, loss=1.0, loss_by_domain={"a": 1.0})
        log.write("eval", step=4, loss=1.0, loss_by_domain={"a": 1.0})
        log.write("checkpoint", step=4, path="lost")
        log.write("end", step=4, reason="interrupted")
        log.write("resume", step=2)
        log.write("eval", step=2, loss=2.0, loss_by_domain={"a": 2.0})
        step(log, 3, 20.0)
    history = read_run(tmp_path)
    assert history.steps.loss.tolist() == [10.0, 10.0, 20.0]
    assert history.steps.loss_by_domain["a"].tolist() == [10.0, 10.0, 20.0]
    assert (history.evals.step.tolist(), history.evals.loss.tolist()) == ([2], [2.0])
    assert [record["event"] for record in history.events] == ["start", "resume"]
    assert history.ended is None


def test_a_run_that_began_anew_forgets_the_one_before(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.write("start", run={"domains": ["a"], "seed": 1})
        step(log, 1, 10.0)
        step(log, 2, 10.0)
        log.write("warning", step=2, message="old")
        log.write("start", run={"domains": ["a"], "seed": 2})
        log.write("warning", step=0, message="new")
        log.write("eval", step=0, loss=9.0, loss_by_domain={"a": 9.0})
        step(log, 1, 20.0)
    history = read_run(tmp_path)
    assert history.steps.loss.tolist() == [20.0]
    assert history.evals.step.tolist() == [0]
    assert history.run["seed"] == 2
    assert [record.get("message") for record in history.events] == [None, "new"]


def test_a_second_start_before_a_resume_keeps_the_history(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.write("start", run={"domains": ["a"], "world_size": 1})
        step(log, 1, 10.0)
        log.write("start", run={"domains": ["a"], "world_size": 2})
        log.write("resume", step=1)
        step(log, 2, 5.0)
    history = read_run(tmp_path)
    assert history.steps.loss.tolist() == [10.0, 5.0]
    assert history.run["world_size"] == 2


def test_alarms_keep_their_step(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.write("start", run={"domains": ["a"]})
        log.write("weights", step=5, sample=10, before={"a": 1.0}, after={"a": 1.0}, alarms=["one", "two"])
    history = read_run(tmp_path)
    assert history.alarms == ((5, "one"), (5, "two"))
    assert math.isnan(history.weights.excess["a"][0])


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    assert not is_run(tmp_path)
    with pytest.raises(RunHistoryError, match=r"no metrics\.jsonl in .*: expected the folder of a training run"):
        read_run(tmp_path)
    (tmp_path / NAME).write_text("")
    assert is_run(tmp_path)
    with pytest.raises(RunHistoryError, match='no line with the event "start" yet'):
        read_run(tmp_path)
    (tmp_path / NAME).write_text('{"event":"start","run":{}}\n[1]\n{"event":"end","step":1}\n')
    with pytest.raises(RunHistoryError, match=r"line 2 of .* is damaged"):
        read_run(tmp_path)
