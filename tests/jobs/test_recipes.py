"""Recipes are values: readable, varied by `replace`, JSON in and out."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from curation.recipe import Recipe, RecipeError
from curation.rules import Rule, RuleError
from curation.signals.gopher import Gopher
from curation.signals.repetition import Repetition
from jobs.recipe_file import load_recipe, recipe_names

NAMES = (
    *("c4_en", "curator_en", "dclm_baseline_en", "demo", "fineweb_en", "gopher_en"),
    *("redpajama_v2_signals", "slimpajama_global", "slimpajama_local"),
)


def test_all_recipes_are_found() -> None:
    assert set(NAMES) <= set(recipe_names())


def test_slimpajama_local_looks_inside_each_source() -> None:
    both, local = (load_recipe(f"slimpajama_{name}") for name in ("global", "local"))
    assert both.dedup is not None
    assert replace(both, dedup=replace(both.dedup, scope="source"), name=local.name, says=local.says) == local


@pytest.mark.parametrize("name", NAMES)
def test_json_in_and_out(name: str) -> None:
    recipe = load_recipe(name)
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert again.hash == recipe.hash
    assert recipe.name == name
    assert recipe.says


def test_the_hash_changes_with_what_decides_and_with_nothing_else() -> None:
    recipe = load_recipe("fineweb_en")
    assert recipe.dedup is not None
    assert replace(recipe, name="other", says="x", alarm_source_loss=0.1).hash == recipe.hash
    changed = [
        replace(recipe, rules=recipe.rules[:-1]),
        replace(recipe, rules=(*recipe.rules, Rule("x.y", on="gopher.num_words", max=10))),
        replace(recipe, dedup=None),
        replace(recipe, dedup=replace(recipe.dedup, threshold=0.9)),
        replace(recipe, rules=(), signals=recipe.signals[:-1]),
        replace(recipe, sampling=load_recipe("demo").sampling),
    ]
    assert len({recipe.hash, *(other.hash for other in changed)}) == len(changed) + 1


def test_ways_of_cutting_words_were_added_later() -> None:
    made = [replace(load_recipe("demo"), rules=(), sampling=None, signals=(kind(),)) for kind in (Gopher, Repetition)]
    assert all('"words"' not in recipe.to_json() for recipe in made)
    for kind in (Gopher, Repetition):
        fast, spacy = (
            replace(made[0], signals=(kind(dialect="datatrove", words=words),)) for words in ("fast", "spacy")
        )
        assert fast.hash != spacy.hash
        assert Recipe.from_json(spacy.to_json()) == spacy


def test_files_hold_recipes(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\n"
        "from jobs.recipes.demo import RECIPE as demo\n"
        "RECIPE = replace(demo, name='mine')\n"
    )
    assert load_recipe(str(tmp_path / "mine.py")) == replace(load_recipe("demo"), name="mine")
    (tmp_path / "mine.json").write_text(load_recipe("c4_en").to_json())
    assert load_recipe(str(tmp_path / "mine.json")) == load_recipe("c4_en")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not the JSON of a recipe"),
        ('{"a": 1}', "expected the JSON of a recipe"),
        ('{"type": "os.system", "command": "true"}', "package curation only"),
        ('{"type": "curation.recipe.canonical", "value": 1}', "not a dataclass"),
        ('{"type": "curation.recipe.Nothing"}', "has no curation.recipe.Nothing"),
        ('{"type": "curation.recipe.Recipe", "name": "x", "thresholds": 1}', "no setting thresholds"),
    ],
)
def test_json_that_is_no_recipe_is_refused(text: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        Recipe.from_json(text)


def test_recipes_check_themselves() -> None:
    demo = load_recipe("demo")
    assert demo.sampling is not None
    with pytest.raises(RuleError, match="no signal"):
        replace(demo, rules=(Rule("x.y", on="gopher.num_wrods", min=1),))
    with pytest.raises(RecipeError, match="two signals are called gopher"):
        replace(demo, signals=(*demo.signals, demo.signals[2]))
    with pytest.raises(RecipeError, match=r"sampling uses 'gopher\.nothing'"):
        replace(demo, sampling=replace(demo.sampling, by="gopher.nothing"))
    with pytest.raises(RecipeError, match=r"Did you mean demo\?"):
        load_recipe("dem")


def test_a_recorded_recipe_is_plain_json() -> None:
    recorded = json.loads(load_recipe("demo").to_json())
    assert recorded["type"] == "curation.recipe.Recipe"
    assert recorded["sampling"]["budget"] == 1_000_000
