"""Weights of the documents that stay: the more common a text is in its corpus, the less often it is taken."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.sampling.config import SamplingError

CELLS_PER_NAT = 4096
"""Documents are ranked by their mean surprise in cells of 1 / 4096 nat; those of one cell have one weight."""

_MOST_ORDER, _MOST_SEGMENTS = 8, 1000


@dataclass(frozen=True, kw_only=True)
class SoftDedup:
    """Weights that fall with a document's commonness, instead of dropping what is common.

    Commonness is the geometric mean of the probabilities that an n-gram model of the kept texts gives to a text's words
    (`curation.sampling.commonness`). The documents that stay are cut into segments of equal size by it; weights fall by
    the same factor from one segment to the next, and their mean over the documents is 1. A text without words has no
    commonness and the weight 1.

    Attributes:
        order: words of an n-gram, 1 to 8.
        min_count: n-grams of two and more words that stand fewer times in the corpus count as not seen. 1: all count,
            and a text's own words make it common; 2: only what stands twice does.
        segments: how many, 1 to 1000. Texts of equal commonness are never parted, so sizes can differ.
        ratio: weight of the rarest segment over that of the most common, at least 1.

    Departures: the paper cuts into a tokenizer's tokens, here it is Unicode's words, which no choice of tokenizer
    changes. It fits the model on the raw corpus, here it is what rules and deduplication keep: what does not stay makes
    nothing common. Its weights are in proportion to 1 / commonness; here they are between bounds that `ratio` sets,
    whatever the corpus. Here n-grams that stand once are pruned unless `min_count=1`: a single text is then rarer than
    a revised copy in 0.95 of all pairs for 0.84 (arXiv abstracts), 0.95 for 0.93 (nine versions of a manual).

    Reference: He et al. 2024, SoftDedup (arXiv 2407.06654).
    """

    order: int = 4
    min_count: int = 2
    segments: int = 10
    ratio: float = 10.0

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            SamplingError: a setting is out of its range.
        """
        if not 1 <= self.order <= _MOST_ORDER:
            raise SamplingError(f"SoftDedup: order is {self.order}, expected 1 to {_MOST_ORDER} words")
        if self.min_count < 1:
            raise SamplingError(f"SoftDedup: min_count is {self.min_count}, expected at least 1")
        if not 1 <= self.segments <= _MOST_SEGMENTS:
            raise SamplingError(f"SoftDedup: segments is {self.segments}, expected 1 to {_MOST_SEGMENTS}")
        if not (math.isfinite(self.ratio) and self.ratio >= 1):
            raise SamplingError(f"SoftDedup: ratio is {self.ratio}, expected a number of at least 1")


@dataclass(frozen=True)
class Segment:
    """Documents of about the same commonness.

    Attributes:
        least_cell: the least cell of mean surprise that belongs to it.
        documents: how many there are.
        weight: of each of them.
    """

    least_cell: int
    documents: int
    weight: float


def cut_segments(
    cells: NDArray[np.int64] | Sequence[int], counts: NDArray[np.int64] | Sequence[int], settings: SoftDedup
) -> tuple[Segment, ...]:
    """The segments, the rarest first; those that ties leave empty are left out.

    Args:
        cells: int64[m]; cells of mean surprise that documents are in, each once.
        counts: int64[m]; how many documents, at least 1.
        settings: how many segments, and how far apart their weights are.
    """
    if not len(cells):
        return ()
    order = np.argsort(-np.asarray(cells, np.int64))
    cell, count = np.asarray(cells, np.int64)[order], np.asarray(counts, np.int64)[order]
    rarer, total = np.cumsum(count) - count, int(count.sum())
    number = settings.segments * (2 * rarer + count) // (2 * total)  # where the middle of a cell's documents is
    found = np.unique(number)
    sizes = [int(count[number == one].sum()) for one in found]
    raw = [settings.ratio ** (-int(one) / max(settings.segments - 1, 1)) for one in found]
    mean = math.fsum(value * size for value, size in zip(raw, sizes, strict=True)) / total
    return tuple(
        Segment(int(cell[number == one].min()), size, value / mean)
        for one, size, value in zip(found, sizes, raw, strict=True)
    )
