"""Rows of the signals: what those for crawls add to the ones of FineWeb's and Gopher's recipes."""

from statistics import median

import documents
from measured import Bench

MEGABYTES = 16
MOST_ADDED = 1.0
"""As a share of the time of the earlier signals."""


def signals(bench: Bench) -> None:
    """Every signal over the same documents, in turn, in one process on one core."""
    chosen = documents.first_megabytes(bench.documents, MEGABYTES)
    size = documents.text_bytes(chosen) / 1e6
    path = documents.write_jsonl(chosen, bench.work / "signals.jsonl")
    folder = bench.work / "lists"
    folder.mkdir(exist_ok=True)
    core = bench.cores[-1]
    found, _ = bench.worker("signals_here.py", path, folder, "--core", core, "--repeat", 2 * bench.repeat)
    samples = found["samples"]
    seconds = {name: min(values) for name, values in samples.items()}
    bench.details["signals"] = {"megabytes": size, "cpu_s": samples, **found["groups"]}
    for name in (*found["groups"]["earlier"], *found["groups"]["later"]):
        bench.bound(f"signal {name}, one core", size / seconds[name], "MB/s")
    rounds = range(len(samples["shared splits"]))
    sums = {
        group: [sum(samples[name][k] for name in names) for k in rounds] for group, names in found["groups"].items()
    }
    before = [samples["shared splits"][k] + sums["earlier"][k] for k in rounds]
    added = median(later / earlier for later, earlier in zip(sums["later"], before, strict=True))
    bench.bound("signals for crawls, time beside the earlier ones'", added, "x", most=MOST_ADDED)
