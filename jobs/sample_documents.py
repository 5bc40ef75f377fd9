"""Job: decisions, ratings and commonness -> decisions: what was not drawn is dropped, what is kept has its weight.

No text is read.
"""

import sys
from dataclasses import asdict
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from curation.decide import sampled, weighted, without_sampling
from curation.sampling.commonness import weights_of
from curation.sampling.config import DOCUMENTS, Sampling
from curation.sampling.draw import draw
from curation.sampling.weighting import SoftDedup
from jobs.stage import StageResult, Work, Written, identity, record, stage_key, timed, up_to_date
from jobs.weigh_documents import check_weighed


def sample(work: Work) -> StageResult:
    """Draw the recipe's budget from the documents that passed, and weight those that stay.

    Nothing to do where the recipe neither samples nor weights.

    Raises:
        LakeError: the recipe weights, and it is not measured how common the documents are.
    """
    lake, recipe = work.lake, work.recipe
    sampling, weighting = recipe.sampling, recipe.weighting
    if sampling is None and weighting is None:
        return StageResult("sample", skipped=True, notes=("the recipe does not sample",))
    decisions = lake.read("decisions")
    info = lake.info("decisions") or {}
    decide_key = info.get("keys", {}).get("decide", "")
    inputs = {"decide": decide_key, "signals": identity(lake, "signals")}
    if weighting is not None:
        check_weighed(lake, recipe)
        inputs["commonness"] = identity(lake, "commonness")
    key = stage_key(recipe, "sample", inputs, recipe.hash)
    if up_to_date(lake, "decisions", "sample", key):
        return StageResult("sample", skipped=True)

    def body(written: Written) -> None:
        with work.display.stage("sample", None):
            rows: DataFrame = decisions
            more: dict[str, Any] = {}
            if sampling is not None:
                rows, more = _drawn(work, decisions, sampling, written)
            if weighting is not None:
                rows, segments = _weighted(work, rows, weighting, written)
                more = {**more, "segments": segments}
            keys = {"decide": decide_key, "sample": key}
            tables = ("decisions", "signals", *(("commonness",) if weighting is not None else ()))
            written.num_rows = decisions.count()
            lake.write("decisions", rows, info=record(work, "sample", keys, tables, written, **more))

    return timed("sample", body)


def _drawn(work: Work, decisions: DataFrame, sampling: Sampling, written: Written) -> tuple[DataFrame, dict[str, Any]]:
    """Decisions after the draw, and what to record of it."""
    chosen = draw(_candidates(work, decisions, sampling), sampling, work.lake.checkpoint)
    asked = {domain.domain: domain.asked for domain in chosen.domains}
    drawn = {domain.domain: domain.drawn for domain in chosen.domains}
    written.warnings += chosen.warnings
    written.notes.append(f"{sum(drawn.values()):,} {sampling.unit} drawn, {sum(asked.values()):,} asked")
    if len(asked) > 1:
        parts = (f"{name} {drawn[name]:,} of {asked[name]:,}" for name in sorted(asked))
        written.notes.append("by domain: " + ", ".join(parts))
    return sampled(chosen.keys, work.recipe.hash)(decisions), {"asked": asked, "drawn": drawn}


def _weighted(
    work: Work, rows: DataFrame, weighting: SoftDedup, written: Written
) -> tuple[DataFrame, list[dict[str, Any]]]:
    """Decisions with weights, and the segments that these are of."""
    found = weights_of(rows.where("kept").select("doc_id"), work.lake.read("commonness"), weighting)
    if found.segments:
        first, last = found.segments[0], found.segments[-1]
        written.notes.append(
            f"weights by commonness: {first.weight:.2f} for the rarest {first.documents:,} documents, "
            f"{last.weight:.2f} for the most common {last.documents:,}"
        )
    return weighted(found.frame)(rows), [asdict(segment) for segment in found.segments]


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
