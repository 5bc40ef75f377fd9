"""The lake: atomic commits that carry their record, and tables of others left alone."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from curation.errors import LakeError
from curation.session import Session
from jobs.lake import Lake

ROWS = pa.table({"doc_id": ["a", "b", "c"], "kept": [True, False, True]})


def test_a_commit_carries_its_record(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path / "lake"))
    assert lake.version("decisions") is None
    assert lake.info("decisions") is None
    frame = session.spark.createDataFrame(ROWS)
    assert lake.write("decisions", frame, info={"winnow": "1", "what": "é"}) == 0
    assert lake.write("decisions", frame, info={"winnow": "2"}, mode="append") == 1
    assert lake.info("decisions") == {"winnow": "2"}
    assert lake.read("decisions").count() == 6
    assert lake.read("decisions", 0).count() == 3
    assert DeltaTable(lake.location("decisions")).version() == 1


def test_replace_where_replaces_just_these_rows(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path))
    lake.write("decisions", session.spark.createDataFrame(ROWS), info={"winnow": "1"})
    new = session.spark.createDataFrame(pa.table({"doc_id": ["b", "x"], "kept": [True, False]}))
    where = "doc_id NOT IN ('a', 'c')"
    lake.write("decisions", new, info={"winnow": "1"}, replace_where=where)
    found = sorted((row["doc_id"], row["kept"]) for row in lake.read("decisions").collect())
    assert found == [("a", True), ("b", True), ("c", True), ("x", False)]


def test_a_commit_without_rows_is_a_commit(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path))
    nothing = session.spark.createDataFrame(ROWS).where("false")
    for version in range(3):
        assert lake.write("clusters", nothing, info={"winnow": "1", "number": version}) == version
        assert lake.info("clusters") == {"winnow": "1", "number": version}


def test_other_columns_are_refused_and_nothing_is_harmed(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path))
    frame = session.spark.createDataFrame(ROWS)
    lake.write("decisions", frame, info={"winnow": "1"})
    with pytest.raises(LakeError, match="other columns"):
        lake.write("decisions", frame.selectExpr("doc_id", "1 as kept"), info={"winnow": "1"}, mode="append")
    assert lake.version("decisions") == 0


def test_a_table_of_someone_else_is_left_alone(session: Session, tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "decisions"), pa.table({"theirs": [1]}))
    lake = Lake(session, str(tmp_path))
    with pytest.raises(LakeError, match="Winnow did not write"):
        lake.write("decisions", session.spark.createDataFrame(ROWS), info={"winnow": "1"})
    assert DeltaTable(str(tmp_path / "decisions")).version() == 0


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_a_folder_that_is_no_table_is_left_alone(session: Session, tmp_path: Path) -> None:
    (tmp_path / "decisions").mkdir()
    (tmp_path / "decisions" / "notes.txt").write_text("mine")
    with pytest.raises(LakeError, match="no Delta table"):
        Lake(session, str(tmp_path)).write("decisions", session.spark.createDataFrame(ROWS), info={"winnow": "1"})


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_a_missing_table_names_the_stage_that_makes_it(session: Session, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="winnow measure"):
        Lake(session, str(tmp_path)).read("signals")


def test_folders_with_odd_names(session: Session, tmp_path: Path) -> None:
    folder = tmp_path / "a folder with spaces, ünd so weiter"
    lake = Lake(session, str(folder))
    folder.mkdir()
    frame = session.spark.createDataFrame(ROWS)
    lake.write("decisions", frame, info={"winnow": "1"})
    lake.write("decisions", lake.checkpoint(frame, "x"), info={"winnow": "2"}, mode="append")
    assert lake.version("decisions") == 1
    assert lake.read("decisions", 0).count() == 3
    assert lake.read("decisions").count() == 6
    assert len(list((folder / "decisions").glob("*.parquet"))) >= 2
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    with pytest.raises(LakeError, match="rename it"):
        Lake(session, str(tmp_path / "issue #1"))


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_one_run_at_a_time(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path))
    with lake.held(), pytest.raises(LakeError, match="another run"), Lake(session, str(tmp_path)).held():
        pass
    with lake.held():
        lake.checkpoint(session.spark.createDataFrame(ROWS), "x")
        assert (tmp_path / "_scratch").is_dir()
    assert not (tmp_path / "_scratch").exists()


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_a_place_that_cannot_be_written_is_said(session: Session, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match="cannot write"), Lake(session, str(tmp_path / "file" / "lake")).held():
        pass


def test_both_engines_read_and_extend_each_others_tables(
    session: Session, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Runs once per engine on one folder: whoever comes second finds the other's rows and adds to them."""
    folder = tmp_path_factory.getbasetemp() / "both-engines"
    lake = Lake(session, str(folder))
    before = lake.version("clusters")
    rows = pa.table({"doc_id": [session.engine], "similarity": [0.1 + 0.2], "nested": [{"a": [1, 2]}]})
    lake.write("clusters", session.spark.createDataFrame(rows), info={"winnow": session.engine}, mode="append")
    found = {row["doc_id"]: (row["similarity"], row["nested"]["a"]) for row in lake.read("clusters").collect()}
    assert set(found) == ({"sail"} if before is None and session.engine == "sail" else set(found))
    assert all(value == (0.1 + 0.2, [1, 2]) for value in found.values())
    log = sorted((folder / "clusters" / "_delta_log").glob("*.json"))
    assert len(log) == len(found)
    assert lake.info("clusters") == {"winnow": session.engine}
