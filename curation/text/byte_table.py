"""A set of byte strings in flat arrays, so that millions take tens of bytes each and kernels can look things up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.text.blocks import hash_bytes
from curation.text.kernel import leaf, loop


@dataclass(frozen=True)
class ByteTable:
    """Strings by hash; what is found by hash is compared byte by byte.

    Attributes:
        data: uint8; the strings, one after the other, and eight bytes more.
        offsets: int64[n + 1]; where each begins.
        slots: int32[a power of two, at least 2n]; the string's number, -1 for none.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    slots: NDArray[np.int32]

    @classmethod
    def of(cls, strings: Sequence[bytes]) -> "ByteTable":
        """The table of `strings`; of equal ones the first is found."""
        offsets = np.zeros(len(strings) + 1, np.int64)
        np.cumsum([len(string) for string in strings], out=offsets[1:])
        data = np.frombuffer(b"".join(strings) + bytes(8), np.uint8)
        slots = np.full(1 << max(4, (2 * len(strings)).bit_length()), -1, np.int32)
        _fill(data, offsets, slots)
        return cls(data, offsets, slots)


@leaf
def _same(data: Any, start: int, end: int, other: Any, other_start: int, other_end: int) -> bool:
    if end - start != other_end - other_start:
        return False
    k = 0
    while k < end - start and data[start + k] == other[other_start + k]:
        k += 1
    return bool(k == end - start)


@leaf
def look_up(data: Any, start: int, end: int, strings: Any, offsets: Any, slots: Any) -> int:
    """The number of the string that `data[start:end]` is, -1 for none. The other three are those of a `ByteTable`."""
    mask = np.uint64(len(slots) - 1)
    slot = hash_bytes(data, start, end) & mask
    while slots[slot] >= 0:
        number = slots[slot]
        if _same(data, start, end, strings, offsets[number], offsets[number + 1]):
            return int(number)
        slot = (slot + np.uint64(1)) & mask
    return -1


@loop
def _fill(data: Any, offsets: Any, slots: Any) -> None:
    mask = np.uint64(len(slots) - 1)
    for number in range(len(offsets) - 1):
        if look_up(data, offsets[number], offsets[number + 1], data, offsets, slots) < 0:
            slot = hash_bytes(data, offsets[number], offsets[number + 1]) & mask
            while slots[slot] >= 0:
                slot = (slot + np.uint64(1)) & mask
            slots[slot] = number
