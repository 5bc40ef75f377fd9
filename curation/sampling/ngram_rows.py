"""N-grams of words as rows of 64-bit hashes, and probabilities as whole numbers that can be added up in any order."""

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dedup.exact import mix64
from curation.text.batch import TextBatch
from curation.text.kernel import kernel

COST_UNIT = 2.0**32
"""Costs are -ln(p) in units of 2**-32, so that sums are exact: a text of 40 million words does not overflow one."""

_START = 0x243F6A8885A308D3
"""Stands for a word before a text's first."""

_MOST_BYTES = 8 << 20


@kernel
def _windows(word_offsets: NDArray[np.int64], hashes: NDArray[np.uint64], order: int) -> NDArray[np.int64]:
    """The hashes of the words of the n-gram that ends at each word, int64[order, m]."""
    out = np.empty((order, len(hashes)), np.int64)
    for doc in range(len(word_offsets) - 1):
        begin = word_offsets[doc]
        for i in range(begin, word_offsets[doc + 1]):
            for k in range(order):
                at = i - order + 1 + k
                out[k, i] = np.int64(hashes[at]) if at >= begin else np.int64(_START)
    return out


@kernel
def _keys(words: NDArray[np.int64]) -> NDArray[np.int64]:
    """One hash for each n-gram of `words`, int64[order, m]; two collide with odds of about pairs / 2**64."""
    keys = np.empty(words.shape[1], np.int64)
    for i in range(len(keys)):
        state = np.uint64(0)
        for k in range(words.shape[0]):
            state = mix64((state ^ np.uint64(words[k, i])) + np.uint64(0x9E3779B97F4A7C15))
        keys[i] = np.int64(state)
    return keys


@kernel
def _costs(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """-ln(p) in whole units. Scalar `log` on purpose: NumPy's differs between processors."""
    costs = np.empty(len(probabilities), np.int64)
    for i in range(len(costs)):
        costs[i] = max(np.int64(0), np.int64(math.floor(-math.log(probabilities[i]) * COST_UNIT + 0.5)))
    return costs


@kernel
def _means(costs: NDArray[np.int64], num_words: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean -ln(p) and exp(-mean), float64[2, n]; not numbers where there is no word."""
    means = np.full((2, len(costs)), np.nan)
    for i in range(len(costs)):
        if num_words[i]:
            means[0, i] = costs[i] / COST_UNIT / num_words[i]
            means[1, i] = math.exp(-means[0, i])
    return means


def word_columns(order: int) -> list[str]:
    """Names of the words of an n-gram, the last word last."""
    return [f"w{place + 1}" for place in range(order)]


def ngram_rows(batch: pa.RecordBatch, order: int) -> Iterator[pa.RecordBatch]:
    """The n-grams of the column `text`, one row for each word: its words' hashes, in `word_columns`."""
    for _, _, words in _pieces(batch, order):
        yield pa.RecordBatch.from_arrays([pa.array(column) for column in words], names=word_columns(order))


def key_rows(batch: pa.RecordBatch, order: int) -> Iterator[pa.RecordBatch]:
    """The same n-grams as one hash: rows of `doc_id` and `key`."""
    for piece, counts, words in _pieces(batch, order):
        document = pa.array(np.repeat(np.arange(len(counts)), counts))
        columns = [piece.column("doc_id").take(document), pa.array(_keys(words))]
        yield pa.RecordBatch.from_arrays(columns, names=["doc_id", "key"])


def cost_rows(batch: pa.RecordBatch, order: int) -> pa.RecordBatch:
    """Rows of `word_columns` and `p` as rows of `key` and `cost`."""
    words = np.stack([_longs(batch.column(name)) for name in word_columns(order)])
    costs = _costs(batch.column("p").to_numpy(zero_copy_only=False))
    return pa.RecordBatch.from_arrays([pa.array(_keys(words)), pa.array(costs)], names=["key", "cost"])


def commonness_rows(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Rows of `doc_id`, `cost` and `num_words`, null where a text has no word, as rows of the table `commonness`."""
    num_words = _longs(batch.column("num_words"))
    nats, commonness = _means(_longs(batch.column("cost")), num_words)
    nothing = num_words == 0
    columns = {
        "doc_id": batch.column("doc_id"),
        "commonness": pa.array(commonness, mask=nothing),
        "mean_nats": pa.array(nats, mask=nothing),
        "num_words": pa.array(num_words),
    }
    return pa.RecordBatch.from_arrays([columns[field.name].cast(field.type) for field in schema], schema=schema)


def _longs(column: pa.Array) -> NDArray[np.int64]:
    return np.array(column.fill_null(0).cast(pa.int64()), np.int64)


def _pieces(batch: pa.RecordBatch, order: int) -> Iterator[tuple[pa.RecordBatch, NDArray[np.int64], NDArray[np.int64]]]:
    """Parts of a batch, few documents at a time: their rows, the words of each, and the n-grams."""
    ends = TextBatch.from_arrow(batch.column("text")).offsets[1:]
    first = 0
    while first < len(batch):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + _MOST_BYTES, "right")))
        piece = batch.slice(first, last - first)
        words = TextBatch.from_arrow(piece.column("text")).unicode_words
        yield piece, words.counts, _windows(words.offsets, np.ascontiguousarray(words.hash), order)
        first = last
