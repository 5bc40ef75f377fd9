"""Job: documents and decisions -> commonness. What `sample` weights by, measured once for any draw and any weights."""

import sys

from pyspark.sql import functions as F

from curation.decide import without_sampling
from curation.errors import LakeError
from curation.recipe import Recipe
from curation.sampling.commonness import commonness_of
from jobs.decide_documents import decide_key
from jobs.lake import Lake
from jobs.lake_figures import num_rows
from jobs.stage import StageResult, Work, Written, identity, record, stage_key, timed, up_to_date


def weigh(work: Work) -> StageResult:
    """Measure how common each document that passes is among those; nothing to do where the recipe does not weight.

    Raises:
        LakeError: the documents are not decided by this recipe.
    """
    lake, recipe = work.lake, work.recipe
    weighting = recipe.weighting
    if weighting is None:
        return StageResult("weigh", skipped=True, notes=("the recipe gives every document the weight 1",))
    decisions = lake.read("decisions")
    if not up_to_date(lake, "decisions", "decide", decide_key(lake, recipe)):
        raise LakeError(
            f"the documents are not decided by the recipe {recipe.name!r}: run `winnow decide` with it first"
        )
    key = _key(lake, recipe)
    if up_to_date(lake, "commonness", "weigh", key):
        return StageResult("weigh", skipped=True)

    def body(written: Written) -> None:
        passing = decisions.where(F.size(without_sampling()) == 0).select("doc_id")
        texts = lake.read("documents").select("doc_id", "text").join(passing, "doc_id", "left_semi")
        written.num_rows = passing.count()
        with work.display.stage("weigh", written.num_rows):
            rows = commonness_of(texts, weighting, lake.checkpoint)
            info = record(work, "weigh", {"weigh": key}, ("documents", "decisions"), written)
            lake.write("commonness", rows, info=info)
        lake.drop_scratch()
        nothing = lake.read("commonness").where(F.col("commonness").isNull()).count()
        if nothing:
            written.notes.append(f"{nothing:,} documents have no word and hence no commonness; their weight is 1")
        written.num_rows = num_rows(lake, "commonness")

    return timed("weigh", body)


def check_weighed(lake: Lake, recipe: Recipe) -> None:
    """Make sure that the table `commonness` is that of the documents as this recipe decides about them.

    Raises:
        LakeError: it is not.
    """
    if not up_to_date(lake, "commonness", "weigh", _key(lake, recipe)):
        raise LakeError(
            f"how common the documents are that the recipe {recipe.name!r} keeps is not measured: run `winnow weigh` "
            "with it first"
        )


def _key(lake: Lake, recipe: Recipe) -> str:
    """By what decides which documents pass, not by the decisions: another draw writes these anew."""
    tables = ("documents", "signals") if recipe.dedup is None else ("documents", "signals", "clusters")
    inputs = {table: identity(lake, table) for table in tables}
    return stage_key(recipe, "weigh", inputs, recipe.settings("decide"), recipe.settings("dedup"))


if __name__ == "__main__":
    from jobs.cli import main

    main(["weigh", *sys.argv[1:]])
