"""Runs of newlines cut short."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.edits.edit import Cuts
from curation.text.batch import TextBatch
from curation.text.kernel import kernel


@dataclass(frozen=True, kw_only=True)
class Newlines:
    """Leave at most `most` newlines in a row.

    Reference: `newline_removal_modifier` of mlfoundations/dclm `baselines/mappers/modifiers.py`.
    """

    most: int = 2

    def __post_init__(self) -> None:
        """Check the setting.

        Raises:
            ValueError: `most` is not at least 1.
        """
        if self.most < 1:
            raise ValueError(f"Newlines: expected most to be 1 or more, got {self.most}")

    @property
    def name(self) -> str:
        """`newlines`."""
        return "newlines"

    def open(self) -> None:
        """Nothing to load."""

    def cuts(self, batch: TextBatch) -> Cuts:
        """What is too much of each run."""
        rows = _long_runs(batch.data, batch.offsets, self.most)
        return Cuts(rows[:, 0], rows[:, 1], rows[:, 2], np.zeros(len(rows), np.int64))


@kernel
def _long_runs(data: NDArray[np.uint8], offsets: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Rows of document, first byte and byte after the last of what is too much of each run, int64[m, 3]."""
    newlines = 0
    for i in range(len(data)):
        newlines += data[i] == 10
    rows = np.empty((newlines // (most + 1) + 1, 3), np.int64)
    total = 0
    for doc in range(len(offsets) - 1):
        run = 0
        for i in range(offsets[doc], offsets[doc + 1]):
            run = run + 1 if data[i] == 10 else 0
            if run == most + 1:
                rows[total, 0], rows[total, 1] = doc, i
                total += 1
            if run > most:
                rows[total - 1, 2] = i + 1
    return rows[:total]
