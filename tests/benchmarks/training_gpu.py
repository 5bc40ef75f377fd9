"""Training on one GPU: the engine beside a bare loop and Hugging Face's Trainer, speed and memory by ZeRO stage.

First `training_gpu.py write FOLDER`, where the curation half is installed; then `training_gpu.py measure FOLDER` on the
machine with the GPU, which needs torch, transformers, deepspeed and this repository. Prints a line of JSON per row.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
import training_corpus
from training_corpus import GPU_SIZES, LR, config_of
from training_here import InOrder, Rows, batches, fresh_model, silently
from transformers import PrinterCallback, TrainerCallback, TrainingArguments

from training.config import TrainConfig
from training.engine import Training
from training.models import num_parameters
from training.objectives import LanguageModel, inputs, weight_of
from training.optimizers import make_optimizer
from training.parallel import Ranks, running
from training.setup import prepare
from training.throughput import peak_flops

WARMUP, STEPS = 2, 4


class Clock:
    """Seconds of the GPU from the end of the warm-up to now, and the most memory held since the beginning."""

    def __init__(self, warmup: int) -> None:
        self._warmup, self._count, self._begun = warmup, 0, 0.0
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        self._held = torch.cuda.memory_allocated()

    def tick(self) -> None:
        """A step is done."""
        self._count += 1
        if self._count == self._warmup:
            torch.cuda.synchronize()
            self._begun = time.perf_counter()

    def read(self) -> dict[str, float]:
        """Seconds of a step, and gigabytes."""
        torch.cuda.synchronize()
        seconds = (time.perf_counter() - self._begun) / (self._count - self._warmup)
        return {"step_s": seconds, "peak_gb": (torch.cuda.max_memory_allocated() - self._held) / 1e9}


def engine(config: TrainConfig, ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Steps of the engine, with what it logs."""
    losses: list[float] = []
    clock = Clock(WARMUP)

    def write(event: str, **fields: Any) -> None:
        if event == "step":
            losses.append(fields["loss"])
            clock.tick()

    parts = prepare(config, folder / "engine", ranks)
    size = num_parameters(parts.model)
    held = torch.cuda.memory_allocated()
    Training(parts, write).run()
    found = clock.read()
    flops = parts.flops_per_token * config.batch_size * parts.loader.manifest.row_length
    parts.zero.close()
    return {
        **found,
        "mfu": flops / found["step_s"] / peak_flops(ranks.device, config.precision),
        "bytes_a_weight_at_rest": held / size,
        "num_params": size,
        "losses": losses,
    }


def bare(config: TrainConfig, ranks: Ranks, folder: Path) -> dict[str, Any]:
    """What has to be done and nothing else: bf16 weights, fp32 copies of them, gradients summed in fp32, AdamW."""
    clock = Clock(WARMUP)
    model = fresh_model(config, ranks)
    exact = [one.detach().clone() for one in model.buffers()]
    model.to(ranks.device, torch.bfloat16)
    for buffer, kept in zip(model.buffers(), exact, strict=True):
        buffer.data = kept.to(ranks.device)
    copies = fresh_model(config, ranks).to(ranks.device)
    weights = list(copies.parameters())
    rounded = list(model.parameters())
    optimizer, objective = make_optimizer(copies, config.optimizer), LanguageModel(model)
    read = batches(replace(config, micro_batch_size=None), ranks)
    rows, losses = config.micro_batch_size or config.batch_size, []
    model.train()
    for step, batch in enumerate(read):
        weight, total = weight_of(batch), torch.zeros((), device=ranks.device)
        for first in range(0, config.batch_size, rows):
            part = {name: column[first : first + rows] for name, column in inputs(batch, ranks.device).items()}
            loss_B, _ = objective(**part)
            loss = loss_B.sum() / weight
            loss.backward()
            total += loss.detach()
            for one, held in zip(weights, rounded, strict=True):
                one.grad = held.grad.float() if one.grad is None else one.grad.add_(held.grad)
                held.grad = None
        torch.nn.utils.clip_grad_norm_(weights, config.optimizer.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = config.optimizer.lr * config.schedule.factor(step, len(read))
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            torch._foreach_copy_(rounded, weights)
        losses.append(total)
        clock.tick()
    return {**clock.read(), "losses": [float(one) for one in losses]}


def trainer(config: TrainConfig, ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Hugging Face's Trainer with its own bf16: fp32 weights, and products in bf16."""
    clock, losses = Clock(WARMUP), []

    class Told(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.tick()

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
            losses.extend([float(logs["loss"])] if "loss" in logs else [])

    rows = config.micro_batch_size or config.batch_size
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        max_steps=config.steps or 0,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=config.batch_size // rows,
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
        bf16=True,
    )
    made = InOrder(
        model=fresh_model(config, ranks),
        args=arguments,
        train_dataset=Rows(batches(replace(config, micro_batch_size=None), ranks)),
        callbacks=[Told()],
    )
    made.remove_callback(PrinterCallback)
    made.train()
    return {**clock.read(), "losses": losses}


def runs(folder: Path) -> list[tuple[str, Callable[..., dict[str, Any]], TrainConfig]]:
    """What is measured, in its order; the engine before and after those that it is compared with."""

    def config(size: str, stage: Literal[1, 2, 3], rows: int = 16) -> TrainConfig:
        return config_of(size, folder, WARMUP + STEPS, precision="bf16", zero_stage=stage, micro_batch_size=rows)

    small, large = config("110M", 2), config("370M", 2)
    lean = replace(large, model=replace(large.model, activation_checkpointing=True))
    return [
        ("110M, ZeRO 2", engine, small),
        ("110M, bare loop", bare, small),
        ("110M, ZeRO 1", engine, config("110M", 1)),
        ("370M, ZeRO 2", engine, large),
        ("370M, bare loop", bare, large),
        ("110M, Trainer", trainer, small),
        ("370M, ZeRO 1", engine, config("370M", 1)),
        ("110M, ZeRO 3", engine, config("110M", 3)),
        ("370M, ZeRO 2, activation checkpointing", engine, lean),
    ]


def measure(folder: Path) -> None:
    """Every row; one that fails says why, and the others are measured."""
    device = torch.device("cuda", 0)
    sys.stdout.write(json.dumps({"gpu": torch.cuda.get_device_name(device), "torch": torch.__version__}) + "\n")
    for name, side, config in runs(folder):
        begun = time.perf_counter()
        try:
            if side is trainer:  # where processes have found together, be it one, it wraps the model in DDP
                made: Any = silently(partial(trainer, config, Ranks(0, 1, 0, torch.device("cpu")), folder))
            else:
                with running(device="cuda") as ranks:
                    made = side(config, ranks, folder)
        except Exception as error:  # noqa: BLE001 - a row that cannot be measured does not cost the others
            made = {"failed": f"{type(error).__name__}: {str(error)[:500]}"}
        _, _, row_length, rows = GPU_SIZES[name.split(",")[0]]
        if "step_s" in made:
            made["tokens_per_s"] = row_length * rows / made["step_s"]
        sys.stdout.write(json.dumps({"name": name, "wall_s": time.perf_counter() - begun, **made}) + "\n")
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("write", "measure"))
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.task == "write":
        training_corpus.write_exports(given.folder, gpu=True)
    else:
        measure(given.folder)


if __name__ == "__main__":
    main()
