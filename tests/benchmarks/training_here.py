"""Worker: steps of the engine, of a bare loop and of Hugging Face's Trainer, and checkpoints. Prints one line of JSON.

Everything runs on one thread of one core, in this process, and is counted in processor seconds.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import training_corpus
from training_corpus import LR, config_of
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from training import checkpoints
from training.config import TrainConfig
from training.data import Batch
from training.engine import Training
from training.logs import RunLog
from training.models import num_parameters, open_model
from training.objectives import LanguageModel
from training.optimizers import make_optimizer
from training.parallel import Ranks, running
from training.plan import open_loader
from training.setup import prepare

WARMUP = 2
"""Steps of every stretch that are not counted."""


def batches(config: TrainConfig, ranks: Ranks) -> list[Batch]:
    """The batches of a run, read beforehand."""
    loader = open_loader(config, ranks)
    assert config.steps is not None
    loader.until = config.steps * config.batch_size
    return list(loader.dataloader(num_workers=0))


def fresh_model(config: TrainConfig, ranks: Ranks) -> Any:
    """The model that the engine begins with."""
    manifest = open_loader(config, ranks).manifest
    return open_model(
        config.model,
        vocab_size=manifest.tokenizer.vocab_size,
        special_ids={name: manifest.tokenizer.special_ids.get(name) for name in ("bos", "eos", "pad")},
        row_length=manifest.row_length,
        seed=config.seed,
    )


def bare_steps(config: TrainConfig, ranks: Ranks) -> Iterator[float]:
    """Loss of each step of a loop that does what has to be done and nothing else."""
    assert config.steps is not None
    model = fresh_model(config, ranks)
    model.train()
    objective, optimizer = LanguageModel(model), make_optimizer(model, config.optimizer)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    for step, batch in enumerate(batches(config, ranks)):
        loss_B, weight_B = objective(batch["tokens"], batch["labels"], batch["position_ids"])
        loss = loss_B.sum() / weight_B.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, config.optimizer.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = config.optimizer.lr * config.schedule.factor(step, config.steps)
        optimizer.step()
        optimizer.zero_grad()
        yield float(loss.detach())


def overhead(given: argparse.Namespace, ranks: Ranks) -> dict[str, Any]:
    """Seconds of the engine's steps and of bare ones, a step of each in turn on the same batch.

    The bare step is taken while the engine waits for its log to be written; its time does not count as the engine's.
    The log is a real one.
    """
    config = config_of(given.size, given.folder, WARMUP + given.steps)
    bare, ours, theirs, losses = bare_steps(config, ranks), [], [], []
    next_bare = next(bare)
    parts = prepare(config, given.folder / "overhead", ranks)
    with RunLog(given.folder / "overhead") as log:
        mark = time.process_time()

        def write(event: str, **fields: Any) -> None:
            nonlocal mark, next_bare
            log.write(event, **fields)
            if event != "step":
                return
            done = time.process_time()
            ours.append(done - mark)
            losses.append((fields["loss"], next_bare))
            if fields["step"] < WARMUP + given.steps:
                begun = time.process_time()
                next_bare = next(bare)
                theirs.append(time.process_time() - begun)
            mark = time.process_time()

        Training(parts, write).run()
    size = num_parameters(parts.model)
    parts.zero.close()
    largest = max(abs(one - other) for one, other in losses)
    if largest > 1e-4:
        raise SystemExit(f"the sides do not agree: their losses differ by {largest}")
    return {"ours": ours[WARMUP:], "bare": theirs[WARMUP - 1 :], "loss_difference": largest, "num_params": size}


class Rows(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """The rows of some batches in their order, as Hugging Face's models take them."""

    def __init__(self, read: list[Batch]) -> None:
        tokens, labels, positions = (
            torch.cat([one[name] for one in read]) for name in ("tokens", "labels", "position_ids")
        )
        unshifted = torch.cat([torch.full_like(labels[:, :1], -100), labels[:, :-1]], 1)
        self._columns = {"input_ids": tokens, "labels": unshifted, "position_ids": positions}

    def __len__(self) -> int:
        return len(self._columns["labels"])

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        return {name: column[place] for name, column in self._columns.items()}


class InOrder(Trainer):  # type: ignore[misc]
    """A Trainer that does not shuffle."""

    def _get_train_sampler(self, *_: Any, **__: Any) -> Any:
        return torch.utils.data.SequentialSampler(self.train_dataset)


