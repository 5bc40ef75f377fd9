"""The loop in one process: the numbers of a plain loop, however a batch is cut, and the same after a kill."""

import copy
import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from references.plain_training import train_plainly
from references.training_setups import losses, run_here, small_config
from safetensors.torch import load_file

from training.config import CheckpointConfig, EvaluationConfig, TrainConfig
from training.data.dynamic_batch_loading import DynamicBatchLoading, replay
from training.data.torch_batches import tensors
from training.engine import Training
from training.errors import DivergedError
from training.parallel import running
from training.plan import open_loader
from training.setup import newest, prepare


def test_equals_a_plain_loop_on_the_same_batches(corpus: Path, tmp_path: Path) -> None:
    config = small_config(corpus, micro_batch_size=2)
    with running(device="cpu") as ranks:
        loader = open_loader(replace(config, micro_batch_size=None), ranks)
        batches = [tensors(loader.next_batch()) for _ in range(8)]
        parts = prepare(config, tmp_path, ranks)
        plain = copy.deepcopy(parts.model)
        events: list[Any] = []
        Training(parts, lambda event, **fields: events.append((event, fields))).run()
        expected, norms = train_plainly(plain, batches, lr=1e-2, weight_decay=0.1, clip=1.0)
        ours = dict(parts.model.named_parameters())
        differing = {name: (ours[name] - one).abs().max().item() for name, one in plain.named_parameters()}
        parts.zero.close()
    steps = [fields for event, fields in events if event == "step"]
    assert [step["loss"] for step in steps] == pytest.approx(expected, abs=1e-6)
    assert [step["grad_norm"] for step in steps] == pytest.approx(norms, rel=1e-4)
    assert max(norms) > 1  # the clipping was at work
    assert max(differing.values()) < 1e-5
    assert expected[-1] < expected[0] - 0.3


@pytest.mark.parametrize("micro", [1, 8])
def test_the_loss_does_not_depend_on_how_a_batch_is_cut(corpus: Path, tmp_path: Path, micro: int) -> None:
    whole = losses(run_here(small_config(corpus, micro_batch_size=4, steps=4), tmp_path / "a"))
    cut = losses(run_here(small_config(corpus, micro_batch_size=micro, steps=4), tmp_path / "b"))
    assert cut == pytest.approx(whole, abs=1e-6)


def test_losses_by_domain_add_up(corpus: Path, tmp_path: Path) -> None:
    events = run_here(small_config(corpus, steps=2), tmp_path)
    for event in (event for event in events if event["event"] == "step"):
        by_domain, tokens = event["loss_by_domain"], event["tokens_by_domain"]
        total = sum(by_domain[name] * num for name, num in tokens.items() if num)
        assert total / sum(tokens.values()) == pytest.approx(event["loss"], abs=1e-9)


def _interrupted(config: TrainConfig, folder: Path, at: int) -> list[dict[str, Any]]:
    class KilledError(Exception):
        pass

    def watch(event: str, fields: dict[str, Any]) -> None:
        if event == "step" and fields["step"] == at:
            raise KilledError

    with pytest.raises(KilledError):
        run_here(config, folder, watch=watch)
    return run_here(config, folder)


