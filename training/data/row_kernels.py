"""Compiled parts of a batch: rows copied out of mapped shards, and their segments written out per token.

The kernels take addresses instead of arrays, because the rows of a batch lie in many files. Whoever calls them keeps
the files mapped, and has made sure that row numbers are in range; the segments are checked here.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from training.data.order_kernels import kernel

SHARD, PLACE, TOKENS, NUM_TOKENS, STARTS_OFFSETS, STARTS, STARTS_SIZE, LOSS_WEIGHTS, NUM_FIELDS = range(9)
"""What the line of a row says: its shard, its place there, the addresses of four buffers of the shard, how many
`starts` that has in all, and the address of its loss weights, 0 where it has none. The line of a shard has the same
fields, `TOKENS` being 0 while it is not mapped."""

_PIECE = 256

IGNORED = -100
"""The label of a token that nothing is learnt from, as PyTorch's cross entropy has it."""

HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
"""float32 of every float16, by its bits: Numba knows no float16."""


@intrinsic
def _to_pointer(typing_context: Any, address: Any) -> Any:
    """An address as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@intrinsic
def _to_prefetch(typing_context: Any, address: Any) -> Any:
    """Ask the processor to fetch the memory at an address, which need not exist."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        declare: Any = cgutils.get_or_insert_function
        prefetch = declare(builder.module, kind, "llvm.prefetch.p0")
        read, everywhere, data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(prefetch, [builder.inttoptr(arguments[0], cgutils.voidptr_t), read, everywhere, data])
        return context.get_dummy_value()

    return types.void(types.int64), generate


_carray: Any = numba.__dict__["carray"]
_pointer: Any = _to_pointer
_prefetch: Any = _to_prefetch


@kernel
def find(
    domain_starts: Any,
    shards: Any,
    shard_starts: Any,
    shard_lines: Any,
    used: Any,
    clock: int,
    domains: Any,
    rows: Any,
    lines: Any,
) -> int:
    """Write the lines of rows, given by domain and number there; gives how many are in shards that are not mapped.

    Args:
        domain_starts: number of each domain's first row among the rows of all.
        shards: the shards of these rows, in their order.
        shard_starts: number of the first row of each of these.
        shard_lines: lines of all shards.
        used: when each shard was last used; brought up to `clock`.
        clock: the time.
        domains: int32[n].
        rows: int64[n].
        lines: int64[n, NUM_FIELDS], written.
    """
    missing = 0
    for i in range(rows.size):
        number = domain_starts[domains[i]] + rows[i]
        low, high = 0, shards.size
        while high - low > 1:
            middle = (low + high) // 2
            if shard_starts[middle] <= number:
                low = middle
            else:
                high = middle
        shard = shards[low]
        used[shard] = clock
        for field in range(NUM_FIELDS):
            lines[i, field] = shard_lines[shard, field]
        lines[i, SHARD], lines[i, PLACE] = shard, number - shard_starts[low]
        missing += lines[i, TOKENS] == 0
    return missing


@kernel
def copy_rows(lines: Any, stored: Any, out: Any) -> None:
    """Copy rows of mapped shards into `out` [n, row_length]; `stored` is an array of the type they are stored as.

    While a piece of one row is copied the same piece of the next is fetched: rows lie anywhere, so that the processor
    cannot know what comes.
    """
    num, length = out.shape
    size = length * stored.itemsize
    for i in range(num):
        address = lines[i, TOKENS] + lines[i, PLACE] * size
        following = lines[min(i + 1, num - 1), TOKENS] + lines[min(i + 1, num - 1), PLACE] * size
        for begin in range(0, length, _PIECE):
            part = out[i, begin : begin + _PIECE]
            source = _carray(_pointer(address + begin * stored.itemsize), (part.size,), stored.dtype)
            for first in range(0, part.size * stored.itemsize, 64):
                _prefetch(following + begin * stored.itemsize + first)
            for j in range(part.size):
                part[j] = source[j]


