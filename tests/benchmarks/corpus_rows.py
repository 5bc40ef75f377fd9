"""Rows of what looks at a corpus as a whole: edits across documents, SoftDedup, and a batch added to the rest."""

from pathlib import Path

import documents
from measured import Bench

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SOFT_MEGABYTES = 30
"""Sail keeps the n-grams in memory: some 50 MB for each MB of text."""
LEAST_INCREMENTAL = 1.0
"""How many times as fast as all at once a batch of a twentieth is: it never is to be slower."""


def corpora(bench: Bench) -> None:
    """Edits of all documents, weights of the first of them, and a batch after the rest, on the embedded engine."""
    size = documents.text_bytes(bench.documents) / 1e6
    corpus = documents.write_parquet(bench.documents, bench.work / "corpus.parquet")
    few = documents.first_megabytes(bench.documents, SOFT_MEGABYTES)
    smaller = documents.write_parquet(few, bench.work / "smaller.parquet")
    tasks = dict.fromkeys(("DuplicateLines", "RepeatedSentences", "RepeatedParagraphs"), (corpus, size))
    tasks["SoftDedup"] = (smaller, documents.text_bytes(few) / 1e6)
    for name, (path, megabytes) in tasks.items():
        flags = ["--repeat", bench.repeat, "--cores", *bench.cores]
        found, peak = bench.worker("corpus_here.py", name, path, bench.work / "whole", *flags)
        title = f"sail: {name}, two cores"
        bench.details[title] = {**found, "megabytes": megabytes, "peak_resident_gb": peak / 1e9}
        bench.warn_if_busy(title, found["samples"])
        bench.bound(title, megabytes / min(sample["wall_s"] for sample in found["samples"]), "MB/s")
        bench.bound(f"sail: {name}, resident memory at {megabytes:.0f} MB", peak / 1e9, "GB")
    _incremental(bench)


def _incremental(bench: Bench) -> None:
    if not DATA.is_dir():
        bench.console.print(f"  incremental deduplication: there are no documents in {DATA}: no row", style="yellow")
        return
    found, _ = bench.worker("incremental_here.py", DATA, bench.work / "incremental", "--rounds", bench.repeat)
    name = "sail: deduplication of a batch of a twentieth"
    bench.details[name] = found
    bench.bound(f"{name}, times as fast as all at once", found["ratio"], "x", least=LEAST_INCREMENTAL)
