"""Packing kernels against plain Python."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import pack as plain

from curation.export.pack import Packed, fill, pack
from curation.export.settings import Packing

PLAIN = {"best_fit": plain.best_fit, "concat": plain.concat, "none": plain.none}


def rows_of(packed: Packed) -> list[list[tuple[int, int, int]]]:
    pieces = list(zip(packed.document.tolist(), packed.offset.tolist(), packed.length.tolist(), strict=True))
    return [pieces[start:end] for start, end in zip(packed.rows[:-1], packed.rows[1:], strict=True)]


@pytest.mark.parametrize("packing", PLAIN)
@given(lengths=st.lists(st.integers(0, 90), max_size=60), row_length=st.integers(16, 40))
@settings(max_examples=200, deadline=None)
def test_same_rows_as_plain_python(packing: Packing, lengths: list[int], row_length: int) -> None:
    assert rows_of(pack(np.array(lengths, np.int64), row_length, packing)) == PLAIN[packing](lengths, row_length)


@pytest.mark.parametrize("row_length", [63, 64, 65, 1000, 2048, 4096, 4097, 9000])
def test_long_rows_as_in_plain_python(row_length: int) -> None:
    """Rows longer than a word and than a group of the tree of bits."""
    dice = np.random.default_rng(row_length)
    lengths = np.minimum(dice.lognormal(6, 1.5, 700), 3 * row_length).astype(np.int64)
    lengths[:5] = (0, 1, row_length, row_length + 1, 2 * row_length)
    for packing, reference in PLAIN.items():
        assert rows_of(pack(lengths, row_length, packing)) == reference(lengths.tolist(), row_length), packing


@pytest.mark.parametrize("packing", PLAIN)
def test_nothing_to_pack(packing: Packing) -> None:
    for lengths in ([], [0, 0]):
        packed = pack(np.array(lengths, np.int64), 16, packing)
        assert packed.num_rows == 0
        assert fill(np.empty(0, np.uint16), np.zeros(len(lengths), np.int64), packed, 16, 7).shape == (0, 16)


def test_a_document_that_fits_is_never_cut() -> None:
    dice = np.random.default_rng(5)
    lengths = dice.integers(1, 4000, 5000)
    packed = pack(lengths, 1024, "best_fit")
    pieces = np.bincount(packed.document, minlength=5000)
    assert (pieces[lengths <= 1024] == 1).all()
    assert (pieces == -(-lengths // 1024)).all()


def test_rows_in_front_are_like_rows_behind() -> None:
    """Neither documents' lengths nor their number may depend on where a row stands."""
    dice = np.random.default_rng(6)
    lengths = np.minimum(dice.lognormal(5.5, 1.0, 40_000), 8000).astype(np.int64)
    packed = pack(lengths, 2048, "best_fit")
    ranks = np.argsort(np.argsort(np.diff(packed.rows)))
    assert abs(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) < 0.05


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
@pytest.mark.parametrize("packing", PLAIN)
def test_every_token_stands_in_its_place(packing: Packing, kind: Any) -> None:
    dice = np.random.default_rng(7)
    lengths = dice.integers(0, 200, 300)
    tokens = dice.integers(0, 65535, lengths.sum()).astype(kind)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    packed = pack(lengths, 64, packing)
    rows = fill(tokens, starts, packed, 64, 65535)
    assert rows.dtype == kind
    for row, pieces in zip(rows, rows_of(packed), strict=True):
        expected = [
            token
            for number, offset, length in pieces
            for token in tokens[starts[number] + offset : starts[number] + offset + length]
        ]
        assert row.tolist() == expected + [65535] * (64 - len(expected))


def test_padding_is_small() -> None:
    dice = np.random.default_rng(8)
    lengths = np.maximum(dice.lognormal(6, 1.2, 20_000), 1).astype(np.int64)
    packed = pack(lengths, 2048, "best_fit")
    assert 1 - lengths.sum() / (packed.num_rows * 2048) < 0.002
