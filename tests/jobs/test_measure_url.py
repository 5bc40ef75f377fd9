"""Measuring the column `url`: read where a signal wants it, and measured again where it changes, on both engines."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from curation.measure import measured, signals_schema
from curation.recipe import Recipe, RecipeError
from curation.session import Session
from curation.signals import bad_words as bad_words_family
from curation.signals.bad_words import BadWords
from curation.signals.mc4 import MC4
from curation.signals.url import Url
from curation.tables import DOCUMENTS
from curation.with_lists import with_lists
from jobs.display import Silent
from jobs.lake import Lake
from jobs.measure_signals import measure
from jobs.recipe_file import load_recipe
from jobs.stage import StageResult, Work

URLS = {
    "d0": "http://bad.example/",
    "d1": None,
    "d2": "",
    "d3": "http://good.example/bad",
    "d4": "http://a.bad.example",
}


def url_signal(folder: Path) -> Url:
    path = folder / "domains.txt"
    path.write_text("bad.example\n")
    return Url.of(lists=str(path))


def write_documents(
    lake: Lake, urls: dict[str, str | None], texts: dict[str, str] | None = None, parts: int = 1
) -> None:
    columns = {
        "doc_id": list(urls),
        "content_hash": [f"h-{(texts or {}).get(doc, doc)}" for doc in urls],
        "text": [(texts or {}).get(doc, doc) for doc in urls],
        "url": list(urls.values()),
    }
    table = pa.table(
        {name: columns.get(name, [None] * len(urls)) for name in DOCUMENTS.schema.names}, schema=DOCUMENTS.schema
    )
    lake.write(
        "documents", lake.spark.createDataFrame(table).repartition(parts), info={"winnow": "0", "stage": "ingest"}
    )


def run(lake: Lake, recipe: Recipe) -> tuple[StageResult, dict[str, bool | None]]:
    result = measure(Work(lake, recipe, Silent()))
    found = DeltaTable(lake.location("signals")).to_pyarrow_table().to_pylist()
    assert len(found) == len({row["doc_id"] for row in found})
    return result, {row["doc_id"]: row["url_datatrove"]["is_blocked_domain"] for row in found}


def test_a_changed_url_is_measured_again(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path / "lake"))
    recipe = Recipe(name="made", signals=(MC4(), url_signal(tmp_path)))
    write_documents(lake, URLS, parts=3)
    assert run(lake, recipe)[1] == {"d0": True, "d1": None, "d2": False, "d3": False, "d4": True}
    assert run(lake, recipe)[0].skipped
    write_documents(lake, URLS)
    result, same = run(lake, recipe)
    assert result.notes == ("0 new documents measured, 0 old rows removed",)
    changed = URLS | {"d0": "http://good.example/", "d1": "http://bad.example", "d2": None, "d5": None}
    write_documents(lake, changed)
    result, found = run(lake, recipe)
    assert result.notes == ("4 new documents measured, 3 old rows removed",)
    assert found == {"d0": False, "d1": True, "d2": None, "d3": False, "d4": True, "d5": None}
    assert same["d0"] is True
    write_documents(lake, changed, texts={"d3": "another text"})
    assert run(lake, recipe)[0].notes == ("1 new documents measured, 1 old rows removed",)


def test_the_url_is_not_read_unless_wanted(session: Session, tmp_path: Path) -> None:
    rows = pa.table({"doc_id": ["a"], "content_hash": ["h"], "text": ["x"]})
    documents = session.spark.createDataFrame(rows)
    assert documents.transform(measured((MC4(),))).toArrow().column_names == [
        "doc_id",
        "content_hash",
        "num_bytes",
        "mc4",
    ]
    names = signals_schema((MC4(), url_signal(tmp_path))).names
    assert names == ["doc_id", "content_hash", "num_bytes", "measured_url", "mc4", "url_datatrove"]


def test_changed_lists_are_measured_again(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path / "lake"))
    write_documents(lake, URLS)
    run(lake, Recipe(name="made", signals=(url_signal(tmp_path),)))
    (tmp_path / "domains.txt").write_text("good.example\n")
    _, found = run(lake, Recipe(name="made", signals=(Url.of(lists=str(tmp_path / "domains.txt")),)))
    assert found == {"d0": False, "d1": None, "d2": False, "d3": True, "d4": False}


@pytest.mark.parametrize("name", ["fineweb_en", "c4_en", "dclm_baseline_en"])
def test_recipes_with_lists(tmp_path: Path, name: str) -> None:
    (tmp_path / "words").write_text("darn\n")
    dialect = "dclm" if name == "dclm_baseline_en" else "datatrove"
    url = replace(url_signal(tmp_path), dialect=dialect)
    words = BadWords.of(str(tmp_path / "words"))
    base = load_recipe(name)
    recipe = with_lists(base, url=url, bad_words=words)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert recipe.hash != base.hash
    assert recipe.rules[0].on == f"url_{dialect}.is_blocked_domain"
    assert recipe.rules[-1:] == bad_words_family.rules()
    assert recipe.rules[5:-1] == base.rules
    assert recipe.signals == (url, *base.signals, words)
    assert with_lists(base) == base
    with pytest.raises(RecipeError, match="two signals are called"):
        with_lists(recipe, bad_words=words)
