"""Kernels that know a text by its tokens and pairs of tokens, each counted in one of some thousand buckets.

Tokens are those of `curation.text.token_counts`: runs of letters, digits and `_`, and runs of other signs. A feature
is known by its hash, which is the same in every process and version (RedPajama's is Python's own, which is not).

Reference: Xie et al. 2023, Data Selection for Language Models via Importance Resampling, section 4.
"""

import numpy as np
from numpy.typing import NDArray

from curation.text.ascii_blocks import BLANK, WORD_CHAR
from curation.text.blocks import HASH_FINISHER, HASH_MULTIPLIER, hash_bytes
from curation.text.kernel import fused, loop
from curation.text.unicode import ALNUM, SPACE, code_point_width, decode


@loop
def hash_tokens(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    flags: NDArray[np.uint16],
    token_offsets: NDArray[np.int64],
    hashes: NDArray[np.uint64],
) -> int:
    """Write the hash of every token of every document, and give their number.

    Args:
        data: the bytes of the batch.
        offsets: int64[d + 1], its documents.
        kinds: `ascii_kinds()`.
        flags: `curation.text.unicode.character_classes()`.
        token_offsets: out, int64[d + 1].
        hashes: out, uint64, as long as `data`.
    """
    count = 0
    token_offsets[0] = 0
    for doc in range(len(offsets) - 1):
        i, end = offsets[doc], offsets[doc + 1]
        start = i
        before = 0  # what the token that began at `start` is of; 0 for none
        while i < end:
            byte = data[i]
            width = 1
            if byte < 0x80:
                bits = kinds[byte]
                kind = 0 if bits & BLANK else 1 if bits & WORD_CHAR else 2
            else:
                wide = flags[decode(data, i)]
                kind = 0 if wide & SPACE else 1 if wide & ALNUM else 2
                width = code_point_width(byte)
            if kind != before:
                if before:
                    hashes[count] = hash_bytes(data, start, i)
                    count += 1
                start = i
                before = kind
            i += width
        if before:
            hashes[count] = hash_bytes(data, start, end)
            count += 1
        token_offsets[doc + 1] = count
    return count


@fused
def _bucket_of_pair(first: np.uint64, second: np.uint64, num_buckets: np.uint64) -> np.int64:
    state = (first * np.uint64(HASH_MULTIPLIER) ^ second) * np.uint64(HASH_FINISHER)
    return np.int64((state ^ (state >> np.uint64(32))) % num_buckets)


@loop
def count_features(token_offsets: NDArray[np.int64], hashes: NDArray[np.uint64], counts: NDArray[np.int64]) -> None:
    """Add the tokens of all documents, and the pairs of neighbours within each, to `counts`, int64[buckets]."""
    num_buckets = np.uint64(len(counts))
    for doc in range(len(token_offsets) - 1):
        for token in range(token_offsets[doc], token_offsets[doc + 1]):
            counts[np.int64(hashes[token] % num_buckets)] += 1
            if token > token_offsets[doc]:
                counts[_bucket_of_pair(hashes[token - 1], hashes[token], num_buckets)] += 1


@loop
def add_log_ratios(
    token_offsets: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    log_ratios: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Sum the logarithms of each document's features into `out`, float64[d, k] of zeros; `log_ratios` float64[b, k]."""
    num_buckets = np.uint64(len(log_ratios))
    for doc in range(len(token_offsets) - 1):
        for token in range(token_offsets[doc], token_offsets[doc + 1]):
            one = np.int64(hashes[token] % num_buckets)
            for k in range(out.shape[1]):
                out[doc, k] += log_ratios[one, k]
            if token > token_offsets[doc]:
                pair = _bucket_of_pair(hashes[token - 1], hashes[token], num_buckets)
                for k in range(out.shape[1]):
                    out[doc, k] += log_ratios[pair, k]
