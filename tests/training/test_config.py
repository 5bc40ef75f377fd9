"""Configs: JSON there and back, and everything that is wrong is named with its place."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from references.training_setups import small_config

from training.config import (
    CheckpointConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
    changed,
    from_json,
    from_mapping,
    to_json,
)
from training.data.dynamic_batch_loading import DynamicBatchLoading
from training.errors import ConfigError
from training.plan import differences

CONFIG = replace(
    small_config(Path("shards")),
    mixing=DynamicBatchLoading(every_steps=7, max_weight=0.5),
    reference="reference.json",
    optimizer=OptimizerConfig(kind="lion", betas=(0.9, 0.99)),
)


def test_json_there_and_back() -> None:
    assert from_json(to_json(CONFIG), "here") == CONFIG
    assert from_json(to_json(small_config(Path("shards"))), "here") == small_config(Path("shards"))


def test_every_field_is_in_the_json() -> None:
    found = json.loads(to_json(CONFIG))
    assert found["mixing"]["max_weight"] == 0.5
    assert found["optimizer"]["betas"] == [0.9, 0.99]
    assert found["schedule"]["kind"] == "linear"
    assert found["model"]["config"]["model_type"] == "llama"


def test_changing_fields() -> None:
    found = changed(CONFIG, ["optimizer.lr=2e-3", "data.shards=elsewhere", 'data.weights={"a": 1.0}', "mixing=null"])
    assert found.optimizer.lr == 2e-3
    assert found.data.shards == "elsewhere"
    assert found.data.weights == {"a": 1.0}
    assert found.mixing is None
    assert changed(small_config(Path("s")), ["mixing.every_steps=5", "reference=r.json"]).mixing is not None


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("optimiser.lr=1", "optimiser is no field of a training run: did you mean optimizer?"),
        ("optimizer.learning_rate=1", "optimizer.learning_rate is no field of a training run: there are kind, lr"),
        ("mixing.clip_negativ=true", "did you mean mixing.clip_negative?"),
        ("schedule.kind=linaer", "schedule.kind: Input should be 'linear', 'cosine'"),
        ("optimizer.lr=fast", "optimizer.lr: .*number.*, got 'fast'"),
        ("optimizer.lr=-1", r"optimizer: optimizer.lr is -1.0: expected a number above 0"),
        ("zero_stage=4", "zero_stage: Input should be 0, 1, 2 or 3, got 4"),
        ("steps=null", "exactly one of steps, tokens and epochs, got none of them"),
        ("tokens=1000", "exactly one of steps, tokens and epochs, got steps and tokens"),
        ("checkpoint.keep=0", "checkpoint.keep at least 1"),
        ("lr", "expected FIELD=VALUE"),
        ("reference=initial", "losses only fall from there"),
        ("reference=null", "mixing needs reference losses"),
        ("seed=-1", "seed is -1"),
        ("model.checkpoint=there", "either `checkpoint`"),
    ],
)
def test_what_is_wrong_is_named(assignment: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        changed(CONFIG, [assignment])


def test_a_missing_field_is_named() -> None:
    record = json.loads(to_json(CONFIG))
    del record["model"]
    with pytest.raises(ConfigError, match=r"file\.json: model is missing"):
        from_mapping(record, "file.json")


def test_not_json() -> None:
    with pytest.raises(ConfigError, match=r"mine\.json is not JSON"):
        from_json("{", "mine.json")


def test_all_that_is_wrong_is_said_at_once() -> None:
    record = json.loads(to_json(CONFIG)) | {"stepps": 3, "sead": 1}
    with pytest.raises(ConfigError, match=r"did you mean steps\?; sead .* did you mean seed\?"):
        from_mapping(record, "here")


def test_a_model_needs_a_kind() -> None:
    with pytest.raises(ConfigError, match='expected a "model_type"'):
        ModelConfig(config={"hidden_size": 3})


def test_what_may_change_where_a_run_goes_on() -> None:
    free = replace(CONFIG, micro_batch_size=2, zero_stage=3, checkpoint=CheckpointConfig(keep=5), name="other")
    assert differences(CONFIG, free) == []
    bound = replace(free, seed=9, optimizer=replace(CONFIG.optimizer, lr=1.0))
    assert differences(CONFIG, bound) == ["optimizer.lr was 0.0003 and is 1.0", "seed was 1 and is 9"]


def test_is_hashable_by_its_json() -> None:
    assert isinstance(TrainConfig.__doc__, str)
    assert to_json(CONFIG) == to_json(replace(CONFIG))
