"""Which words are made of punctuation alone, as datatrove decides it.

Reference: huggingface/datatrove `src/datatrove/utils/text.py`, `PUNCTUATION_SET` (release 0.10.1).
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.text.kernel import loop
from curation.text.terminal_punctuation import RANGES
from curation.text.unicode import NUM_CODE_POINTS, code_point_width, decode

SIGNS = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
"""The signs of the list, the full-width digit one among them; with them go the marks that end sentences and the control
characters but tab and newline."""


@cache
def symbol_table() -> NDArray[np.uint8]:
    """1 for every code point that is a symbol, uint8[0x110000]; made at the first call."""
    table = np.zeros(NUM_CODE_POINTS, np.uint8)
    table[[ord(sign) for sign in SIGNS]] = 1
    for first, last in (*RANGES, (0, 8), (11, 31), (127, 159)):
        table[first : last + 1] = 1
    return table


@loop
def find_words(data: Any, start: Any, end: Any, table: Any, out: Any) -> None:
    """Write into `out`, bool[m], which of the pieces `data[start:end]` have a character that is no symbol."""
    for piece in range(len(start)):
        i = start[piece]
        found = 97 <= data[i] | 0x20 <= 122  # most words begin with a letter
        while not found and i < end[piece]:
            found = table[decode(data, i)] == 0
            i += code_point_width(data[i])
        out[piece] = found
