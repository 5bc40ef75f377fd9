"""A loader that never loses its place: batches of an export's rows, in an order that is a pure function."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.data import row_kernels
from training.data import state as states
from training.data.batches import Batch, Content, read_rows, read_samples
from training.data.errors import DataError, WeightsError
from training.data.files import open_files
from training.data.manifest import Manifest
from training.data.order import Change, Order, OrderSettings
from training.data.shards import ShardStore, Verify
from training.data.weights import proportional

if TYPE_CHECKING:
    from training.data.torch_batches import MapDataset, TorchBatches

log = logging.getLogger(__name__)

_CACHE_BYTES = 50 * 10**9


class Loader:
    """Batches of rows for one rank of a training run.

    All ranks together read the samples n, n + 1 ... in steps of `batch_size`; rank r takes those whose number leaves
    the remainder r when divided by `world_size`, in micro-batches. So the sequence of samples is the same for any
    number of ranks, workers and micro-batches; and after a micro-batch, if all ranks have read it, the samples before
    `n` have been read and no others.

        loader = Loader("export/", {"books": 0.3, "wiki": 0.7}, seed=1, batch_size=64)
        for batch in loader:
            train(batch["tokens"])
            save(loader.state())        # counts the batch just handed out as read

    Args:
        place: folder of an export, or its address in the words of fsspec.
        weights: share of each domain in the samples, summing to one; None for their shares in the rows.
        seed: decides the order, with the weights.
        batch_size: samples of all ranks per step.
        micro_batch_size: samples of this rank per batch handed out; None for all of a step.
        rank: which rank this is.
        world_size: how many there are.
        content: what a batch holds.
        order: settings of the order.
        until: stop before this sample; None for when the corpus is exhausted.
        verify: what is checked when a shard is first touched: `first_touch` its xxh3, `sha256`, or `size` only.
        cache: folder for copies of shards that lie elsewhere.
        cache_bytes: how much these copies may take.
        max_open: shards mapped at a time.

    Attributes:
        n: the next sample; all before it have been handed out to the ranks.
        manifest: what is read.

    Raises:
        DataError: the export, the weights or the sizes are not usable; before any row is read.
    """

    def __init__(
        self,
        place: str | Path,
        weights: Mapping[str, float] | None = None,
        *,
        seed: int = 0,
        batch_size: int = 32,
        micro_batch_size: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        content: Content | None = None,
        order: OrderSettings | None = None,
        until: int | None = None,
        verify: Verify = "first_touch",
        cache: str | Path | None = None,
        cache_bytes: int = _CACHE_BYTES,
        max_open: int | None = None,
    ) -> None:
        self._arguments: dict[str, Any] = {name: value for name, value in locals().items() if name != "self"}
        if not 0 <= rank < world_size:
            raise DataError(f"rank is {rank}, expected 0 to {world_size - 1} (world_size is {world_size})")
        if batch_size < 1 or batch_size % world_size:
            raise DataError(f"batch_size is {batch_size}, expected a multiple of world_size, which is {world_size}")
        own = batch_size // world_size
        self.micro_batch_size = own if micro_batch_size is None else micro_batch_size
        if self.micro_batch_size < 1 or own % self.micro_batch_size:
            raise DataError(
                f"micro_batch_size is {micro_batch_size}, expected a divisor of the {own} samples that a rank has of a "
                f"batch of {batch_size}"
            )
        self.batch_size, self.rank, self.world_size, self.until = batch_size, rank, world_size, until
        self.content = content or Content()
        self.n = 0
        self._files = open_files(place, cache=cache, cache_bytes=cache_bytes)
        self._store = ShardStore(self._files, verify=verify, max_open=max_open)
        rows = self.manifest.rows()
        chosen = proportional(rows) if weights is None else weights
        self._order = Order(rows, chosen, seed=seed, settings=order)
        self._told: tuple[int, int] = (-1, 0)  # the block up to which news were told, and exhausted domains till then
        self._sizes = np.maximum(list(self._order.rows.values()), 1)
        self._epochs = np.zeros(len(rows), dtype=np.int64)
        self.workers: TorchBatches | None = None

    @property
    def manifest(self) -> Manifest:
        """What is read."""
        return self._files.manifest

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that `batch["domain"]` counts through."""
        return self._order.names

    @property
    def stride(self) -> int:
        """Samples that all ranks together read with each micro-batch."""
        return self.micro_batch_size * self.world_size

    def __iter__(self) -> Iterator[Batch]:
        """Batches from where the loader stands on."""
        while self.until is None or self.n + self.stride <= self.until:
            yield self.next_batch()

    def next_batch(self) -> Batch:
        """This rank's next micro-batch; the loader goes on behind it.

        Raises:
            ExhaustedError: the corpus ends before it is full.
            ShardError: a shard is missing or damaged.
        """
        batch = self.batch_at(self.n)
        self.advance(batch["next"])
        return batch

    def batch_at(self, number: int) -> Batch:
        """This rank's micro-batch of the samples from `number` on; the loader stays where it is.

        `next` in it is the number of the sample after it.
        """
        samples = self._order.samples(number, number + self.stride)
        batch = read_samples(
            self._store, samples.every(self.world_size, (self.rank - number) % self.world_size), self.content
        )
        batch["next"] = number + self.stride
        return batch

    def __getitem__(self, number: int) -> Batch:
        """Sample `number` alone, whichever rank it belongs to; arrays have no batch dimension."""
        if number < 0:
            raise IndexError(f"sample {number}: samples are counted from 0")
        batch = read_samples(self._store, self._order.samples(number, number + 1), self.content)
        whole = ("cu_seqlens", "max_seqlen")
        return {name: value if name in whole else value[0] for name, value in batch.items()}

    def advance(self, number: int) -> None:
        """Let the loader stand before sample `number`, and tell what has happened to domains on the way."""
        self.n = number
        position = self._order.position(number)
        start, known = self._told
        if position.start == start:
            return
        ended = position.exhausted[known:]
        self._told = (position.start, len(position.exhausted))
        epochs = position.drawn // self._sizes
        again = np.flatnonzero((epochs > self._epochs) & (epochs < self._order.settings.max_epochs_per_domain))
        self._epochs = epochs
        if again.size:
            named = ", ".join(f"{self.domains[one]!r} (epoch {epochs[one] + 1})" for one in again[:8])
            more = f" and {again.size - 8} more" if again.size > 8 else ""
            log.warning("before sample %d every row was read of %s%s: again, in a new order", number, named, more)
        for sample, domain in ended:
            log.warning(
                "DOMAIN EXHAUSTED: %r has been read %d times, the last row as sample %d. It gets no more samples; the "
                "other domains share its weight",
                self.domains[domain],
                self._order.settings.max_epochs_per_domain,
                sample - 1,
            )

    def state(self, number: int | None = None) -> dict[str, Any]:
        """All that is needed to go on, as a JSON object; `number` instead of where the loader stands."""
        return states.state_of(self._order, self.manifest, self.n if number is None else number)

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where a state was taken, by a loader of any number of ranks, workers and micro-batches.

        Raises:
            StateError: it is the state of another sequence; with what differs.
        """
        if self.workers is not None:
            raise DataError("a state was loaded while workers are reading: end their iteration first")
        self.n = states.resume(self._order, self.manifest, dict(state))
        position = self._order.position(self.n)
        self._told = (position.start, len(position.exhausted))
        self._epochs = position.drawn // self._sizes

    @property
    def earliest_change(self) -> int:
        """The first sample for which weights can still be changed: workers may have read those before it."""
        return self.n if self.workers is None else self.n + self.workers.ahead

    def set_weights(self, weights: Mapping[str, float], at: int | None = None) -> int:
        """Let other weights hold from sample `at` on, by default as early as possible; gives that sample.

        Every rank has to be told the same. The change is part of the state from now on.

        Raises:
            WeightsError: they are no weights for these domains; or `at` is before `earliest_change`, or before the
                change recorded last (one at the same sample is replaced).
        """
        start = self.earliest_change if at is None else at
        if start < self.earliest_change:
            raise WeightsError(
                f"weights cannot change at sample {start}: samples up to {self.earliest_change - 1} have been read or "
                f"may be under way in workers. The earliest is {self.earliest_change}"
            )
        self._order.change(start, weights)
        if self.workers is not None:
            self.workers.tell(self._order.log[-1])
        return start

    def follow(self, change: Change) -> None:
        """Take over a change of weights from the process whose worker this is."""
        self._order.change(change.start, change.weights)

    @property
    def weight_log(self) -> list[tuple[int, dict[str, float]]]:
        """Every change of weights: from which sample on, and which."""
        return [(change.start, self._order.weights_at(change.start)) for change in self._order.log]

    def drawn(self) -> dict[str, int]:
        """Samples of each domain so far, over all ranks."""
        return self._order.drawn(self.n)

    def exhausted(self) -> tuple[tuple[int, str], ...]:
        """The domains that have ended so far, each with the sample after its last."""
        return self._order.exhausted(self.n)

    def provenance(self, number: int) -> dict[str, Any]:
        """Where sample `number` comes from: domain, shard, row in it, and its segments with their documents."""
        samples = self._order.samples(number, number + 1)
        lines, _ = self._store.lines("train", samples.domain, samples.row)
        shard, row = lines[0, [row_kernels.SHARD, row_kernels.PLACE]].tolist()
        return {
            "sample": number,
            "domain": self.domains[int(samples.domain[0])],
            "epoch": int(samples.epoch[0]),
            "shard": self._store.entries[shard].path,
            "row": row,
            "segments": self._store.shard(shard).segments(row),
        }

    def evaluation(self, domain: str, batch_size: int) -> Iterator[Batch]:
        """The rows set aside of a domain, in their order, which never changes; the last batch may be smaller.

        Rank r takes the rows whose number leaves the remainder r when divided by `world_size`.

        Raises:
            DataError: there is no such domain, or no row of it was set aside.
        """
        if domain not in self.domains:
            raise DataError(f"no domain is called {domain!r}; there are {', '.join(self.domains)}")
        num_rows = self.manifest.domains[domain].eval.num_rows
        if num_rows == 0:
            raise DataError(f"no rows of {domain!r} were set aside for evaluation: export with a larger eval share")
        return self._evaluate(self.domains.index(domain), np.arange(self.rank, num_rows, self.world_size), batch_size)

    def _evaluate(self, domain: int, own: Any, batch_size: int) -> Iterator[Batch]:
        for first in range(0, own.size, batch_size):
            rows = own[first : first + batch_size]
            domains = np.full(rows.size, domain, dtype=np.int32)
            batch = read_rows(self._store, "eval", domains, rows, self.content)
            batch["domain"], batch["row"] = domains, rows
            yield batch

    def dataloader(
        self,
        *,
        num_workers: int = 0,
        prefetch_factor: int = 2,
        pin_memory: bool = False,
        start_method: str | None = None,
    ) -> "TorchBatches":
        """The same batches as torch tensors, read by worker processes if there are any.

        Args:
            num_workers: processes; 0 reads here.
            prefetch_factor: batches that each prepares ahead.
            pin_memory: put tensors where an accelerator copies from fastest; nothing changes where there is none.
            start_method: `fork`, `spawn` or `forkserver`; None for the platform's.

        Raises:
            DataError: one of them cannot be.
        """
        from training.data.torch_batches import TorchBatches

        return TorchBatches(
            self,
            num_workers=num_workers,
            prefetch_factor=prefetch_factor,
            pin_memory=pin_memory,
            start_method=start_method,
        )

    def dataset(self) -> "MapDataset":
        """A plain PyTorch dataset: item n is sample n, as tensors. Its length is `until`."""
        from training.data.torch_batches import MapDataset

        return MapDataset(self)

    def __getstate__(self) -> dict[str, Any]:
        """Arguments and state: a copy in another process opens its own files."""
        return {"arguments": self._arguments, "state": self.state()}

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        arguments = dict(pickled["arguments"])
        self.__init__(arguments.pop("place"), **arguments)  # type: ignore[misc]
        self.load_state(pickled["state"])
