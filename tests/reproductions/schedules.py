"""D2Z: a learning rate that falls linearly to zero beside one that falls by a cosine to a tenth, at equal tokens.

Each schedule gets the best of a few peaks, chosen with a seed that is not counted; the peaks go on until the best one
is not at their end. Then both run with the same seeds: same first weights, same rows in the same order.

Reference: Bergsma et al. 2025, "Straight to Zero: Why Linearly Decaying the Learning Rate to Zero Works Best for LLMs"
(arXiv 2502.15938).
"""

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from reproductions import corpus
from reproductions.runs import REPOSITORY, Bench, bench, record, say, settings

from training.schedules import Schedule

NAME = "schedules"
WARMUP_SHARE = 0.1
SCHEDULES = {
    "linear to zero": Schedule(kind="linear", warmup_share=WARMUP_SHARE),
    "cosine to 10 %": Schedule(kind="cosine", final=0.1, warmup_share=WARMUP_SHARE),
}
LINEAR, COSINE = SCHEDULES
TUNING_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large the runs are.

    Attributes:
        row_length: bytes of a row.
        megabytes: text of each domain; the four have equal weights.
        width, layers: of the model.
        steps: of a run.
        batch_size: rows of a step.
        eval_tokens: held-out bytes of each domain that losses are measured on.
        peaks: learning rates to begin with, each twice the last.
    """

    row_length: int = 128
    megabytes: float = 2.0
    width: int = 64
    layers: int = 2
    steps: int = 1200
    batch_size: int = 8
    eval_tokens: int = 32_768
    peaks: tuple[float, ...] = (4e-3, 8e-3, 16e-3)


def loss(scale: Scale, here: Bench, schedule: str, peak: float, seed: int) -> float:
    """The mean loss over domains at the end of a run, in nat per byte."""
    config = settings(
        schedule,
        here.export,
        width=scale.width,
        layers=scale.layers,
        steps=scale.steps,
        batch_size=scale.batch_size,
        seed=seed,
        eval_tokens=scale.eval_tokens,
        lr=peak,
        schedule=SCHEDULES[schedule],
        weights=dict.fromkeys(corpus.DOMAINS, 1 / len(corpus.DOMAINS)),
    )
    found = here.run(config).mean
    say(f"{schedule}, peak {peak:g}, seed {seed}: {found:.4f}")
    return found


def tuned(scale: Scale, here: Bench, schedule: str) -> dict[float, float]:
    """Loss by peak, with a best one that has neighbours on both sides."""
    found = {peak: loss(scale, here, schedule, peak, TUNING_SEED) for peak in scale.peaks}
    while (best := min(found, key=lambda peak: found[peak])) in (min(found), max(found)):
        further = best / 2 if best == min(found) else best * 2
        found[further] = loss(scale, here, schedule, further, TUNING_SEED)
    return dict(sorted(found.items()))


def compared(scale: Scale, here: Bench, seeds: list[int]) -> dict[str, Any]:
    """By schedule: losses by peak, the best peak, and the losses of each seed with it."""
    found = {}
    for schedule in SCHEDULES:
        peaks = tuned(scale, here, schedule)
        best = min(peaks, key=lambda peak: peaks[peak])
        losses = {str(seed): loss(scale, here, schedule, best, seed) for seed in seeds}
        found[schedule] = {
            "by_peak": {f"{peak:g}": value for peak, value in peaks.items()},
            "peak": best,
            "losses": losses,
        }
    return found


def table(figures: Mapping[str, Any]) -> list[str]:
    """Rows of the README's table."""
    rows = []
    for schedule, found in figures["schedules"].items():
        each = ", ".join(f"{value:.4f}" for value in found["losses"].values())
        peaks = ", ".join(f"{peak}: {value:.4f}" for peak, value in found["by_peak"].items())
        rows.append(f"| {schedule} | {peaks} | {found['peak']:g} | {each} | {mean(found['losses'].values()):.4f} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=corpus.folder_of_texts(REPOSITORY), help="folder of *.jsonl.gz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    given = parser.parse_args()
    scale = Scale()
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "export"
        corpus.write(export, given.data, row_length=scale.row_length, megabytes=scale.megabytes)
        with bench(export, Path(folder)) as here:
            found = compared(scale, here, given.seeds)
    figures = {"scale": asdict(scale), "schedules": found}
    record(NAME, figures)
    for row in table(figures):
        say(row)
    lower = [found[LINEAR]["losses"][seed] < found[COSINE]["losses"][seed] for seed in found[LINEAR]["losses"]]
    say(f"Linear to zero ends lower with {sum(lower)} of {len(lower)} seeds.")


if __name__ == "__main__":
    main()
