"""History: entries of a Delta log as each engine writes them, and what a table was made from."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from curation.history import Commit, commit_of, lineage, newest_first, winnow_record


def entry(version: int, record: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    metadata = None if record is None else json.dumps(record)
    return {"version": version, "timestamp": 1_700_000_000_000, "operation": "WRITE", "userMetadata": metadata, **more}


def made(table: str, version: int, **inputs: int) -> Commit:
    return commit_of(table, entry(version, {"winnow": "1", "stage": "x", "inputs": inputs}))


@pytest.mark.parametrize(
    ("metrics", "rows"),
    [
        ({"numOutputRows": 7}, 7),
        ({"numOutputRows": "7", "numFiles": "1"}, 7),
        ({"num_added_rows": 7}, 7),
        ({}, None),
        (None, None),
    ],
)
def test_rows_are_counted_as_each_engine_counts_them(metrics: dict[str, Any] | None, rows: int | None) -> None:
    assert commit_of("t", entry(0, None, operationMetrics=metrics)).num_rows == rows


def test_a_commit_tells_what_was_recorded() -> None:
    record = {
        "winnow": "0.1.0",
        "stage": "decide",
        "recipe_name": "demo",
        "recipe_hash": "abc",
        "inputs": {"signals": 2, "clusters": None},
        "engine": "sail",
        "recipe": {"name": "demo"},
    }
    commit = commit_of("decisions", entry(3, record))
    assert (commit.stage, commit.recipe_name, commit.recipe_hash, commit.code) == ("decide", "demo", "abc", "0.1.0")
    assert commit.inputs == {"signals": 2}
    assert commit.time == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert commit.record["recipe"] == {"name": "demo"}
    told = json.loads(json.dumps(commit.as_json()))
    assert told["time"] == "2023-11-14T22:13:20.000+00:00"
    assert "record" not in told


@pytest.mark.parametrize(
    ("timing", "seconds"),
    [
        ({"timing": {"started": "2023-11-14T22:13:18.500+00:00"}}, 1.5),
        ({"timing": {"started": "2023-11-14T23:13:20.000+01:00"}}, 0.0),
        ({"timing": {"started": "2023-11-14T22:13:20.001+00:00"}}, None),  # another machine's clock
        ({}, None),
    ],
)
def test_a_stage_took_from_its_start_to_its_commit(timing: dict[str, Any], seconds: float | None) -> None:
    commit = commit_of("t", entry(0, {"winnow": "1", **timing}))
    assert commit.seconds == seconds
    assert commit.as_json()["seconds"] == seconds


@pytest.mark.parametrize("text", [None, "", "no json", "[1]", "{}", '{"other": 1}'])
def test_what_is_not_winnows_is_none_of_its_business(text: str | None) -> None:
    assert winnow_record(text) is None
    assert commit_of("t", {"version": "4", "timestamp": 0, "userMetadata": text}).stage is None


def test_lineage_follows_what_was_read() -> None:
    commits = [
        made("documents", 0),
        made("documents", 1),
        made("signals", 0, documents=0),
        made("signals", 1, documents=1),
        made("clusters", 0, documents=0, signals=0),
        made("decisions", 0, signals=0, clusters=0),
        made("decisions", 1, decisions=0, signals=1),
    ]
    assert lineage(commits, "decisions", 0) == {"decisions": 0, "signals": 0, "clusters": 0, "documents": 0}
    assert lineage(commits, "decisions", 1)["decisions"] == 1
    assert lineage(commits, "decisions", 1)["clusters"] == 0
    assert lineage(commits, "decisions", 1)["signals"] == 1
    assert lineage(commits, "signals", 1) == {"signals": 1, "documents": 1}
    assert lineage([], "decisions", 5) == {"decisions": 5}


def test_newest_first() -> None:
    old = commit_of("b", entry(0, None) | {"timestamp": 1})
    new = commit_of("a", entry(0, None) | {"timestamp": 2})
    assert newest_first([old, new]) == [new, old]
