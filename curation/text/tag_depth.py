"""Kernel that bounds how deep the elements of a page can be nested, and sees whether a zero byte is in it."""

import numpy as np
from numpy.typing import NDArray

from curation.text.blocks import BLOCK, lowest_bit, range_mask
from curation.text.kernel import loop


@loop
def tag_depth(data: NDArray[np.uint8]) -> tuple[int, bool]:
    """The most tags that stand open at any place of a page, as if each of them needed an end; and if a byte is zero.

    Args:
        data: uint8[n], HTML in any character set that holds ASCII as it is.
    """
    depth, deepest = 0, 0
    zeros = np.uint64(0)
    end = len(data) - 1
    if end >= 0 and data[end] == 0:
        zeros = np.uint64(1)
    for i in range(0, end, BLOCK):
        zeros |= range_mask(data, i, end, 0, 0)
        begins = range_mask(data, i, end, 60, 60)
        while begins:
            after = data[i + lowest_bit(begins) + 1]
            begins &= begins - np.uint64(1)
            if 97 <= after | 0x20 <= 122:
                depth += 1
                deepest = max(deepest, depth)
            elif after == 47:
                depth = max(0, depth - 1)
    return deepest, zeros != np.uint64(0)
