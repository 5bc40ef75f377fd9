"""Kernels that count the characters of texts and split them into words and lines."""

import numpy as np
from numpy.typing import NDArray

from curation.text.blocks import (
    BLOCK,
    bits_below,
    count_bits,
    count_later_bytes,
    hash_bytes,
    lowest_bit,
    range_mask,
    up_to_eight_bytes,
)
from curation.text.kernel import fused, leaf, loop
from curation.text.unicode import count_code_points, space_width


@loop
def count_characters(data: NDArray[np.uint8], offsets: NDArray[np.int64], num_chars: NDArray[np.int64]) -> None:
    """Write the code points of each document into `num_chars`, int64[n]."""
    for doc in range(len(offsets) - 1):
        end = offsets[doc + 1]
        count = end - offsets[doc]
        for i in range(offsets[doc], end, BLOCK):
            count -= count_bits(range_mask(data, i, end, 0x80, 0xBF))
        num_chars[doc] = count


@loop
def describe_pieces(
    data: NDArray[np.uint8],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    num_chars: NDArray[np.int32],
    hashes: NDArray[np.uint64],
) -> None:
    """Write the code points (int32[m]) and the hash (uint64[m]) of each piece `data[start:end]`."""
    for piece in range(len(start)):
        num_chars[piece] = count_code_points(data, start[piece], end[piece])
        hashes[piece] = hash_bytes(data, start[piece], end[piece])


@loop
def count_separators(data: NDArray[np.uint8], start: int, end: int) -> tuple[int, int]:
    """Counts that bound how many words `data[start:end]` can hold, and how many line ends it has.

    The first counts ASCII whitespace and every byte that may begin other whitespace; the second counts newlines.
    """
    separators = 0
    newlines = 0
    for i in range(start, end, BLOCK):
        others = range_mask(data, i, end, 0xC2, 0xC2) | range_mask(data, i, end, 0xE1, 0xE3)
        separators += count_bits(range_mask(data, i, end, 0, 32) | others)
        newlines += count_bits(range_mask(data, i, end, 10, 10))
    return separators, newlines


@leaf
def _other_spaces(data: NDArray[np.uint8], i: int, end: int, carried: int) -> tuple[np.uint64, int]:
    """Mask of the non-ASCII whitespace among the 64 bytes from `i` on, and how many bytes of the next block it covers.

    `carried` bytes at the beginning of this block belong to a whitespace character of the block before.
    """
    spaces = bits_below(carried)
    candidates = range_mask(data, i, end, 0xC2, 0xE3)
    over = 0
    while candidates:
        k = lowest_bit(candidates)
        candidates &= candidates - np.uint64(1)
        width = space_width(data, i + k, end)
        if width:
            spaces |= bits_below(width) << np.uint64(k)
            over = max(0, k + width - BLOCK)
    return spaces, over


@fused
def _count_code_points(data: NDArray[np.uint8], start: int, end: int) -> int:
    if end - start > 16:
        return int(count_code_points(data, start, end))
    later = count_later_bytes(up_to_eight_bytes(data, start, end))
    return int(end - start - later - count_later_bytes(up_to_eight_bytes(data, start + 8, end)))


@loop
def split_words(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    word_offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    num_chars: NDArray[np.int32],
    hashes: NDArray[np.uint64],
) -> int:
    """Write the words of every document, exactly those of `str.split()`, and give their number.

    `word_offsets` is int64[n + 1]; the other outputs need room for every word (see `count_separators`).
    """
    begun = 0
    ended = 0
    word_offsets[0] = 0
    for doc in range(len(offsets) - 1):
        doc_end = offsets[doc + 1]
        inside = np.uint64(0)  # 1 while the byte before belongs to a word
        carried = 0
        for i in range(offsets[doc], doc_end, BLOCK):
            spaces = range_mask(data, i, doc_end, 9, 13) | range_mask(data, i, doc_end, 28, 32)
            if range_mask(data, i, doc_end, 0x80, 0xFF):
                others, carried = _other_spaces(data, i, doc_end, carried)
                spaces |= others
            letters = ~spaces & bits_below(doc_end - i)
            letters_before = (letters << np.uint64(1)) | inside
            inside = letters >> np.uint64(BLOCK - 1)
            starts = letters & ~letters_before
            while starts:
                start[begun] = i + lowest_bit(starts)
                starts &= starts - np.uint64(1)
                begun += 1
            ends = letters_before & ~letters
            while ends:
                end[ended] = i + lowest_bit(ends)
                ends &= ends - np.uint64(1)
                ended += 1
        if ended < begun:  # a last block that is full of word, and nothing after it
            end[ended] = doc_end
            ended += 1
        for word in range(word_offsets[doc], begun):
            hashes[word] = hash_bytes(data, start[word], end[word])
            num_chars[word] = _count_code_points(data, start[word], end[word])
        word_offsets[doc + 1] = begun
    return begun


@loop
def split_lines(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    valid: NDArray[np.bool_],
    line_offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    num_chars: NDArray[np.int32],
) -> int:
    """Write the lines of every valid document, exactly those of `text.split("\\n")`, and give their number."""
    count = 0
    line_offsets[0] = 0
    for doc in range(len(offsets) - 1):
        doc_end = offsets[doc + 1]
        line_start = offsets[doc]
        continuations = 0
        i = offsets[doc]
        while i < doc_end:
            newlines = range_mask(data, i, doc_end, 10, 10)
            later_bytes = range_mask(data, i, doc_end, 0x80, 0xBF)
            seen = 0
            while newlines:
                k = lowest_bit(newlines)
                newlines &= newlines - np.uint64(1)
                here = count_bits(later_bytes & bits_below(k))
                start[count] = line_start
                end[count] = i + k
                num_chars[count] = i + k - line_start - (continuations + here - seen)
                line_start = i + k + 1
                continuations = 0
                seen = here
                count += 1
            continuations += count_bits(later_bytes) - seen
            i += BLOCK
        if valid[doc]:
            start[count] = line_start
            end[count] = doc_end
            num_chars[count] = doc_end - line_start - continuations
            count += 1
        line_offsets[doc + 1] = count
    return count


@loop
def count_unicode_word_starts(data: NDArray[np.uint8]) -> int:
    """A bound on the Unicode words of one text: each begins at one of these bytes. More texts have one more each."""
    starts = 0
    before = False
    for i in range(len(data)):
        byte = data[i]
        lower = byte | 0x20
        alnum = ((lower >= 97) & (lower <= 122)) | ((byte >= 48) & (byte <= 57))
        starts += (alnum & (not before)) | (byte >= 0xC2)
        before = alnum
    return starts
