"""Job: documents -> documents with edited texts. What was cut stands beside each text, so that it can be put back."""

import sys

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from curation.edits.edit import CorpusEdit
from curation.edits.edited import edited
from curation.errors import LakeError
from curation.recipe import Recipe
from curation.sources.ledger import is_one_of
from jobs.lake import Lake
from jobs.lake_figures import num_rows
from jobs.stage import StageResult, Work, Written, record, stage_key, timed


def edit(work: Work) -> StageResult:
    """Make every text what the recipe's edits make of it; without edits, what was read.

    One commit, in which all rows of the ingests with a text that is to change stand anew; a run that is killed has
    changed nothing.
    """
    lake, recipe = work.lake, work.recipe
    key = _key(recipe)
    stale = lake.read("documents").where(_is_stale(key))
    if stale.limit(1).count() == 0:
        return StageResult("edit", skipped=True, notes=() if recipe.edits else ("the recipe edits nothing",))

    def body(written: Written) -> None:
        documents, replaced = _to_edit(lake, recipe, stale)
        written.num_rows = documents.count()
        info = record(work, "edit", {"edit": key or ""}, ("documents",), written)
        with work.display.stage("edit", written.num_rows):
            rows = edited(recipe.edits, key, lake.checkpoint)(documents)
            lake.write("documents", rows, info=info, replace_where=replaced)
        lake.drop_scratch()
        written.notes += _notes(lake)

    return timed("edit", body)


def check_edited(work: Work) -> None:
    """Make sure that the documents are as the recipe's edits make them.

    Raises:
        LakeError: some are not.
    """
    stale = work.lake.read("documents").where(_is_stale(_key(work.recipe))).count()
    if stale:
        raise LakeError(
            f"{stale:,} documents are not as the edits of the recipe {work.recipe.name!r} make them: run "
            "`winnow edit` with this recipe first"
        )


def _key(recipe: Recipe) -> str | None:
    return stage_key(recipe, "edit", {}) if recipe.edits else None


def _is_stale(key: str | None) -> Column:
    """Whether a row's text was made by other edits than those of the key; a row that was only read has no key."""
    return F.col("edits").isNotNull() if key is None else F.coalesce(F.col("edits") != key, F.lit(True))


def _to_edit(lake: Lake, recipe: Recipe, stale: DataFrame) -> tuple[DataFrame, str | None]:
    """The rows that are edited, and the predicate of those that they replace; None: all."""
    documents = lake.read("documents")
    if any(isinstance(one, CorpusEdit) for one in recipe.edits):
        return documents, None
    # Delta replaces by a condition that the new rows fulfil as well: whole ingests.
    ingests = {row["ingest_id"] for row in stale.select("ingest_id").distinct().collect()}
    predicate = is_one_of("ingest_id", ingests)
    return documents.where(predicate), predicate


def _notes(lake: Lake) -> list[str]:
    documents = lake.read("documents").where(F.size("cuts") > 0)
    cut = documents.select("doc_id", F.explode("cuts").alias("cut"))
    rows = (
        cut.groupBy(F.col("cut.edit").alias("edit"))
        .agg(
            F.countDistinct("doc_id").alias("documents"),
            F.sum(F.octet_length("cut.text")).alias("cut"),
            F.sum(F.octet_length("cut.put")).alias("put"),
        )
        .orderBy("edit")
        .collect()
    )
    whole = num_rows(lake, "documents")
    return [
        f"{row['edit']}: {row['documents']:,} of {whole:,} documents changed, {row['cut'] / 1e6:,.2f} MB cut"
        + (f", {row['put'] / 1e6:,.2f} MB put in their places" if row["put"] >= 5000 else "")
        for row in rows
    ]


if __name__ == "__main__":
    from jobs.cli import main

    main(["edit", *sys.argv[1:]])
