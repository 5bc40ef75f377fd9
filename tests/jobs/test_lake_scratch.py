"""Working tables of a server's run: taken away where this machine sees them, and only what this run wrote."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from curation.session import Session
from jobs.lake import Lake
from jobs.lake_scratch import drop_marked

ROWS = pa.table({"doc_id": ["a", "b"]})


def test_of_a_servers_folder_only_what_this_run_wrote_goes(session: Session, tmp_path: Path) -> None:
    remote = replace(session, is_remote=True, engine="spark")  # paths are those of another machine, as far as it knows
    ours, theirs = Lake(remote, str(tmp_path)), Lake(remote, str(tmp_path))
    frame = session.spark.createDataFrame(ROWS)
    theirs.checkpoint(frame, "theirs")
    theirs.checkpoint(frame, "by_both")
    write_deltalake(str(tmp_path / "_scratch" / "by someone"), ROWS)
    (tmp_path / "_scratch" / "no table").mkdir()
    with ours.held():
        assert ours.checkpoint(frame, "ours").count() == 2
        ours.checkpoint(frame, "by_both")
    left = {path.name for path in (tmp_path / "_scratch").iterdir()}
    assert left == {"theirs", "by someone", "no table"}


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_an_empty_folder_goes_too(session: Session, tmp_path: Path) -> None:
    lake = Lake(replace(session, is_remote=True), str(tmp_path))
    lake.drop_scratch()
    lake.checkpoint(session.spark.createDataFrame(ROWS), "ours")
    lake.drop_scratch()
    assert list(tmp_path.iterdir()) == []
    drop_marked(tmp_path / "never there", "x")
