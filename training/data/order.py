"""The order of training: which row is sample n, as a pure function of seed, weights and rows per domain.

Neither files nor torch; nothing here grows with the corpus. Samples come in blocks of a fixed size, whatever the batch.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from training.data import order_kernels
from training.data.errors import ExhaustedError, WeightsError
from training.data.weights import ONE, Integers, from_mapping, hand_over, without

_MOST_DOMAINS = 1 << 20
_SNAPSHOTS = 32


@dataclass(frozen=True, kw_only=True)
class OrderSettings:
    """What, beside seed and weights, decides the order.

    Attributes:
        block: samples among which each domain gets its quota; independent of the batch size.
        max_epochs_per_domain: how often a domain is read, each time in another order, before its weight becomes 0.
        window_rows: 0 shuffles all rows of a domain together. Otherwise an epoch goes through windows of so many
            neighbouring rows, in random order, so that only their shards are needed at a time: for shards that are
            far away and do not fit on the disk.
    """

    block: int = 256
    max_epochs_per_domain: int = 4
    window_rows: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (
            ("block", 1, 1 << 16),
            ("max_epochs_per_domain", 1, 1 << 20),
            ("window_rows", 0, 1 << 31),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise ValueError(f"{name} is {value!r}: expected a whole number from {least} to {most}")


class Samples(NamedTuple):
    """Consecutive samples.

    Attributes:
        number: int64[n], the samples' numbers.
        domain: int32[n], places in the sorted list of domains.
        epoch: int32[n], how often the domain had been read through before.
        row: int64[n], rows of the domain.
    """

    number: npt.NDArray[np.int64]
    domain: npt.NDArray[np.int32]
    epoch: npt.NDArray[np.int32]
    row: npt.NDArray[np.int64]

    def every(self, step: int, first: int) -> "Samples":
        """The samples `first`, `first + step` ... of these."""
        part = slice(first, None, step)
        return Samples(self.number[part], self.domain[part], self.epoch[part], self.row[part])

    def between(self, first: int, last: int) -> "Samples":
        """The samples `first` to `last` - 1 of these."""
        part = slice(first, last)
        return Samples(self.number[part], self.domain[part], self.epoch[part], self.row[part])

    @staticmethod
    def joined(parts: "list[Samples]") -> "Samples":
        """Several stretches as one, which owns its memory."""
        return Samples(
            np.concatenate([part.number for part in parts] or [np.empty(0, np.int64)]),
            np.concatenate([part.domain for part in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.epoch for part in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.row for part in parts] or [np.empty(0, np.int64)]),
        )


class Change(NamedTuple):
    """Weights in force from a sample on: `weights` is int64[K] and sums to 2^40."""

    start: int
    weights: Integers


@dataclass(frozen=True)
class Position:
    """Everything that the order from a block's beginning on depends on, beside seed, weights and rows.

    Attributes:
        start: the block's first sample.
        drawn: int64[K], samples of each domain before it.
        carry: int64[K], what each domain is owed, in units of 2^-40 samples; sums to 0.
        exhausted: (sample, domain) for each domain read as often as it may be, with the sample after its last.
    """

    start: int
    drawn: Integers
    carry: Integers
    exhausted: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class _Block:
    begin: Position
    weights: Integers  # those in force, without exhausted domains
    carry: Integers  # what is owed after the whole block
    samples: Samples  # of the whole block; a change of weights may cut it


class Order:
    """Gives any stretch of the sequence; the only thing that changes in it are later entries of the weight log.

    Args:
        rows: rows of each domain.
        weights: for each domain its share in the samples; sums to one.
        seed: any whole number.
        settings: see there.

    Raises:
        WeightsError: see `weights.from_mapping`.
    """

    def __init__(
        self, rows: Mapping[str, int], weights: Mapping[str, float], *, seed: int, settings: OrderSettings | None = None
    ) -> None:
        if len(rows) > _MOST_DOMAINS:
            raise WeightsError(f"{len(rows):,} domains; the order knows at most {_MOST_DOMAINS:,}")
        self.settings = settings or OrderSettings()
        self.seed = seed
        self.names: tuple[str, ...] = tuple(sorted(rows))
        self.rows: dict[str, int] = {name: rows[name] for name in self.names}
        self.log: list[Change] = [Change(0, from_mapping(weights, rows))]
        self._sizes = np.array(list(self.rows.values()), dtype=np.int64)
        self._capacity: Integers = self._sizes * self.settings.max_epochs_per_domain
        self._keys = np.array([_key("domain", seed, name) for name in self.names], dtype=np.uint64)
        self._block_key = np.uint64(_key("block", seed, ""))
        none = np.zeros(len(rows), dtype=np.int64)
        self._snapshots = [Position(0, none, none)]
        self._stride = 1024 * self.settings.block
        self._block: _Block | None = None

    def change(self, start: int, weights: Mapping[str, float] | Integers) -> None:
        """Let other weights hold from sample `start` on. What comes before it stays as it was.

        Raises:
            WeightsError: they are no weights for these domains, or `start` is before the last change. One at the same
                sample is replaced.
        """
        if start < self.log[-1].start:
            raise WeightsError(
                f"a change of weights at sample {start} comes after one at sample {self.log[-1].start}: changes are "
                "recorded in the order in which they take effect"
            )
        new = from_mapping(weights, self.rows) if isinstance(weights, Mapping) else weights
        if start == self.log[-1].start:
            self.log.pop()
        self.log.append(Change(start, new))
        self._snapshots = [position for position in self._snapshots if position.start <= start]
        self._block = None

    def samples(self, start: int, stop: int) -> Samples:
        """The samples `start` to `stop` - 1.

        Raises:
            ExhaustedError: the corpus ends before `stop`.
        """
        if not 0 <= start <= stop:
            raise IndexError(f"samples {start} to {stop}: expected 0 <= first <= last")
        parts: list[Samples] = []
        while start < stop:
            block = self._block_of(start)
            first = block.begin.start
            end = min(stop, self._end(block))
            parts.append(block.samples.between(start - first, end - first))
            start = end
        return Samples.joined(parts)

    def position(self, number: int) -> Position:
        """The last beginning of a block at or before a sample."""
        block = self._block
        if block is not None and block.begin.start <= number < self._end(block):
            return block.begin
        position = self._snapshots[bisect_right(self._snapshots, number, key=lambda one: one.start) - 1]
        if block is not None and position.start < block.begin.start <= number:
            position = block.begin
        while position.start < number:
            position = self._skip(position, number)
            if position.start == number:
                break
            block = self._plan(position)
            self._block = block
            if number < self._end(block):
                break
            position = self._after(block, self._end(block))
        return position

    def drawn(self, number: int) -> dict[str, int]:
        """How many samples each domain has had before sample `number`."""
        position = self.position(number)
        if position.start < number:
            position = self._after(self._block_of(number - 1), number)
        return dict(zip(self.names, position.drawn.tolist(), strict=True))

    def exhausted(self, number: int) -> tuple[tuple[int, str], ...]:
        """The domains read as often as they may be before sample `number`, each with the sample after its last."""
        position = self.position(number)
        if position.start < number:
            position = self._after(self._block_of(number - 1), number)
        return tuple((sample, self.names[domain]) for sample, domain in position.exhausted)

    def weights_at(self, number: int) -> dict[str, float]:
        """The weights in force at a sample, as they were given; exhausted domains are not taken out."""
        integers = self.log[self._entry(number)].weights
        return dict(zip(self.names, (integers / ONE).tolist(), strict=True))

    def resume(self, log: Sequence[Change], position: Position) -> None:
        """Go on from a block's beginning under a weight log, both from an order with the same seed and rows."""
        self.log = list(log)
        self._snapshots = [self._snapshots[0]]
        if position.start > 0:
            self._snapshots.append(position)
        self._block = None

    def _entry(self, number: int) -> int:
        return bisect_right(self.log, number, key=lambda change: change.start) - 1

    def _segment_end(self, number: int) -> int | None:
        following = self._entry(number) + 1
        return self.log[following].start if following < len(self.log) else None

    def _end(self, block: _Block) -> int:
        end = block.begin.start + block.samples.row.size
        cut = self._segment_end(block.begin.start)
        return end if cut is None else min(end, cut)

    def _block_of(self, number: int) -> _Block:
        position = self.position(number)
        if self._block is None or self._block.begin.start != position.start:
            self._block = self._plan(position)
        return self._block

    def _live(self, position: Position) -> tuple[Integers, Integers]:
        """Weights and what is owed, without exhausted domains."""
        weights = self.log[self._entry(position.start)].weights
        gone = (position.drawn >= self._capacity) & (weights > 0)
        if gone.any():
            weights = without(weights, gone)
            if not weights.any():
                raise ExhaustedError(
                    f"the corpus is exhausted at sample {position.start}: every domain with weight has been read "
                    f"{self.settings.max_epochs_per_domain} times. Train on fewer samples, raise max_epochs_per_domain "
                    "(in a new run), or export more rows"
                )
        carry = position.carry
        if carry[weights == 0].any():
            carry = hand_over(carry, weights)
        return weights, carry

    def _skip(self, position: Position, number: int) -> Position:
        """The latest beginning of a block at or before `number` that whole blocks lead to."""
        size = self.settings.block
        segment_end = self._segment_end(position.start)
        goal = number if segment_end is None else min(number, segment_end)
        while goal - position.start >= size:
            weights, carry = self._live(position)
            carry, drawn = carry.copy(), position.drawn.copy()
            blocks = min(goal - position.start, self._stride) // size
            passed = order_kernels.skip(blocks, size, weights, carry, drawn, self._capacity)
            if passed:
                position = Position(position.start + passed * size, drawn, carry, position.exhausted)
                self._keep(position)
            if passed < blocks:
                break
        return position

    def _keep(self, position: Position) -> None:
        """Remember a position, so that going back costs little; fewer per sample the longer the sequence."""
        if position.start >= self._snapshots[-1].start + self._stride:
            self._snapshots.append(position)
            if len(self._snapshots) > _SNAPSHOTS:
                self._stride *= 2
                self._snapshots = self._snapshots[::2]

    def _plan(self, position: Position) -> _Block:
        weights, carry = self._live(position)
        left = self._capacity - position.drawn
        counts, after = np.zeros_like(left), carry.copy()
        order_kernels.divide(self.settings.block, weights, after, counts)
        if (counts > left).any():
            counts = self._fit(weights, carry, left)
            after = carry + weights * int(counts.sum()) - counts * ONE
        size = int(counts.sum())
        domain, epoch, row = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int64)
        order_kernels.shuffle(counts, self._block_key, position.start, domain)
        order_kernels.place_rows(
            domain, position.drawn.copy(), self._sizes, self._keys, self.settings.window_rows, epoch, row
        )
        number = np.arange(position.start, position.start + size, dtype=np.int64)
        return _Block(position, weights, after, Samples(number, domain, epoch, row))

    def _fit(self, weights: Integers, carry: Integers, left: Integers) -> Integers:
        """A block's counts where some domain has fewer rows left than its share: the others take what is missing."""
        fixed, free = np.zeros_like(left), self.settings.block
        while free > 0 and weights.any():
            owed, counts = carry.copy(), np.zeros_like(left)
            order_kernels.divide(free, weights, owed, counts)
            over = counts > left
            if not over.any():
                return fixed + counts
            fixed += np.where(over, left, 0)
            free -= int(left[over].sum())
            weights = without(weights, over)
            carry = hand_over(carry, weights) if weights.any() else carry
        return fixed

    def _after(self, block: _Block, end: int) -> Position:
        """The position after the samples of a block before `end`, where the block may be cut."""
        begin, num = block.begin, end - block.begin.start
        if num == block.samples.row.size:
            carry = block.carry
        domains = block.samples.domain[:num]
        counts = np.bincount(domains, minlength=len(self.names)).astype(np.int64)
        if num < block.samples.row.size:
            _, owed = self._live(begin)
            carry = owed + block.weights * num - counts * ONE
        drawn = begin.drawn + counts
        ended = np.flatnonzero((drawn >= self._capacity) & (counts > 0))
        events = [(begin.start + int(np.flatnonzero(domains == one)[-1]) + 1, int(one)) for one in ended]
        return Position(end, drawn, carry, (*begin.exhausted, *sorted(events)))


def _key(use: str, seed: int, name: str) -> int:
    return xxhash.xxh3_64_intdigest(f"winnow order 1\0{use}\0{seed}\0{name}".encode())
