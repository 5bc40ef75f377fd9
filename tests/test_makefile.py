"""The commands of the README's first lines, as far as they can be tried without installing anything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder, free of what an outer make has set."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "PYTHON")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=inherited, capture_output=True, text=True, check=False, timeout=60
    )


def write_script(path: Path, lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder whose path has spaces, with the files that make reads."""
    folder = tmp_path / "a fresh clone"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def fake_python(checkout: Path, tmp_path: Path) -> Path:
    """An interpreter that writes down how it is called, and makes environments of its own kind."""
    log = tmp_path / "calls.txt"
    return write_script(
        tmp_path / "bin" / "python3",
        f"""echo "$@" >> "{log}"
case "$*" in
  *print*) echo 3.11.9 ;;
  "-m venv"*)
    mkdir -p .venv/bin && cp "$0" .venv/bin/python
    printf '#!/bin/sh\\necho winnow "$@"\\n' > .venv/bin/winnow && chmod +x .venv/bin/winnow ;;
  *"pip install"*)
    echo "  Downloading pyarrow-26.0.1-cp311-cp311-manylinux_2_28_x86_64.whl (55.0 MB)"
    echo "  Downloading rich-15.0.0-py3-none-any.whl (0.3 MB)"
    echo "  Downloading pyspark-4.2.0.tar.gz (450.1 MB)"
    echo "  Building wheel for pyspark (pyproject.toml): started"
    exit $FAKE_PIP_STATUS ;;
esac""",
    )


def calls(fake_python: Path) -> list[str]:
    return [line for line in (fake_python.parents[1] / "calls.txt").read_text().splitlines() if "pip install" in line]


def test_make_alone_lists_the_commands(checkout: Path) -> None:
    done = make(checkout)
    assert done.returncode == 0
    for target in ("make demo ", "make demo-train", "make test", "make lint", "make clean"):
        assert target in done.stdout


def test_demo_installs_without_extras_and_runs(
    checkout: Path, fake_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PIP_STATUS", "0")
    done = make(checkout, "demo", f"PYTHON={fake_python}")
    assert done.returncode == 0, done.stderr
    assert "winnow run --input jobs/sample_corpus/*.jsonl.gz --recipe demo --out demo-lake/" in done.stdout
    for line in ("fetching pyarrow-26.0.1 (55.0 MB)", "fetching pyspark-4.2.0.tar.gz (450.1 MB)", "building pyspark"):
        assert f"  {line}\n" in done.stdout
    assert "rich" not in done.stdout
    (call,) = calls(fake_python)
    assert "-c constraints.txt" in call
    assert call.endswith("-e .")


def test_second_demo_does_not_call_pip(checkout: Path, fake_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PIP_STATUS", "0")
    for _ in range(2):
        assert make(checkout, "demo", f"PYTHON={fake_python}").returncode == 0
    assert len(calls(fake_python)) == 1
    newer = (checkout / ".venv" / ".installed").stat().st_mtime + 5
    os.utime(checkout / "constraints.txt", (newer, newer))
    assert make(checkout, "demo", f"PYTHON={fake_python}").returncode == 0
    assert len(calls(fake_python)) == 2


def test_demo_train_installs_what_training_needs_once_and_runs_the_parts_in_order(
    checkout: Path, fake_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PIP_STATUS", "0")
    done = make(checkout, "demo-train", f"PYTHON={fake_python}", "ARGS=--set steps=7")
    assert done.returncode == 0, done.stderr
    (call,) = calls(fake_python)
    assert "-c constraints.txt" in call
    assert call.endswith("-e .[train]")
    parts = ["winnow run", "winnow train-tokenizer", "winnow export", "winnow train demo", "winnow evaluate"]
    parts += ["winnow train demo", "winnow generate"]
    said = done.stdout
    for part in parts:
        assert part in said, (part, done.stdout)
        said = said[said.index(part) + len(part) :]
    assert done.stdout.count("--set steps=7") == 2
    assert make(checkout, "demo", f"PYTHON={fake_python}").returncode == 0
    assert len(calls(fake_python)) == 1


def test_failed_installation_fails_and_is_tried_again(
    checkout: Path, fake_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PIP_STATUS", "1")
    done = make(checkout, "demo", f"PYTHON={fake_python}")
    assert done.returncode != 0
    assert "winnow run" not in done.stdout
    monkeypatch.setenv("FAKE_PIP_STATUS", "0")
    assert "winnow run" in make(checkout, "demo", f"PYTHON={fake_python}").stdout


def test_old_python_is_named_and_nothing_is_left(checkout: Path, tmp_path: Path) -> None:
    old = write_script(tmp_path / "bin" / "python3.9", 'case "$*" in *print*) echo 3.9.2 ;; *) exit 1 ;; esac')
    done = make(checkout, "demo", f"PYTHON={old}")
    assert done.returncode != 0
    assert "is Python 3.9.2, and Winnow needs 3.11 or newer" in done.stderr
    assert not (checkout / ".venv").exists()


def test_missing_python_is_named(checkout: Path) -> None:
    done = make(checkout, "test", "PYTHON=no-such-python")
    assert done.returncode != 0
    assert "PYTHON=no-such-python does not run" in done.stderr


def test_clean_removes_compiled_kernels_and_keeps_the_environment(checkout: Path) -> None:
    made = ("demo-lake/documents/x", "demo-train/static/model/x")
    for name in ("curation/text/__pycache__/split.nbi", *made, ".venv/lib/__pycache__/x.nbi"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()
    assert make(checkout, "clean").returncode == 0
    assert not (checkout / "curation/text/__pycache__").exists()
    assert not (checkout / "demo-lake").exists()
    assert not (checkout / "demo-train").exists()
    assert (checkout / ".venv/lib/__pycache__/x.nbi").exists()


def test_ci_runs_the_readme_command_and_passes_its_status_on(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "Makefile").write_text('test:\n\t@echo "CI=$$CI"; cat; exit 3\n')
    done = subprocess.run([tmp_path / ".ci" / "run"], cwd="/", capture_output=True, text=True, check=False, timeout=60)
    assert "CI=true" in done.stdout
    assert done.returncode != 0
