"""Inputs that change, a recipe that does everything, and the command that curates the one by the other."""

import gzip
import os
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from references.packing import gzipped

Engine = Literal["sail", "spark"]
State = Literal["first", "added", "changed"]

REPOSITORY = Path(__file__).parents[2]
RECIPE = """
from dataclasses import replace
from jobs.recipes.demo import RECIPE as demo
assert demo.sampling is not None
RECIPE = replace(demo, name="torture", sampling=replace(demo.sampling, budget={budget}))
"""


@dataclass(frozen=True)
class Workshop:
    """A folder that holds the inputs, the recipe and the lakes.

    Attributes:
        base: the folder.
        scale: documents in each of the larger input files.
    """

    base: Path
    scale: int = 150

    @property
    def inputs(self) -> Path:
        return self.base / "in"

    @property
    def recipe(self) -> Path:
        return self.base / "torture_recipe.py"

    def prepare(self) -> None:
        """Write the recipe and the first state of the inputs."""
        self.inputs.mkdir(parents=True)
        self.recipe.write_text(RECIPE.format(budget=30 * self.scale))
        self.state("first")

    def state(self, name: State) -> None:
        """Put the inputs into a state: as at first, with one file added, or with a file changed as well."""
        n = self.scale
        files = {"qa.jsonl": _lines("qa", 0, n), "arxiv.jsonl.gz": gzipped(_lines("arxiv", 0, n))}
        files["bad.jsonl"] = b'{"text": "no end\n["a list"]\n{"body": 1}\n' + _lines("books", 0, 2)
        files["broken.jsonl.gz"] = b"this is not gzip at all\n" * 3
        if name != "first":
            files["more.jsonl"] = _lines("arxiv", n - 20, n) + b"{\n" + _lines("code", 0, 30)
        if name == "changed":
            files["qa.jsonl"] = _lines("qa", 10, n // 2) + b'{"text": null}\n' + _lines("qa", n // 2, n + 15)
        for path in self.inputs.iterdir():
            if path.name not in files:
                path.unlink()
        for file, content in files.items():
            path = self.inputs / file
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)
                # A time that hangs on the content alone: two lakes made from the same state have the same ledger.
                stamp = 1_700_000_000 + zlib.crc32(content) % 1_000_000
                os.utime(path, (stamp, stamp))

    def command(self, engine: Engine, lake: Path, stage: Literal["run", "ingest"] = "run") -> list[str]:
        """`winnow run`, or the ingest alone, on the inputs."""
        command = [str(Path(sys.executable).parent / "winnow"), stage, "-i", str(self.inputs), "-o", str(lake)]
        command += ["--recipe", str(self.recipe)] if stage == "run" else []
        return [*command, "--engine", engine, *(["--master", "local[2]"] if engine == "spark" else [])]


def _lines(source: str, start: int, stop: int) -> bytes:
    """Some records of the sample corpus; the middle ones stand twice, so that there are duplicates."""
    with gzip.open(REPOSITORY / "jobs" / "sample_corpus" / f"{source}.jsonl.gz", "rb") as file:
        lines = [line for _, line in zip(range(stop), file, strict=False)][start:]
    return b"".join([*lines, *lines[len(lines) // 2 : len(lines) // 2 + 5]])