@kernel
def _segments(line: Any, length: int) -> Any:
    """Address and number of a row's `starts`, and its tokens without padding; the number is -1 if they are wrong."""
    num_tokens = _carray(_pointer(line[NUM_TOKENS] + 4 * line[PLACE]), (1,), np.int32)[0]
    offsets = _carray(_pointer(line[STARTS_OFFSETS] + 4 * line[PLACE]), (2,), np.int32)
    first, last = offsets[0], offsets[1]
    address = line[STARTS] + 4 * first
    if first < 0 or last < first or last > line[STARTS_SIZE] or num_tokens < 0 or num_tokens > length:
        return address, -1, 0
    starts = _carray(_pointer(address), (last - first,), np.int32)
    if starts.size == 0 and num_tokens > 0:
        return address, -1, 0
    for k in range(starts.size):
        end = starts[k + 1] if k + 1 < starts.size else num_tokens
        if starts[k] >= end or (k == 0 and starts[k] != 0):
            return address, -1, 0
    return address, starts.size, num_tokens


@kernel
def count_segments(lines: Any, length: int) -> int:
    """Segments of these rows, each row's padding being one; -1 - i where those of row number i are wrong."""
    total = 0
    for i in range(lines.shape[0]):
        _, size, num_tokens = _segments(lines[i], length)
        if size < 0:
            return -1 - i
        total += size + (1 if num_tokens < length else 0)
    return total


@kernel
def write_segments(  # noqa: PLR0912 - one pass over the memory
    lines: Any,
    tokens: Any,
    shifted: bool,
    across: bool,
    labels: Any,
    position_ids: Any,
    document_ids: Any,
    cu_seqlens: Any,
) -> int:
    """Write out what follows from the segments of rows; each output is written unless it has size 0.

    Args:
        lines: of the rows.
        tokens: the rows [n, row_length].
        shifted: `labels` are next tokens; else they are the tokens themselves.
        across: the first token of a segment is to be predicted, too.
        labels: [n, row_length].
        position_ids: [n, row_length].
        document_ids: [n, row_length].
        cu_seqlens: as many as `count_segments` says, and one more.

    Returns:
        The longest segment, padding included.
    """
    length, num, longest = tokens.shape[1], 0, 0
    if cu_seqlens.size:
        cu_seqlens[0] = 0
    for i in range(lines.shape[0]):
        address, size, num_tokens = _segments(lines[i], length)
        starts = _carray(_pointer(address), (size,), np.int32)
        for k in range(size + (1 if num_tokens < length else 0)):
            padding = k == size
            begin = num_tokens if padding else starts[k]
            end = length if padding else starts[k + 1] if k + 1 < size else num_tokens
            longest = max(longest, end - begin)
            num += 1
            if cu_seqlens.size:
                cu_seqlens[num] = i * length + end
            if position_ids.size:
                for j in range(begin, end):
                    position_ids[i, j] = j - begin
            if document_ids.size:
                document_ids[i, begin:end] = -1 if padding else k
            if labels.size:
                if padding:
                    labels[i, begin:end] = IGNORED
                elif shifted:
                    for j in range(begin, end - 1):
                        labels[i, j] = tokens[i, j + 1]
                    labels[i, end - 1] = tokens[i, end] if across and end < num_tokens else IGNORED
                else:
                    for j in range(begin, end):
                        labels[i, j] = tokens[i, j]
                    if not across:
                        labels[i, begin] = IGNORED
    return longest


@kernel
def write_loss_weights(lines: Any, shifted: bool, halves: Any, labels: Any, loss_weights: Any) -> None:
    """Write out how much each label counts, and take out those that count nothing.

    Args:
        lines: of the rows.
        shifted: whether `labels` are next tokens; a weight goes with the token that is to be predicted.
        halves: `HALVES`.
        labels: [n, row_length]; set to `IGNORED` where the weight is 0.
        loss_weights: float32 [n, row_length], written unless it has size 0; 1 for each label where the shards have no
            weights.
    """
    length, step = labels.shape[1], 1 if shifted else 0
    for i in range(lines.shape[0]):
        address = lines[i, LOSS_WEIGHTS]
        if address == 0:
            for j in range(length if loss_weights.size else 0):
                loss_weights[i, j] = 0.0 if labels[i, j] == IGNORED else 1.0
            continue
        stored = _carray(_pointer(address + 2 * length * lines[i, PLACE]), (length,), np.uint16)
        for j in range(length):
            weight = halves[stored[j + step]] if labels[i, j] != IGNORED else np.float32(0.0)
            if weight == 0.0:
                labels[i, j] = IGNORED
            if loss_weights.size:
                loss_weights[i, j] = weight
