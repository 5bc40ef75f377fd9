"""The documents of a shard put together again, as formats without rows hold them."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def rows_of(batch: pa.RecordBatch) -> NDArray[Any]:
    """The tokens of a shard, [num_rows, row_length], not copied."""
    tokens = batch.column("tokens")
    found: NDArray[Any] = tokens.flatten().to_numpy().reshape(len(tokens), tokens.type.list_size)
    return found


def documents_of(batch: pa.RecordBatch) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The tokens of every copy of every document of a shard, special tokens included, padding left out.

    Returns:
        The tokens, one copy after the other in order of first appearance; and int64[n], the tokens of each copy.
    """
    rows = rows_of(batch)
    starts = batch.column("starts")
    pieces = np.diff(np.asarray(starts.offsets))
    row = np.repeat(np.arange(batch.num_rows), pieces)
    start = np.asarray(starts.flatten()).astype(np.int64)
    end = np.append(start[1:], 0)
    last = np.cumsum(pieces) - 1
    end[last] = np.asarray(batch.column("num_tokens"))
    doc_ids = batch.column("doc_ids").flatten().dictionary_encode()
    copy = np.asarray(doc_ids.indices).astype(np.int64) << 16 | np.asarray(batch.column("repeats").flatten())
    order = np.lexsort((np.asarray(batch.column("offsets").flatten()), copy))
    length, begin = (end - start)[order], (row * rows.shape[1] + start)[order]
    ends = np.cumsum(length)
    places = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(begin - ends + length, length)
    firsts = np.flatnonzero(np.diff(copy[order], prepend=-1))
    return rows.reshape(-1)[places], np.add.reduceat(length, firsts) if len(firsts) else length
