"""Worker: what looks at a corpus as a whole, on documents that a lake holds. Prints one line of JSON: samples by task.

Edits across documents are timed from the table `documents` to its new version, SoftDedup from the tables to
`commonness`. Each sample has a lake of its own; the first is not counted.
"""

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from processes import Watch

from curation.edits.duplicate_pieces import DuplicateLines, RepeatedParagraphs, RepeatedSentences
from curation.recipe import Recipe
from curation.sampling.weighting import SoftDedup
from curation.session import EngineConfig, Session, open_session
from curation.signals.gopher import Gopher
from curation.sources.settings import Ingest
from jobs.decide_documents import decide
from jobs.display import Silent
from jobs.edit_documents import edit
from jobs.ingest_documents import ingest
from jobs.lake import Lake
from jobs.measure_signals import measure
from jobs.stage import StageResult, Work
from jobs.weigh_documents import weigh

RECIPES = {
    "DuplicateLines": Recipe(name="lines", edits=(DuplicateLines(),)),
    "RepeatedSentences": Recipe(name="sentences", edits=(RepeatedSentences(),)),
    "RepeatedParagraphs": Recipe(name="paragraphs", edits=(RepeatedParagraphs(),)),
    "SoftDedup": Recipe(name="soft", signals=(Gopher(),), weighting=SoftDedup()),
}


def once(session: Session, given: argparse.Namespace, name: str) -> tuple[dict[str, Any], StageResult]:
    """One sample in a lake that is made for it."""
    shutil.rmtree(given.lake, ignore_errors=True)
    lake = Lake(session, str(given.lake))
    with lake.held():
        work = Work(lake, RECIPES[name], Silent())
        ingest(work, Ingest(inputs=(str(given.corpus),)))
        if RECIPES[name].weighting is not None:
            measure(work)
            decide(work)
        watch = Watch()
        result = (edit if RECIPES[name].edits else weigh)(work)
        return asdict(watch.spent()), result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=RECIPES)
    parser.add_argument("corpus", type=Path, help="Parquet of documents")
    parser.add_argument("lake", type=Path, help="a folder that is made, and made anew for each sample")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cores", type=int, nargs="+", required=True)
    given = parser.parse_args()
    os.sched_setaffinity(0, given.cores)
    samples = []
    with open_session(EngineConfig()) as session:
        for _ in range(given.repeat + 1):
            spent, result = once(session, given, given.task)
            samples.append(spent)
    sys.stdout.write(json.dumps({"samples": samples[1:], "notes": list(result.notes)}) + "\n")


if __name__ == "__main__":
    main()
