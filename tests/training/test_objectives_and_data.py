"""What is trained on: activation checkpointing, loss weights, held-out rows, exhausted domains, shards that changed."""

import copy
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from references.token_shards import Row, write_export
from references.training_setups import ROW_LENGTH, VOCAB, losses, run_here, small_config, tokenizer_bytes, write_corpus

from training.config import CheckpointConfig, EvaluationConfig
from training.data import StateError
from training.data.dynamic_batch_loading import DynamicBatchLoading
from training.data.torch_batches import tensors
from training.engine import Training
from training.errors import ConfigError
from training.parallel import running
from training.plan import open_loader
from training.setup import prepare
from training.throughput import peak_flops


@pytest.mark.parametrize("stage", [0, 3])
def test_activation_checkpointing_changes_nothing(corpus: Path, tmp_path: Path, stage: Any) -> None:
    config = small_config(corpus, steps=3, zero_stage=stage)
    kept = losses(run_here(config, tmp_path / "kept"))
    again = replace(config, model=replace(config.model, activation_checkpointing=True))
    assert losses(run_here(again, tmp_path / "again")) == pytest.approx(kept, abs=1e-6)


def test_learning_rates_are_the_schedules(corpus: Path, tmp_path: Path) -> None:
    config = small_config(corpus, steps=5)
    steps = [event for event in run_here(config, tmp_path) if event["event"] == "step"]
    assert [step["lr"] for step in steps] == [pytest.approx(1e-2 * (1 - i / 5)) for i in range(5)]
    assert [step["sample"] for step in steps] == [8, 16, 24, 32, 40]


@pytest.fixture(scope="module")
def weighted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards with a loss weight for each token, as conversations have."""
    folder = tmp_path_factory.mktemp("weighted") / "shards"
    rows = []
    for number in range(16):
        tokens = [3 + (number * 7 + 5 * place) % (VOCAB - 3) for place in range(20)]
        weights = [(0.0, 1.0, 0.5)[(place // 4 + number) % 3] for place in range(20)]
        rows.append(Row(tokens, [0, 11], [f"c{number}", f"d{number}"], [0, 0], [0, 0], weights))
    write_export(
        folder,
        {"chat": {"train": rows, "eval": rows[:4]}},
        row_length=24,
        vocab_size=VOCAB,
        tokenizer=tokenizer_bytes(),
    )
    return folder


def test_weighted_tokens_count_what_they_weigh(weighted: Path, tmp_path: Path) -> None:
    config = small_config(weighted, steps=2, batch_size=8, micro_batch_size=2)
    with running(device="cpu") as ranks:
        parts = prepare(config, tmp_path, ranks)
        batch = tensors(open_loader(replace(config, micro_batch_size=None), ranks).next_batch())
        plain = copy.deepcopy(parts.model)
        events: list[Any] = []
        Training(parts, lambda event, **fields: events.append((event, fields))).run()
        parts.zero.close()
    with torch.no_grad():
        logits = plain(input_ids=batch["tokens"], position_ids=batch["position_ids"], use_cache=False).logits
        each = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), batch["labels"].flatten(), ignore_index=-100, reduction="none"
        )
    weights = batch["loss_weights"].flatten()
    first = next(fields for event, fields in events if event == "step")
    assert set(weights.tolist()) == {0.0, 0.5, 1.0}
    assert first["loss"] == pytest.approx(float((each * weights).sum() / weights.sum()), abs=1e-6)
    assert first["tokens"] == int(weights.sum())


def test_evaluation_reads_the_same_rows_every_time(corpus: Path, tmp_path: Path) -> None:
    one_row = EvaluationConfig(every_steps=0, max_tokens_per_domain=10, batch_size=1)
    all_rows = EvaluationConfig(every_steps=0, max_tokens_per_domain=None, batch_size=4)
    few = run_here(small_config(corpus, steps=1, evaluation=one_row), tmp_path / "few")
    every = run_here(small_config(corpus, steps=1, evaluation=all_rows), tmp_path / "every")
    assert max(few[0]["tokens_by_domain"].values()) < ROW_LENGTH
    assert min(every[0]["tokens_by_domain"].values()) > 5 * ROW_LENGTH
    again = run_here(small_config(corpus, steps=1, evaluation=all_rows), tmp_path / "again")
    assert again[0]["loss_by_domain"] == every[0]["loss_by_domain"]


def test_unigram_entropy_is_that_of_the_tokens_to_be_predicted(corpus: Path, tmp_path: Path) -> None:
    counts: Counter[int] = Counter()
    for file in sorted(corpus.glob("*/eval-*.arrow")):
        table = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
        for row in table.to_pylist():
            counts.update(
                token for place, token in enumerate(row["tokens"][: row["num_tokens"]]) if place not in row["starts"]
            )
    total = sum(counts.values())
    expected = -sum(n / total * math.log(n / total) for n in counts.values())
    config = small_config(corpus, evaluation=EvaluationConfig(max_tokens_per_domain=None))
    with running(device="cpu") as ranks:
        parts = prepare(config, tmp_path, ranks)
        assert parts.evaluation.unigram_entropy() == pytest.approx(expected, abs=1e-9)
        parts.zero.close()


def test_an_exhausted_domain_is_left_out_of_the_weights(tmp_path: Path) -> None:
    shards = write_corpus(tmp_path / "shards", {"code": 150, "news": 150, "talk": 30})
    config = small_config(shards, steps=60, batch_size=8)
    data = replace(config.data, weights={"code": 0.3, "news": 0.3, "talk": 0.4}, max_epochs_per_domain=2)
    mixing = DynamicBatchLoading(every_steps=40, clip_negative=False)
    events = run_here(replace(config, data=data, mixing=mixing, reference="initial"), tmp_path / "run")
    update = next(event for event in events if event["event"] == "weights")
    assert update["before"] == pytest.approx({"code": 0.5, "news": 0.5, "talk": 0.0})
    assert update["after"]["talk"] == 0
    assert set(update["losses"]) == {"code", "news"}
    assert sum(update["after"].values()) == pytest.approx(1)


def test_shards_that_were_exported_anew_are_refused(tmp_path: Path) -> None:
    shards = write_corpus(tmp_path / "shards")
    saving = CheckpointConfig(every_steps=2, at_end=True, save_model=False)
    config = small_config(shards, steps=4, checkpoint=saving)
    run_here(config, tmp_path / "run")
    manifest = shards / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 1', '"seed": 2'))
    with pytest.raises(StateError, match="the state is of another sequence of samples"):
        run_here(config, tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"steps": None, "tokens": 100},
            "the run has no whole batch: a batch is 8 rows of 24 tokens, and there are 190",
        ),
        ({"steps": None, "epochs": 0.01}, "no whole batch"),
    ],
)
def test_runs_without_a_batch(corpus: Path, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run_here(small_config(corpus, **changes), tmp_path)


def test_lengths_in_tokens_and_epochs(corpus: Path, tmp_path: Path) -> None:
    for changes, steps in (({"tokens": 8 * 24 * 3 + 5}, 3), ({"epochs": 0.25}, 5)):
        with running(device="cpu") as ranks:
            parts = prepare(small_config(corpus, steps=None, **changes), tmp_path, ranks)
            assert parts.plan.total_steps == steps
            parts.zero.close()


def test_a_peak_is_measured_where_none_is_known() -> None:
    assert 1e8 < peak_flops(torch.device("cpu"), "fp32") < 1e15
