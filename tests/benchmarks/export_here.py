"""Worker: exports, the tokenizer library alone, and packing, on the same documents. Prints one line of JSON."""

import argparse
import json
import os
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from processes import Watch

from curation.export.find_tokenizer import find_tokenizer
from curation.export.pack import fill, pack
from curation.export.settings import Export
from curation.export.train_bpe import TokenizerTraining, train_bpe
from curation.recipe import Recipe
from curation.session import EngineConfig, open_session
from curation.signals import gopher
from curation.sources.settings import Ingest
from jobs.decide_documents import decide
from jobs.display import Silent
from jobs.export_shards import export
from jobs.ingest_documents import ingest
from jobs.lake import Lake
from jobs.measure_signals import measure
from jobs.stage import Work

BATCH = 1000
ROW_LENGTH = 2048
WARMUP = {"sail": 1, "spark": 2}
"""Exports that are not counted: kernels, the tokenizer, and code that Spark generates and Java compiles."""
KEEP_ALL = Recipe(name="keep-all", signals=(gopher.Gopher(),))


def texts_of(corpus: Path) -> list[str]:
    texts: list[str] = pq.read_table(corpus, columns=["text"])["text"].to_pylist()
    return texts


def prepare(given: argparse.Namespace) -> dict[str, Any]:
    """A lake that keeps every document, and a tokenizer trained on all of them."""
    with open_session(EngineConfig()) as session:
        lake = Lake(session, str(given.lake))
        with lake.held():
            work = Work(lake, KEEP_ALL, Silent())
            ingest(work, Ingest(inputs=(str(given.corpus),)))
            measure(work)
            decide(work)
    texts = texts_of(given.corpus)
    watch = Watch()
    batches = (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
    given.tokenizer.write_bytes(train_bpe(batches, TokenizerTraining(vocab_size=32_000)))
    return {"train": asdict(watch.spent())}


def exports(given: argparse.Namespace) -> dict[str, Any]:
    """Whole exports, from the tables to a manifest, the engine already up; and the library on the same texts, in turn.

    The library has its fastest call, and all texts as Python has them; its results are thrown away.
    """
    settings: dict[str, Any] = {"engine": given.engine}
    if given.engine == "spark":
        settings["master"] = f"local[{len(given.cores)}]"
    tokenizer, counts = find_tokenizer(str(given.tokenizer)), {}
    library, texts = find_tokenizer(str(given.tokenizer)).library, texts_of(given.corpus)
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    samples: dict[str, list[Any]] = {"ours": [], "library": []}
    with open_session(EngineConfig(**settings)) as session:
        lake = Lake(session, str(given.lake))
        for _ in range(given.repeat + WARMUP[given.engine]):
            shutil.rmtree(given.out, ignore_errors=True)
            watch = Watch()
            done = export(lake, tokenizer, Export(row_length=ROW_LENGTH), str(given.out), Silent())
            samples["ours"].append(asdict(watch.spent()))
            counts = done.manifest["counts"]
            watch = Watch()
            for batch in batches:
                library.encode_batch_fast(batch, add_special_tokens=False)
            samples["library"].append(asdict(watch.spent()))
    return {side: found[WARMUP[given.engine] :] for side, found in samples.items()} | {"counts": counts}


def packing(given: argparse.Namespace) -> dict[str, Any]:
    """Packing and filling the rows of one shard that holds all documents, on one core."""
    opened = find_tokenizer(str(given.tokenizer))
    encoded = opened.encode(pa.array(texts_of(given.corpus)))
    os.sched_setaffinity(0, given.cores[-1:])
    lengths = encoded.lengths + 1
    tokens = np.zeros(int(lengths.sum()), np.uint16)
    starts = np.cumsum(lengths) - lengths
    seconds, rows = [], 0
    for _ in range(given.repeat + 1):
        begun = time.process_time()
        packed = pack(lengths, ROW_LENGTH, "best_fit")
        rows = len(fill(tokens, starts, packed, ROW_LENGTH, 0))
        seconds.append(time.process_time() - begun)
    padding = 1 - len(tokens) / (rows * ROW_LENGTH)
    return {"num_tokens": len(tokens), "num_rows": rows, "padding": padding, "cpu_s": seconds[1:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    tasks = {"prepare": prepare, "exports": exports, "packing": packing}
    parser.add_argument("task", choices=tasks)
    parser.add_argument("--engine", default="sail")
    for name in ("corpus", "lake", "tokenizer", "out"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cores", type=int, nargs="+", required=True)
    given = parser.parse_args()
    os.sched_setaffinity(0, given.cores)
    sys.stdout.write(json.dumps(tasks[given.task](given)) + "\n")


if __name__ == "__main__":
    main()
