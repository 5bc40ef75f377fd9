"""mC4's paragraphs: does a page have lines that are long enough to be running text?

Reference: Xue et al. 2021, mT5, section 3.1 (three lines of 200 characters or more); tensorflow/datasets `c4_utils.py`
(`paragraph_filter`) and huggingface/datatrove `C4ParagraphFilter`, which agree: a line ends at a newline and is counted
as it stands, white space included.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation.rules import Rule
from curation.text.batch import TextBatch


@dataclass(frozen=True, kw_only=True)
class MC4:
    """Lines of a text, and how many of them are long.

    Columns: `num_lines` (int32; what newlines part, empty lines included, so that an empty text has one) and
    `num_long_lines` (int32).

    Attributes:
        min_line_chars: the fewest code points of a long line.

    Raises:
        ValueError: `min_line_chars` is not positive.
    """

    min_line_chars: int = 200

    def __post_init__(self) -> None:
        if self.min_line_chars < 1:
            raise ValueError(f"mc4: expected min_line_chars of at least 1, got {self.min_line_chars}")

    @property
    def name(self) -> str:
        """`mc4`."""
        return "mc4"

    @property
    def schema(self) -> pa.Schema:
        """Two counts."""
        return pa.schema([("num_lines", pa.int32()), ("num_long_lines", pa.int32())])

    def open(self) -> None:
        """Nothing to load."""

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """Counts of each text of `batch`; null for a null text."""
        lines = batch.lines
        long_before = np.concatenate([[0], np.cumsum(lines.num_chars >= self.min_line_chars)])
        counts = (lines.counts, np.diff(long_before[lines.offsets]))
        columns = [pa.array(count.astype(np.int32), mask=~batch.valid) for count in counts]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def rules() -> tuple[Rule, ...]:
    """At least three long lines."""
    return (Rule("mc4.too_few_paragraphs", on="mc4.num_long_lines", min=3),)
