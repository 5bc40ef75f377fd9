"""The job: one file from whatever a lake holds, and plain errors where it cannot be made."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema
from rich.console import Console

from curation.decide import NOT_REPRESENTATIVE
from curation.dedup.config import Dedup
from curation.errors import LakeError
from curation.measure import signals_schema
from curation.recipe import Recipe
from curation.rules import Rule
from curation.session import Session
from curation.signals import gopher
from curation.sources.settings import Ingest
from curation.tables import CLUSTERS, DECISIONS, DOCUMENTS, FILES, QUARANTINE
from jobs.curate_corpus import curate
from jobs.display import Silent
from jobs.lake import Lake
from jobs.recipes.demo import RECIPE as DEMO
from jobs.stage import StageResult, Work, Written, identity, record
from jobs.write_report import collect, write_report

RULES = (Rule("a.few", on="gopher.num_words", min=5), Rule("a.long", on="gopher.mean_word_length", max=10))
RECIPE = Recipe(name="small", signals=(gopher.Gopher(),), rules=RULES, dedup=Dedup(threshold=0.7))


def frame(session: Session, rows: list[dict[str, Any]], schema: pa.Schema) -> DataFrame:
    if not rows:
        return session.spark.createDataFrame([], from_arrow_schema(schema))
    return session.spark.createDataFrame(pa.Table.from_pylist(rows, schema))


def work_on(session: Session, folder: Path, recipe: Recipe, number: int) -> Work:
    """A lake with `number` documents; one dropped, one a duplicate, one of which nothing is defined."""
    work = Work(Lake(session, str(folder)), recipe, Silent())
    lake = work.lake
    ids = [f"{i:032x}" for i in range(number)]
    reasons = [["a.few"], [NOT_REPRESENTATIVE]] if recipe.rules else []
    tables = {
        DOCUMENTS.name: [{"doc_id": i, "source": "web", "text": f"<b>{i}</b>"} for i in ids],
        QUARANTINE.name: [{"origin": {"file": "f", "record": 3}, "reason": "not_json", "detail": "no", "raw": b"\xff"}]
        * (number > 0),
        FILES.name: [{"name": "f", "num_records": number + 1}] * (number > 0),
    }
    for table in (DOCUMENTS, QUARANTINE, FILES):
        lake.write(
            table.name, frame(session, tables[table.name], table.schema), info={"winnow": "1", "stage": "ingest"}
        )
    schema = signals_schema(recipe.signals)
    measured = [
        {"doc_id": doc_id, "num_bytes": 10, "gopher": {"num_words": None if i == 2 else 3 * (i + 1)}}
        for i, doc_id in enumerate(ids)
    ]
    lake.write(
        "signals",
        frame(session, measured, schema),
        info=record(work, "measure", {}, (), Written(num_rows=number)),
    )
    decided = [
        {"doc_id": doc_id, "reasons": reasons[i] if i < len(reasons) else [], "kept": i >= len(reasons)}
        for i, doc_id in enumerate(ids)
    ]
    lake.write(
        "decisions",
        frame(session, decided, DECISIONS.schema),
        info=record(work, "decide", {}, (), Written(num_rows=number)),
    )
    if recipe.dedup is not None:
        pair = [
            {"doc_id": doc_id, "cluster_id": ids[0], "representative": ids[2], "similarity": 0.9, "kind": "minhash"}
            for doc_id in ids[1:3]
        ]
        alarms = [{"message": "look at this"}] if number else []
        told = record(work, "dedup", {}, ("documents",), Written(num_rows=number), alarms=alarms)
        lake.write("clusters", frame(session, pair, CLUSTERS.schema), info=told)
    return work


def test_a_small_lake(session: Session, tmp_path: Path) -> None:
    work = work_on(session, tmp_path / "lake", RECIPE, 5)
    results = (StageResult("measure", 5, 50, 0.5, warnings=("slow",)), StageResult("sample", skipped=True))
    found = collect(work, results)
    assert (found.total.documents, found.total.after_rules, found.total.after_dedup, found.total.kept) == (5, 4, 3, 3)
    assert found.warnings[:2] == ("slow", "dedup: look at this")
    assert found.nulls == {"gopher.num_words": 1, "gopher.mean_word_length": 5}
    assert found.files == (1, 6)
    assert [(one.stage, one.seconds is not None) for one in found.times] == [
        ("measure", True),
        ("sample", False),
        ("dedup", True),
        ("decide", True),
    ]
    assert [one.note for one in found.times[:2]] == ["", "up to date"]
    assert [one.table for one in found.versions] == [
        "documents",
        "quarantine",
        "files",
        "signals",
        "clusters",
        "decisions",
    ]
    assert found.quarantine[0].examples[0].raw == "\\xff"
    path = write_report(work, None, results)
    assert path == tmp_path / "lake" / "report.html"
    html = path.read_text(encoding="utf-8")
    assert "&lt;b&gt;00000000000000000000000000000000&lt;/b&gt;" in html
    assert "<b>0000" not in html
    assert list(path.parent.glob(".report*")) == []


def test_a_lake_knows_how_long_each_stage_took(session: Session, tmp_path: Path, sample_corpus: Path) -> None:
    (tmp_path / "in").mkdir()
    lines = gzip.decompress((sample_corpus / "code.jsonl.gz").read_bytes()).splitlines(keepends=True)
    (tmp_path / "in" / "first.jsonl").write_bytes(b"".join(lines[:30]))
    work = Work(Lake(session, str(tmp_path / "lake")), DEMO, Silent())
    reading = Ingest(inputs=(str(tmp_path / "in"),))
    results = {result.stage: result for result in curate(work, reading, Console(quiet=True))}
    found = collect(work)  # `winnow report`: nothing has just run
    assert [one.stage for one in found.times] == ["ingest", "measure", "dedup", "decide", "sample"]
    for one in found.times:
        ran = results[one.stage]
        assert (one.num_rows, one.num_bytes) == (ran.num_rows, ran.num_bytes) == (30, ran.num_bytes)
        assert one.seconds is not None
        assert 0.3 * ran.seconds < one.seconds < 1.1 * ran.seconds  # counting afterwards is not in it
        assert one.note.endswith("UTC")
    assert found.speed == found.total.num_bytes / found.seconds
    assert [one.num_bytes is not None for one in found.times] == [True, True, True, False, False]

    (tmp_path / "in" / "second.jsonl").write_bytes(b"".join(lines[30:40]))
    more = {result.stage: result for result in curate(work, reading, Console(quiet=True))}
    times = {one.stage: one for one in collect(work).times}
    assert (times["measure"].num_rows, times["dedup"].num_rows) == (10, 40)
    assert times["measure"].num_bytes == more["measure"].num_bytes == more["dedup"].num_bytes - found.times[1].num_bytes
    assert collect(work).speed is None  # only a part of the text was measured by the last run

    told = [json.loads(line) | {"url": "https://example.org"} for line in lines[30:40]]
    (tmp_path / "in" / "second.jsonl").write_text("".join(json.dumps(one) + "\n" for one in told))
    again = {result.stage: result for result in curate(work, reading, Console(quiet=True))}
    assert (again["ingest"].num_rows, again["measure"].num_rows, again["measure"].num_bytes) == (10, 0, 0)


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_times_are_no_part_of_what_a_table_is(session: Session, tmp_path: Path) -> None:
    rows = frame(session, [{"name": "f", "num_records": 1}], FILES.schema)
    names = []
    for number, recipe in enumerate((RECIPE, RECIPE, Recipe(name="bare"))):
        work = Work(Lake(session, str(tmp_path / str(number))), recipe, Silent())
        work.lake.write("files", rows, info=record(work, "ingest", {}, (), Written(started=1e9 + number)))
        names.append(identity(work.lake, "files"))
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize("session", ["sail"], indirect=True)
@pytest.mark.parametrize("recipe", [RECIPE, Recipe(name="bare")])
def test_an_empty_lake(session: Session, tmp_path: Path, recipe: Recipe) -> None:
    path = write_report(work_on(session, tmp_path / "lake", recipe, 0), str(tmp_path / "deep" / "er" / "r.html"))
    assert "The lake holds no documents." in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_a_recipe_that_only_reads(session: Session, tmp_path: Path) -> None:
    found = collect(work_on(session, tmp_path / "lake", Recipe(name="bare"), 4))
    assert (found.total.kept, found.duplicates, found.histograms, found.reasons) == (4, None, (), ())


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_another_recipe_than_the_recorded_one_is_warned_about(session: Session, tmp_path: Path) -> None:
    work = work_on(session, tmp_path / "lake", RECIPE, 3)
    other = Recipe(name="other", signals=RECIPE.signals, rules=RULES[:1], dedup=RECIPE.dedup)
    found = collect(Work(work.lake, other, Silent()))
    assert any("another recipe" in warning for warning in found.warnings)


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_what_is_missing_is_said(session: Session, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="winnow"):
        write_report(Work(Lake(session, str(tmp_path / "none")), RECIPE, Silent()))
    work = work_on(session, tmp_path / "lake", RECIPE, 1)
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match="cannot write the report"):
        write_report(work, str(tmp_path / "file" / "r.html"))
