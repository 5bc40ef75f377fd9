"""Running the peers: their answers about some documents."""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import HERE as BENCHMARKS
from benchmarks.peers import REPOSITORY, peers_python
from conformance.answers import as_jsonl
from conformance.documents import Document

HERE = Path(__file__).parent
SHARED = REPOSITORY.parent / "shared"
KINDS = {"datatrove": "", "dolma": "dolma", "curator": "curator"}
"""The environment of each peer."""
PACKAGES = {"curator": "nemo-curator"}
"""What a peer's package is called, if it is not called as the peer."""


def pinned(peer: str) -> str:
    """The version of a peer that answers."""
    suffix = f"-{KINDS[peer]}" if KINDS[peer] else ""
    pins = (BENCHMARKS / f"constraints-peers{suffix}.txt").read_text().splitlines()
    return next(pin.partition("==")[2] for pin in pins if pin.startswith(f"{PACKAGES.get(peer, peer)}=="))


class UnavailableError(Exception):
    """A peer's environment cannot be made."""


def ask(
    peer: str, documents: Sequence[Document], work: Path, tell: Callable[[str], object] = print
) -> list[dict[str, Any]]:
    """A peer's answers about `documents`, in their order: of each family a decision and values. A process per core.

    Args:
        peer: one of `KINDS`.
        documents: what it is asked about.
        work: a folder for the files in between.
        tell: is told where an environment has to be made.

    Raises:
        UnavailableError: the environment cannot be made, for instance without a network.
        RuntimeError: the worker failed; with the end of what it said.
    """
    try:
        python = peers_python(KINDS[peer], tell)
    except (subprocess.CalledProcessError, OSError) as error:
        raise UnavailableError(f"the environment of {peer} cannot be made: {error}") from error
    parts = len(os.sched_getaffinity(0))
    asked = [work / f"{peer}-{part}.jsonl" for part in range(parts)]
    running = []
    for part, path in enumerate(asked):
        path.write_text(as_jsonl(documents[part::parts]), encoding="utf-8")
        command = [str(python), str(HERE / f"{peer}_worker.py"), str(path), str(path.with_suffix(".answers"))]
        with path.with_suffix(".said").open("wb") as said:
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said))
    for path, worker in zip(asked, running, strict=True):
        if worker.wait():
            said = path.with_suffix(".said").read_text(errors="replace")
            raise RuntimeError(f"the worker of {peer} failed with {worker.returncode}:\n{said[-2000:]}")
    answers: list[dict[str, Any]] = [{}] * len(documents)
    for part, path in enumerate(asked):
        lines = path.with_suffix(".answers").read_text(encoding="utf-8").splitlines()
        answers[part::parts] = [json.loads(line)["answers"] for line in lines]
    return answers
