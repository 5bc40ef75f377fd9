"""Runs that no engine made: logs with losses of the form a + b n^-c, written by the run's own log."""

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.logs import RunLog

CURVES: Mapping[str, tuple[float, float, float]] = {
    "arxiv": (1.9, 7.2, 0.30),
    "code": (1.2, 8.0, 0.42),
    "qa": (2.4, 6.6, 0.27),
    "web": (2.9, 6.4, 0.25),
}
"""By domain a, b and c of the loss after n batches' worth of its own tokens."""

ROWS = {"arxiv": 900, "code": 2_400, "qa": 700, "web": 9_000}
REFERENCE = {"arxiv": 2.7, "code": 1.6, "qa": 3.2, "web": 3.9}
BATCH, ROW, PEAK_LR = 32, 512, 6e-4


def start(total_steps: int, **more: Any) -> dict[str, Any]:
    """What a run notes of itself when it begins."""
    return {
        "config": {
            "model": {"kind": "llama", "hidden_size": 256, "num_layers": 6, "tied": True},
            "optimizer": {"name": "adamw", "lr": PEAK_LR, "betas": [0.9, 0.95], "weight_decay": 0.1},
            "schedule": {"kind": "linear", "warmup_steps": total_steps // 20},
            "dynamic_batch_loading": {"every_steps": 50, "cap": 0.6},
            "seed": 1,
        },
        "winnow": "0.1.0",
        "num_params": 11_020_544,
        "num_params_non_embedding": 6_826_240,
        "world_size": 1,
        "zero_stage": 1,
        "device": "cpu",
        "precision": "fp32",
        "peak_flops": 1.4e12,
        "domains": list(CURVES),
        "rows": ROWS,
        "row_length": ROW,
        "batch_size": BATCH,
        "tokens_per_step": BATCH * ROW,
        "total_steps": total_steps,
        "manifest": "5f1c" * 16,
        "eval_rows": {"arxiv": 16, "code": 40, "qa": 12, "web": 120},
        "unigram_entropy": 7.31,
    } | more


class SimulatedRun:
    """A run of which every number is drawn; the same again for the same seed.

    Attributes:
        step: updates done.
        seen: by domain, how many batches' worth of it were read.
        weights: by domain.
    """

    def __init__(self, log: RunLog, *, total_steps: int = 600, seed: int = 1, dynamic: bool = True) -> None:
        self.log, self.total, self.dynamic = log, total_steps, dynamic
        self.step = 0
        self.tokens = 0
        self.seen = dict.fromkeys(CURVES, 0.0)
        total = sum(ROWS.values())
        self.weights = {name: rows / total for name, rows in ROWS.items()}
        self._random = random.Random(seed)

    def losses(self) -> dict[str, float]:
        return {name: a + b * (1 + self.seen[name]) ** -c for name, (a, b, c) in CURVES.items()}

    def train(self, until: int, *, eval_every: int = 50, save_every: int = 200, broken_at: int | None = None) -> None:
        """Do steps up to `until`; the loss of step `broken_at` is not finite."""
        while self.step < until:
            self.step += 1
            loss = self._step(broken=self.step == broken_at)
            if math.isnan(loss):
                return
            if eval_every and self.step % eval_every == 0:
                self._evaluate()
            if save_every and self.step % save_every == 0:
                path = f"checkpoints/step-{self.step:08d}"
                self.log.write("checkpoint", step=self.step, path=path, seconds=1.3, num_bytes=132_250_000)

    def end(self, reason: str = "done", message: str = "") -> None:
        self.log.write("end", step=self.step, reason=reason, message=message, seconds=1.9 * self.step)

    def _step(self, *, broken: bool) -> float:
        noise = self._random.gauss
        by_domain, counts = {}, {}
        for name, loss in self.losses().items():
            rows = round(BATCH * self.weights[name] + noise(0, 0.4))
            counts[name] = max(0, rows) * (ROW - 1)
            by_domain[name] = loss + noise(0, 0.12) if counts[name] else None
            self.seen[name] += self.weights[name]
        num = sum(counts.values())
        self.tokens += num
        loss = sum((by_domain[name] or 0.0) * count for name, count in counts.items()) / num
        loss += 2.5 if self.step == 2 * self.total // 3 else 0.0  # a spike
        loss = math.nan if broken else loss
        seconds = 1.9 * abs(1 + noise(0, 0.04))
        warmup = max(1, self.total // 20)
        self.log.write(
            "step",
            step=self.step,
            sample=self.step * BATCH,
            tokens=self.tokens,
            loss=loss,
            loss_by_domain=by_domain,
            tokens_by_domain=counts,
            lr=PEAK_LR * min(self.step / warmup, (self.total - self.step + 1) / (self.total - warmup)),
            grad_norm=math.nan if broken else (0.6 + 6 / self.step) * math.exp(noise(0, 0.2)),
            skipped_steps=int(self.step > self.total // 4),
            seconds=seconds,
            tokens_per_s=num / seconds,
            mfu=6 * 11e6 * num / seconds / 1.4e12,
            weights=self.weights,
        )
        return loss

    def _evaluate(self) -> None:
        losses = {name: loss + self._random.gauss(0, 0.01) for name, loss in self.losses().items()}
        counts = {"arxiv": 8_176, "code": 20_440, "qa": 6_132, "web": 61_320}
        mean = sum(losses[name] * count for name, count in counts.items()) / sum(counts.values())
        self.log.write("eval", step=self.step, loss=mean, loss_by_domain=losses, tokens_by_domain=counts, seconds=4.2)
        if self.dynamic:
            excess = {name: max(losses[name] - REFERENCE[name], 0.0) for name in losses}
            grown = {name: weight * math.exp(excess[name] / 4) for name, weight in self.weights.items()}
            after = {name: weight / sum(grown.values()) for name, weight in grown.items()}
            alarm = ["the weight of qa is above four times its share of the rows"] if self.step == 300 else []
            self.log.write(
                "weights",
                step=self.step,
                sample=self.step * BATCH,
                before=self.weights,
                after=after,
                reference=REFERENCE,
                losses=losses,
                excess=excess,
                alarms=alarm,
            )
            self.weights = after


def whole_run(folder: Path, *, total_steps: int = 600, **start_fields: Any) -> Path:
    """A run with everything in it: killed after two thirds, resumed, warned once, finished."""
    with RunLog(folder) as log:
        log.write("start", run=start(total_steps, **start_fields))
        run = SimulatedRun(log, total_steps=total_steps)
        kept, stop = total_steps // 3, 2 * total_steps // 3 - 7
        run.train(kept, save_every=kept)
        saved = (run.step, run.tokens, dict(run.seen), dict(run.weights))
        run.train(stop, save_every=0)
    with (folder / "metrics.jsonl").open("ab") as file:
        file.write(b'{"event":"step","step":')  # where it was killed
    with RunLog(folder) as log:
        log.resume(saved[0])
        log.write("resume", step=saved[0], path=f"checkpoints/step-{saved[0]:08d}", world_size=1)
        run.log = log
        run.step, run.tokens, run.seen, run.weights = saved
        run.train(total_steps // 2)
        log.write("warning", step=run.step, message="domain qa has been read 4 times and gets no more samples")
        run.train(total_steps)
        run.end()
    return folder


def failed_run(folder: Path) -> Path:
    """A run whose loss is not finite in step 3, before anything was evaluated or saved."""
    with RunLog(folder) as log:
        log.write("start", run=start(600))
        run = SimulatedRun(log)
        run.train(600, broken_at=3)
        run.end("failed", "the loss of step 3 is not finite: rows web/train-00000.arrow:7 and :9 (see failed/step-3)")
    return folder


def plain_run(folder: Path, num_steps: int = 40) -> Path:
    """A run of one domain without evaluation, whose device has no known peak, and which is still going."""
    with RunLog(folder) as log:
        log.write("start", run=start(100, domains=["all"], rows={"all": 500}, peak_flops=None, unigram_entropy=None))
        for step in range(1, num_steps + 1):
            log.write(
                "step",
                step=step,
                sample=8 * step,
                tokens=4_000 * step,
                loss=3 + 7 / step,
                loss_by_domain={"all": 3 + 7 / step},
                tokens_by_domain={"all": 4_000},
                lr=1e-3,
                grad_norm=1.0,
                skipped_steps=0,
                seconds=0.5,
                tokens_per_s=8_000.0,
                mfu=None,
                weights={"all": 1.0},
            )
    return folder
