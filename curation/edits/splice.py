"""Texts cut and put together again, and the record of it by which they become what they were."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.edits.edit import Cuts, Edit
from curation.tables import CUT
from curation.text.batch import TextBatch
from curation.text.kernel import kernel


@kernel
def _spliced(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    document: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    put: NDArray[np.int64],
    put_data: NDArray[np.uint8],
    put_offsets: NDArray[np.int64],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Bytes and offsets of the texts with `data[start:end]` of each piece replaced by its text of `put_data`."""
    size = len(data)
    for k in range(len(document)):
        size += put_offsets[put[k] + 1] - put_offsets[put[k]] - (end[k] - start[k])
    out = np.empty(size, np.uint8)
    new = np.empty(len(offsets), np.int64)
    new[0] = 0
    written, k = 0, 0
    for doc in range(len(offsets) - 1):
        i = offsets[doc]
        while k < len(document) and document[k] == doc:
            many = start[k] - i
            out[written : written + many] = data[i : start[k]]
            written += many
            first, last = put_offsets[put[k]], put_offsets[put[k] + 1]
            out[written : written + last - first] = put_data[first:last]
            written += last - first
            i = end[k]
            k += 1
        many = offsets[doc + 1] - i
        out[written : written + many] = data[i : offsets[doc + 1]]
        written += many
        new[doc + 1] = written
    return out, new


@kernel
def gathered(
    data: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Bytes and offsets of the pieces `data[start:end]`."""
    offsets = np.empty(len(start) + 1, np.int64)
    offsets[0] = 0
    for k in range(len(start)):
        offsets[k + 1] = offsets[k] + end[k] - start[k]
    out = np.empty(offsets[-1], np.uint8)
    for k in range(len(start)):
        out[offsets[k] : offsets[k + 1]] = data[start[k] : end[k]]
    return out, offsets


def spliced(batch: TextBatch, cuts: Cuts) -> TextBatch:
    """The texts after the cuts."""
    return _with_pieces(batch, cuts.document, cuts.start, cuts.end, cuts.put, TextBatch.from_texts(cuts.puts))


def _with_pieces(
    batch: TextBatch,
    document: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    put: NDArray[np.int64],
    puts: TextBatch,
) -> TextBatch:
    data, offsets = _spliced(batch.data, batch.offsets, document, start, end, put, puts.data, puts.offsets)
    return TextBatch(data, offsets, batch.valid)


def to_strings(batch: TextBatch) -> pa.Array:
    """The texts as an Arrow string array (large_string where the offsets need it), nulls where they were."""
    return _strings(batch.data, batch.offsets, None if batch.valid.all() else batch.valid)


def _strings(data: NDArray[np.uint8], offsets: NDArray[np.int64], valid: NDArray[np.bool_] | None = None) -> pa.Array:
    small = offsets[-1] < 2**31
    kind, ends = (pa.string(), offsets.astype(np.int32)) if small else (pa.large_string(), offsets)
    bits = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [bits, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(kind, len(offsets) - 1, buffers)


def edit_texts(batch: TextBatch, edits: Sequence[Edit]) -> tuple[TextBatch, pa.Array]:
    """Carry out edits one after the other.

    Args:
        batch: the texts.
        edits: in order; opened already.

    Returns:
        The edited texts, and by text what was cut: a list of `CUT`, null where nothing was.
    """
    steps = []
    for edit in edits:
        cuts = edit.cuts(batch)
        steps.append((edit.name, batch, cuts))
        if len(cuts):
            batch = spliced(batch, cuts)
    return batch, recorded(len(batch), steps)


def recorded(num_texts: int, steps: Sequence[tuple[str, TextBatch, Cuts]]) -> pa.Array:
    """By text, what was cut: a list of `CUT`, null where nothing was.

    Args:
        num_texts: texts of the batch.
        steps: of each edit its name, the texts that it was given and what it cut.
    """
    documents = np.concatenate([cuts.document for _, _, cuts in steps] or [np.empty(0, np.int64)])
    order = np.argsort(documents, kind="stable")
    columns: dict[str, list[pa.Array]] = {"edit": [], "start": [], "text": [], "put": []}
    for name, given, cuts in steps:
        columns["edit"].append(pa.repeat(pa.scalar(name), len(cuts)))
        columns["start"].append(pa.array(cuts.start - given.offsets[cuts.document]))
        columns["text"].append(_strings(*gathered(given.data, cuts.start, cuts.end)))
        columns["put"].append(pa.array(cuts.puts, pa.string()).take(pa.array(cuts.put)))
    fields = [
        pa.chunked_array(columns[field.name] or [pa.array([], field.type)]).cast(field.type).combine_chunks()
        for field in CUT
    ]
    pieces = pa.StructArray.from_arrays(fields, fields=list(CUT)).take(pa.array(order))
    counts = np.bincount(documents, minlength=num_texts)
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    bits = pa.py_buffer(np.packbits(counts > 0, bitorder="little"))
    return pa.Array.from_buffers(pa.list_(CUT), num_texts, [bits, pa.py_buffer(ends)], children=[pieces])


def restored(batch: TextBatch, cuts: pa.Array) -> TextBatch:
    """The texts as they were before any edit.

    Args:
        batch: the edited texts.
        cuts: what `edit_texts` gave with them: a list of `CUT` by text.
    """
    pieces = cuts.flatten()
    if not len(pieces):
        return batch
    counts = np.asarray(cuts.value_lengths().fill_null(0))
    document = np.repeat(np.arange(len(batch)), counts)
    text, put = (TextBatch.from_arrow(pieces.field(name)) for name in ("text", "put"))
    start = np.asarray(pieces.field("start"))
    step = _steps(document, np.asarray(pieces.field("edit").dictionary_encode().indices))
    for number in range(int(step.max()), -1, -1):
        chosen = np.flatnonzero(step == number)
        mine = document[chosen]
        growth = put.num_bytes[chosen] - text.num_bytes[chosen]
        before = np.cumsum(growth) - growth
        before -= before[np.searchsorted(mine, mine)]  # of the same text only
        first = batch.offsets[mine] + start[chosen] + before
        batch = _with_pieces(batch, mine, first, first + put.num_bytes[chosen], chosen, text)
    return batch


def _steps(document: NDArray[np.int64], edit: NDArray[np.int32]) -> NDArray[np.int64]:
    """Which edit of its text each piece is of, int64[m]: 0 for the first that cut anything there."""
    is_new = np.concatenate([[True], (np.diff(document) != 0) | (np.diff(edit) != 0)])
    runs = np.cumsum(is_new) - 1
    return np.asarray(runs - runs[np.searchsorted(document, document)], np.int64)
