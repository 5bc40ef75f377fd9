"""Kernel that counts how often some neighbouring words, with one space between them, stand in their text.

Reference: Knuth, Morris and Pratt 1977, Fast pattern matching in strings.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.text.kernel import kernel, leaf


@leaf
def _link(needle: Any, length: int, shorter: Any) -> None:
    """For each end of the needle, how long its longest other beginning is that ends there too."""
    shorter[0] = 0
    known = 0
    for i in range(1, length):
        while known > 0 and needle[i] != needle[known]:
            known = shorter[known - 1]
        known += needle[i] == needle[known]
        shorter[i] = known


@leaf
def _count(data: Any, begin: int, end: int, needle: Any, length: int, shorter: Any) -> int:
    count = 0
    known = 0
    for i in range(begin, end):
        while known > 0 and data[i] != needle[known]:
            known = shorter[known - 1]
        known += data[i] == needle[known]
        if known == length:
            count += 1
            known = 0
    return count


@kernel
def count_spaced(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    word_offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    places: NDArray[np.int64],
    n: int,
    out: NDArray[np.int64],
) -> None:
    """Count the n words at a place of each document, joined by spaces, as `str.count` does: anywhere, without overlaps.

    Args:
        data: the bytes of the batch.
        offsets: int64[d + 1], its documents.
        word_offsets: int64[d + 1], the words of each document; `start` and `end` are theirs.
        start: int64[m].
        end: int64[m].
        places: int64[d], which word of the document is the first of the n.
        n: how many words; a document of fewer is passed over.
        out: out, int64[d] of zeros: how often they stand there.
    """
    needle = np.empty(64, np.uint8)
    shorter = np.empty(64, np.int64)
    for doc in range(len(offsets) - 1):
        if word_offsets[doc + 1] - word_offsets[doc] < n:
            continue
        first = word_offsets[doc] + places[doc]
        length = np.int64(n - 1)
        for word in range(first, first + n):
            length += end[word] - start[word]
        if length > len(needle):
            needle = np.empty(2 * length, np.uint8)
            shorter = np.empty(2 * length, np.int64)
        at = 0
        for word in range(first, first + n):
            for k in range(start[word], end[word]):
                needle[at] = data[k]
                at += 1
            if at < length:
                needle[at] = 32
                at += 1
        _link(needle, length, shorter)
        out[doc] = _count(data, offsets[doc], offsets[doc + 1], needle, length, shorter)
