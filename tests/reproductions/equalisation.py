"""A1: on real text of four kinds, dynamic batch loading evens out how far each domain is above its reference loss.

`make reproductions` runs it in full and keeps the figures; the test beside it runs a smaller one.

Reference: Xia et al. 2023, "Sheared LLaMA" (arXiv 2310.06694), section 3.2; domain-mixing specification, A1.
"""

import argparse
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reproductions import corpus
from reproductions.runs import REPOSITORY, Bench, Finished, bench, record, say, settings

from training.config import TrainConfig
from training.data.dynamic_batch_loading import DynamicBatchLoading
from training.schedules import Schedule

NAME = "equalisation"
START = {"arxiv": 0.55, "books": 0.05, "code": 0.10, "qa": 0.30}
UNIFORM = dict.fromkeys(START, 1 / len(START))
UNIFORM_RUN, SOURCE = "loss after a uniform run", "loss of a larger model"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large the runs are.

    Attributes:
        row_length: bytes of a row.
        megabytes: text of each domain.
        width, layers: of the model.
        source_width, source_layers, source_steps: of the larger model, trained with equal weights.
        steps: of every other run.
        every: steps between two updates of the weights.
        batch_size: rows of a step.
        eval_tokens: held-out bytes of each domain that losses are measured on.
        lr: peak learning rate.
    """

    row_length: int = 128
    megabytes: float = 2.0
    width: int = 64
    layers: int = 2
    source_width: int = 128
    source_layers: int = 3
    source_steps: int = 1000
    steps: int = 600
    every: int = 30
    batch_size: int = 8
    eval_tokens: int = 8192
    lr: float = 4e-3


@dataclass(frozen=True)
class Outcome:
    """A run beside a reference.

    Attributes:
        reference: what is taken as reference losses.
        mode: `static` or `dynamic`.
        seed: of the run.
        excess: by domain, loss minus reference loss.
        weights: by domain, at the end.
        mean: loss over domains.
    """

    reference: str
    mode: str
    seed: int
    excess: Mapping[str, float]
    weights: Mapping[str, float]
    mean: float

    @property
    def spread(self) -> float:
        """Largest excess minus the smallest."""
        return max(self.excess.values()) - min(self.excess.values())

    @property
    def largest(self) -> float:
        """The largest excess."""
        return max(self.excess.values())


def config_of(scale: Scale, export: Path, seed: int, name: str, weights: dict[str, float]) -> TrainConfig:
    """A run with fixed weights."""
    return settings(
        name,
        export,
        width=scale.width,
        layers=scale.layers,
        steps=scale.steps,
        batch_size=scale.batch_size,
        seed=seed,
        eval_tokens=scale.eval_tokens,
        lr=scale.lr,
        schedule=Schedule(warmup_share=0.05),
        weights=weights,
    )


def references(scale: Scale, here: Bench, *, source: bool) -> dict[str, tuple[Path, Finished]]:
    """Tables of reference losses, each from a run of its own seed with equal weights."""
    uniform = config_of(scale, here.export, 0, UNIFORM_RUN, UNIFORM)
    wanted = {UNIFORM_RUN: uniform}
    if source:
        larger = replace(scale, width=scale.source_width, layers=scale.source_layers, steps=scale.source_steps)
        wanted[SOURCE] = config_of(larger, here.export, 0, SOURCE, UNIFORM)
    found = {}
    for number, (name, config) in enumerate(wanted.items()):
        path = here.work / f"reference-{number}.json"
        found[name] = path, here.run(config, reference_to=path)
        say(f"{name}: {_said(found[name][1].losses)}, {found[name][1].num_params:,} parameters")
    return found


def outcomes(scale: Scale, here: Bench, seeds: Iterable[int], *, source: bool = True) -> list[Outcome]:
    """Static and dynamic runs beside each reference."""
    tables = references(scale, here, source=source)
    found = []
    for seed in seeds:
        plain = config_of(scale, here.export, seed, "static", START)
        static = here.run(plain)
        for name, (path, reference) in tables.items():
            mixing = DynamicBatchLoading(every_steps=scale.every)
            dynamic = here.run(replace(plain, name="dynamic", mixing=mixing, reference=str(path)))
            for mode, run in (("static", static), ("dynamic", dynamic)):
                excess = {domain: loss - reference.losses[domain] for domain, loss in run.losses.items()}
                found.append(Outcome(name, mode, seed, excess, run.weights, run.mean))
                say(f"{name}, {mode}, seed {seed}: spread {found[-1].spread:.3f}, excess {_said(excess)}")
    return found


def pairs(found: list[Outcome]) -> list[tuple[Outcome, Outcome]]:
    """Static and dynamic run of the same reference and seed."""
    return [
        (static, dynamic)
        for static in found
        for dynamic in found
        if (static.mode, dynamic.mode) == ("static", "dynamic")
        and (static.reference, static.seed) == (dynamic.reference, dynamic.seed)
    ]


def holds(found: list[Outcome]) -> list[bool]:
    """For each pair whether the specification's marks are reached."""
    return [
        dynamic.spread <= 0.5 * static.spread
        and dynamic.largest < static.largest
        and dynamic.mean <= static.mean + 0.01
        for static, dynamic in pairs(found)
    ]


def table(figures: Mapping[str, Any]) -> list[str]:
    """Rows of the README's table."""
    found = [Outcome(**one) for one in figures["outcomes"]]
    rows = []
    for one in sorted(found, key=lambda one: (one.reference, one.mode != "static", one.seed)):
        shares = ", ".join(f"{one.weights[name]:.2f}" for name in START)
        rows.append(
            f"| {one.reference} | {one.mode} | {one.seed} | {one.spread:.3f} | {one.largest:.3f} | {one.mean:.4f} | "
            f"{shares} |"
        )
    return rows


def _said(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items())


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
            found = outcomes(scale, here, given.seeds)
    figures = {"scale": asdict(scale), "outcomes": [asdict(one) for one in found]}
    record(NAME, figures)
    for row in table(figures):
        say(row)
    reached = holds(found)
    say(f"The marks are reached in {sum(reached)} of {len(reached)} pairs of runs.")


if __name__ == "__main__":
    main()
