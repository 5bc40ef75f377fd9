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
from curation.text.batch import TextBatch
from curation.text.kernel import loop
from curation.text.unicode import code_point_width, space_width


@loop
def count_clean_characters(data: NDArray[np.uint8], offsets: NDArray[np.int64], out: NDArray[np.int32]) -> None:
    """Write into `out` the code points of each text, without ASCII punctuation and with white space collapsed."""
    for doc in range(len(offsets) - 1):
        count = 0
        pending = 0  # a run of white space counts once something follows it
        i, end = offsets[doc], offsets[doc + 1]
        while i < end:
            byte = data[i]
            if 32 < byte < 127:
                is_letter = 97 <= (byte | 32) <= 122 or 48 <= byte <= 57
                if is_letter:
                    count += 1 + pending
                    pending = 0
                i += 1
                continue
            width = space_width(data, i, end)
            if width:
                pending = 1 if count else 0
                i += width
            else:
                count += 1 + pending
                pending = 0
                i += code_point_width(byte)
        out[doc] = count


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
        count_clean_characters(batch.data, batch.offsets, counts)
        return pa.RecordBatch.from_arrays([pa.array(counts, mask=~batch.valid)], schema=self.schema)


def rules() -> tuple[Rule, ...]:
    """At least 200 characters."""
    return (Rule("slimpajama.too_short", on="slimpajama.num_clean_chars", min=200),)
