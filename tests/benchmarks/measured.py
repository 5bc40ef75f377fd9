"""What a benchmark run knows, and the rows that it makes."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
from processes import PeakMemory, wait_for_quiet
from rich.console import Console

HERE = Path(__file__).parent
MOST_OTHERS = 0.2
"""Cores that other processes may keep busy while the engine is timed."""


@dataclass(frozen=True)
class Row:
    """One line of `bench.jsonl`.

    Attributes:
        name: what was measured.
        value: our figure.
        unit: its unit.
        peer: whose figure it is compared with, if with anyone's.
        peer_value: theirs, in the same unit.
        ratio: how many times better ours is.
        target: the bound to meet, on `ratio` where there is a peer and on `value` where there is none.
        met: whether it is met; None where there is no target.
    """

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    target: str | None = None
    met: bool | None = None


@dataclass
class Bench:
    """A run: what it works on, and what it has found.

    Attributes:
        documents: id, source and text, in an order that the ids decide.
        work: a folder for files in between.
        peers: gives the interpreter of the peers' environment: of "" or of those of a kind.
        cores: the two cores that everything is pinned to; kernels use the last.
        engines: the engines that are measured.
        repeat: samples of the engine.
        patience_s: how long to wait for a quiet machine before each sample.
        console: where progress is told.
        rows: the result.
        details: samples and checks by row, for the record.
    """

    documents: pa.Table
    work: Path
    peers: Callable[[str], Path]
    cores: list[int]
    engines: list[str]
    repeat: int
    patience_s: float
    console: Console
    rows: list[Row] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def worker(self, script: str, *arguments: object, peer: bool | str = False) -> tuple[dict[str, Any], int]:
        """What a worker printed, and the largest resident memory of its processes in bytes; `peer` may be a kind.

        Raises:
            SystemExit: it failed; with the end of what it said.
        """
        wait_for_quiet(patience_s=self.patience_s)
        python = sys.executable if peer is False else str(self.peers("" if peer is True else peer))
        said = self.work / "worker.log"
        with said.open("wb") as errors:
            running = subprocess.Popen(
                [python, str(HERE / script), *map(str, arguments)], stdout=subprocess.PIPE, stderr=errors, text=True
            )
            with PeakMemory(running.pid) as memory:
                out, _ = running.communicate()
        if running.returncode:
            tail = "\n".join(said.read_text(errors="replace").splitlines()[-20:])
            raise SystemExit(f"{script} {' '.join(map(str, arguments))} failed with {running.returncode}:\n{tail}")
        result: dict[str, Any] = json.loads(out.splitlines()[-1])
        return result, memory.peak_bytes

    def warn_if_busy(self, name: str, samples: list[dict[str, float]]) -> None:
        """Say so where the rest of the machine worked during every sample of a time that passed."""
        others = min(sample["others"] for sample in samples)
        if others > MOST_OTHERS:
            self.console.print(
                f"  {name}: other processes kept {others:.1f} cores busy even in the quietest sample, so that the time "
                "that passed says little: run again on a quiet machine",
                style="yellow",
            )

    def compare(
        self, name: str, ours: float, peer: str, theirs: float, least: float | None, unit: str = "MB/s"
    ) -> None:
        """Add a row that compares two speeds; `least` is how many times faster ours has to be."""
        ratio = ours / theirs
        target = None if least is None else f">= {least:g} x"
        met = None if least is None else ratio >= least
        self._add(Row(name, round(ours, 3), unit, peer, round(theirs, 4), round(ratio, 2), target, met))

    def bound(
        self, name: str, value: float, unit: str, *, least: float | None = None, most: float | None = None
    ) -> None:
        """Add a row whose value has to be at least, or at most, so much."""
        target = f">= {least:g}" if least is not None else f"<= {most:g}" if most is not None else None
        met = None if target is None else (least is None or value >= least) and (most is None or value <= most)
        self._add(Row(name, round(value, 4), unit, target=target, met=met))

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        self.console.print(
            f"  {row.name}: {row.value:,.4g} {row.unit}" + (f", {row.ratio:,.1f} x" if row.ratio else "")
        )


def spread(samples: list[float]) -> dict[str, float]:
    """Best, median and worst of some seconds."""
    return {"best": min(samples), "median": median(samples), "worst": max(samples), "n": len(samples)}
