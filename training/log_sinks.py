"""Where a run's log goes besides its own file: TensorBoard and Weights & Biases, each imported only when asked for."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from training.errors import TrainError

TENSORBOARD_FOLDER = "tensorboard"
WANDB_ID = "wandb/run_id.txt"

_ONE = {
    "step": {
        "loss": "train/loss",
        "tokens": "train/tokens",
        "lr": "optimizer/lr",
        "grad_norm": "optimizer/grad_norm",
        "skipped_steps": "optimizer/skipped_steps",
        "tokens_per_s": "speed/tokens_per_s",
        "mfu": "speed/mfu",
        "seconds": "speed/seconds_per_step",
    },
    "eval": {"loss": "eval/loss"},
}
_BY_DOMAIN = {
    "step": {"loss_by_domain": "train_by_domain", "weights": "weights"},
    "eval": {"loss_by_domain": "eval_by_domain"},
    "weights": {"excess": "excess_by_domain"},
}


class LogError(TrainError):
    """A log that cannot be written or read, or that wants a package or an account that is not there."""


class Sink(Protocol):
    """A place that records go to."""

    def write(self, record: Mapping[str, Any], time: float) -> None:
        """Take one line of the log, written at `time` (seconds since 1970)."""
        ...

    def resume(self, step: int) -> None:
        """What comes next follows `step`; what came later before is void."""
        ...

    def close(self) -> None:
        """Finish writing."""
        ...


def scalars(record: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """(tag, number) for everything in a line of the log that is drawn over steps; what is null is left out."""
    event = record["event"]
    for name, tag in _ONE.get(event, {}).items():
        if record.get(name) is not None:
            yield tag, record[name]
    for name, tag in _BY_DOMAIN.get(event, {}).items():
        for domain, number in (record.get(name) or {}).items():
            if number is not None:
                yield f"{tag}/{domain}", number


class TensorBoard:
    """Event files in `tensorboard/` of the run's folder.

    Raises:
        LogError: the package `tensorboard` is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import tensorboard  # noqa: F401 - torch's own message names no package
        except ModuleNotFoundError as error:
            raise LogError(_not_installed("tensorboard", error)) from error
        self._folder = str(folder / TENSORBOARD_FOLDER)
        self._writer = self._open(None)

    def write(self, record: Mapping[str, Any], time: float) -> None:
        """Add the numbers of a line; the run's settings and warnings as text."""
        step = record.get("step", 0)
        for tag, number in scalars(record):
            self._writer.add_scalar(tag, number, step, walltime=time)
        if record["event"] == "start":
            written = json.dumps(record.get("run", {}), indent=2, sort_keys=True)
            self._writer.add_text("run", _as_code(written), step, walltime=time)
        elif record["event"] == "warning":
            self._writer.add_text("warnings", str(record.get("message", "")), step, walltime=time)
        if record["event"] != "step":
            self._writer.flush()

    def resume(self, step: int) -> None:
        """Begin a file that tells TensorBoard to forget what came after `step`."""
        self._writer.close()
        self._writer = self._open(step + 1)

    def close(self) -> None:
        """Write out what is waiting."""
        self._writer.close()

    def _open(self, purge_step: int | None) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(self._folder, purge_step=purge_step)


class WeightsAndBiases:
    """A run of Weights & Biases, the same one again when the run is resumed: its id is kept in the run's folder.

    Numbers are drawn over the log's own steps rather than W&B's counter, which cannot go back.

    Raises:
        LogError: the package `wandb` is not installed, or it refuses (no account, for example).
    """

    def __init__(self, folder: Path, project: str) -> None:
        try:
            import wandb
        except ModuleNotFoundError as error:
            raise LogError(_not_installed("wandb", error)) from error
        file = folder / WANDB_ID
        if not file.is_file():
            file.parent.mkdir(exist_ok=True)
            beside = file.with_name(f".{file.name}.{os.getpid()}")
            beside.write_text(secrets.token_hex(4) + "\n", encoding="utf-8")
            beside.replace(file)
        number = file.read_text(encoding="utf-8").strip()
        try:
            self._run = wandb.init(
                project=project,
                id=number,
                name=folder.resolve().name,
                dir=folder,
                resume="allow",
                settings=wandb.Settings(console="off"),  # else it takes over the streams that the bar is drawn on
            )
        except wandb.Error as error:
            raise LogError(
                f"Weights & Biases did not start ({error}). Log in with `wandb login`, or set WANDB_MODE=offline to "
                "log to the run's folder and send it later with `wandb sync`"
            ) from error
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def write(self, record: Mapping[str, Any], time: float) -> None:
        """Log the numbers of a line, and raise an alert for a warning."""
        if record["event"] == "start":
            self._run.config.update(record.get("run", {}), allow_val_change=True)  # type: ignore[no-untyped-call]
        found = dict(scalars(record))
        if found:
            self._run.log({"step": record["step"], **found})
        if record["event"] == "warning":
            self._run.alert(title="Winnow", text=str(record.get("message", "")))
        if record["event"] == "end":
            self._run.summary["reason"] = record.get("reason")

    def resume(self, step: int) -> None:
        """Note it; lines of later steps stay in W&B, and those that follow are drawn over them."""
        self._run.summary["resumed_after_step"] = step

    def close(self) -> None:
        """Hand over what is waiting."""
        self._run.finish()


def _as_code(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _not_installed(package: str, error: ModuleNotFoundError) -> str:
    return f"logging to {package} needs a package that is not installed ({error}): pip install 'winnow[{package}]'"
