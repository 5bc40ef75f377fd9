"""Packing: documents of so many tokens into rows of one length.

Reference:
    Ding et al. 2024, "Fewer truncations improve language modeling" (best-fit packing, section 3 and algorithm 1): a
    document longer than a row is cut into full rows and a rest; rests and shorter documents, longest first, each go
    into the row in which they leave the least room. Departure: rows are shuffled afterwards, so that the length of a
    row's documents does not depend on where the row stands.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.dedup.exact import mix64
from curation.export.settings import Packing
from curation.text.blocks import lowest_bit
from curation.text.kernel import inlined, kernel


@dataclass(frozen=True)
class Packed:
    """Which piece of which document stands where.

    Attributes:
        rows: int64[r + 1]; the pieces of row i are `rows[i]:rows[i + 1]`, one after the other from the row's beginning.
        document: int64[m]; number of the piece's document.
        offset: int64[m]; where the piece begins in its document, in tokens.
        length: int64[m]; tokens of the piece, at least 1.
    """

    rows: NDArray[np.int64]
    document: NDArray[np.int64]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.rows) - 1


@kernel
def _cut(lengths: Any, row_length: int, document: Any, offset: Any, length: Any) -> int:
    """Cut documents into full rows and rests; gives the number of pieces."""
    count = 0
    for number in range(len(lengths)):
        start = 0
        while start < lengths[number]:
            document[count] = number
            offset[count] = start
            length[count] = min(lengths[number] - start, row_length)
            start += row_length
            count += 1
    return count


@inlined
def _mark(words: Any, groups: Any, space: int) -> None:
    """Note that there is a row with so much space."""
    words[space >> 6] |= np.uint64(1) << np.uint64(space & 63)
    groups[space >> 12] |= np.uint64(1) << np.uint64((space >> 6) & 63)


@inlined
def _unmark(words: Any, groups: Any, space: int) -> None:
    """Note that there is none any more."""
    words[space >> 6] &= ~(np.uint64(1) << np.uint64(space & 63))
    if words[space >> 6] == np.uint64(0):
        groups[space >> 12] &= ~(np.uint64(1) << np.uint64((space >> 6) & 63))


@inlined
def _least_space(words: Any, groups: Any, wanted: int) -> Any:
    """The least space of any row that is at least `wanted`, -1 if there is none: a tree of bits, 64 to a node."""
    word = wanted >> 6
    bits = words[word] >> np.uint64(wanted & 63)
    if bits != np.uint64(0):
        return wanted + lowest_bit(bits)
    word += 1
    group = word >> 6
    if group >= len(groups):
        return -1
    bits = groups[group] >> np.uint64(word & 63)
    if bits != np.uint64(0):
        word += lowest_bit(bits)
        return (word << 6) + lowest_bit(words[word])
    for group in range((word >> 6) + 1, len(groups)):
        if groups[group] != np.uint64(0):
            word = (group << 6) + lowest_bit(groups[group])
            return (word << 6) + lowest_bit(words[word])
    return -1


@kernel
def _best_fit(length: Any, row_length: int, row: Any) -> Any:
    """Give every piece its row, longest pieces first; gives the number of rows."""
    places = np.zeros(row_length + 2, np.int64)
    for piece in range(len(length)):
        places[row_length - length[piece] + 1] += 1
    for space in range(row_length + 1):
        places[space + 1] += places[space]
    order = np.empty(len(length), np.int64)
    for piece in range(len(length)):  # a counting sort, which keeps the order of pieces of one length
        order[places[row_length - length[piece]]] = piece
        places[row_length - length[piece]] += 1
    num_groups = (row_length >> 12) + 1
    words, groups = np.zeros(num_groups << 6, np.uint64), np.zeros(num_groups, np.uint64)
    newest = np.full(row_length + 1, -1, np.int64)  # by space: the row that came to have it last
    older = np.empty(len(length), np.int64)  # by row: the one before
    num_rows = 0
    for longest in order:
        needed = length[longest]
        space = _least_space(words, groups, needed)
        if space < 0:
            space = row_length
            chosen = num_rows
            num_rows += 1
        else:
            chosen = newest[space]
            newest[space] = older[chosen]
            if newest[space] < 0:
                _unmark(words, groups, space)
        row[longest] = chosen
        left = space - needed
        if left > 0:
            older[chosen] = newest[left]
            newest[left] = chosen
            _mark(words, groups, left)
    return num_rows


@kernel
def _shuffled(length: Any, row: Any, num_rows: int) -> Any:
    """A key for each row that says nothing about what is in it: a hash of the number of its longest piece."""
    longest = np.full(num_rows, -1, np.int64)
    for piece in range(len(length)):
        if longest[row[piece]] < 0 or length[piece] > length[longest[row[piece]]]:
            longest[row[piece]] = piece
    keys = np.empty(num_rows, np.uint64)
    for number in range(num_rows):
        keys[number] = mix64(np.uint64(longest[number]))
    return keys


@kernel
def _in_order(row: Any, rank: Any, starts: Any, order: Any) -> None:
    """Put rows into the order of their ranks, and the pieces of a row into their own."""
    starts[:] = 0
    for piece in range(len(row)):
        starts[rank[row[piece]] + 1] += 1
    for number in range(len(rank)):
        starts[number + 1] += starts[number]
    places = starts.copy()
    for piece in range(len(row)):
        place = rank[row[piece]]
        order[places[place]] = piece
        places[place] += 1


@kernel
def _run_on(lengths: Any, row_length: int, document: Any, offset: Any, length: Any, starts: Any) -> int:
    """Cut documents where rows end; gives the number of pieces. The last row may stay short."""
    count, row, room = 0, 0, row_length
    starts[0] = 0
    for number in range(len(lengths)):
        start = 0
        while start < lengths[number]:
            if room == 0:
                row += 1
                starts[row] = count
                room = row_length
            taken = min(lengths[number] - start, room)
            document[count] = number
            offset[count] = start
            length[count] = taken
            start += taken
            room -= taken
            count += 1
    return count


@kernel
def _fill(tokens: Any, starts: Any, rows: Any, document: Any, offset: Any, length: Any, pad: Any, into: Any) -> None:
    """Copy the tokens of all pieces to their rows, and padding behind them."""
    for row in range(len(rows) - 1):
        place = 0
        for piece in range(rows[row], rows[row + 1]):
            source = starts[document[piece]] + offset[piece]
            into[row, place : place + length[piece]] = tokens[source : source + length[piece]]
            place += length[piece]
        into[row, place:] = pad


def pack(lengths: NDArray[np.int64], row_length: int, packing: Packing) -> Packed:
    """Where the pieces of documents go.

    Args:
        lengths: int64[n]; tokens of each document; documents of 0 tokens stand nowhere.
        row_length: tokens of a row.
        packing: see `Export`.

    Returns:
        The rows, a pure function of the arguments; every token of every document stands in exactly one of them.
    """
    if packing == "concat":
        total = int(lengths.sum())
        num_rows = -(-total // row_length)
        room = len(lengths) + num_rows
        document, offset, length = (np.empty(room, np.int64) for _ in range(3))
        starts = np.zeros(num_rows + 1, np.int64)
        count = _run_on(lengths, row_length, document, offset, length, starts) if num_rows else 0
        starts[num_rows] = count
        return Packed(starts, document[:count], offset[:count], length[:count])
    room = int((-(-lengths // row_length)).sum())
    document, offset, length = (np.empty(room, np.int64) for _ in range(3))
    _cut(lengths, row_length, document, offset, length)
    if packing == "none":
        return Packed(np.arange(room + 1, dtype=np.int64), document, offset, length)
    row, order = np.empty(room, np.int64), np.empty(room, np.int64)
    num_rows = int(_best_fit(length, row_length, row))
    starts, rank = np.empty(num_rows + 1, np.int64), np.empty(num_rows, np.int64)
    rank[np.argsort(_shuffled(length, row, num_rows))] = np.arange(num_rows)  # the keys differ: mix64 is a bijection
    _in_order(row, rank, starts, order)
    return Packed(starts, document[order], offset[order], length[order])


def fill(tokens: NDArray[Any], starts: NDArray[np.int64], packed: Packed, row_length: int, pad: int) -> NDArray[Any]:
    """The rows themselves.

    Args:
        tokens: uint16 or uint32; the tokens of all documents.
        starts: int64[n]; where each document begins in `tokens`.
        packed: which piece stands where.
        row_length: tokens of a row.
        pad: the token behind the last piece of a row.

    Returns:
        An array of the tokens' type, [num_rows, row_length].
    """
    into = np.empty((packed.num_rows, row_length), tokens.dtype)
    value = tokens.dtype.type(pad)
    _fill(tokens, starts, packed.rows, packed.document, packed.offset, packed.length, value, into)
    return into
