"""Rows of training: the engine beside a bare loop and Hugging Face's Trainer, memory by ZeRO stage, checkpoints.

Peers here are of our own environment: torch and transformers are dependencies of the engine.
"""

from statistics import median
from typing import Any

import training_corpus
from measured import Bench, spread

MOST_OVERHEAD = 5.0
"""Per cent of a bare step."""
STEPS = {"14M": 12, "1M": 60}
MOST_LOSS_DIFFERENCE = 1e-4
MOST_OVER_FORMULA = 1.05
"""Parts are filled up to be equal, and of a weight that lies in two ranks' parts both hold some gradient twice."""


def training(bench: Bench) -> None:
    """All rows of training; on one core, but for memory, which two ranks hold."""
    folder = bench.work / "training"
    folder.mkdir()
    training_corpus.write_exports(folder)
    for size, steps in STEPS.items():
        _overhead(bench, folder, size, steps)
    _beside_trainer(bench, folder)
    _memory(bench, folder)
    _saving(bench, folder)


def _overhead(bench: Bench, folder: Any, size: str, steps: int) -> None:
    flags = ["--size", size, "--steps", steps * bench.repeat, "--core", bench.cores[-1]]
    found, _ = bench.worker("training_here.py", "overhead", folder, *flags)
    # A bare step stands between two of ours, so that what else the machine does meets both.
    pairs = zip(found["ours"], found["bare"], strict=True)
    more = 100 * (median(ours / bare for ours, bare in pairs) - 1)
    _, _, row_length, rows = training_corpus.SIZES[size]
    name = f"overhead of the engine, {size} parameters, {rows} x {row_length} tokens a step, one core"
    bench.details[name] = {
        "ours": spread(found["ours"]),
        "bare": spread(found["bare"]),
        **{key: found[key] for key in ("loss_difference", "num_params")},
    }
    bench.bound(name, more, "% of a bare step", most=MOST_OVERHEAD if size == "14M" else None)


def _beside_trainer(bench: Bench, folder: Any) -> None:
    for size, steps in STEPS.items():
        flags = ["--size", size, "--steps", steps, "--core", bench.cores[-1]]
        seconds: dict[str, list[float]] = {"engine": [], "trainer": []}
        losses = {}
        for side in ("engine", "trainer") * bench.repeat:
            found, _ = bench.worker("training_here.py", side, folder, *flags)
            seconds[side] += found["seconds"]
            losses[side] = found["losses"]
        largest = max(abs(ours - theirs) for ours, theirs in zip(*losses.values(), strict=True))
        if largest > MOST_LOSS_DIFFERENCE:
            raise SystemExit(f"engine and Trainer do not agree: their losses differ by {largest}")
        _, _, row_length, rows = training_corpus.SIZES[size]
        name = f"training, {size} parameters, fp32, one core"
        sides = {side: spread(found) for side, found in seconds.items()}
        bench.details[name] = {**sides, "loss_difference": largest}
        ours, theirs = (row_length * rows / min(found) for found in seconds.values())
        bench.compare(name, ours, "transformers Trainer", theirs, None, unit="tokens/s")


def _memory(bench: Bench, folder: Any) -> None:
    found, _ = bench.worker("training_memory.py", folder)
    bench.details["memory by ZeRO stage"] = found["runs"]
    for run in found["runs"]:
        held = run["weights"] + run["gradients"] + run["states"]
        name = f"ZeRO {run['stage']}, {run['precision']}, AdamW, a rank of two holds"
        bench.bound(name, held, "bytes a weight", most=round(MOST_OVER_FORMULA * run["formula"], 2))


def _saving(bench: Bench, folder: Any) -> None:
    found, _ = bench.worker("training_here.py", "saving", folder, "--repeat", bench.repeat, "--core", bench.cores[-1])
    size = found["num_bytes"] / 1e6
    bench.details["checkpoint"] = {name: spread(found[name]) for name in ("save", "load", "torch")} | {
        "megabytes": size
    }
    name = "checkpoint written to the disk, with hashes"
    bench.compare(name, size / min(found["save"]), "torch.save and fsync", size / min(found["torch"]), None)
    bench.bound("checkpoint compared with its hashes and loaded", size / min(found["load"]), "MB/s")
