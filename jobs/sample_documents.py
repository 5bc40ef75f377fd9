"""Job: decisions and ratings -> decisions, with what was not drawn dropped. No text is read."""

import sys

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from curation.decide import sampled, without_sampling
from curation.sampling.config import DOCUMENTS, Sampling
from curation.sampling.draw import draw
from jobs.stage import StageResult, Work, Written, identity, record, stage_key, timed, up_to_date


def sample(work: Work) -> StageResult:
    """Draw the recipe's budget from the documents that passed; nothing to do where the recipe does not sample."""
    lake, recipe = work.lake, work.recipe
    sampling = recipe.sampling
    if sampling is None:
        return StageResult("sample", skipped=True, notes=("the recipe does not sample",))
    decisions = lake.read("decisions")
    info = lake.info("decisions") or {}
    decide_key = info.get("keys", {}).get("decide", "")
    key = stage_key(recipe, "sample", {"decide": decide_key, "signals": identity(lake, "signals")}, recipe.hash)
    if up_to_date(lake, "decisions", "sample", key):
        return StageResult("sample", skipped=True)

    def body(written: Written) -> None:
        with work.display.stage("sample", None):
            chosen = draw(_candidates(work, decisions, sampling), sampling, lake.checkpoint)
            asked = {domain.domain: domain.asked for domain in chosen.domains}
            drawn = {domain.domain: domain.drawn for domain in chosen.domains}
            keys = {"decide": decide_key, "sample": key}
            written.num_rows = decisions.count()
            entry = record(work, "sample", keys, ("decisions", "signals"), written, asked=asked, drawn=drawn)
            lake.write("decisions", sampled(chosen.keys, recipe.hash)(decisions), info=entry)
        written.warnings += chosen.warnings
        written.notes.append(f"{sum(drawn.values()):,} {sampling.unit} drawn, {sum(asked.values()):,} asked")
        if len(asked) > 1:
            parts = (f"{name} {drawn[name]:,} of {asked[name]:,}" for name in sorted(asked))
            written.notes.append("by domain: " + ", ".join(parts))

    return timed("sample", body)


def _candidates(work: Work, decisions: DataFrame, sampling: Sampling) -> DataFrame:
    """doc_id, domain, rating and size of the documents that every rule keeps."""
    passed = decisions.where(F.size(without_sampling()) == 0).select("doc_id")
    size: Column = F.lit(1) if sampling.unit == DOCUMENTS else F.col(sampling.unit)
    rating = F.lit(None).cast("double") if sampling.mode == "uniform" else F.col(sampling.by).cast("double")
    signals = work.lake.read("signals")
    rated = signals.select("doc_id", rating.alias("rating"), F.coalesce(size.cast("bigint"), F.lit(0)).alias("size"))
    candidates = passed.join(rated, "doc_id")
    if sampling.per_domain is None:
        return candidates.select("doc_id", F.lit("").alias("domain"), "rating", "size")
    sources = work.lake.read("documents").select("doc_id", F.col("source").alias("domain"))
    return candidates.join(sources, "doc_id").select("doc_id", "domain", "rating", "size")


if __name__ == "__main__":
    from jobs.cli import main

    main(["sample", *sys.argv[1:]])
