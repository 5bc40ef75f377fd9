"""Sixty-four ASCII characters at a time: what they are, and which runs of them hold what."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from curation.text.blocks import range_mask
from curation.text.kernel import fused

LETTER, SMALL, CAPITAL, WORD_CHAR, BLANK, STOP, SIGN = (1 << k for k in range(7))
"""Bits of what a character is: an ASCII letter; cased and small, or a capital; a letter, digit or `_`; whitespace; one
of `.!?`; ASCII punctuation."""


@cache
def ascii_kinds() -> NDArray[np.uint8]:
    """What each ASCII character is, uint8[128]; bits as the kernels of this module name them."""
    kinds = np.zeros(128, np.uint8)
    for code in range(128):
        char = chr(code)
        holds = {
            LETTER: char.isalpha(),
            SMALL: char.islower(),
            CAPITAL: char.isupper(),
            WORD_CHAR: char.isalnum() or char == "_",
            BLANK: char.isspace(),
            STOP: char in ".!?",
            SIGN: char.isprintable() and not char.isalnum() and char != " ",
        }
        kinds[code] = sum(bit for bit, holding in holds.items() if holding)
    return kinds


@fused
def run_ends(runs: np.uint64, marks: np.uint64, carried: bool) -> tuple[np.uint64, bool]:
    """Where a run of ones with a mark in it has ended, each bit one after its run, and whether the last one goes on.

    A mark in a run is added to it and carried to the bit after its end. `carried`: one with a mark goes on from before.
    """
    total = runs + (marks | np.uint64(carried))
    return np.uint64(total & ~runs), bool(total < runs)


@fused
def letter_masks(data: NDArray[np.uint8], i: int, end: int) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Masks of small letters, of capitals, and of all that words are made of, among 64 ASCII characters."""
    small = range_mask(data, i, end, 97, 122)
    capital = range_mask(data, i, end, 65, 90)
    return small, capital, small | capital | range_mask(data, i, end, 48, 57) | range_mask(data, i, end, 95, 95)


@fused
def space_mask(data: NDArray[np.uint8], i: int, end: int) -> np.uint64:
    """Mask of whitespace among 64 ASCII characters."""
    return np.uint64(range_mask(data, i, end, 9, 13) | range_mask(data, i, end, 28, 32))


@fused
def punctuation_mask(data: NDArray[np.uint8], i: int, end: int) -> np.uint64:
    """Mask of ASCII punctuation among 64 ASCII characters."""
    low = range_mask(data, i, end, 33, 47) | range_mask(data, i, end, 58, 64)
    return np.uint64(low | range_mask(data, i, end, 91, 96) | range_mask(data, i, end, 123, 126))
