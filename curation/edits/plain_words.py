"""The text by which lines and sentences are compared: lower case, no ASCII punctuation, every digit a 0."""

import numpy as np
from numpy.typing import NDArray

from curation.text.kernel import leaf
from curation.text.unicode import DECIMAL, code_point_width, decode, encode, space_width

_FINAL_SIGMA, _SIGMA = 0x3C2, 0x3C3


@leaf
def plain_into(
    data: NDArray[np.uint8],
    start: int,
    end: int,
    lower: NDArray[np.int32],
    flags: NDArray[np.uint16],
    out: NDArray[np.uint8],
    to: int,
) -> tuple[int, int]:
    """Write the plain form of `data[start:end]` into `out` from byte `to` on; gives where it ends, and its characters.

    Lower case as in `curation.dedup.normalize`; decimal digits of any script become 0; ASCII punctuation is dropped;
    white space is one space, none at the ends. `out` needs the room of `curation.dedup.normalize.room_for`.
    """
    n, chars, i = to, 0, start
    while i < end:
        width = space_width(data, i, end)
        if width:
            if n > to and out[n - 1] != 32:
                out[n] = 32
                n += 1
                chars += 1
            i += width
            continue
        code_point = decode(data, i)
        i += code_point_width(data[i])
        is_letter = 97 <= (code_point | 32) <= 122
        if (flags[code_point] & DECIMAL) != 0:
            code_point = 48
        elif 33 <= code_point < 127 and not is_letter:
            continue
        else:
            code_point = int(lower[code_point])
        if code_point == _FINAL_SIGMA:
            code_point = _SIGMA
        n += encode(code_point, out, n)
        chars += 1
    if n > to and out[n - 1] == 32:
        n -= 1
        chars -= 1
    return n, chars
