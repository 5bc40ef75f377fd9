"""The one loop: rows in a pure order, a loss that does not depend on how a batch is cut up, steps, and nothing lost.

What happens at step s (s updates done) always happens in this order: the evaluation and the update of domain weights
that are due, then the checkpoint that is due. So a run that goes on from any checkpoint does what it would have done.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from training import checkpoints
from training.config import TrainConfig
from training.data import Batch, DataError, ExhaustedError
from training.data.dynamic_batch_loading import MixState
from training.errors import DivergedError, TrainError
from training.evaluation import Evaluated
from training.failures import rows_of, save_failure
from training.model_files import save_model
from training.objectives import inputs, weight_of
from training.parallel import Ranks, stream_seed
from training.setup import Parts
from training.stop_signals import stopping

CHECKPOINTS, MODEL = "checkpoints", "model"


class Progress(Protocol):
    """Shows how far a run is."""

    def step(self, record: Mapping[str, Any]) -> None:
        """A step event of the log."""
        ...

    def say(self, message: str) -> None:
        """A line for people."""
        ...


@dataclass(frozen=True)
class Trained:
    """What a call of `Training.run` came to.

    Attributes:
        step: updates done.
        reason: `done`, or `interrupted` by a signal, with a checkpoint to go on from.
        evaluated: the last evaluation.
        model: folder of the Hugging Face model, where one was written.
        skipped_steps: updates that were left out for gradients that were not finite.
        seconds: how long it took.
    """

    step: int
    reason: str
    evaluated: Evaluated | None
    model: Path | None
    skipped_steps: int
    seconds: float


class Training:
    """A run that has been set up, from its first step or from where a checkpoint stands.

    Args:
        parts: what `training.setup.prepare` put together.
        write: takes an event of the log and its fields; rank 0's.
        progress: shows how far the run is; rank 0's.
    """

    def __init__(self, parts: Parts, write: Callable[..., None], progress: Progress | None = None) -> None:
        self._parts, self._write, self._progress = parts, write, progress
        self._config: TrainConfig = parts.config
        self._ranks: Ranks = parts.ranks
        self.step = 0
        self._settled = -1  # the step whose evaluation and update of weights are done
        self._tokens = 0.0
        self._mix = MixState.empty()
        self._weights = dict(parts.plan.weights)
        self._reference: dict[str, float] = dict(parts.reference)
        self._evaluated: Evaluated | None = None
        self._skipped = self._skipped_in_a_row = 0
        self._asked = self._stop = False  # asked of this process, and agreed on by all ranks
        self._mark = time.perf_counter()

    # What a checkpoint holds beside tensors.

    def state(self) -> dict[str, Any]:
        """All that decides how the run goes on, beside weights and optimizer states; JSON."""
        return {
            "settled": self._settled,
            "tokens": self._tokens,
            "skipped_steps": self._skipped,
            "skipped_in_a_row": self._skipped_in_a_row,
            "loader": self._parts.loader.state(),
            "mix": self._mix.to_json(),
            "weights": self._weights,
            "reference": self._reference,
            "config": self._parts.config_json,
        }

    def resume(self, checkpoint: checkpoints.Checkpoint) -> None:
        """Go on from a checkpoint; every rank calls it.

        Raises:
            CheckpointError: it is of another model, optimizer or corpus.
        """
        checkpoints.load(checkpoint, self._parts.zero.parameters)
        state = checkpoint.state
        self.step, self._settled = checkpoint.step, int(state["settled"])
        self._tokens, self._skipped = float(state["tokens"]), int(state["skipped_steps"])
        self._skipped_in_a_row = int(state["skipped_in_a_row"])
        self._parts.loader.load_state(state["loader"])
        self._mix = MixState.from_json(state["mix"])
        self._weights, self._reference = dict(state["weights"]), dict(state["reference"])
        self._write("resume", step=self.step, path=str(checkpoint.folder), world_size=self._ranks.world_size)

    def run(self) -> Trained:
        """Train to the end, or to a signal to stop; every rank calls it.

        Raises:
            DivergedError: the loss is no number or too large, or steps are skipped again and again.
            DataError: a shard is damaged, or the corpus is exhausted.
        """
        begun = time.perf_counter()
        total, model = self._parts.plan.total_steps, None
        with stopping(self._ask_to_stop), self._telling():
            self._settle()
            while self.step < total and not self._stop:
                self._steps_until(min(total, self._next_settling()))
            reason = "done" if self.step == total else "interrupted"
            if reason == "interrupted" or self._config.checkpoint.at_end:
                self._save()
        if reason == "done" and self._config.checkpoint.save_model:
            model = self._save_model()
        seconds = time.perf_counter() - begun
        self._write("end", step=self.step, reason=reason, message="", seconds=seconds)
        return Trained(self.step, reason, self._evaluated, model, self._skipped, seconds)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Write into the log why a run fails."""
        try:
            yield
        except (TrainError, DataError) as error:
            self._write("end", step=self.step, reason="failed", message=str(error), seconds=0.0)
            raise

    # Steps.

    def _steps_until(self, end: int) -> None:
        loader = self._parts.loader.dataloader(
            num_workers=self._config.data.num_workers, pin_memory=self._ranks.device.type == "cuda"
        )
        self._mark = time.perf_counter()
        batches: Any = iter(loader)
        with closing(batches):
            while self.step < end and not self._stop:
                self._take_step(batches)
                if self.step < end:
                    self._save_if_due()
        # Outside: where workers read ahead, new weights would hold from another sample on than without them.
        if self.step == end:
            self._settle()
            self._save_if_due()

    def _take_step(self, batches: Iterator[Batch]) -> None:
        micro = [self._next(batches) for _ in range(self._parts.plan.accumulation)]
        # After the batches: where torch's DataLoader begins, it draws a number too.
        torch.manual_seed(stream_seed(self._config.seed, self.step, self._ranks.rank))
        own = torch.tensor([sum(map(weight_of, micro)), float(self._asked)], dtype=torch.float64)
        weight, stop = self._ranks.summed(own).tolist()
        sums, rows = self._forward_backward(micro, weight)
        loss = float(sums[0].sum()) / max(weight, 1e-9)
        self._check_loss(loss, micro, rows)
        lr = self._config.optimizer.lr * self._config.schedule.factor(self.step, self._parts.plan.total_steps)
        done = self._parts.zero.step(lr)
        norm = self._parts.zero.grad_norm
        self.step += 1
        self._tokens += weight
        self._stop = stop > 0
        self._record(loss, sums, lr, norm)
        self._count_skipped(done, norm, micro, rows)

    def _next(self, batches: Iterator[Batch]) -> Batch:
        batch = next(batches, None)
        if batch is None:
            raise ExhaustedError(f"the corpus ended before step {self.step + 1}")
        return batch

    def _forward_backward(self, micro: list[Batch], weight: float) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Gradients of the whole batch; sums of loss and weight by domain over all ranks [2, K], and by row of ours."""
        zero, device = self._parts.zero, self._ranks.device
        num_domains = len(self._parts.loader.domains)
        sums = torch.zeros(2, num_domains, dtype=torch.float64, device=device)
        rows: list[torch.Tensor] = []
        for number, batch in enumerate(micro):
            loss_B, weight_B = zero.engine(**inputs(batch, device))
            zero.backward(loss_B.sum() / max(weight, 1e-9), last=number == len(micro) - 1)
            pair = torch.stack([loss_B.detach(), weight_B.detach()]).double()
            sums.index_add_(1, batch["domain"].to(device, torch.int64), pair)
            rows.append(pair)
        return self._ranks.summed(sums.cpu()), rows

    def _check_loss(self, loss: float, micro: list[Batch], rows: list[torch.Tensor]) -> None:
        limit = self._parts.max_loss
        if math.isfinite(loss) and (limit is None or loss <= limit):
            return
        said = f"the loss is {loss}" if not math.isfinite(loss) else f"the loss is {loss:.4g}, above {limit:.4g}"
        self._fail(said, micro, rows)

    def _count_skipped(self, done: bool, norm: float | None, micro: list[Batch], rows: list[torch.Tensor]) -> None:
        if done:
            self._skipped_in_a_row = 0
            if norm is not None and not math.isfinite(norm):
                self._fail(f"the norm of the gradients is {norm}, and the weights are spoiled by it", micro, rows)
            return
        self._skipped += 1
        self._skipped_in_a_row += 1
        self._warn(f"step {self.step} was skipped: its gradients are not finite ({self._skipped} skipped so far)")
        if self._skipped_in_a_row >= self._config.fail_on_skipped:
            self._fail(
                f"{self._skipped_in_a_row} steps in a row were skipped for gradients that are not finite", micro, rows
            )

    def _fail(self, said: str, micro: list[Batch], rows: list[torch.Tensor]) -> None:
        """Save the batch, its rows' origins and the weights, and stop.

        Raises:
            DivergedError: always.
        """
        step = self.step
        listed = rows_of(self._parts.loader, micro, rows, self._ranks)
        folder = save_failure(
            self._parts.folder, step, micro, listed, self._ranks, self._parts.zero.parameters, self.state()
        )
        worst = listed[0]
        documents = ", ".join(one["doc_id"] for one in worst["segments"][:3])
        message = (
            f"{said} (after {step} steps). The highest loss is that of sample {worst['sample']}, row {worst['row']} of "
            f"{worst['shard']} (domain {worst['domain']}; documents {documents}). Batch, origins of its rows and "
            f"weights are in {folder}"
        )
        raise DivergedError(message)

    # What is written down.

    def _record(self, loss: float, sums: torch.Tensor, lr: float, norm: float | None) -> None:
        now = time.perf_counter()
        seconds, self._mark = now - self._mark, now
        parts, config = self._parts, self._config
        if self.step % config.log.every_steps and self.step != parts.plan.total_steps:
            return
        losses, weights = sums.tolist()
        names = parts.loader.domains
        places = config.batch_size * parts.loader.manifest.row_length
        record: dict[str, Any] = {
            "step": self.step,
            "sample": parts.loader.n,
            "tokens": int(self._tokens),
            "loss": loss,
            "loss_by_domain": {n: s / w if w else None for n, s, w in zip(names, losses, weights, strict=True)},
            "tokens_by_domain": dict(zip(names, map(int, weights), strict=True)),
            "lr": lr,
            "grad_norm": norm,
            "skipped_steps": self._skipped,
            "seconds": seconds,
            "tokens_per_s": places / seconds,
            "mfu": places / seconds * parts.flops_per_token / (parts.peak_flops * self._ranks.world_size),
            "weights": self._weights,
        }
        self._write("step", **record)
        if self._progress is not None:
            self._progress.step(record)

    def _warn(self, message: str) -> None:
        self._write("warning", step=self.step, message=message)
        if self._progress is not None:
            self._progress.say(f"Warning: {message}")

    # Evaluation and domain weights.

    def _next_settling(self) -> int:
        """The next step after which something is evaluated."""
        following = [self.step + number - self.step % number for number in self._intervals()]
        return min([*following, self._parts.plan.total_steps])

    def _intervals(self) -> list[int]:
        every = [self._config.evaluation.every_steps or 0]
        if self._config.mixing is not None:
            every.append(self._config.mixing.every_steps)
        return [number for number in every if number]

    def _is_due(self) -> bool:
        if self._config.evaluation.every_steps is None or not self._parts.evaluation.rows:
            return False
        ends = self.step in (0, self._parts.plan.total_steps)
        return ends or any(self.step % number == 0 for number in self._intervals())

    def _settle(self) -> None:
        """Evaluate, and update the domain weights, as is due at this step; once, also where a run goes on."""
        if self._settled == self.step or not self._is_due():
            return
        begun = time.perf_counter()
        self._evaluated = found = self._parts.evaluation.measure(self._parts.zero.engine)
        self._write(
            "eval",
            step=self.step,
            loss_by_domain=dict(found.losses),
            tokens_by_domain={name: int(weight) for name, weight in found.weights.items()},
            loss=found.mean,
            seconds=time.perf_counter() - begun,
        )
        if self.step == 0 and self._config.reference == "initial":
            self._reference = dict(found.losses)
        mixing = self._config.mixing
        if mixing is not None and 0 < self.step < self._parts.plan.total_steps and self.step % mixing.every_steps == 0:
            self._reweight(found)
        self._settled = self.step
        self._mark = time.perf_counter()

    def _reweight(self, found: Evaluated) -> None:
        mixing = self._config.mixing
        assert mixing is not None
        weights, losses = self._still_there(found.losses)
        update = mixing.update(weights, losses, self._reference, self._mix)
        told: Any = self._ranks.told((dict(update.weights), update.state.to_json()))
        before, (self._weights, mix) = weights, told
        self._mix = MixState.from_json(mix)
        sample = self._parts.loader.n
        if self._weights != before:
            sample = self._parts.loader.set_weights(self._weights)
        self._write(
            "weights",
            step=self.step,
            sample=sample,
            before=before,
            after=self._weights,
            reference=self._reference,
            losses=losses,
            excess=dict(update.excess),
            alarms=list(update.alarms),
        )
        for alarm in update.alarms:
            self._warn(alarm)

    def _still_there(self, losses: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
        """Weights in force and losses without domains that have no rows to train on, or none left."""
        loader = self._parts.loader
        gone = {name for _, name in loader.exhausted()} | {n for n, rows in loader.manifest.rows().items() if not rows}
        left = sum(weight for name, weight in self._weights.items() if name not in gone)
        if left == 0:
            raise ExhaustedError("every domain that has weight has been read as often as it may be")
        kept = {name for name, weight in self._weights.items() if weight and name in gone}
        weights = self._weights
        if kept:
            weights = {name: 0.0 if name in gone else weight / left for name, weight in weights.items()}
        return weights, {name: loss for name, loss in losses.items() if name not in gone}

    # Files.

    def _save_if_due(self) -> None:
        every = self._config.checkpoint.every_steps
        if every and self.step % every == 0 and self.step < self._parts.plan.total_steps:
            self._save()
            self._mark = time.perf_counter()

    def _save(self) -> None:
        place = self._parts.folder / CHECKPOINTS
        if (place / checkpoints.folder_name(self.step) / "checkpoint.json").exists():
            return
        begun = time.perf_counter()
        keep = self._config.checkpoint.keep
        folder = checkpoints.save(place, self.step, self._parts.zero.parameters, self._ranks, self.state(), keep=keep)
        self._write(
            "checkpoint",
            step=self.step,
            path=f"{CHECKPOINTS}/{folder.name}",
            seconds=time.perf_counter() - begun,
            num_bytes=checkpoints.size_of(self._parts.zero.parameters),
        )

    def _save_model(self) -> Path:
        parts = self._parts
        dtype = torch.bfloat16 if self._config.checkpoint.model_dtype == "bfloat16" else torch.float32
        folder = parts.folder / MODEL
        save_model(folder, parts.model, parts.zero.parameters, self._ranks, dtype=dtype, tokenizer=parts.tokenizer)
        return folder

    def _ask_to_stop(self) -> None:
        self._asked = True
