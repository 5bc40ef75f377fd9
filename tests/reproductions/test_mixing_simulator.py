"""A2: where each domain's loss is a power law in its own tokens, dynamic loading evens out the excess in fewer tokens.

Nothing is trained and nothing is drawn, so the figures of the README's table are exact; the test holds them against it.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from training.data.dynamic_batch_loading import DynamicBatchLoading, MixState

# loss_i(n) = c_i + a_i (n + 1000)^-b_i, in nat per token, after n tokens of the domain.
LAWS = {"books": (1.7, 9.0, 0.30), "code": (0.5, 14.0, 0.36), "web": (2.0, 6.0, 0.26), "wiki": (1.4, 20.0, 0.42)}
START = {"books": 0.55, "code": 0.05, "web": 0.10, "wiki": 0.30}
TOKENS_PER_STEP, EVERY, STEPS = 4096, 25, 4000
MILLION = 1_000_000


def loss(domain: str, num_tokens: float) -> float:
    c, a, b = LAWS[domain]
    return float(c + a * (num_tokens + 1000) ** -b)


UNIFORM_RUN = {domain: loss(domain, STEPS * TOKENS_PER_STEP / len(LAWS)) for domain in LAWS}
SOURCE_MODEL = {domain: c + 0.05 for domain, (c, _, _) in LAWS.items()}


@dataclass(frozen=True)
class Point:
    """A run at one of its updates."""

    tokens: int
    excess: Mapping[str, float]
    weights: Mapping[str, float]
    mean_loss: float
    alarms: tuple[str, ...]

    @property
    def spread(self) -> float:
        return max(self.excess.values()) - min(self.excess.values())


def run(config: DynamicBatchLoading, reference: Mapping[str, float]) -> list[Point]:
    """A run of STEPS steps, at each of its updates."""
    weights: Mapping[str, float] = START
    tokens, state, points = dict.fromkeys(LAWS, 0.0), MixState.empty(), []
    for step in range(EVERY, STEPS + 1, EVERY):
        tokens = {domain: num + weights[domain] * EVERY * TOKENS_PER_STEP for domain, num in tokens.items()}
        losses = {domain: loss(domain, tokens[domain]) for domain in LAWS}
        update = config.update(weights, losses, reference, state)
        mean = sum(losses.values()) / len(losses)
        points.append(Point(step * TOKENS_PER_STEP, update.excess, update.weights, mean, update.alarms))
        weights, state = update.weights, update.state
    return points


def reached(points: list[Point], spread: float) -> int:
    """Tokens after which the spread of the excess stays below this."""
    last = max((number for number, point in enumerate(points) if point.spread >= spread), default=-1)
    assert last + 1 < len(points), "never"
    return points[last + 1].tokens


def row(name: str, points: list[Point], spread: float) -> str:
    """A row of the README's table."""
    end = points[-1]
    needed = f"{reached(points, spread) / MILLION:.2f} M"
    return f"| {name} | {needed} | {end.spread:.3f} | {max(end.excess.values()):.3f} | {end.mean_loss:.3f} |"


@pytest.mark.parametrize(
    ("name", "reference", "spread"), [("uniform run", UNIFORM_RUN, 0.1), ("source model", SOURCE_MODEL, 0.15)]
)
def test_dynamic_loading_evens_out_the_excess_in_fewer_tokens(
    name: str, reference: dict[str, float], spread: float
) -> None:
    modes = {"static": "constant", "exponentiated": "exponentiated", "bandit": "bandit"}
    runs = {said: run(DynamicBatchLoading(mode=mode), reference) for said, mode in modes.items()}  # type: ignore[arg-type]
    table = (Path(__file__).parent / "README.md").read_text()
    for mode, points in runs.items():
        figures = row(f"{name} | {mode} | {spread}", points, spread)
        sys.stdout.write(f"{figures}\n")
        assert figures in table
    static, dynamic, bandit = runs.values()
    assert all(point.weights == START for point in static)
    assert reached(dynamic, spread) <= 0.5 * reached(static, spread)
    assert reached(bandit, spread) < reached(static, spread)
    assert dynamic[-1].spread <= 0.5 * static[-1].spread
    assert max(dynamic[-1].excess.values()) < max(static[-1].excess.values())
    assert dynamic[-1].mean_loss < static[-1].mean_loss


def test_a_reference_loss_of_another_tokenizer_is_a_runaway_that_the_alarm_tells_of_and_the_cap_holds() -> None:
    wrong = UNIFORM_RUN | {"wiki": UNIFORM_RUN["wiki"] - 1}
    loose, capped = run(DynamicBatchLoading(), wrong), run(DynamicBatchLoading(max_weight=0.5), wrong)
    assert loose[-1].weights["wiki"] > 0.99
    told = next(point for point in loose if any("'wiki' has the weight" in alarm for alarm in point.alarms))
    assert told.tokens <= 2 * EVERY * TOKENS_PER_STEP, "at once, not when the others are gone"
    assert all(point.weights["wiki"] <= 0.5 for point in capped)
    assert capped[-1].mean_loss < loose[-1].mean_loss
    figures = f"mean loss {loose[-1].mean_loss:.3f} without a cap, {capped[-1].mean_loss:.3f} with `max_weight=0.5`"
    sys.stdout.write(f"{figures}\n")
    assert figures in (Path(__file__).parent / "README.md").read_text()
