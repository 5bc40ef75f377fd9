"""Figures from Delta's log and from single columns are those that the engine counts."""

import json
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import functions as F

from curation.session import Session
from jobs.lake import Lake
from jobs.lake_figures import num_rows, total

INFO = {"winnow": "0", "stage": "measure"}


def test_figures_are_what_the_engine_counts(session: Session, tmp_path):
    lake = Lake(session, str(tmp_path / "lake"))
    rows = pa.table({"doc_id": [f"d{i}" for i in range(50)], "num_bytes": pa.array([None, *range(1, 50)], pa.int64())})
    frame = session.spark.createDataFrame(rows)
    lake.write("signals", frame, info=INFO)
    lake.write("signals", frame.where("num_bytes > 40"), info=INFO, mode="append")
    DeltaTable(lake.location("signals")).delete("num_bytes = 3")
    stored = lake.read("signals")
    counted = stored.agg(F.count("doc_id"), F.sum("num_bytes")).collect()[0]
    assert (num_rows(lake, "signals"), total(lake, "signals", "num_bytes")) == tuple(counted)
    assert tuple(counted) == (58, sum(range(50)) - 3 + sum(range(41, 50)))


def test_a_table_without_rows(session: Session, tmp_path):
    lake = Lake(session, str(tmp_path / "lake"))
    frame = session.spark.createDataFrame(pa.table({"doc_id": ["a"], "num_bytes": [1]}))
    lake.write("signals", frame.where("doc_id = 'b'"), info=INFO)
    assert (num_rows(lake, "signals"), total(lake, "signals", "num_bytes")) == (0, 0)


def test_a_log_without_counts_is_counted(session: Session, tmp_path):
    lake = Lake(session, str(tmp_path / "lake"))
    write_deltalake(lake.location("signals"), pa.table({"doc_id": ["a", "b"], "num_bytes": [1, 2]}))
    (log,) = Path(lake.location("signals"), "_delta_log").glob("*.json")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    for entry in entries:
        entry.get("add", {}).pop("stats", None)
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert num_rows(lake, "signals") == 2