@pytest.mark.parametrize(("stage", "precision", "at"), [(0, "fp32", 3), (1, "fp32", 6), (2, "bf16", 5), (3, "fp32", 7)])
def test_goes_on_bit_for_bit(corpus: Path, tmp_path: Path, stage: Any, precision: Any, at: int) -> None:
    config = small_config(
        corpus,
        zero_stage=stage,
        precision=precision,
        evaluation=EvaluationConfig(every_steps=4),
        checkpoint=CheckpointConfig(every_steps=2, at_end=False, save_model=False),
        mixing=DynamicBatchLoading(every_steps=2, clip_negative=False),
        reference="initial",
    )
    whole = run_here(config, tmp_path / "whole")
    resumed = _interrupted(config, tmp_path / "killed", at)
    assert resumed[0]["event"] == "resume"
    assert resumed[0]["step"] == 2 * ((at - 1) // 2)
    expected = {step: loss for step, loss in losses(whole).items() if step > resumed[0]["step"]}
    assert losses(resumed) == expected
    for kind in ("eval", "weights"):
        after = [{**one, "seconds": 0} for one in whole if one["event"] == kind and one["step"] > resumed[0]["step"]]
        assert [{**one, "seconds": 0} for one in resumed if one["event"] == kind] == after


def test_lion_and_dropout_go_on_bit_for_bit(corpus: Path, tmp_path: Path) -> None:
    config = small_config(corpus, steps=6, checkpoint=CheckpointConfig(every_steps=2, at_end=False, save_model=False))
    model = {**(config.model.config or {}), "attention_dropout": 0.2}
    config = replace(
        config,
        model=replace(config.model, config=model, attention="eager"),
        optimizer=replace(config.optimizer, kind="lion", lr=1e-3),
    )
    whole = losses(run_here(config, tmp_path / "whole"))
    assert losses(_interrupted(config, tmp_path / "killed", 5)) == {step: whole[step] for step in (5, 6)}


@pytest.mark.parametrize("stages", [(0, 3), (3, 1)])
def test_a_checkpoint_fits_another_stage(corpus: Path, tmp_path: Path, stages: tuple[Any, Any]) -> None:
    checkpoint = CheckpointConfig(every_steps=4, at_end=True, save_model=False)
    config = small_config(corpus, zero_stage=stages[0], checkpoint=checkpoint)
    whole = losses(run_here(config, tmp_path / "whole"))
    resumed = _interrupted_at(replace(config, zero_stage=stages[1]), config, tmp_path / "other", 6)
    assert resumed == pytest.approx({step: whole[step] for step in range(5, 9)}, abs=1e-6)


def _interrupted_at(then: TrainConfig, first: TrainConfig, folder: Path, at: int) -> dict[int, float]:
    def watch(event: str, fields: dict[str, Any]) -> None:
        if event == "step" and fields["step"] == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_here(first, folder, watch=watch)
    return losses(run_here(then, folder))


def test_weights_follow_the_losses_and_can_be_replayed(corpus: Path, tmp_path: Path) -> None:
    mixing = DynamicBatchLoading(every_steps=2, clip_negative=False)
    events = run_here(small_config(corpus, mixing=mixing, reference="initial"), tmp_path)
    updates = [event for event in events if event["event"] == "weights"]
    assert [event["step"] for event in updates] == [2, 4, 6]
    assert [event["sample"] for event in updates] == [16, 32, 48]
    assert replay(mixing, updates) == []
    assert updates[-1]["after"] != updates[0]["before"]
    drawn = [event["weights"] for event in events if event["event"] == "step"]
    assert drawn[2] == updates[0]["after"]


def test_weights_change_at_the_same_sample_with_workers(corpus: Path, tmp_path: Path) -> None:
    mixing = DynamicBatchLoading(every_steps=2, clip_negative=False)
    config = small_config(corpus, steps=4, mixing=mixing, reference="initial")
    alone = run_here(config, tmp_path / "alone")
    workers = run_here(replace(config, data=replace(config.data, num_workers=2)), tmp_path / "workers")
    assert losses(workers) == losses(alone)


def test_a_signal_ends_the_run_with_a_checkpoint(corpus: Path, tmp_path: Path) -> None:
    config = small_config(corpus)
    whole = losses(run_here(config, tmp_path / "whole"))

    def watch(event: str, fields: dict[str, Any]) -> None:
        if event == "step" and fields["step"] == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    first = run_here(config, tmp_path / "stopped", watch=watch)
    assert first[-1]["event"] == "end"
    assert first[-1]["reason"] == "interrupted"
    checkpoint = newest(tmp_path / "stopped")
    assert checkpoint is not None
    assert checkpoint.step == 4  # every rank is told in the step after the signal
    again = run_here(config, tmp_path / "stopped")
    assert {**losses(first), **losses(again)} == whole


def test_a_loss_that_is_too_large_names_its_rows(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"above 0\.5 \(after 0 steps\).*domain \w+; documents"):
        run_here(small_config(corpus, max_loss=0.5), tmp_path)
    place = tmp_path / "failed-step-00000000"
    rows = json.loads((place / "rows.json").read_text())
    assert len(rows) == 8
    assert [row["loss"] for row in rows] == sorted((row["loss"] for row in rows), reverse=True)
    assert all(row["segments"][0]["doc_id"].startswith(f"{row['domain']}/train") for row in rows)
    batch = load_file(place / "batch-00000.safetensors")
    assert batch["000.tokens"].shape == (8, 24)
    assert (place / "step-00000000" / "checkpoint.json").exists()


def test_a_loss_that_is_no_number_stops_the_run_before_the_weights_change(corpus: Path, tmp_path: Path) -> None:
    with running(device="cpu") as ranks:
        parts = prepare(small_config(corpus, evaluation=EvaluationConfig(every_steps=None)), tmp_path, ranks)
        with torch.no_grad():
            parts.model.model.norm.weight[3] = math.nan
        before = {name: one.detach().clone() for name, one in parts.model.named_parameters()}
        with pytest.raises(DivergedError, match="the loss is nan"):
            Training(parts, lambda event, **fields: None).run()
        after = dict(parts.model.named_parameters())
        assert all(torch.equal(before[name].nan_to_num(), after[name].nan_to_num()) for name in before)
        parts.zero.close()


@pytest.mark.parametrize(("stage", "precision"), [(0, "fp32"), (2, "bf16")])
def test_skipped_steps_are_counted_and_too_many_end_the_run(
    corpus: Path, tmp_path: Path, stage: Any, precision: Any
) -> None:
    config = small_config(
        corpus,
        zero_stage=stage,
        precision=precision,
        fail_on_skipped=3,
        evaluation=EvaluationConfig(every_steps=None),
    )
    events: list[tuple[str, dict[str, Any]]] = []
    with running(device="cpu") as ranks:
        parts = prepare(config, tmp_path, ranks)
        training = Training(parts, lambda event, **fields: events.append((event, fields)))
        weight = parts.model.model.norm.weight
        weight.register_hook(lambda gradient: gradient * math.inf if training.step >= 2 else gradient)
        with pytest.raises(DivergedError, match="3 steps in a row were skipped"):
            training.run()
        parts.zero.close()
    skipped = [fields["skipped_steps"] for event, fields in events if event == "step"]
    assert skipped[:2] == [0, 0]
    warnings = [fields["message"] for event, fields in events if event == "warning"]
    assert len(warnings) == 3
    assert "step 3 was skipped: its gradients are not finite" in warnings[0]
