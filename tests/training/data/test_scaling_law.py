"""Power laws through the losses of models of several sizes."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.errors import ReferenceLossError
from training.data.scaling_law import far_from, fit_power_law

SIZES = (6_738_415_616, 13_015_864_320, 68_976_648_192)
LLAMA_2 = {
    "cc": (1.7520, 1.6680, 1.4621),
    "github": (0.6216, 0.5791, 0.4890),
    "book": (1.9063, 1.8242, 1.6450),
    "stackexchange": (1.4482, 1.3936, 1.2805),
    "wiki": (1.4844, 1.3945, 1.2118),
    "arxiv": (1.2637, 1.2109, 1.1148),
    "c4": (1.9219, 1.8486, 1.6848),
}
PUBLISHED = {
    373_867_520: (2.1401, 0.8694, 2.3625, 1.7791, 2.0470, 1.6637, 2.3139),
    1_345_423_360: (1.9643, 0.7459, 2.1393, 1.6117, 1.7590, 1.4449, 2.1251),
    2_701_560_320: (1.8712, 0.6883, 2.0325, 1.5353, 1.6297, 1.3560, 2.0328),
}
CONSTANTS = {
    "github": (14.639733, 0.155074, 0.183698),
    "wiki": (58.911028, 0.192512, 0.729171),
    "arxiv": (220.900749, 0.291338, 0.961171),
    "c4": (12.433235, 0.108759, 0.861080),
    "cc": (8.633861, 0.028304, -2.798046),
}


@pytest.mark.parametrize("domain", LLAMA_2)
def test_the_published_reference_losses(domain: str) -> None:
    """Sheared LLaMA's tables for 370M, 1.3B and 2.7B parameters come from the three sizes of Llama 2."""
    fit = fit_power_law(dict(zip(SIZES, LLAMA_2[domain], strict=True)), domain=domain)
    place = list(LLAMA_2).index(domain)
    assert {size: round(fit.law.loss(size), 4) for size in PUBLISHED} == {
        size: losses[place] for size, losses in PUBLISHED.items()
    }
    for size, loss in zip(SIZES, LLAMA_2[domain], strict=True):
        assert fit.law.loss(size) == pytest.approx(loss, abs=1e-12)
    assert fit.residual == 0
    if domain in CONSTANTS:
        found = (fit.law.amplitude, fit.law.exponent, fit.law.floor)
        assert found == pytest.approx(CONSTANTS[domain], rel=2e-5)


def test_what_is_doubtful_is_said() -> None:
    (three,) = fit_power_law(dict(zip(SIZES, LLAMA_2["c4"], strict=True)), domain="c4").warnings
    assert three.startswith("the losses of domain 'c4' are of three sizes, and the law has three constants")
    _, floor = fit_power_law(dict(zip(SIZES, LLAMA_2["cc"], strict=True)), domain="cc").warnings
    assert "give a law with the floor -2.7980, below 0" in floor


@settings(deadline=None)
@given(
    exponent=st.floats(0.02, 1.5),
    floor=st.floats(-1, 3),
    num=st.integers(3, 6),
    rise=st.floats(0.2, 3),
)
def test_a_law_is_found_again(exponent: float, floor: float, num: int, rise: float) -> None:
    sizes = [10**6 * 4**k for k in range(num)]
    amplitude = rise * sizes[0] ** exponent
    losses = {size: amplitude * size**-exponent + floor + 1.2 for size in reversed(sizes)}
    fit = fit_power_law(losses)
    assert fit.law.loss(sizes[-1] * 4) == pytest.approx(
        amplitude * (sizes[-1] * 4.0) ** -exponent + floor + 1.2, abs=1e-6
    )
    assert fit.residual < 1e-9
    assert fit.law.exponent == pytest.approx(exponent, abs=1e-4)


def test_more_sizes_than_constants_leave_a_residual() -> None:
    """No constants near the fitted ones have smaller squared errors."""
    dice = random.Random(0)
    sizes = [10**7 * 3**k for k in range(6)]
    losses = {size: 40 * size**-0.2 + 1.5 + dice.gauss(0, 0.01) for size in sizes}
    fit = fit_power_law(losses)

    def error(amplitude: float, exponent: float, floor: float) -> float:
        return sum((amplitude * size**-exponent + floor - loss) ** 2 for size, loss in losses.items())

    best = (fit.law.amplitude, fit.law.exponent, fit.law.floor)
    assert (error(*best) / 6) ** 0.5 == pytest.approx(fit.residual)
    assert 0 < fit.residual < 0.02
    assert fit.warnings == ()
    for _ in range(300):
        near = [value * (1 + dice.gauss(0, 10 ** dice.uniform(-5, -1))) for value in best]
        assert error(*near) >= error(*best)


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ({10: 2.0, 20: 1.5}, "the losses of domain 'x' are of 2 sizes of model.*the losses of the largest model"),
        ({10: 2.0, 20: 1.9, 30: 2.1}, "do not fall as the models grow: 2.0000 at 10, 1.9000 at 20, 2.1000 at 30"),
        ({10: 2.0, 20: 2.1, 30: 1.9}, "do not flatten as the models grow"),
        ({10: 3.0, 20: 2.9, 40: 2.0}, "do not flatten as the models grow"),
        ({10: 3.0, 20: 2.9, 40: 2.5, 80: 1.5}, "do not flatten as the models grow"),
        ({10: 3.0, 20: float("nan"), 40: 2.0}, "expected finite numbers above 0"),
        ({0: 3.0, 20: 2.5, 40: 2.4}, "for sizes above 0"),
    ],
)
def test_losses_that_no_law_describes(losses: dict[int, float], said: str) -> None:
    with pytest.raises(ReferenceLossError, match=said):
        fit_power_law(losses, domain="x")


def test_far_from_the_sizes() -> None:
    assert far_from(SIZES, 2_701_560_320) is None
    assert "373,867,520 parameters are 18.0 times beyond" in str(far_from(SIZES, 373_867_520))
    assert "10.0 times beyond" in str(far_from(SIZES, 10 * SIZES[2]))
