"""Job: signals and clusters -> decisions. No text is read."""

import sys
from dataclasses import replace

from curation.decide import decided
from curation.errors import LakeError
from curation.recipe import Recipe
from jobs.lake import Lake
from jobs.lake_figures import num_rows
from jobs.stage import StageResult, Work, Written, identity, record, stage_key, timed, up_to_date


def decide(work: Work) -> StageResult:
    """Give every document its verdict with all reasons."""
    lake, recipe = work.lake, work.recipe
    tables = _inputs(recipe)
    key = decide_key(lake, recipe)
    if up_to_date(lake, "decisions", "decide", key):
        return StageResult("decide", skipped=True)

    def body(written: Written) -> None:
        signals = lake.read("signals")
        clusters = None if recipe.dedup is None else lake.read("clusters")
        num_documents, num_measured = num_rows(lake, "documents"), num_rows(lake, "signals")
        if num_documents != num_measured:
            raise LakeError(
                f"{num_documents} documents are in the lake and {num_measured} are measured: run `winnow measure` first"
            )
        with work.display.stage("decide", num_measured):
            written.num_rows = num_documents
            info = record(work, "decide", {"decide": key}, tables, written)
            lake.write("decisions", decided(recipe.rules, clusters, recipe.hash)(signals), info=info)
        written.num_rows = num_rows(lake, "decisions")
        if written.num_rows != num_documents:
            raise LakeError(
                f"{lake.location('decisions')} has {written.num_rows} rows for {num_documents} documents: "
                "a doc_id stands twice in signals or clusters; delete these tables and run again"
            )

    return timed("decide", body)


def decide_and_tell(work: Work) -> StageResult:
    """The same, and how many documents pass: what someone who tries thresholds wants to know at once."""
    result = decide(work)
    if result.skipped:
        return result
    passing = work.lake.read("decisions").where("kept").count()
    return replace(result, notes=(*result.notes, f"{passing:,} of {result.num_rows:,} documents pass"))


def decide_key(lake: Lake, recipe: Recipe) -> str:
    """The key of the decisions that a recipe makes of the tables as they are."""
    return stage_key(recipe, "decide", {table: identity(lake, table) for table in _inputs(recipe)}, recipe.hash)


def _inputs(recipe: Recipe) -> tuple[str, ...]:
    return ("signals",) if recipe.dedup is None else ("signals", "clusters")


if __name__ == "__main__":
    from jobs.cli import main

    main(["decide", *sys.argv[1:]])
