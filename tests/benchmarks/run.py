"""Winnow against its peers, both sides in one run: a table for people, `bench.jsonl` for programs.

The peers live in `.venv-peers`, made from constraints-peers.txt when it is first needed, and loaders, which need older
libraries, in `.venv-peers-loaders`. Both sides read the same documents and are pinned to the same cores. Kernels and
peers are compared by the processor seconds of one core, best of several samples after a warm-up, taken in turn (ours,
the peer's, ours); the engine by the time that passes.
A sample during which the rest of the machine kept a core busy is marked, and says so in the table.
"""

import argparse
import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import corpus_rows
import documents
import engine_rows
import export_rows
import extraction_rows
import kernel_rows
import loader_rows
import perplexity_rows
import signal_rows
import training_rows
from measured import Bench, Row
from peers import peers_python
from rich.console import Console
from rich.table import Table
from rich.text import Text

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
GROUPS: dict[str, Callable[[Bench], None]] = {
    "kernels": kernel_rows.kernels,
    "signals": signal_rows.signals,
    "engine": engine_rows.engines,
    "growth": engine_rows.growth,
    "corpus": corpus_rows.corpora,
    "export": export_rows.exports,
    "extraction": extraction_rows.extraction,
    "loader": loader_rows.loader,
    "perplexity": perplexity_rows.perplexity,
    "training": training_rows.training,
}


def machine() -> dict[str, Any]:
    """What the figures were measured on, and with which versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1e6
    packages = ("winnow", "numba", "numpy", "pyarrow", "pysail", "pyspark", "deltalake")
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def table(rows: list[Row]) -> Table:
    """The rows for people."""
    shown = Table(title="Winnow and its peers", title_justify="left")
    for name, side in (("", "left"), ("Winnow", "right"), ("peer", "right"), ("", "left"), ("ratio", "right")):
        shown.add_column(name, justify=side)  # type: ignore[arg-type]
    shown.add_column("target", no_wrap=True)
    shown.add_column("met")
    for row in rows:
        met = Text("") if row.met is None else Text("yes", "green") if row.met else Text("no", "bold red")
        shown.add_row(
            row.name,
            f"{row.value:,.4g} {row.unit}",
            "" if row.peer_value is None else f"{row.peer_value:,.3g}",
            row.peer or "",
            "" if row.ratio is None else f"{row.ratio:,.1f} x",
            row.target or "",
            met,
        )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", default=[*GROUPS], metavar=f"{{{','.join(GROUPS)}}}")
    parser.add_argument("--data", type=Path, help="folder of *.jsonl.gz (id, source, text); else the sample corpus")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "bench.jsonl")
    parser.add_argument("--engines", nargs="+", choices=("sail", "spark"), default=["sail", "spark"])
    parser.add_argument("--repeat", type=int, default=3, help="samples of the engine; kernels take twice as many")
    parser.add_argument("--patience", type=float, default=120, help="seconds to wait for a quiet machine, per sample")
    given = parser.parse_args()
    unknown = sorted(set(given.groups) - set(GROUPS))
    if unknown:
        parser.error(f"unknown group {', '.join(unknown)}: choose from {', '.join(GROUPS)}")
    console = Console()
    data = given.data or next(
        folder
        for folder in (REPOSITORY.parent / "shared" / "data" / "docs", REPOSITORY / "jobs" / "sample_corpus")
        if folder.is_dir()
    )
    work = REPOSITORY / "build" / "benchmarks"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    bench = Bench(
        documents=documents.read(data),
        work=work,
        peers=lambda kind: peers_python(kind, console.print),
        cores=sorted(os.sched_getaffinity(0))[:2],
        engines=given.engines,
        repeat=given.repeat,
        patience_s=given.patience,
        console=console,
    )
    console.print(
        f"{bench.documents.num_rows:,} documents, {documents.text_bytes(bench.documents) / 1e6:.1f} MB of text, "
        f"cores {' and '.join(map(str, bench.cores))}"
    )
    for group in given.groups:
        GROUPS[group](bench)
        write(bench, given.out)
    console.print(table(bench.rows))
    shutil.rmtree(work, ignore_errors=True)
    missed = [row.name for row in bench.rows if row.met is False]
    console.print(f"{len(missed)} of {sum(row.met is not None for row in bench.rows)} targets missed" if missed else "")


def write(bench: Bench, out: Path) -> None:
    """Write the rows, and beside the benchmarks a copy with the samples and the machine.

    Rows of groups that were not run this time stay in the copy; each row says when it was measured.
    """
    out.write_text("".join(json.dumps(asdict(row)) + "\n" for row in bench.rows))
    copy = HERE / "results" / "last.json"
    copy.parent.mkdir(exist_ok=True)
    here = machine()
    kept = json.loads(copy.read_text()) if copy.exists() else {"rows": [], "details": {}}
    rows = {(row["name"], row["peer"]): row for row in kept["rows"]}
    rows |= {(row.name, row.peer): asdict(row) | {"when": here["when"]} for row in bench.rows}
    everything = {"machine": here, "rows": [*rows.values()], "details": kept["details"] | bench.details}
    copy.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
