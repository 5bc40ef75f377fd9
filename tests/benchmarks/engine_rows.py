"""Rows of the whole engine: from Parquet to Delta, speed, memory and growth, and datatrove doing the same."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import documents
import pyarrow.parquet as pq
from check_larger import check
from kernel_rows import FASTTEXT_MODEL
from larger_corpus import larger
from measured import Bench

LEAST_MB_S = {"sail": 30.0, "spark": 15.0}
LEAST_TIMES_DATATROVE = 50
MOST_GB = 6.0
PEER_MB = 4
"""Text that datatrove is given: the first documents; what it takes per MB does not fall with more."""
WARM_UP_DOCUMENTS = 4000
WARM_UPS = {"sail": 1, "spark": 4}
"""Runs before the measured ones: a JVM compiles, and recompiles, for as long as that (see LOG.md)."""

COPIES = 11
MOST_GROWTH = 1.05
"""How much longer a MB may take in the larger corpus: the noise of two runs."""


def _speed(bench: Bench, engine: str, corpus: Path, size: float, repeat: int, name: str) -> tuple[float, float]:
    """Best MB/s of an engine on a corpus, and its peak memory in GB."""
    lake = bench.work / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    options = ["--warm-up", _warm_up(bench), "--warm-ups", WARM_UPS[engine], "--repeat", repeat]
    result, peak = bench.worker("engine.py", engine, corpus, lake, *options, "--cores", *bench.cores)
    totals = [run["total"]["wall_s"] for run in result["runs"]]
    bench.details[name] = {
        **result,
        "megabytes": size,
        "MB/s": [size / seconds for seconds in totals],
        "median MB/s": size / median(totals),
        "peak_resident_gb": peak / 1e9,
    }
    bench.warn_if_busy(name, [run["total"] for run in result["runs"]])
    return size / min(totals), peak / 1e9


def _warm_up(bench: Bench) -> Path:
    path = bench.work / "warm-up.parquet"
    return path if path.exists() else documents.write_parquet(bench.documents.slice(0, WARM_UP_DOCUMENTS), path)


def engines(bench: Bench) -> None:
    """Both engines on the corpus, and datatrove on the first of its documents, on the same two cores."""
    size = documents.text_bytes(bench.documents) / 1e6
    corpus = documents.write_parquet(bench.documents, bench.work / "corpus.parquet")
    theirs = _datatrove(bench)
    for engine in bench.engines:
        least = LEAST_MB_S[engine]
        speed, peak = _speed(bench, engine, corpus, size, bench.repeat, f"engine {engine}")
        bench.bound(f"{engine}: Parquet to decisions, two cores", speed, "MB/s", least=least)
        bench.compare(
            f"{engine}: Parquet to decisions, two cores, same steps", speed, "datatrove", theirs, LEAST_TIMES_DATATROVE
        )
        bench.bound(f"{engine}: resident memory of all processes", peak, "GB", most=MOST_GB)


def _datatrove(bench: Bench) -> float:
    """MB/s of datatrove's filters and MinHash stages, had they kept both cores busy all the time: the most they can."""
    chosen = documents.first_megabytes(bench.documents, PEER_MB)
    folder = bench.work / "datatrove"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "input").mkdir(parents=True)
    for part in range(len(bench.cores)):  # every other document, so that both tasks have as much to do
        rows = list(range(part, chosen.num_rows, len(bench.cores)))
        documents.write_jsonl(chosen.take(rows), folder / "input" / f"{part}.jsonl.gz")
    result, peak = bench.worker(
        "pipeline_peer.py",
        folder / "input",
        folder / "work",
        "--model",
        FASTTEXT_MODEL,
        "--cores",
        *bench.cores,
        peer=True,
    )
    size = documents.text_bytes(chosen) / 1e6
    bench.details["engine datatrove"] = {**result, "megabytes": size, "peak_resident_gb": peak / 1e9}
    return float(size / (result["total"]["cpu_s"] / len(bench.cores)))


def growth(bench: Bench) -> None:
    """Sail and Spark on a corpus eleven times as large with planted duplicates: time per MB, and what was found."""
    path = bench.work / "larger.parquet"
    planted: list[Any] = []
    size = 0.0
    with pq.ParquetWriter(path, documents.SCHEMA, compression="zstd") as writer:
        for table, made in larger(bench.documents, COPIES):
            writer.write_table(table.combine_chunks(), row_group_size=documents.ROW_GROUP)
            planted += made
            size += documents.text_bytes(table) / 1e6
    (bench.work / "planted.json").write_text(json.dumps([asdict(one) for one in planted]))
    small_size = documents.text_bytes(bench.documents) / 1e6
    small = documents.write_parquet(bench.documents, bench.work / "corpus.parquet")
    for engine in bench.engines:
        name = f"engine {engine}"
        if name not in bench.details:
            _speed(bench, engine, small, small_size, bench.repeat, name)
        speed, peak = _speed(bench, engine, path, size, 1, f"growth {engine}")
        bench.details[f"growth {engine}"]["found"] = found = check(bench.work / "lake" / "measured", planted)
        share = max(bench.details[name]["MB/s"]) / speed
        title = f"{engine}: time per MB, {size:,.0f} MB against {small_size:,.0f} MB"
        bench.bound(title, share, "x", most=MOST_GROWTH)
        bench.bound(f"{engine}: resident memory at {size:,.0f} MB", peak, "GB", most=MOST_GB)
        wrong = found["wrong"]
        bench.bound(f"{engine}: planted pairs and copies that came out otherwise", wrong, "documents", most=0)
