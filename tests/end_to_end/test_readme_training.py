"""What the README says of training: its commands run on a small export, the others' flags are those that there are."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from end_to_end.readme import blocks, commands, python
from references.training_setups import write_corpus
from typer.testing import CliRunner

from jobs.cli import app

SECTION = "From tokens to a model"
SMALLER = (
    "--set model.config.hidden_size=32 --set model.config.num_hidden_layers=1 --set mixing.every_steps=5 "
    "--set evaluation.every_steps=5"
)
(READ,) = python(SECTION)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with shards, in which the section's commands have been typed one after the other."""
    place = tmp_path_factory.mktemp("trained")
    write_corpus(place / "shards")
    before = Path.cwd()
    os.chdir(place)
    try:
        for command in commands("From tokens to a model"):
            name, *arguments = shlex.split(command)
            assert name == ".venv/bin/winnow"
            if arguments[0] == "train":  # `mixing=null` comes last: what is set inside it would bring it back
                arguments = [*arguments[:2], *shlex.split(SMALLER), *arguments[2:], "--set", "steps=12"]
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 0, f"{command}\n{done.output}"
    finally:
        os.chdir(before)
    return place


def test_both_models_and_their_pages_are_there(folder: Path) -> None:
    for run in ("first", "second"):
        assert (folder / "runs" / run / "model" / "model.safetensors").is_file()
        assert "</html>" in (folder / "runs" / run / "report.html").read_text()
    assert '"mixing": null' in (folder / "runs" / "first" / "config.json").read_text()
    assert '"event":"weights"' in (folder / "runs" / "second" / "metrics.jsonl").read_text()


def test_the_run_is_read_and_the_model_opened_as_it_says(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{READ}\nprint(read_run('runs/second').last_step)"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "12"


def test_what_stands_in_the_run_s_folder_is_in_the_table(folder: Path) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    table = text[text.index("| in the run's folder |") :]
    named = set(re.findall(r"^\| `([^`/]+)/?` \|", table[: table.index("\n\n")], re.MULTILINE))
    there = {path.name for path in (folder / "runs" / "second").iterdir() if not path.name.startswith(".")}
    assert there == named - {"failed-step-*"}


def test_commands_for_other_machines_have_flags_that_there_are() -> None:
    text = "".join(block.text for block in blocks() if (block.section, block.language) == (SECTION, "text"))
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    ours = [line for line in lines if re.search(r"^winnow |jobs\.train_lm ", line)]
    assert len(ours) >= 9
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for line in ours:
        plain = re.sub(r"\s+#\s.*", "", line)
        words = shlex.split(re.sub(r"^.*jobs\.train_lm ", "winnow train ", plain))
        assert words[1] in known, line
        known[words[1]].make_context(words[1], words[2:])
