"""Worker: one corpus through the whole engine, from Parquet to Delta, as often as asked. Prints one line of JSON."""

import argparse
import json
import os
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from processes import Watch

from curation.session import EngineConfig, Session, open_session
from curation.sources.settings import Ingest
from jobs.decide_documents import decide
from jobs.deduplicate_documents import deduplicate
from jobs.display import Silent
from jobs.ingest_documents import ingest
from jobs.lake import Lake
from jobs.measure_signals import measure
from jobs.recipes.fineweb_en import RECIPE
from jobs.stage import Work


def once(session: Session, corpus: Path, folder: Path) -> dict[str, dict[str, float]]:
    """What each stage spent on an empty lake; `total` is the whole, taking the lock and clearing up included."""
    shutil.rmtree(folder, ignore_errors=True)
    spent: dict[str, dict[str, float]] = {}
    start = Watch()
    lake = Lake(session, str(folder))
    with lake.held():
        work = Work(lake, RECIPE, Silent())
        reading = Ingest(inputs=(str(corpus),))
        for name, stage in (
            ("ingest", lambda: ingest(work, reading)),
            ("measure", lambda: measure(work)),
            ("dedup", lambda: deduplicate(work)),
            ("decide", lambda: decide(work)),
        ):
            begun = Watch()
            result = stage()
            spent[name] = asdict(begun.spent())
            if result.skipped or not result.num_rows:
                raise SystemExit(f"the stage {name} did nothing on {corpus}")
    return spent | {"total": asdict(start.spent())}


def record_of(folder: Path, table: str) -> dict[str, Any]:
    """Winnow's record of a table's newest commit."""
    found: dict[str, Any] = json.loads(DeltaTable(str(folder / table)).history(1)[0]["userMetadata"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=("sail", "spark"))
    parser.add_argument("corpus", type=Path)
    parser.add_argument("lake", type=Path)
    parser.add_argument("--warm-up", type=Path, required=True, help="corpus of the runs that are not measured")
    parser.add_argument("--warm-ups", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cores", type=int, nargs="+", required=True)
    parser.add_argument("--conf", nargs="*", default=[])
    given = parser.parse_args()
    os.sched_setaffinity(0, given.cores)
    settings: dict[str, Any] = {"engine": given.engine}
    if given.engine == "spark":
        settings |= {"master": f"local[{len(given.cores)}]", "conf": dict(text.split("=", 1) for text in given.conf)}
    begun = time.perf_counter()
    with open_session(EngineConfig(**settings)) as session:
        started = time.perf_counter() - begun
        for _ in range(given.warm_ups):
            once(session, given.warm_up, given.lake / "warm-up")
        runs = [once(session, given.corpus, given.lake / "measured") for _ in range(given.repeat)]
        stats = record_of(given.lake / "measured", "clusters")["stats"]
    sys.stdout.write(json.dumps({"start_s": started, "runs": runs, "stats": stats}) + "\n")


if __name__ == "__main__":
    main()
