"""Worker of the other side: a peer's shuffled iteration over the same rows, on one core. Runs in an environment apart.

Prints one line of JSON. The peers give int32 tensors as they stored them, without domains and without masks.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

BATCH, ROWS_PER_CHUNK = 32, 1024


def mosaicml_streaming(tokens: Any, folder: Path) -> Callable[[], int]:
    """MDS shards of the same size as ours, without hashes and compression, the fastest setting."""
    from streaming import MDSWriter, StreamingDataset

    length = tokens.shape[1]
    out = str(folder / "mds")
    with MDSWriter(out=out, columns={"tokens": f"ndarray:int32:{length}"}, size_limit=1 << 23) as writer:
        for row in tokens:
            writer.write({"tokens": np.array(row)})

    def run() -> int:
        dataset = StreamingDataset(local=out, shuffle=True, shuffle_seed=1, batch_size=BATCH)
        return sum(batch["tokens"].shape[0] for batch in DataLoader(dataset, batch_size=BATCH))

    return run


class Chunk:
    """Gives the rows of one chunk as litdata's writer wants them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, number: int) -> Iterator[torch.Tensor]:
        tokens = np.load(self._path, mmap_mode="r").view(np.int32)
        for row in tokens[number * ROWS_PER_CHUNK : (number + 1) * ROWS_PER_CHUNK]:
            yield torch.from_numpy(np.array(row))


def litdata(tokens: Any, folder: Path) -> Callable[[], int]:
    """Token blocks of the same length as our rows."""
    from litdata import StreamingDataLoader, StreamingDataset, TokensLoader, optimize

    num_rows, length = tokens.shape
    out = str(folder / "litdata")
    optimize(
        fn=Chunk(folder / "tokens.npy"),
        inputs=list(range(num_rows // ROWS_PER_CHUNK)),
        output_dir=out,
        chunk_bytes="8MB",
        item_loader=TokensLoader(block_size=length),
        num_workers=1,
    )

    def run() -> int:
        dataset = StreamingDataset(out, item_loader=TokensLoader(block_size=length), shuffle=True, seed=1)
        return sum(batch.shape[0] for batch in StreamingDataLoader(dataset, batch_size=BATCH, num_workers=0))

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("mosaicml-streaming", "litdata"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--core", type=int, required=True)
    given = parser.parse_args()
    os.sched_setaffinity(0, {given.core})
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(sys.stderr):
        tokens = np.load(given.folder / "tokens.npy", mmap_mode="r").view(np.int32)
        run = {"mosaicml-streaming": mosaicml_streaming, "litdata": litdata}[given.task](tokens, given.folder)
        num_rows = run()  # warm-up
        seconds = []
        for _ in range(given.repeat):
            cpu = time.process_time()
            run()
            seconds.append(time.process_time() - cpu)
    sys.stdout.write(json.dumps({"num_rows": num_rows, "cpu_s": seconds}) + "\n")


if __name__ == "__main__":
    main()
