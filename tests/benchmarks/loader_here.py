"""Worker of our side: the loader on one core, and a NumPy memmap of the same rows. Prints one line of JSON."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import loader_corpus
import numpy as np
import torch

from training.data import Content, Loader, Order, read_manifest
from training.data.batches import read_rows

BATCH = 32
ATTENTION = Content(document_ids=True, cu_seqlens=True)
EVERYTHING = Content(labels="shifted", position_ids=True, document_ids=True, cu_seqlens=True)


def weights() -> dict[str, float]:
    total = sum(loader_corpus.WEIGHTS.values())
    return {name: weight / total for name, weight in loader_corpus.WEIGHTS.items()}


def random_rows(folder: Path) -> dict[str, Callable[[], int]]:
    """The same rows in the same random order, in batches of int64 tensors, by the loader and from a memmap."""
    loader = Loader(folder / "export")
    sizes = np.array(list(loader.manifest.rows().values()))
    chosen = np.random.default_rng(1).permutation(loader_corpus.NUM_ROWS)
    domains = (np.searchsorted(np.cumsum(sizes), chosen, side="right")).astype(np.int32)
    rows = chosen - (np.cumsum(sizes) - sizes)[domains]
    mapped = np.load(folder / "tokens.npy", mmap_mode="r")
    store, content = loader._store, Content()

    def ours() -> int:
        for i in range(0, chosen.size, BATCH):
            last = torch.from_numpy(
                read_rows(store, "train", domains[i : i + BATCH], rows[i : i + BATCH], content)["tokens"]
            )
        return int(last[-1, -1])

    def memmap() -> int:
        for i in range(0, chosen.size, BATCH):
            last = torch.from_numpy(mapped[chosen[i : i + BATCH]].astype(np.int64))
        return int(last[-1, -1])

    def memmap_row_by_row() -> int:
        for i in range(0, chosen.size, BATCH):
            last = torch.empty((BATCH, loader_corpus.ROW_LENGTH), dtype=torch.int64)
            array = last.numpy()
            for k, row in enumerate(chosen[i : i + BATCH]):
                array[k] = mapped[row]
        return int(last[-1, -1])

    return {"ours": ours, "memmap": memmap, "memmap row by row": memmap_row_by_row}


def shuffled(folder: Path, content: Content) -> Callable[[], int]:
    """One pass of as many samples as there are rows, start included."""

    def run() -> int:
        loader = Loader(
            folder / "export", weights(), seed=1, batch_size=BATCH, content=content, until=loader_corpus.NUM_ROWS
        )
        return sum(batch["tokens"].shape[0] for batch in loader.dataloader())

    return run


def timed(runs: dict[str, Callable[[], int]], repeat: int) -> dict[str, list[float]]:
    """Processor seconds of each, taken in turn, after a warm-up."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    answers = {name: run() for name, run in runs.items()}
    if len(set(answers.values())) != 1:
        raise SystemExit(f"the sides do not agree: {answers}")
    for _ in range(repeat):
        for name, run in runs.items():
            cpu = time.process_time()
            run()
            found[name].append(time.process_time() - cpu)
    return found


def state_bytes(num_domains: int) -> dict[str, Any]:
    """Size of the state after many samples, before and after it has seen three changes of weights."""
    from training.data import state

    names = [f"domain {i:05d}" for i in range(num_domains)]
    draw = np.random.default_rng(0)
    given = [dict(zip(names, draw.dirichlet(np.ones(num_domains)).tolist(), strict=True)) for _ in range(4)]
    order = Order(dict.fromkeys(names, 10**9), given[0], seed=1)

    class AnyManifest:
        sha256, row_length = "0" * 64, loader_corpus.ROW_LENGTH

    sizes = [len(json.dumps(state.state_of(order, AnyManifest(), 1_000_001)))]  # type: ignore[arg-type]
    for number, one in enumerate(given[1:], start=1):
        order.change(1_000_001 + 1000 * number, one)
    sizes.append(len(json.dumps(state.state_of(order, AnyManifest(), 1_000_001 + 4000))))  # type: ignore[arg-type]
    return {"without_changes": sizes[0], "with_three_changes": sizes[1]}


def manifest_seconds(folder: Path, repeat: int) -> list[float]:
    """Seconds to read a manifest of 100,000 shards."""
    loader_corpus.write_large_manifest(folder / "large", 100_000)
    found = []
    for _ in range(repeat):
        began = time.perf_counter()
        assert len(read_manifest(folder / "large").shards) == 100_000
        found.append(time.perf_counter() - began)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("random", "shuffled", "small"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--core", type=int, required=True)
    given = parser.parse_args()
    os.sched_setaffinity(0, {given.core})
    torch.set_num_threads(1)
    result: dict[str, Any]
    if given.task == "random":
        result = timed(random_rows(given.folder), given.repeat)
    elif given.task == "shuffled":
        runs = {"masks": shuffled(given.folder, ATTENTION), "everything": shuffled(given.folder, EVERYTHING)}
        result = timed(runs, given.repeat)
    else:
        result = {"manifest_s": manifest_seconds(given.folder, given.repeat)}
        result |= {f"state_{num}": state_bytes(num) for num in (7, 10_000)}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
