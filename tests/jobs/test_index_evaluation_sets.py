"""From evaluation files to dropped documents, by the commands."""

import json
from pathlib import Path

from deltalake import DeltaTable
from typer.testing import CliRunner

from jobs.cli import app

ITEM = "If a train leaves the station at noon and travels at sixty miles an hour, how far has it gone by three?"
RECIPE = """
from curation.recipe import Recipe
from curation.signals import contamination

look = contamination.Contamination.of({index!r})
RECIPE = Recipe(name="clean", signals=(look,), rules=contamination.rules())
"""


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


def test_a_document_that_holds_an_item_is_dropped_and_told(tmp_path: Path) -> None:
    sets, index = tmp_path / "evals", tmp_path / "evals.index"
    sets.mkdir()
    lines = [{"id": "t1", "question": ITEM, "choices": ["180", "60"]}, {"id": "t2", "question": "Why?", "choices": []}]
    (sets / "trains.jsonl").write_text("\n".join(map(json.dumps, lines)))
    said = run("index-evaluation", str(sets), "--to", str(index))
    assert f"contamination.Contamination.of('{index}')" in said
    assert [cell.strip() for cell in next(line for line in said.splitlines() if "trains" in line).split("│")[1:4]] == [
        "trains",
        "2",
        "1",
    ]
    documents = [
        {"id": "clean", "text": "A train left the station at noon, and nobody saw it again before the winter came."},
        {"id": "spoiled", "text": f"Homework of the week.\n{ITEM.upper()}\nAnswer: 180"},
    ]
    (tmp_path / "documents.jsonl").write_text("\n".join(map(json.dumps, documents)))
    (tmp_path / "recipe.py").write_text(RECIPE.format(index=str(index)))
    lake = str(tmp_path / "lake")
    run("run", "-i", str(tmp_path / "documents.jsonl"), "-r", str(tmp_path / "recipe.py"), "-o", lake)
    story = json.loads(run("show", "spoiled", "-o", lake, "--json"))
    assert "contamination.evaluation_item" in json.dumps(story)
    for told in ('"trains"', '"t1"'):
        assert told in json.dumps(story)
    reasons = {row["doc_id"]: row["reasons"] for row in DeltaTable(f"{lake}/decisions").to_pyarrow_table().to_pylist()}
    assert sorted(reasons.values()) == [[], ["contamination.evaluation_item"]]


def test_what_cannot_be_indexed_is_said(tmp_path: Path) -> None:
    (tmp_path / "few.jsonl").write_text('{"text": "too short"}')
    for arguments, said in (
        (["few.jsonl", "--to", "x"], "none of the 1 items has 8 words or more"),
        (["few.jsonl", "--to", "x", "--words", "60"], "expected 8 to 50"),
        (["few.csv", "--to", "x"], "there is no file"),
        (["few.jsonl", "--to", "x", "--field", "body"], "record 1 has no body: its fields are text"),
    ):
        placed = [str(tmp_path / one) if one.startswith(("few", "x")) else one for one in arguments]
        done = CliRunner().invoke(app, ["index-evaluation", *placed], env={"COLUMNS": "300"})
        assert done.exit_code == 1
        assert said in done.output.replace("\n", " ")
        assert not (tmp_path / "x").exists()
