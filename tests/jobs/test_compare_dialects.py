"""`winnow dialects` on a lake of real documents, beside rules carried out in plain Python."""

import json
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

from curation.report.comparison import compare
from curation.report.dialects import compare_dialects, families_of
from curation.rules import Rule
from curation.session import Session
from curation.signals import fineweb, gopher, mc4, repetition
from curation.text.batch import TextBatch
from jobs.cli import app
from jobs.lake import Lake
from jobs.recorded_recipe import recipe_of


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["dialects", *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


def drops(rule: Rule, value: Any) -> bool:
    """Whether a rule with a lowest or highest value drops."""
    assert rule.above is rule.below is rule.one_of is None
    if value is None:
        return False
    return (rule.min is not None and value < rule.min) or (rule.max is not None and value > rule.max)


def verdicts(family: Any, kind: Any, dialect: str, texts: dict[str, str]) -> dict[str, list[str]]:
    rows = kind(dialect=dialect).measure(TextBatch.from_texts(list(texts.values()))).to_pylist()
    return {
        doc_id: [rule.name for rule in family.rules(dialect) if drops(rule, row[rule.on.split(".")[1]])]
        for doc_id, row in zip(texts, rows, strict=True)
    }


@pytest.fixture(scope="module")
def texts(told_lake: Path) -> dict[str, str]:
    table = DeltaTable(str(told_lake / "documents")).to_pyarrow_table(columns=["doc_id", "text"])
    return dict(zip(table["doc_id"].to_pylist(), table["text"].to_pylist(), strict=True))


def test_counts_are_those_of_the_rules(told_lake: Path, texts: dict[str, str], tmp_path: Path) -> None:
    recipe = tmp_path / "both.py"
    recipe.write_text(
        "from curation.recipe import Recipe\nfrom curation.signals import gopher, repetition\n"
        "RECIPE = Recipe(name='both', signals=(gopher.Gopher(dialect='dolma'), repetition.Repetition()))\n"
    )
    found = json.loads(run("-o", str(told_lake), "-r", str(recipe), "--json"))
    assert [(one["family"], one["yours"]) for one in found] == [("gopher", "dolma"), ("repetition", "paper")]
    differ = 0
    for one, (family, kind) in zip(found, ((gopher, gopher.Gopher), (repetition, repetition.Repetition)), strict=True):
        assert next(iter(one["kept"])) == one["yours"]
        assert set(one["kept"]) >= {"paper", "dolma", "dclm"}
        assert one["documents"] == len(texts)
        judged = {dialect: verdicts(family, kind, dialect, texts) for dialect in one["kept"]}
        for dialect, kept in one["kept"].items():
            assert kept == sum(not reasons for reasons in judged[dialect].values())
        ways = {(way["keeps"], way["drops"]): way for way in one["ways"]}
        for other in set(judged) - {one["yours"]}:
            for keeps, dropping in ((one["yours"], other), (other, one["yours"])):
                disputed = [d for d in texts if judged[dropping][d] and not judged[keeps][d]]
                differ += len(disputed)
                way = ways.pop((keeps, dropping), None)
                assert (way["documents"] if way else 0) == len(disputed)
                if way:
                    shown = [example["excerpt"]["doc_id"] for example in way["examples"]]
                    assert shown == sorted(disputed)[:3]
                    assert all(texts[e["excerpt"]["doc_id"]].startswith(e["excerpt"]["text"]) for e in way["examples"])
                    assert all(
                        set(e["values"]) == set(judged[dropping][e["excerpt"]["doc_id"]]) for e in way["examples"]
                    )
                    for reason in way["reasons"]:
                        assert reason["documents"] == sum(reason["name"] in judged[dropping][d] for d in disputed)
        assert not ways
    assert differ


def test_what_a_person_sees(told_lake: Path) -> None:
    said = " ".join(run("-o", str(told_lake)).split())
    assert "by each dialect's published rules" in said
    assert "paper (yours)" in said
    assert "kept by paper and dropped by" in said


def test_a_sample_is_always_the_same(told_lake: Path, texts: dict[str, str]) -> None:
    command = ["-o", str(told_lake), "--sample", str(len(texts) // 2), "--json"]
    once, again = json.loads(run(*command)), json.loads(run(*command))
    assert once == again
    assert 0 < once[0]["documents"] < len(texts)


def test_the_report_shows_them(told_lake: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    command = ["report", "-o", str(told_lake), "--to", str(page)]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert 'id="dialects"' not in page.read_text()
    assert CliRunner().invoke(app, [*command, "--dialects"]).exit_code == 0
    text = page.read_text()
    assert '<section id="dialects">' in text
    assert "paper (this recipe)" in text


def test_a_recipe_without_dialects_is_refused(told_lake: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "none.py"
    recipe.write_text(
        "from curation.recipe import Recipe\nfrom curation.signals.mc4 import MC4\n"
        "RECIPE = Recipe(name='none', signals=(MC4(),))\n"
    )
    done = CliRunner().invoke(app, ["dialects", "-o", str(told_lake), "-r", str(recipe)], env={"COLUMNS": "200"})
    assert done.exit_code == 1
    assert "no signal of the recipe 'none' has dialects" in done.output


def test_settings_of_the_recipe_stay() -> None:
    from curation.recipe import Recipe

    own = fineweb.FineWeb(max_short_line_chars=12)
    (family,) = families_of(Recipe(name="own", signals=(mc4.MC4(), own)))
    assert family.name == "fineweb"
    assert family.signals["paper"] == own
    assert family.signals["datatrove"] == fineweb.FineWeb(dialect="datatrove", max_short_line_chars=12)


def test_both_engines_agree(told_lake: Path, session: Session) -> None:
    lake = Lake(session, str(told_lake))
    found = compare_dialects(families_of(recipe_of(str(told_lake))), lake.read("documents"))
    assert json.loads(run("-o", str(told_lake), "--json"))[0]["kept"] == dict(found[0].kept)


def test_by_hand() -> None:
    found = compare(
        "made",
        "mine",
        {
            "mine": {"a": [], "b": ["x"], "c": [], "d": ["x"]},
            "theirs": {"a": ["y", "x"], "b": [], "c": ["x"], "d": ["y"]},
            "same": {"a": [], "b": ["z"], "c": [], "d": ["z"]},
        },
    )
    assert found.kept == {"mine": 2, "theirs": 1, "same": 2}
    forth, back = found.ways
    assert forth.said == "2 documents are kept by mine and dropped by theirs, because of x 2, y 1"
    assert back.said == "1 document is kept by theirs and dropped by mine, because of x 1"
    assert [one.excerpt.doc_id for one in forth.examples] == ["a", "c"]
    assert forth.examples[0].reasons == ("y", "x")
