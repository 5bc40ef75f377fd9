"""Job: token shards -> a language model. Pretraining, going on from a checkpoint, and fine-tuning on conversations.

Started by plain Python, torchrun or `deepspeed`; the same command goes on where a run has stopped.
"""

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from jobs.preset_file import RECORD
from training.config import TrainConfig, from_json, to_json
from training.engine import MODEL, Trained, Training
from training.errors import ConfigError, TrainError
from training.logs import RunLog
from training.parallel import Ranks, running
from training.plan import differences
from training.progress import TrainingBar
from training.run_history import read_run
from training.setup import Parts, newest, prepare, start_record

_OWN = (RECORD, "metrics.jsonl", "checkpoints", MODEL, "report.html", "tensorboard", "wandb", "reference.json")


def train(
    config: TrainConfig,
    out: str | Path,
    *,
    overwrite: bool = False,
    device: str | None = None,
    show: bool = True,
    note: Callable[[str], None] = lambda message: None,
) -> Trained | None:
    """Train a model into a folder, from the beginning or from the newest checkpoint there; every rank calls it.

    Args:
        config: what is trained.
        out: the run's folder.
        overwrite: remove a run that is there and begin anew.
        device: `cpu` or `cuda`; None: what there is.
        show: draw a progress bar.
        note: takes what people should know before the first step.

    Returns:
        What was done, None where the run was done already.

    Raises:
        TrainError, DataError: something is wrong; found before the first step, but for divergence and damaged shards.
    """
    folder = Path(out)
    with running(device=device) as ranks, _held(folder, ranks):
        _begin(config, folder, ranks, overwrite=overwrite)
        if _is_done(config, folder):
            return None
        parts = prepare(config, folder, ranks)
        for one in parts.notes if ranks.first else ():
            note(one)
        if ranks.first:
            _write_record(folder / RECORD, config)
        return _run(parts, show=show)


def _run(parts: Parts, *, show: bool) -> Trained:
    checkpoint = newest(parts.folder, verify=parts.ranks.first)
    entropy = parts.evaluation.unigram_entropy() if checkpoint is None else None
    with ExitStack() as stack:
        write, bar = _silent, None
        if parts.ranks.first:
            logging = parts.config.log
            log = stack.enter_context(RunLog(parts.folder, tensorboard=logging.tensorboard, wandb=logging.wandb))
            write = log.write
            log.resume(-1 if checkpoint is None else checkpoint.step)
            if checkpoint is None:
                log.write("start", run=start_record(parts, unigram_entropy=entropy))
            if show:
                first = 0 if checkpoint is None else checkpoint.step
                bar = stack.enter_context(TrainingBar(parts.plan.total_steps, first_step=first))
        training = Training(parts, write, bar)
        if checkpoint is not None:
            training.resume(checkpoint)
        done = training.run()
    parts.zero.close()
    return done


def _silent(event: str, **fields: Any) -> None:
    """What the ranks do that write nothing."""


def _begin(config: TrainConfig, folder: Path, ranks: Ranks, *, overwrite: bool) -> None:
    """Make way for a new run, or make sure that the one that is there is the same.

    Raises:
        ConfigError: another run is there.
    """
    if overwrite:
        if ranks.first:
            for name in _OWN:
                place = folder / name
                shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
            for place in folder.glob("failed-step-*"):
                shutil.rmtree(place)
        ranks.wait()
        return
    record = folder / RECORD
    if not record.exists():
        return
    differing = differences(from_json(record.read_bytes(), str(record)), config)
    if differing:
        raise ConfigError(
            f"{folder} holds a run with other settings: {'; '.join(differing)}. Give another --out, or --overwrite"
        )


def _is_done(config: TrainConfig, folder: Path) -> bool:
    if not (folder / RECORD).exists() or not (folder / "metrics.jsonl").exists():
        return False
    ended = read_run(folder).ended
    wanted = (folder / MODEL).is_dir() or not config.checkpoint.save_model
    return ended is not None and ended["reason"] == "done" and wanted


def _write_record(path: Path, config: TrainConfig) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(to_json(config), encoding="utf-8")
    beside.replace(path)


@contextmanager
def _held(folder: Path, ranks: Ranks) -> Iterator[None]:
    """Keep a second run out of the folder; the system lets go of it when the process ends, however it ends.

    Raises:
        TrainError: another run is writing there.
    """
    problem = None
    with ExitStack() as stack:
        if ranks.first:
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((folder / ".lock").open("a"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                problem = f"another run is writing to {folder}: wait for it, or give another --out"
        problem = ranks.agreed(problem)
        if problem is not None:
            raise TrainError(problem)
        yield


def config_of(folder: Path) -> dict[str, Any]:
    """The config of a run, as plain data."""
    found: dict[str, Any] = json.loads((folder / RECORD).read_bytes())
    return found


if __name__ == "__main__":
    from jobs.cli import main

    main(["train", *sys.argv[1:]])
