"""`winnow train` as a user runs it: killed at any moment and started again, refused where something is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from references.training_setups import LLAMA, small_config, write_corpus
from typer.testing import CliRunner

from jobs.cli import app
from jobs.train_lm import train
from training.config import CheckpointConfig, EvaluationConfig, TrainConfig, to_json
from training.data.dynamic_batch_loading import DynamicBatchLoading
from training.errors import ConfigError, TrainError
from training.logs import read_records
from training.run_history import read_run

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "shards")


def config_of(corpus: Path, **changes: Any) -> TrainConfig:
    saving = CheckpointConfig(every_steps=3, keep=None, model_dtype="float32")
    mixing = DynamicBatchLoading(every_steps=4, clip_negative=False)
    evaluation = EvaluationConfig(every_steps=5)
    config = small_config(
        corpus, steps=14, checkpoint=saving, evaluation=evaluation, mixing=mixing, reference="initial"
    )
    return replace(config, **changes)


def _start(config: TrainConfig, folder: Path) -> subprocess.Popen[bytes]:
    file = folder.with_suffix(".json")
    file.write_text(to_json(config))
    command = [sys.executable, "-m", "jobs.train_lm", str(file), "-o", str(folder), "--device", "cpu"]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    }
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=REPOSITORY)


def _kill_when(process: subprocess.Popen[bytes], folder: Path, num_lines: int) -> None:
    """Kill a run as soon as its log has so many lines, which may be in the middle of anything."""
    log = folder / "metrics.jsonl"
    for _ in range(6000):
        if process.poll() is not None:
            return
        if log.exists() and log.read_bytes().count(b"\n") >= num_lines:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def _told(folder: Path, *, of_checkpoints: bool = False) -> list[dict[str, Any]]:
    """What a log says of steps and evaluations, or of checkpoints, without what differs from run to run."""
    free = ("time", "seconds", "tokens_per_s", "mfu", "path")
    return [
        {name: value for name, value in record.items() if name not in free}
        for record in read_records(folder / "metrics.jsonl")
        if record["event"] not in ("start", "resume", "end") and (record["event"] == "checkpoint") == of_checkpoints
    ]


def test_killed_at_any_moment_it_ends_the_same(corpus: Path, tmp_path: Path) -> None:
    config = config_of(corpus)
    assert train(config, tmp_path / "whole", device="cpu", show=False) is not None
    killed = tmp_path / "killed"
    for num_lines in (5, 12, 21):
        _kill_when(_start(config, killed), killed, num_lines)
    process = _start(config, killed)
    output, _ = process.communicate()
    assert process.returncode == 0, output.decode()
    assert _told(killed) == _told(tmp_path / "whole")
    checkpoints, all_checkpoints = (_told(folder, of_checkpoints=True) for folder in (killed, tmp_path / "whole"))
    assert [one for one in all_checkpoints if one in checkpoints] == checkpoints
    assert len(all_checkpoints) - len(checkpoints) <= 3  # each kill may fall between a checkpoint and its line
    whole, again = (tmp_path / name / "model" / "model.safetensors" for name in ("whole", "killed"))
    assert again.read_bytes() == whole.read_bytes()
    history = read_run(killed)
    assert history.ended is not None
    assert history.ended["reason"] == "done"


@pytest.fixture(scope="module")
def done(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run. Not to be changed."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("done") / "run"
    train(config_of(corpus, steps=4), folder, device="cpu", show=False)
    return folder


def test_a_run_that_is_done_does_nothing(corpus: Path, done: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.is_file()}
    assert train(config_of(corpus, steps=4), done, device="cpu", show=False) is None
    assert {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.is_file()} == before


def test_other_settings_are_refused_and_named(corpus: Path, done: Path) -> None:
    with pytest.raises(ConfigError, match=r"other settings: seed was 1 and is 5; steps was 4 and is 6.*--overwrite"):
        train(config_of(corpus, steps=6, seed=5), done, device="cpu", show=False)


def test_overwrite_begins_anew(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(config_of(corpus, steps=1), folder, device="cpu", show=False)
    (folder / "mine.txt").write_text("kept")
    train(config_of(corpus, steps=2), folder, overwrite=True, device="cpu", show=False)
    assert read_run(folder).last_step == 2
    assert (folder / "mine.txt").read_text() == "kept"


def test_two_runs_do_not_write_into_one_folder(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = _start(config_of(corpus, steps=100_000), folder)
    try:
        for _ in range(3000):
            if (folder / "metrics.jsonl").exists() or process.poll() is not None:
                break
            time.sleep(0.02)
        with pytest.raises(TrainError, match="another run is writing to"):
            train(config_of(corpus), folder, device="cpu", show=False)
    finally:
        process.kill()
        process.communicate()


def test_the_command_tells_how_it_went(corpus: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(to_json(config_of(corpus, steps=3)))
    out = tmp_path / "run"
    result = CliRunner().invoke(
        app, ["train", str(file), "-o", str(out), "--set", "optimizer.lr=2e-3", "--device", "cpu"]
    )
    assert result.exit_code == 0, result.output
    assert "Evaluation loss" in result.output
    assert json.loads((out / "config.json").read_text())["optimizer"]["lr"] == 2e-3
    assert (out / "report.html").exists()
    again = CliRunner().invoke(app, ["train", str(out), "-o", str(out), "--device", "cpu"])
    assert again.exit_code == 0
    assert "Nothing to do" in again.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["pretrain_125"], 2, "Did you mean pretrain_125m?"),
        (
            ["demo", "--set", "optimizer.weight_decy=1"],
            2,
            "optimizer.weight_decy is no field of a training run: did you mean optimizer.weight_decay?",
        ),
        (["demo", "nowhere", "--set", "mixing=null"], 1, "nowhere"),
        (
            ["demo", "SHARDS", "--set", "mixing=null", "--set", "batch_size=7", "--set", "micro_batch_size=2"],
            2,
            "expected one of 1, 7",
        ),
        (["demo", "SHARDS", "--set", "reference=none.json"], 1, "none.json is missing"),
        (
            ["demo", "SHARDS", "--set", "mixing=null", "--set", 'data.weights={"code":1}'],
            1,
            "weights say nothing of 'news'",
        ),
        (["sft", "SHARDS", "--model", "nowhere/at/all"], 1, "nowhere/at/all"),
        (["demo", "SHARDS", "--set", "mixing=null", "--set", "schedule.warmup_steps=600"], 2, "warm"),
    ],
)
def test_what_is_wrong_is_said_before_the_first_step(
    corpus: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    given = [str(corpus) if one == "SHARDS" else one for one in arguments]
    result = CliRunner().invoke(app, ["train", *given, "-o", str(tmp_path / "run"), "--device", "cpu"])
    assert result.exit_code == code, result.output
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_reference_losses_that_lack_a_domain(corpus: Path, tmp_path: Path) -> None:
    table = tmp_path / "reference.json"
    table.write_text('{"code": 2.0, "news": 2.0}')
    result = CliRunner().invoke(
        app,
        ["train", "demo", str(corpus), "-o", str(tmp_path / "run"), "--set", f"reference={table}", "--device", "cpu"],
    )
    assert result.exit_code == 1
    assert "there is none for domain 'talk'" in " ".join(result.output.split())


def test_evaluate_writes_reference_losses_that_a_run_takes(corpus: Path, done: Path, tmp_path: Path) -> None:
    table = tmp_path / "reference.json"
    arguments = [
        "evaluate",
        str(done / "model"),
        str(corpus),
        "--to",
        str(table),
        "--precision",
        "fp32",
        "--device",
        "cpu",
    ]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)["losses"]
    last = [record for record in read_records(done / "metrics.jsonl") if record["event"] == "eval"][-1]
    assert measured == pytest.approx(last["loss_by_domain"], abs=1e-4)
    mixing = DynamicBatchLoading(every_steps=2)
    config = config_of(corpus, steps=3, mixing=mixing, reference=str(table))
    assert train(config, tmp_path / "run", device="cpu", show=False) is not None
    update = next(one for one in read_records(tmp_path / "run" / "metrics.jsonl") if one["event"] == "weights")
    assert update["reference"] == pytest.approx(measured)


def test_started_by_the_launcher_of_deepspeed(corpus: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(to_json(small_config(corpus, model=replace(small_config(corpus).model, config=LLAMA), steps=2)))
    launcher = [sys.executable, "-m", "deepspeed.launcher.launch", "--world_info", "eyJsb2NhbGhvc3QiOiBbMF19"]
    command = [*launcher, "--master_port", "0", "--node_rank", "0", str(REPOSITORY / "jobs" / "train_lm.py")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}
    ended = subprocess.run(
        [*command, str(file), "-o", str(tmp_path / "run"), "--device", "cpu"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert read_run(tmp_path / "run").last_step == 2


WITHOUT_SPARK = """
import sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pyspark", "pysail", "deltalake", "delta"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nowhere())
sys.argv = ["winnow", *sys.argv[1:]]
from jobs.cli import main
main()
"""


def test_a_machine_without_spark_can_train_and_tell(corpus: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(to_json(config_of(corpus, steps=3)))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SPARK, "train", str(file), "-o", str(tmp_path / "run"), "--device", "cpu"],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "3 of 3 steps" in done.stdout
    assert (tmp_path / "run" / "report.html").exists()
