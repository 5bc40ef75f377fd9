"""Job: raw files -> every table of a lake. `winnow run`, and the file for spark-submit."""

import sys
from pathlib import Path

from rich.console import Console

from curation.sources.settings import Ingest
from jobs.decide_documents import decide
from jobs.deduplicate_documents import deduplicate
from jobs.edit_documents import edit
from jobs.ingest_documents import ingest
from jobs.measure_signals import measure
from jobs.sample_documents import sample
from jobs.stage import StageResult, Work
from jobs.summary import show, summarise
from jobs.weigh_documents import weigh
from jobs.write_report import write_report


def curate(work: Work, reading: Ingest, console: Console) -> list[StageResult]:
    """Run every stage in order and print the summary. A stage whose result is there already does nothing."""
    results = [ingest(work, reading)]
    edits = [edit(work)]
    results += edits if work.recipe.edits or not edits[0].skipped else []
    weighing = (weigh,) if work.recipe.weighting is not None else ()
    results += [stage(work) for stage in (measure, deduplicate, decide, *weighing, sample)]
    summary = summarise(work.lake, work.recipe)
    show(summary, results, work.recipe, console)
    report = write_report(work, results=results, summary=summary)
    if all(result.skipped for result in results):
        console.print("Nothing to do: every table is up to date.")
    console.print(
        f"\nTables: {work.lake.path}/{{documents,quarantine,signals,clusters,decisions}} (Delta Lake)", soft_wrap=True
    )
    console.print(f"Report: {report}", soft_wrap=True)
    console.print(_how_to_query(work.lake.path), highlight=False, markup=False, soft_wrap=True)
    return results


def _how_to_query(path: str) -> str:
    shown = path
    if "://" not in path and Path(path).is_relative_to(Path.cwd()):
        shown = str(Path(path).relative_to(Path.cwd()))
    return (
        "Query them from Python, without Spark:\n"
        "  from deltalake import DeltaTable\n"
        f'  DeltaTable("{shown}/decisions").to_pandas()\n'
        "or from Spark SQL:\n"
        f"  SELECT reasons, count(*) FROM delta.`{path}/decisions` GROUP BY reasons ORDER BY 2 DESC"
    )


if __name__ == "__main__":
    from jobs.cli import main

    main(["run", *sys.argv[1:]])
