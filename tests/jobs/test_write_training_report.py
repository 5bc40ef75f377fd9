"""From a run's log to its page and its summary, as the command does it."""

import json
import os
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from references.export_page import tables, text_of
from references.html_check import Closed
from references.training_runs import ROWS, failed_run, plain_run, whole_run
from rich.console import Console

from jobs.training_summary import show_run
from jobs.write_training_report import TrainingReportError, write_training_report
from training.run_history import read_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed, resumed and finished. Not to be changed."""
    return whole_run(tmp_path_factory.mktemp("runs") / "whole", total_steps=300)


def winnow(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "winnow"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    )


def test_figures_are_those_of_the_log(run: Path, tmp_path: Path) -> None:
    """Counted again from the lines of the log, in plain Python."""
    path = write_training_report(run, tmp_path / "page.html")
    html = path.read_text(encoding="utf-8")
    Closed(html)
    page = tables(html)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["event"] == "step"]
    evals = [line for line in lines if line["event"] == "eval"]
    assert [line["step"] for line in steps] == list(range(1, 301))
    for domain in ROWS:
        tokens = sum(line["tokens_by_domain"][domain] for line in steps)
        samples = sum(32 * line["weights"][domain] for line in steps)
        told = page["by-domain"][domain]
        assert told[0] == f"{tokens:,}"
        assert told[2:5] == [f"{round(samples):,}", f"{ROWS[domain]:,}", f"{samples / ROWS[domain]:.2f}"]
        losses = [line["loss_by_domain"][domain] for line in evals]
        assert page["by-loss"][domain][:3] == [f"{losses[0]:.3f}", f"{losses[-1]:.3f}", f"{min(losses):.3f}"]
    assert set(page["checkpoints"]) == {"100", "200"}
    said = text_of(html)
    for told in (
        f"{evals[-1]['loss']:.3f}evaluation loss",
        "3 warnings",
        "domain qa has been read 4 times and gets no more samples (step 150)",
        "resumed 1 time",
    ):
        assert told in said


def test_the_page_is_the_same_again(run: Path, tmp_path: Path) -> None:
    pages = [write_training_report(run, tmp_path / name).read_bytes() for name in ("a.html", "b.html")]
    assert pages[0] == pages[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_a_run_that_failed_and_one_that_is_still_going(tmp_path: Path) -> None:
    failed = text_of(write_training_report(failed_run(tmp_path / "failed")).read_text(encoding="utf-8"))
    assert "The run failed at step 3. the loss of step 3 is not finite: rows web/train-00000.arrow:7" in failed
    assert "No checkpoint was saved." in failed
    going = write_training_report(plain_run(tmp_path / "going"))
    assert going == tmp_path / "going" / "report.html"
    text = text_of(going.read_text(encoding="utf-8"))
    assert "step 40 of 100 · has not ended" in text
    assert "Nothing was evaluated yet" in text
    assert "MFU is not known" in text


def test_the_command_finds_out_that_it_is_a_run(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    done = winnow("report", "-o", str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"Report: {folder / 'report.html'}"
    assert "how the training went" in (folder / "report.html").read_text(encoding="utf-8")


def test_what_the_command_cannot_do_is_told(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingReportError, match=r"cannot write the report to .*: .*Give another file"):
        write_training_report(run, tmp_path / "file" / "page.html")
    with pytest.raises(TrainingReportError, match=r"no metrics\.jsonl in"):
        write_training_report(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_text('{"event":"start","run":{}}\nbroken\n{"event":"end","step":1}\n')
    done = winnow("report", "-o", str(tmp_path / "run"))
    assert done.returncode == 1
    assert "Error: line 2 of" in done.stderr
    assert "Traceback" not in done.stderr


def shown(folder: Path, width: int = 100, **places: Path) -> str:
    out = StringIO()
    show_run(read_run(folder), Console(file=out, width=width), **places)
    return out.getvalue()


def test_the_summary(run: Path, tmp_path: Path) -> None:
    said = shown(run, model=tmp_path / "model", report=tmp_path / "report.html")
    history = read_run(run)
    code = history.evals.loss_by_domain["code"]
    row = next(line for line in said.splitlines() if "code" in line)
    assert [f"{code[0]:.3f}", f"{code[-1]:.3f}", f"{code[-1] - code[0]:+.3f}"] == [
        cell.strip() for cell in row.split("│")[2:5]
    ]
    for told in (
        "300 of 300 steps",
        f"{history.steps.tokens[-1]:,} tokens",
        "tokens/s, MFU 4",
        "The unigram entropy is 7.310: the evaluation loss is",
        "WARNING: domain qa has been read 4 times and gets no more samples (step 150)",
        "WARNING: 1 of 300 updates was skipped",
        f"Newest checkpoint: {run / 'checkpoints/step-00000200'}",
        f"Model: {tmp_path / 'model'}",
        f"Report: {tmp_path / 'report.html'}",
    ):
        assert told in said, told


def test_the_summary_of_a_run_that_failed(tmp_path: Path) -> None:
    said = shown(failed_run(tmp_path / "failed"), width=300)
    assert "FAILED at step 3. the loss of step 3 is not finite" in said
    assert "Evaluation loss" not in said
    assert "steps" in shown(plain_run(tmp_path / "going"))
