"""Rows of the export: from tables to shards beside the tokenizer library alone, and packing."""

from statistics import median
from typing import Any

import documents
from measured import Bench

LEAST_SHARE = 0.9
"""Of the library's own speed: what the rest of an export may cost."""
LEAST_MTOK_S = 20
MOST_PADDING = 0.01


def exports(bench: Bench) -> None:
    """Each engine's export and the library on the same texts and cores, in turn."""
    size = documents.text_bytes(bench.documents) / 1e6
    corpus = documents.write_parquet(bench.documents, bench.work / "corpus.parquet")
    lake, tokenizer = bench.work / "kept", bench.work / "tokenizer.json"
    flags: list[Any] = ["--corpus", corpus, "--lake", lake, "--tokenizer", tokenizer, "--out", bench.work / "shards"]
    flags += ["--repeat", 2 * bench.repeat - 1, "--cores", *bench.cores]
    prepared, _ = bench.worker("export_here.py", "prepare", *flags)
    bench.details["export: training the tokenizer"] = {**prepared, "megabytes": size}
    for engine in bench.engines:
        found, peak = bench.worker("export_here.py", "exports", *flags, "--engine", engine)
        name = f"{engine}: export with a 32k tokenizer, two cores"
        bench.details[name] = {**found, "peak_rss_gb": peak / 1e9}
        bench.warn_if_busy(name, found["ours"])
        # Medians, of sides that take turns: the same work takes a fifth longer at one time than at another here.
        ours, theirs = (median(sample["wall_s"] for sample in found[side]) for side in ("ours", "library"))
        bench.compare(name, size / ours, "tokenizers", size / theirs, LEAST_SHARE)
    packed, _ = bench.worker("export_here.py", "packing", *flags)
    bench.details["packing"] = packed
    speed = packed["num_tokens"] / 1e6 / min(packed["cpu_s"])
    bench.bound("best-fit packing into rows of 2,048, one core", speed, "Mtok/s", least=LEAST_MTOK_S)
    bench.bound("padding of all documents in rows of 2,048", packed["padding"], "of all tokens", most=MOST_PADDING)
