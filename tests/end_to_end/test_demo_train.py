"""`make demo-train` as it stands in the Makefile, on a slice of the corpus, with a narrower model and fewer steps."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from end_to_end.readme import REPOSITORY
from references.packing import gzipped
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.run_history import RunHistory, read_run

LINES = {"qa": 120, "books": 12, "arxiv": 150}
SETTINGS = {
    "steps": 150,
    "batch_size": 8,
    "optimizer.lr": 0.01,
    "model.config.hidden_size": 64,
    "model.config.intermediate_size": 128,
    "model.config.num_hidden_layers": 1,
    "mixing.every_steps": 50,
    "evaluation.every_steps": 0,
    "evaluation.max_tokens_per_domain": 1500,
}


def make(folder: Path, *flags: str) -> str:
    """What `make demo-train` prints; nothing is installed into the environment that runs this."""
    from_make = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # where the tests are started by make themselves
    inherited = {name: value for name, value in os.environ.items() if name not in from_make}
    settings = " ".join(f"--set {name}={value}" for name, value in SETTINGS.items())
    done = subprocess.run(
        ["make", *flags, "-o", ".venv/.installed-for-training", "demo-train", f"ARGS={settings}"],
        cwd=folder,
        env=inherited | {"COLUMNS": "200", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a clone in which everything is installed, with less of a corpus in it."""
    folder = tmp_path_factory.mktemp("demo") / "winnow"
    (folder / "jobs" / "sample_corpus").mkdir(parents=True)
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / ".venv").symlink_to(sys.prefix)
    for source, num in LINES.items():
        lines = gzip.decompress((REPOSITORY / "jobs" / "sample_corpus" / f"{source}.jsonl.gz").read_bytes())
        part = b"".join(lines.splitlines(keepends=True)[:num])
        (folder / "jobs" / "sample_corpus" / f"{source}.jsonl.gz").write_bytes(gzipped(part, 1))
    return folder


@pytest.fixture(scope="module")
def said(clone: Path) -> str:
    return make(clone)


@pytest.fixture(scope="module")
def dynamic(clone: Path, said: str) -> RunHistory:
    return read_run(clone / "demo-train" / "dynamic")


def test_the_loss_falls_below_the_unigram_entropy(dynamic: RunHistory) -> None:
    assert dynamic.ended is not None
    assert dynamic.ended["reason"] == "done"
    assert dynamic.evals.loss[0] > dynamic.run["unigram_entropy"] > dynamic.evals.loss[-1]


def test_weights_follow_the_losses_of_the_shorter_run(clone: Path, dynamic: RunHistory) -> None:
    table = json.loads((clone / "demo-train" / "reference.json").read_text())
    assert list(dynamic.weights.step) == [50, 100]
    for name in LINES:
        assert dynamic.weights.reference[name].tolist() == [table["losses"][name]] * 2
        assert dynamic.weights.after[name][-1] != dynamic.weights.before[name][0]
        assert dynamic.weights.after[name].min() >= 0.049
    static = read_run(clone / "demo-train" / "static")
    assert len(static.weights) == 0
    assert static.last_step == SETTINGS["steps"]


def test_transformers_opens_the_model_and_text_was_written(clone: Path, said: str) -> None:
    folder = clone / "demo-train" / "dynamic" / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokens = tokenizer("We show that the", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        assert model(tokens).logits.shape == (1, tokens.shape[1], len(tokenizer))
    written = (clone / "demo-train" / "text.txt").read_text()
    assert written in said
    assert all(prompt in written for prompt in ("The first", "We show that"))
    assert len(written.split()) > 30  # three texts of 40 tokens or more, which a small model seldom makes words of


def test_each_run_has_its_page(clone: Path, said: str) -> None:
    for name in ("static", "dynamic"):
        assert f"demo-train/{name}/report.html" in said
        assert "</html>" in (clone / "demo-train" / name / "report.html").read_text()


def test_what_is_done_is_not_done_again(clone: Path, said: str) -> None:
    def files() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in (clone / "demo-train").rglob("*")}

    before = files()
    again = make(clone)
    assert files() == before
    assert again == said[said.index((clone / "demo-train" / "text.txt").read_text()) :]


def test_a_part_that_was_killed_would_be_done_again_with_those_behind_it_only(clone: Path, said: str) -> None:
    place, aside = clone / "demo-train", clone / "aside"
    aside.mkdir()
    for name in ("text.txt", "dynamic/model"):
        (place / name).rename(aside / Path(name).name)
    shown = make(clone, "-n")
    shutil.move(aside / "text.txt", place / "text.txt")
    shutil.move(aside / "model", place / "dynamic" / "model")
    assert re.findall(r"bin/winnow ([a-z-]+)", shown) == ["train", "generate"]
    assert "-o demo-train/dynamic/" in shown
