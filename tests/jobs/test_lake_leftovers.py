"""What a killed run left behind goes; what a commit names, at any version, and what is someone else's, stays."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from curation.errors import LakeError
from curation.session import Session
from jobs import lake_leftovers
from jobs.lake import Lake
from jobs.lake_leftovers import process_mark, wait_for_end

ROWS = pa.table({"doc_id": ["a", "b", "c"], "kept": [True, False, True]})
JOURNAL = ".winnow.lock"


def test_files_that_no_commit_names_go(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path))
    frame = session.spark.createDataFrame(ROWS)
    with lake.held():
        lake.write("decisions", frame, info={"winnow": "1"})
        lake.write("decisions", frame.where("kept"), info={"winnow": "2"})
        noted = (tmp_path / JOURNAL).read_text().split()
        assert noted[-2:] == ["decisions", "decisions"]
        assert len(noted) == (3 if session.engine == "spark" else 2)  # Spark's process comes first
    assert (tmp_path / JOURNAL).read_text() == ""
    before = set((tmp_path / "decisions").iterdir())
    orphans = ("part-00000-x.snappy.parquet", "part-1.snappy.parquet#1", ".part-00000-x.snappy.parquet.crc")
    for name in orphans:
        (tmp_path / "decisions" / name).write_bytes(b"half a file")
    with lake.held():
        assert (tmp_path / "decisions" / orphans[0]).exists()  # the journal does not name the table: not looked at
    (tmp_path / JOURNAL).write_text("decisions\n")
    with lake.held():
        assert set((tmp_path / "decisions").iterdir()) == before
    assert lake.read("decisions", 0).count() == 3
    assert lake.read("decisions").count() == 2


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_the_start_of_a_table_goes_and_it_can_be_written(session: Session, tmp_path: Path) -> None:
    (tmp_path / "decisions" / "_delta_log").mkdir(parents=True)
    (tmp_path / "decisions" / "_delta_log" / "00000000000000000000.json#1").write_text("{")
    pq.write_table(ROWS, tmp_path / "decisions" / "part-0.parquet")
    (tmp_path / JOURNAL).write_text("decisions\n")
    lake = Lake(session, str(tmp_path))
    with lake.held():
        assert not (tmp_path / "decisions").exists()
        lake.write("decisions", session.spark.createDataFrame(ROWS), info={"winnow": "1"})
    assert DeltaTable(str(tmp_path / "decisions")).to_pyarrow_table().num_rows == 3


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_parquet_of_someone_else_is_refused_and_stays(session: Session, tmp_path: Path) -> None:
    """A folder of Parquet files in the place of a table looks like a killed write, and is somebody's data."""
    (tmp_path / "documents").mkdir()
    pq.write_table(ROWS, tmp_path / "documents" / "part-00000.parquet")
    lake = Lake(session, str(tmp_path))
    for _ in range(2):
        with pytest.raises(LakeError, match="no Delta table"), lake.held():
            lake.write("documents", session.spark.createDataFrame(ROWS), info={"winnow": "1"})
        assert pq.read_table(tmp_path / "documents" / "part-00000.parquet").num_rows == 3


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_a_second_writer_is_noticed_where_the_lake_cannot_be_held(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path))
    lake.write("decisions", session.spark.createDataFrame(ROWS), info={"winnow": "1"})

    def meanwhile(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        write_deltalake(str(tmp_path / "decisions"), ROWS, mode="append")
        yield from batches

    frame = session.spark.createDataFrame(ROWS).mapInArrow(meanwhile, "doc_id string, kept boolean")
    with pytest.raises(LakeError, match=r"another run wrote to .*decisions at the same time"):
        lake.write("decisions", frame, info={"winnow": "1"}, mode="append")


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_nothing_is_cleared_while_a_killed_runs_spark_may_still_commit(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, orphan = Lake(session, str(tmp_path)), tmp_path / "decisions" / "part-0.parquet"
    lake.write("decisions", session.spark.createDataFrame(ROWS), info={"winnow": "1"})
    orphan.write_bytes(b"half a file")
    with subprocess.Popen(["sleep", "60"]) as process:
        noted = f"{process_mark(process.pid)}\ndecisions\n"
        (tmp_path / JOURNAL).write_text(noted)
        monkeypatch.setattr(lake_leftovers, "_WAIT_S", 0.2)
        with lake.held():
            assert orphan.exists()
        assert (tmp_path / JOURNAL).read_text() == noted
        monkeypatch.undo()
        threading.Timer(0.3, process.kill).start()
        started = time.monotonic()
        with lake.held():
            assert 0.2 < time.monotonic() - started < 8
            assert not orphan.exists()
    assert (tmp_path / JOURNAL).read_text() == ""


def test_a_mark_names_one_process_only() -> None:
    mark = process_mark(os.getpid())
    assert mark is not None
    assert wait_for_end([f"{os.getpid()}@1", "4194305@77", "nonsense@"])  # others that had these numbers have ended
    assert process_mark(4194305) is None


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("session", ["sail"], indirect=True)
@pytest.mark.parametrize("survived", range(5))
def test_a_clearing_that_is_killed_is_done_by_the_next_run(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    """Whatever was deleted and whatever was not: the journal stays until all is."""
    lake = Lake(session, str(tmp_path))
    lake.write("decisions", session.spark.createDataFrame(ROWS), info={"winnow": "1"})
    before = set((tmp_path / "decisions").iterdir())
    for name in ("part-1.parquet", "part-2.parquet", ".part-2.parquet.crc"):
        (tmp_path / "decisions" / name).write_bytes(b"half a file")
    (tmp_path / "signals" / "_delta_log").mkdir(parents=True)
    pq.write_table(ROWS, tmp_path / "signals" / "part-0.parquet")
    (tmp_path / JOURNAL).write_text("decisions\nsignals\n")
    left = [survived]
    delete, delete_folder = Path.unlink, shutil.rmtree

    def dies(really: Callable[..., None]) -> Callable[..., None]:
        def deletes(*arguments: Any, **options: Any) -> None:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            really(*arguments, **options)

        return deletes

    with monkeypatch.context() as killing:
        killing.setattr(Path, "unlink", dies(delete))
        killing.setattr(shutil, "rmtree", dies(delete_folder))
        if survived < 4:
            with pytest.raises(Killed), lake.held():
                pytest.fail("the clearing came to its end")
            assert (tmp_path / JOURNAL).read_text() == "decisions\nsignals\n"
    with lake.held():
        assert set((tmp_path / "decisions").iterdir()) == before
        assert not (tmp_path / "signals").exists()
    assert lake.read("decisions").count() == 3


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_a_report_that_was_begun_goes_where_nobody_writes_it(session: Session, tmp_path: Path) -> None:
    gone, going = tmp_path / ".report.html.4194305", tmp_path / f".report.html.{os.getpid()}"
    for path in (gone, going, tmp_path / "report.html"):
        path.write_text("<html>")
    with Lake(session, str(tmp_path)).held():
        assert sorted(path.name for path in tmp_path.iterdir()) == [going.name, JOURNAL, "report.html"]
