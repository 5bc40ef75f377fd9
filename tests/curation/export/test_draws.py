"""Draws: as in plain Python, with the odds that they claim, and the same in all versions to come."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import export_draws as plain

from curation.export.draws import copies_hashes, hashes_of, held_out, repeats_of, uniform

IDS = pa.array([f"{number:032x}" for number in range(20_000)])


@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=20), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=200, deadline=None)
def test_as_in_plain_python(texts: list[str], seed: int) -> None:
    texts = [text for text in texts if text.isprintable()] or ["x"]
    column = pa.array(texts)
    assert hashes_of(column, seed, "eval").tolist() == [plain.drawn(text, seed, "eval") for text in texts]
    weights = np.linspace(0, 3.7, len(texts))
    expected = [plain.repeats(text, weight, seed) for text, weight in zip(texts, weights.tolist(), strict=True)]
    assert repeats_of(column, weights, seed).tolist() == expected
    assert held_out(column, 0.3, seed).tolist() == [plain.is_held_out(text, 0.3, seed) for text in texts]
    numbers = np.arange(len(texts))
    copies = [plain.drawn_copy(text, number, seed, "order") for number, text in enumerate(texts)]
    assert copies_hashes(column, numbers, seed, "order").tolist() == copies


def test_the_same_in_all_versions() -> None:
    """An export that is made anew by a later version has to hold the same documents out."""
    ids = pa.array(["8e056366ec01c62c31082932bc0ef839", "", "ä"])
    assert hashes_of(ids, 1, "eval").tolist() == [plain.drawn(text, 1, "eval") for text in ids.to_pylist()]
    assert hashes_of(ids, 1, "eval")[0] == 6452696042384377920


def test_slices_and_batches_change_nothing() -> None:
    whole = hashes_of(IDS, 3, "x")
    assert np.array_equal(hashes_of(IDS.slice(77, 500), 3, "x"), whole[77:577])


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0, 1.75, 12.5])
def test_weights_are_honoured_on_average(weight: float) -> None:
    found = repeats_of(IDS, np.full(len(IDS), weight), 9)
    assert set(found.tolist()) <= {int(weight), int(weight) + 1}
    assert abs(found.mean() - weight) < 0.015
    if weight == int(weight):
        assert (found == weight).all()


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf"), 32767.0, 1e300])
def test_weights_that_make_no_sense(weight: float) -> None:
    assert repeats_of(pa.array(["a", "b"]), np.array([weight, 2.0]), 1).tolist() == [-1, 2]


def test_purposes_and_seeds_are_independent() -> None:
    draws = [uniform(hashes_of(IDS, seed, purpose)) for seed in (1, 2) for purpose in ("eval", "repeat", "train")]
    for number, one in enumerate(draws):
        assert abs(one.mean() - 0.5) < 0.01
        assert one.min() >= 0
        assert one.max() < 1
        for other in draws[:number]:
            assert abs(np.corrcoef(one, other)[0, 1]) < 0.03


def test_the_share_that_is_held_out() -> None:
    assert abs(held_out(IDS, 0.1, 4).mean() - 0.1) < 0.008
    assert not held_out(IDS, 0.0, 4).any()
    assert (held_out(IDS, 0.05, 4) <= held_out(IDS, 0.1, 4)).all()
