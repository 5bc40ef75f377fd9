"""SlimPajama's length: how much of a text is left without punctuation and needless white space?

Reference: Shen et al. 2023, SlimPajama-DC, section 3.1; Cerebras/modelzoo `slim_pajama/preprocessing/filter.py`: lower
case, without ASCII punctuation, white space at the ends removed and elsewhere one space; fewer than 200 characters are
dropped. Departure: lower case maps one character to one, so that U+0130 counts once.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.rules import Rule
from curation.text.ascii_blocks import SIGN, ascii_kinds, punctuation_mask, run_ends, space_mask
from curation.text.batch import TextBatch
from curation.text.blocks import BLOCK, count_bits, range_mask
from curation.text.kernel import loop
from curation.text.unicode import code_point_width, space_width


@loop
def count_clean_characters(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], kinds: NDArray[np.uint8], out: NDArray[np.int32]
) -> None:
    """Write into `out` the code points of each text, without ASCII punctuation and with white space collapsed."""
    for doc in range(len(offsets) - 1):
        count = 0
        words = 0
        in_word = False  # what goes on since the last white space has a character that counts
        i, end = offsets[doc], offsets[doc + 1]
        slow_until = i
        while i < end:
            if i >= slow_until:
                if i + BLOCK <= end and not range_mask(data, i, end, 0x80, 0xFF):
                    filled = ~space_mask(data, i, end)
                    counted = filled & ~punctuation_mask(data, i, end)
                    ends, in_word = run_ends(filled, counted, in_word)
                    words += count_bits(ends)
                    count += count_bits(counted)
                    i += BLOCK
                    continue
                slow_until = i + BLOCK
            byte = data[i]
            space = space_width(data, i, end) > 0
            words += in_word and space
            counts = not space and not kinds[min(byte, 127)] & SIGN
            count += counts
            in_word = counts or (in_word and not space)
            i += code_point_width(byte)
        words += in_word
        out[doc] = count + max(0, words - 1)  # a space between two words


@dataclass(frozen=True, kw_only=True)
class SlimPajama:
    """`num_clean_chars` (int32): code points without ASCII punctuation, with white space collapsed; null for null."""

    @property
    def name(self) -> str:
        """`slimpajama`."""
        return "slimpajama"

    @property
    def schema(self) -> pa.Schema:
        """One count."""
        return pa.schema([("num_clean_chars", pa.int32())])

    def open(self) -> None:
        """Nothing to load."""

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """The count of each text of `batch`."""
        counts = np.zeros(len(batch), np.int32)
        count_clean_characters(batch.data, batch.offsets, ascii_kinds(), counts)
        return pa.RecordBatch.from_arrays([pa.array(counts, mask=~batch.valid)], schema=self.schema)


def rules() -> tuple[Rule, ...]:
    """At least 200 characters."""
    return (Rule("slimpajama.too_short", on="slimpajama.num_clean_chars", min=200),)
