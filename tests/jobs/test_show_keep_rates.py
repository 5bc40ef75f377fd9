"""`winnow keep-rates` on a lake of real documents: as tables, as JSON, in the report; what it refuses."""

import json
from pathlib import Path

from typer.testing import CliRunner

from jobs.cli import app


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["keep-rates", *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


def test_counts_add_up_and_losers_are_named(told_lake: Path) -> None:
    found = json.loads(
        run("-o", str(told_lake), "--json", "--by", "source", "--by", "length", "--by", "metadata.license")
    )
    assert list(found["by"]) == ["source", "length", "metadata.license"]
    for groups in found["by"].values():
        for name in ("documents", "num_bytes", "after_rules", "after_dedup", "kept", "kept_bytes"):
            assert sum(group[name] for group in groups) == found["all"][name]
    assert found["all"]["documents"] > found["all"]["after_rules"] > found["all"]["kept"]
    uneven = {group["name"] for group in found["by"]["source"] if group["uneven"]}
    said = run("-o", str(told_lake), "--by", "source")
    assert {name for name in uneven if f"WARNING: source {name}: rules leave" in said} == uneven
    assert "Documents by source" in said


def test_without_by_what_is_there(told_lake: Path) -> None:
    headings = [line.strip() for line in run("-o", str(told_lake)).splitlines() if line.startswith("Documents by")]
    assert headings == ["Documents by source", "Documents by length"]  # its recipe measures no language
    done = CliRunner().invoke(app, ["keep-rates", "-o", str(told_lake), "--by", "language"], env={"COLUMNS": "200"})
    assert done.exit_code == 1
    assert "measures no language: add" in " ".join(done.output.split())


def test_the_report_tells_them_too(told_lake: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    command = ["report", "-o", str(told_lake), "--to", str(page), "--by", "metadata.license"]
    assert CliRunner().invoke(app, command).exit_code == 0
    text = page.read_text()
    assert "All numbers by length" in text
    assert "All numbers by metadata.license" in text


def test_what_it_cannot_count_by_is_said(told_lake: Path) -> None:
    done = CliRunner().invoke(app, ["keep-rates", "-o", str(told_lake), "--by", "origin"], env={"COLUMNS": "200"})
    assert done.exit_code == 1
    assert "expected source, language, length or metadata.FIELD" in " ".join(done.output.split())
