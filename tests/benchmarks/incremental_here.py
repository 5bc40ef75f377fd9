"""Worker: a batch is added to a lake whose recipe keeps signatures, and the same documents are deduplicated at once.

Prints one line of JSON; run by hand: `python tests/benchmarks/incremental_here.py ../shared/data WORK`.
"""

import argparse
import gzip
import json
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

from processes import Watch

from curation.recipe import Recipe
from curation.session import EngineConfig, Session, open_session
from curation.sources.settings import Ingest
from jobs.deduplicate_documents import deduplicate
from jobs.display import Silent
from jobs.ingest_documents import ingest
from jobs.lake import Lake
from jobs.recipes.fineweb_en import RECIPE
from jobs.stage import Work

FOLDERS = ("docs", "neardup")
TABLES = ("signatures", "verified", "clusters")


def kept(recipe: Recipe) -> Recipe:
    """The recipe's deduplication, with signatures, and nothing besides."""
    assert recipe.dedup is not None
    dedup = replace(recipe.dedup, keep=(), keep_signatures=True)
    return Recipe(name="incremental", dedup=dedup)


def split(data: Path, folder: Path, one_of: int) -> tuple[Path, Path]:
    """Every document of the data's files in one of two folders: the earlier ones, and each `one_of`th, the batch."""
    earlier, batch = folder / "earlier", folder / "batch"
    for place in (earlier, batch):
        place.mkdir(parents=True)
    number = 0
    for name in FOLDERS:
        for file in sorted((data / name).glob("*.jsonl.gz")):
            if file.name.endswith("_pairs.jsonl.gz"):
                continue
            with (
                gzip.open(file) as lines,
                (earlier / file.stem).open("wb") as old,
                (batch / file.stem).open("wb") as new,
            ):
                for line in lines:
                    number += 1
                    (old if number % one_of else new).write(line)
    return earlier, batch


def once(session: Session, folder: Path, earlier: Path, batch: Path) -> dict[str, Any]:
    """Deduplication of all at once, and of the batch after the rest; the tables have to be the same."""
    recipe = kept(RECIPE)
    spent: dict[str, Any] = {}
    rows = []
    for name, steps in (("full", [(earlier, batch)]), ("incremental", [(earlier,), (earlier, batch)])):
        shutil.rmtree(folder / name, ignore_errors=True)
        lake = Lake(session, str(folder / name))
        with lake.held():
            work = Work(lake, recipe, Silent())
            for inputs in steps:
                ingest(work, Ingest(inputs=tuple(str(place) for place in inputs), root=str(folder)))
                watch = Watch()
                result = deduplicate(work)
                spent[name] = asdict(watch.spent())
            spent[f"{name}_notes"] = result.notes
            rows.append({table: lake.read(table).toArrow().sort_by("doc_id").to_pylist() for table in TABLES})
    if rows[0] != rows[1]:
        raise SystemExit("a batch after the rest gives other tables than all at once")
    return spent


def main() -> None:
    """Print the medians of some rounds after one that is not counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--engine", choices=("sail", "spark"), default="sail")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one-of", type=int, default=20, help="every so manieth document is in the batch")
    given = parser.parse_args()
    shutil.rmtree(given.work, ignore_errors=True)
    earlier, batch = split(given.data, given.work / "inputs", given.one_of)
    settings = {"engine": "sail"} if given.engine == "sail" else {"engine": "spark", "master": "local[2]"}
    with open_session(EngineConfig(**settings)) as session:
        found = [once(session, given.work, earlier, batch) for _ in range(given.rounds + 1)][1:]
    full, incremental = (median(row[name]["wall_s"] for row in found) for name in ("full", "incremental"))
    cpu = [median(row[name]["cpu_s"] for row in found) for name in ("full", "incremental")]
    told = {
        "engine": given.engine,
        "full_s": full,
        "incremental_s": incremental,
        "ratio": full / incremental,
        "full_cpu_s": cpu[0],
        "incremental_cpu_s": cpu[1],
        "cpu_ratio": cpu[0] / cpu[1],
        "notes": found[-1]["incremental_notes"],
        "others": max(row[name]["others"] for row in found for name in ("full", "incremental")),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
