"""Job: the kept texts of a lake -> a tokenizer of their own."""

import hashlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from curation.export.draws import hashes_of, uniform
from curation.export.settings import ExportError
from curation.export.storage import Storage
from curation.export.tokenizer import open_library
from curation.export.train_bpe import TokenizerTraining, train_bpe
from curation.progress import advance
from jobs.export_origin import origin_of
from jobs.lake import Lake
from jobs.stage import Display

_BATCH = 1000
"""Texts that the trainer is given at once."""


@dataclass(frozen=True)
class Trained:
    """A tokenizer that has been written.

    Attributes:
        vocab_size: tokens that it has; fewer than asked for where the text has no more pairs.
        num_documents: documents that it was trained on.
        num_bytes: bytes of their texts.
        share: of all kept text, 0 to 1.
        sha256: hash of the file.
        seconds: how long it took.
    """

    vocab_size: int
    num_documents: int
    num_bytes: int
    share: float
    sha256: str
    seconds: float


def check_target(to: str, *, overwrite: bool) -> None:
    """Raise where the file stands there already, or is a folder."""
    path = Path(to)
    if "://" in to:
        raise ExportError(f"--to {to}: a tokenizer is written to a file of this machine; copy it from there")
    if path.is_dir():
        raise ExportError(f"{to} is a folder: give the file, for instance {to.rstrip('/')}/tokenizer.json")
    if path.exists() and not overwrite:
        raise ExportError(f"{to} is there already: give another name with --to, or --overwrite to replace it")


def train(lake: Lake, training: TokenizerTraining, to: str, display: Display) -> Trained:
    """Train a tokenizer on the kept texts and write it, whole or not at all.

    Raises:
        WinnowError: nothing is kept, or the file cannot be written.
    """
    start = time.perf_counter()
    versions = origin_of(lake).versions
    kept = lake.read("decisions", versions["decisions"]).where(F.col("kept")).select("doc_id")
    sizes = lake.read("signals", versions["signals"]).select("doc_id", "num_bytes")
    counted = kept.join(sizes, "doc_id").agg(F.count("*").alias("n"), F.sum("num_bytes").alias("size")).collect()[0]
    total = int(counted["size"] or 0)
    if not total:
        raise ExportError(f"{lake.location('decisions')} keeps no text: there is nothing to train a tokenizer on")
    share = min(1.0, training.max_bytes / total)
    texts = lake.read("documents", versions["documents"]).select("doc_id", "text").join(kept, "doc_id")
    seen = [0, 0]

    def batches() -> Iterator[list[str]]:
        batch: list[str] = []
        for row in _drawn(texts, share, training.seed).toLocalIterator():
            batch.append(row["text"])
            seen[0] += 1
            seen[1] += len(row["text"].encode())
            if len(batch) == _BATCH:
                yield batch
                batch = []
        yield batch

    with display.stage("train", round(share * int(counted["n"]))):
        content = train_bpe(batches(), training)
    if not seen[0]:
        raise ExportError(
            f"--max-mb draws none of {int(counted['n']):,} kept documents ({total / 1e6:,.1f} MB): give more"
        )
    path = Path(to).absolute()
    Storage.at(str(path.parent)).write(path.name, content)
    size = open_library(content, to).get_vocab_size(with_added_tokens=True)
    sha256 = hashlib.sha256(content).hexdigest()
    return Trained(size, seen[0], seen[1], share, sha256, time.perf_counter() - start)


def _drawn(texts: DataFrame, share: float, seed: int) -> DataFrame:
    """A sample of documents that is the same however they are stored."""
    schema = pa.schema([("text", pa.string())])

    def per_batch(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            wanted = pa.array(uniform(hashes_of(batch.column("doc_id").cast(pa.string()), seed, "train")) < share)
            chosen = batch.column("text").cast(pa.string()).filter(wanted)
            advance(len(chosen), pc.sum(pc.binary_length(chosen)).as_py() or 0)
            yield pa.RecordBatch.from_arrays([chosen], schema=schema)

    return texts.select("doc_id", "text").mapInArrow(per_batch, from_arrow_schema(schema))


if __name__ == "__main__":
    from jobs.cli import main

    main(["train-tokenizer", *sys.argv[1:]])
