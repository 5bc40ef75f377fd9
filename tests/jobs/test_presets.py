"""Presets: each one loads and survives JSON; fields are set by name, and what is misspelt is told."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

import jobs.presets
from jobs.preset_file import load_preset, preset_names, what_it_is, with_places
from training.config import TrainConfig, changed, from_json, to_json
from training.errors import ConfigError

NAMES = preset_names()


def test_there_are_presets_for_each_use() -> None:
    files = {path.stem for folder in jobs.presets.__path__ for path in Path(folder).glob("*.py")} - {"__init__"}
    assert set(NAMES) == files
    assert {"demo", "pretrain_125m", "continue_dynamic", "sft"} <= files


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_loads_and_survives_json(name: str) -> None:
    config = load_preset(name)
    assert isinstance(config, TrainConfig)
    assert config.name.replace("-", "_") == name
    again = from_json(to_json(config), name)
    assert again == config
    assert to_json(again) == to_json(config)
    assert what_it_is(name).endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_states_a_batch_that_can_be_divided(name: str) -> None:
    config = load_preset(name)
    for world in (1, 2, 4, 8):
        assert config.batch_size % world == 0
        assert (config.batch_size // world) % (config.micro_batch_size or 1) == 0
    config.schedule.factor(0, 1000)


@pytest.mark.parametrize("name", NAMES)
def test_only_a_preset_of_a_new_model_can_do_without_one(name: str) -> None:
    config = load_preset(name)
    placed = with_places(config, shards="export", model="OWNER/NAME")
    assert placed.data.shards == "export"
    assert (placed.model.checkpoint, placed.model.config) == ("OWNER/NAME", None)
    assert (config.model.config is None) == ("--model" in (config.model.checkpoint or ""))


@pytest.mark.parametrize("name", NAMES)
def test_fields_are_set_by_name(name: str) -> None:
    config = changed(load_preset(name), ["optimizer.lr=1e-5", "steps=7", "tokens=null", "epochs=null", "name=other"])
    assert (config.optimizer.lr, config.steps, config.tokens, config.epochs, config.name) == (
        1e-5,
        7,
        None,
        None,
        "other",
    )
    kept = {one.name for one in fields(TrainConfig)} - {"optimizer", "steps", "tokens", "epochs", "name"}
    before = load_preset(name)
    assert all(getattr(config, field) == getattr(before, field) for field in kept)


def test_dynamic_batch_loading_is_turned_off_and_changed_inside() -> None:
    assert changed(load_preset("demo"), ["mixing=null"]).mixing is None
    mixing = changed(load_preset("demo"), ["mixing.eta=0.5"]).mixing
    before = load_preset("demo").mixing
    assert mixing is not None
    assert before is not None
    assert (mixing.eta, mixing.every_steps) == (0.5, before.every_steps)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("optimizer.learning_rate=1e-3", "optimizer.learning_rate is no field of a training run: there are kind, lr"),
        ("optimizer.weight_decya=0", "did you mean optimizer.weight_decay?"),
        ("batchsize=8", "did you mean batch_size?"),
        ("mixing.every_step=10", "did you mean mixing.every_steps?"),
        ("zero_stage=4", "zero_stage"),
        ("steps=0", "steps is 0: expected a number above 0"),
        ("optimizer.lr", "expected FIELD=VALUE, for instance optimizer.lr=1e-3"),
    ],
)
def test_what_is_misspelt_or_impossible_is_named(assignment: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        changed(load_preset("demo"), [assignment])


def test_unknown_presets_are_told_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown preset 'pretrain_125'. Did you mean pretrain_125m\? Known are: .*sft"
    ):
        load_preset("pretrain_125")
    with pytest.raises(ConfigError, match=r"there is no file mine\.json"):
        load_preset("mine.json")


def test_files_and_folders_of_runs_are_presets_too(tmp_path: Path) -> None:
    demo = load_preset("demo")
    (tmp_path / "config.json").write_text(to_json(demo))
    assert load_preset(str(tmp_path)) == demo
    (tmp_path / "mine.py").write_text("from jobs.presets.demo import CONFIG\n")
    assert load_preset(str(tmp_path / "mine.py")) == demo
    (tmp_path / "other.py").write_text("CONFIG = 7\n")
    with pytest.raises(ConfigError, match="holds no value CONFIG"):
        load_preset(str(tmp_path / "other.py"))
    (tmp_path / "typo.json").write_text(json.dumps(json.loads(to_json(demo)) | {"seeed": 1}))
    with pytest.raises(ConfigError, match=r"typo.json: seeed is no field of a training run: did you mean seed\?"):
        load_preset(str(tmp_path / "typo.json"))
