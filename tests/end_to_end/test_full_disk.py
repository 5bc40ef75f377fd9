"""A disk that is full, or read-only: one plain line that names the place, a lake that still reads, and goes on."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from end_to_end.killing import Run, finished
from end_to_end.lake_content import check_clean, compare, content
from end_to_end.workshop import Workshop

from curation.session import Session

DISK_BYTES = 24 << 20


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    workshop = Workshop(tmp_path_factory.mktemp("full") / "shop", scale=100)
    workshop.prepare()
    return workshop


@pytest.fixture(scope="module")
def first_lake(workshop: Workshop) -> Path:
    """A complete lake of the first state of the inputs, on a disk with room."""
    workshop.state("first")
    finished(workshop.command("sail", workshop.base / "first"), workshop.base)
    return workshop.base / "first"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, empty."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here (it takes root): {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def end_of(command: list[str], workshop: Workshop) -> tuple[int, str]:
    """Exit code and output of a run."""
    with Run(command, workshop.base) as run:
        return run.finish()


def fill(disk: Path, free_bytes: int) -> Path:
    """Leave so many bytes free."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        file.write(b"\0" * (shutil.disk_usage(disk).free - free_bytes))
    return filler


def check_refusal(code: int, said: str, lake: Path) -> None:
    assert code == 1, said
    lines = said.strip().splitlines()
    assert len(lines) == 1, said
    assert str(lake) in lines[0], said
    if lines[0].startswith("Error: cannot write the report to "):
        assert "No space left on device" in lines[0], said
    else:
        assert lines[0].startswith("Error: the disk is full ("), said
        assert "make room and run the same command again" in lines[0], said


def test_a_full_disk(workshop: Workshop, first_lake: Path, disk: Path) -> None:
    """Filled up so that runs stop early, in the middle and late; then there is room, and one comes to the end."""
    lake = disk / "lake"
    shutil.copytree(first_lake, lake)
    workshop.state("changed")
    before = content(lake)
    stopped_at = set()
    for free_bytes in (0, 64 << 10, 256 << 10, 512 << 10):
        filler = fill(disk, free_bytes)
        code, said = end_of(workshop.command("sail", lake), workshop)
        check_refusal(code, said, lake)
        stopped_at.add(next(word for word in said.split() if word.startswith(str(lake))))
        found = content(lake)  # everything can be read, nothing stands twice
        if free_bytes == 0:
            compare(found, before, "no room at all")
        assert not (lake / "_scratch").exists()
        filler.unlink()
    assert len(stopped_at) > 1, stopped_at
    finished(workshop.command("sail", lake), workshop.base)
    finished(workshop.command("sail", workshop.base / "fresh"), workshop.base)
    compare(content(lake), content(workshop.base / "fresh"), "after there was room again")
    check_clean(lake)


@pytest.mark.parametrize("session", ["spark"], indirect=True)
def test_a_full_disk_on_spark(session: Session, workshop: Workshop, first_lake: Path, disk: Path) -> None:
    assert session.engine == "spark"
    lake = disk / "lake"
    shutil.copytree(first_lake, lake)
    workshop.state("changed")
    before = content(lake)
    filler = fill(disk, 64 << 10)
    command = workshop.command("spark", lake, "ingest")
    code, said = end_of(command, workshop)
    check_refusal(code, said, lake)
    compare(content(lake), before, "no room")
    filler.unlink()
    finished(command, workshop.base)
    check_clean(lake)
    finished(workshop.command("sail", workshop.base / "fresh-ingest", "ingest"), workshop.base)
    found = {name: table for name, table in content(lake).items() if name in ("documents", "quarantine", "files")}
    compare(found, content(workshop.base / "fresh-ingest"), "after there was room again")


def test_a_disk_that_is_full_from_the_start(workshop: Workshop, disk: Path) -> None:
    fill(disk, 0)
    code, said = end_of(workshop.command("sail", disk / "lake"), workshop)
    check_refusal(code, said, disk / "lake")


def test_a_lake_that_may_only_be_read(workshop: Workshop, first_lake: Path, disk: Path, tmp_path: Path) -> None:
    """Runs are refused in one line; what only looks, works."""
    lake, page = disk / "lake", tmp_path / "page.html"
    shutil.copytree(first_lake, lake)
    workshop.state("changed")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    code, said = end_of(workshop.command("sail", lake), workshop)
    assert code == 1, said
    assert said.startswith(f"Error: cannot write to {lake}: Read-only file system. "), said
    assert len(said.splitlines()) == 1, said
    winnow = workshop.command("sail", lake)[0]
    assert "documents" in finished([winnow, "history", "-o", str(lake)], workshop.base)
    finished([winnow, "report", "-o", str(lake), "--to", str(page)], workshop.base)
    assert page.read_text().rstrip().endswith("</html>")
    code, said = end_of([winnow, "report", "-o", str(lake)], workshop)
    assert code == 1, said
    assert "Read-only file system" in said
    assert "--to" in said


def test_files_that_may_not_grow(workshop: Workshop, tmp_path: Path) -> None:
    """A limit on the size of files, which needs no disk of its own: the table's first files are cleared away."""
    lake = tmp_path / "lake"
    workshop.state("first")
    limited = ["sh", "-c", 'ulimit -f 48; exec "$@"', "sh", *workshop.command("sail", lake)]
    code, said = end_of(limited, workshop)
    assert code == 1, said
    assert "the disk is full" in said
    assert str(lake) in said
    finished(workshop.command("sail", lake), workshop.base)
    check_clean(lake)
    assert content(lake)["documents"].num_rows > 100
