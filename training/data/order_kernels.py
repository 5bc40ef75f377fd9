"""Compiled parts of the order: how a block is divided among domains, and which row a domain's k-th sample is.

Whole numbers only, so that every machine computes the same. Random numbers are splitmix64: a counter, mixed.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

kernel: Callable[..., Any] = numba.njit(cache=True, nogil=True, error_model="numpy")
"""Compiled once per machine, kept on disk, run without the interpreter lock."""

_ONE = 1 << 40
_ROUNDS = 8
_LEAST_SIDE = 8
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_27, _30, _31, _32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)


@kernel
def random_bits(key: Any, counter: Any) -> Any:
    """64 random bits: number `counter` of the stream `key` (splitmix64)."""
    bits = key + _GOLDEN * (np.uint64(counter) + np.uint64(1))
    bits = (bits ^ (bits >> _30)) * _FIRST
    bits = (bits ^ (bits >> _27)) * _SECOND
    return bits ^ (bits >> _31)


@kernel
def random_below(key: Any, counter: Any, bound: Any) -> Any:
    """A random number from 0 to `bound` - 1; `bound` up to 2^32."""
    return np.int64(((random_bits(key, counter) >> _32) * np.uint64(bound)) >> _32)


@kernel
def permuted(place: Any, size: Any, key: Any) -> Any:
    """Where a keyed permutation of 0 .. `size` - 1 puts `place`: a bijection that takes no memory.

    A Feistel network on a square a little larger than `size`; what falls outside goes through again (cycle walking).

    Reference: Black and Rogaway, Ciphers with Arbitrary Finite Domains (2002), the generalised-Feistel cipher.
    """
    if size < 2:
        return np.int64(0)
    # On a smaller square not all permutations of a few rows are equally likely: its shears are even permutations.
    side: Any = max(_LEAST_SIDE, np.int64(np.sqrt(np.float64(size))))
    while side * side <= size:
        side += 1
    while True:
        left, right = place // side, place % side
        for turn in range(_ROUNDS):
            total = left + random_below(key, right * _ROUNDS + turn, side)
            left, right = right, total - side if total >= side else total
        place = left * side + right
        if place < size:
            return place


@kernel
def row_at(place: Any, size: Any, window: Any, key: Any) -> Any:
    """The row that is read at `place` of one epoch over `size` rows.

    With a window the epoch goes through windows of so many neighbouring rows, in random order, each shuffled by
    itself; 0 shuffles all rows together.
    """
    if window == 0 or window >= size:
        return permuted(place, size, key)
    full = size // window
    short = size - full * window
    turn = random_below(key, -1, full + 1)  # the place of the short window among the full ones
    before = place < turn * window
    if short > 0 and not before and place < turn * window + short:
        return full * window + permuted(place - turn * window, short, random_bits(key, full))
    if not before:
        place -= short
    chosen = permuted(place // window, full, random_bits(key, -2))
    return chosen * window + permuted(place % window, window, random_bits(key, chosen))


@kernel
def place_rows(domains: Any, drawn: Any, sizes: Any, keys: Any, window: int, epochs: Any, rows: Any) -> None:
    """Epoch and row of consecutive samples of the given domains, counting on from `drawn` (which is changed)."""
    for i in range(domains.size):
        domain = domains[i]
        number = drawn[domain]
        drawn[domain] = number + 1
        epoch = number // sizes[domain]
        epochs[i] = epoch
        rows[i] = row_at(number - epoch * sizes[domain], sizes[domain], window, random_bits(keys[domain], epoch))


@kernel
def shuffle(counts: Any, key: np.uint64, start: int, out: Any) -> None:
    """The domains of a block that begins at sample `start`, each as often as `counts` says, in random order."""
    size = 0
    for domain in range(counts.size):
        for _ in range(counts[domain]):
            out[size] = domain
            size += 1
    block_key = random_bits(key, start)
    for i in range(size - 1, 0, -1):
        j = random_below(block_key, i, i + 1)
        out[i], out[j] = out[j], out[i]


@kernel
def divide(seats: int, weights: Any, carry: Any, counts: Any) -> None:
    """Divide the samples of a block among domains.

    A domain's account is what it is owed from before (`carry`) and its share of this block. It gets the whole part.
    The samples that are left go, where nothing was owed before, to the largest remainders; else to the domains that
    will soonest be owed a whole sample, and among these to the largest remainders.

    Choosing by deadline is what keeps every domain's count within 1 of its weight times the samples at the end of
    every block: the samples of a domain are jobs, released when its account rises above a whole number and due when
    it reaches the next; the fractional schedule meets all deadlines, so earliest deadline first does. By
    largest remainders alone whole parts can come to more than the block has room for (seen with 10 domains).

    Args:
        seats: samples in the block.
        weights: int64[K] that sum to 2^40, or all 0.
        carry: int64[K] that sum to 0, 0 where the weight is; in units of 2^-40 samples. Changed to what is owed after.
        counts: int64[K], written.

    Reference: Tijdeman, The chairman assignment problem (1980).
    """
    owed, given = False, 0
    for domain in range(weights.size):
        owed = owed or carry[domain] != 0
        account = carry[domain] + weights[domain] * seats
        counts[domain] = max(0, account >> 40)
        carry[domain] = account - (counts[domain] << 40)
        given += counts[domain]
    while given > seats:  # after a change of weights more may be owed than a block can give
        least = -1
        for domain in range(weights.size):
            if counts[domain] > 0 and (least < 0 or carry[domain] < carry[least]):
                least = domain
        counts[least] -= 1
        carry[least] += _ONE
        given -= 1
    if given < seats:
        _top_up(seats - given, seats if owed else 0, weights, carry, counts)


@kernel
def _top_up(num: int, seats: int, weights: Any, carry: Any, counts: Any) -> None:
    """One more sample each for the `num` domains that come first; by remainder alone where `seats` is 0."""
    waits, ranks = np.empty(weights.size, np.int64), np.empty(weights.size, np.int64)
    size = 0
    for domain in range(weights.size):
        if weights[domain] > 0 and carry[domain] > 0:
            share = weights[domain] * seats
            waits[size] = (_ONE - carry[domain] + share - 1) // share if seats > 0 else 0
            ranks[size] = ((_ONE - carry[domain]) << 20) | domain
            size += 1
    last_wait = np.partition(waits[:size], num - 1)[num - 1]
    for i in range(size):
        if waits[i] < last_wait:
            domain = ranks[i] & 0xFFFFF
            counts[domain] += 1
            carry[domain] -= _ONE
            num -= 1
    equal = ranks[:size][waits[:size] == last_wait]
    last_rank = np.partition(equal, num - 1)[num - 1]
    for i in range(equal.size):
        if equal[i] <= last_rank:
            domain = equal[i] & 0xFFFFF
            counts[domain] += 1
            carry[domain] -= _ONE


@kernel
def skip(blocks: int, seats: int, weights: Any, carry: Any, drawn: Any, capacity: Any) -> int:
    """Go past up to `blocks` whole blocks, stopping before one that would bring a domain to its capacity.

    `carry` and `drawn` are brought up to date.

    Returns:
        How many blocks were passed.
    """
    counts, before = np.empty_like(drawn), np.empty_like(carry)
    for block in range(blocks):
        before[:] = carry
        divide(seats, weights, carry, counts)
        for domain in range(weights.size):
            if counts[domain] > 0 and drawn[domain] + counts[domain] >= capacity[domain]:
                carry[:] = before
                return block
        for domain in range(weights.size):
            drawn[domain] += counts[domain]
    return blocks