class Clock(TrainerCallback):  # type: ignore[misc]
    """Processor seconds at the end of each step, and what the Trainer logs."""

    def __init__(self) -> None:
        self.marks: list[float] = []
        self.losses: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.marks.append(time.process_time())

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "loss" in logs:
            self.losses.append(float(logs["loss"]))


def trainer_steps(config: TrainConfig, ranks: Ranks, folder: Path) -> tuple[list[float], list[float]]:
    """Seconds of each step but the first of Hugging Face's Trainer with the same settings, and all losses."""
    clock = Clock()
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        max_steps=config.steps or 0,
        per_device_train_batch_size=config.batch_size,
        learning_rate=LR,
        lr_scheduler_type="linear",
        optim="adamw_torch",
        adam_beta1=0.9,
        adam_beta2=0.95,
        weight_decay=config.optimizer.weight_decay,
        max_grad_norm=config.optimizer.clip_norm,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    rows = Rows(batches(config, ranks))
    trainer = InOrder(model=fresh_model(config, ranks), args=arguments, train_dataset=rows, callbacks=[clock])
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return [late - early for early, late in pairwise(clock.marks)], clock.losses


def engine_steps(config: TrainConfig, ranks: Ranks, folder: Path) -> tuple[list[float], list[float]]:
    """The same of our engine, with its log and without a bar."""
    marks, losses = [], []
    parts = prepare(config, folder / "ours", ranks)
    with RunLog(folder / "ours") as log:

        def write(event: str, **fields: Any) -> None:
            log.write(event, **fields)
            if event == "step":
                marks.append(time.process_time())
                losses.append(fields["loss"])

        Training(parts, write).run()
    parts.zero.close()
    return [late - early for early, late in pairwise(marks)], losses


def engine_alone(given: argparse.Namespace, ranks: Ranks) -> dict[str, Any]:
    """Seconds of the engine's steps, and the losses."""
    seconds, losses = engine_steps(config_of(given.size, given.folder, WARMUP + given.steps), ranks, given.folder)
    return {"seconds": seconds[WARMUP - 1 :], "losses": losses}


def trainer_alone(given: argparse.Namespace, ranks: Ranks) -> dict[str, Any]:
    """Seconds of the Trainer's steps, and the losses."""
    config = config_of(given.size, given.folder, WARMUP + given.steps)
    seconds, losses = silently(lambda: trainer_steps(config, ranks, given.folder))
    return {"seconds": seconds[WARMUP - 1 :], "losses": losses}


def silently(run: Callable[[], Any]) -> Any:
    """What a call gives, without what it prints: the last line is ours."""
    kept, sys.stdout = sys.stdout, sys.stderr
    try:
        return run()
    finally:
        sys.stdout = kept


def saving(given: argparse.Namespace, ranks: Ranks) -> dict[str, Any]:
    """Seconds that pass while a checkpoint is written, checked and read, and torch's own save of the same numbers."""
    config = config_of(given.size, given.folder, 1)
    parts = prepare(config, given.folder / "saving", ranks)
    parameters = parts.zero.parameters
    held = {f"{name} {kind}": parameters.read(name, kind) for name in parameters.names for kind in parameters.kinds}
    found: dict[str, list[float]] = {"save": [], "load": [], "torch": []}
    place = given.folder / "saving" / "checkpoints"
    for number in range(given.repeat + 1):
        began = time.perf_counter()
        folder = checkpoints.save(place, number, parameters, ranks, {}, keep=1)
        saved = time.perf_counter()
        checkpoints.load(checkpoints.open_checkpoint(folder), parameters)
        loaded = time.perf_counter()
        with (given.folder / "torch.pt").open("wb") as file:
            torch.save(held, file)
            file.flush()
            os.fsync(file.fileno())
        ended = time.perf_counter()
        if number:
            found["save"].append(saved - began)
            found["load"].append(loaded - saved)
            found["torch"].append(ended - loaded)
    size = checkpoints.size_of(parameters)
    parts.zero.close()
    return {**found, "num_bytes": size}


def main() -> None:
    tasks = {"overhead": overhead, "engine": engine_alone, "trainer": trainer_alone, "saving": saving}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=tasks)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=training_corpus.SIZES, default="14M")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--core", type=int, required=True)
    given = parser.parse_args()
    os.sched_setaffinity(0, {given.core})
    torch.set_num_threads(1)
    if given.task == "trainer":  # where processes have found together, be it one, it wraps the model in DDP
        result = trainer_alone(given, Ranks(0, 1, 0, torch.device("cpu")))
    else:
        with running(device="cpu") as ranks:
            result = tasks[given.task](given, ranks)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
