"""Batches as torch tensors, and worker processes that read them. The only module here that imports torch."""

import os
import tempfile
from collections.abc import Iterator
from multiprocessing import get_all_start_methods
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from training.data.batches import Batch
from training.data.errors import DataError
from training.data.order import Change

if TYPE_CHECKING:
    from training.data.loader import Loader


def tensors(batch: Batch) -> Batch:
    """The arrays of a batch as tensors of the same memory; numbers stay numbers."""
    return {
        name: torch.from_numpy(value) if isinstance(value, np.ndarray) else _number(value)
        for name, value in batch.items()
    }


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


class SharedLog:
    """Changes of weights, told by one process to others through a file in memory.

    The file holds the number of changes, then start and weights of each, as int64. A change is written before it is
    counted, so that a reader sees whole ones only.
    """

    def __init__(self, num_domains: int) -> None:
        memory = Path("/dev/shm")
        handle, name = tempfile.mkstemp(prefix="winnow-weights-", dir=memory if memory.is_dir() else None)
        os.pwrite(handle, bytes(8), 0)
        os.close(handle)
        self.path, self._size = Path(name), 8 * (1 + num_domains)

    def append(self, change: Change) -> None:
        """Tell a change."""
        record = np.concatenate([[change.start], change.weights]).astype(np.int64).tobytes()
        with self.path.open("r+b", buffering=0) as file:
            count = int.from_bytes(os.pread(file.fileno(), 8, 0), "little")
            os.pwrite(file.fileno(), record, 8 + count * self._size)
            os.pwrite(file.fileno(), (count + 1).to_bytes(8, "little"), 0)

    def read(self, file: int, known: int) -> list[Change]:
        """The changes after the first `known`."""
        count = int.from_bytes(os.pread(file, 8, 0), "little")
        if count == known:
            return []
        content = os.pread(file, (count - known) * self._size, 8 + known * self._size)
        records = np.frombuffer(content, dtype="<i8").reshape(count - known, -1)
        return [Change(int(record[0]), record[1:].astype(np.int64)) for record in records]

    def close(self) -> None:
        """Remove the file; those who have it open read on."""
        self.path.unlink(missing_ok=True)


class _Stream(IterableDataset[Batch]):
    """What a worker runs: every so-many-th micro-batch from where the loader stood."""

    def __init__(self, loader: "Loader", shared: SharedLog | None) -> None:
        self._loader, self._shared = loader, shared

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        worker, num_workers = (0, 1) if info is None else (info.id, info.num_workers)
        loader, shared = self._loader, self._shared
        number = loader.n + worker * loader.stride
        known, file = 0, None if shared is None else os.open(shared.path, os.O_RDONLY)
        try:
            while loader.until is None or number + loader.stride <= loader.until:
                if shared is not None and file is not None:
                    changes = shared.read(file, known)
                    known += len(changes)
                    for change in changes:
                        loader.follow(change)
                yield tensors(loader.batch_at(number))
                number += num_workers * loader.stride
        finally:
            if file is not None:
                os.close(file)


def _check(num_workers: int, prefetch_factor: int, start_method: str | None) -> None:
    """Raise where torch's DataLoader would, and say what is meant."""
    known = get_all_start_methods()
    if num_workers < 0 or prefetch_factor < 1:
        raise DataError(
            f"expected num_workers of at least 0 and a prefetch_factor of at least 1, got {num_workers} and "
            f"{prefetch_factor}"
        )
    if start_method is not None and start_method not in known:
        raise DataError(f"start_method is {start_method!r}, and this machine starts processes by {', '.join(known)}")


class TorchBatches:
    """A loader's batches as tensors, in order, by as many workers as asked for. Made by `Loader.dataloader`.

    The loader stands behind the batch that was handed out last, whatever workers have read ahead; leaving the
    iteration ends the workers and forgets what they had ready.
    """

    def __init__(
        self, loader: "Loader", *, num_workers: int, prefetch_factor: int, pin_memory: bool, start_method: str | None
    ) -> None:
        _check(num_workers, prefetch_factor, start_method)
        self._loader = loader
        # Without an accelerator there is nothing to pin for, and torch would warn of it at every iteration.
        pinned = pin_memory and torch.accelerator.is_available()
        self._settings: dict[str, Any] = {"num_workers": num_workers, "pin_memory": pinned}
        if num_workers:
            self._settings |= {"prefetch_factor": prefetch_factor, "multiprocessing_context": start_method}
        self._num_workers, self._prefetch_factor = num_workers, prefetch_factor
        self._shared: SharedLog | None = None

    @property
    def ahead(self) -> int:
        """Samples behind the loader's place that workers may have read or be reading."""
        # torch's DataLoader asks for so many batches before it hands out the first, then for one for each.
        return self._num_workers * self._prefetch_factor * self._loader.stride

    def tell(self, change: Change) -> None:
        """Tell the workers of a change of weights."""
        if self._shared is not None:
            self._shared.append(change)

    def __iter__(self) -> Iterator[Batch]:
        loader = self._loader
        if loader.workers is not None:
            raise DataError("this loader is being iterated already: end that iteration first")
        self._shared = SharedLog(len(loader.domains)) if self._num_workers else None
        loader.workers = self
        try:
            # From 0 workers every batch comes when it is asked for, and the stream shares the loader's order.
            for batch in DataLoader(_Stream(loader, self._shared), batch_size=None, **self._settings):
                loader.advance(batch["next"])
                yield batch
        finally:
            loader.workers = None
            if self._shared is not None:
                self._shared.close()


class MapDataset(Dataset[Batch]):
    """Item n is sample n. For samplers and loaders that bring their own order or their own ranks."""

    def __init__(self, loader: "Loader") -> None:
        self._loader = loader

    def __len__(self) -> int:
        if self._loader.until is None:
            raise TypeError("this dataset has no end: give the loader an `until`")
        return self._loader.until

    def __getitem__(self, number: int) -> Batch:
        if self._loader.until is not None and number >= self._loader.until:
            raise IndexError(f"sample {number}: the loader ends at {self._loader.until}")
        return tensors(self._loader[number])
