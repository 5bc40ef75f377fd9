"""Job: documents and signals -> clusters of exact and near duplicates."""

import dataclasses
import sys

from curation.decide import with_reason_counts
from curation.dedup.clusters import DedupResult, duplicates
from curation.dedup.config import Dedup
from jobs.lake_figures import total
from jobs.stage import StageResult, Work, Written, identity, record, stage_key, timed, up_to_date


def deduplicate(work: Work) -> StageResult:
    """Find the duplicates among all documents and say which document stands for them."""
    lake, recipe = work.lake, work.recipe
    config = recipe.dedup
    if config is None:
        return StageResult("dedup", skipped=True, notes=("the recipe keeps duplicates",))
    documents = lake.read("documents")
    tables = ("documents", "signals") if _needs_signals(config) else ("documents",)
    key = stage_key(recipe, "dedup", {table: identity(lake, table) for table in tables})
    made = ("signatures", "clusters") if config.keep_signatures else ("clusters",)
    if all(up_to_date(lake, table, "dedup", key) for table in made):
        return StageResult("dedup", skipped=True)

    def body(written: Written) -> None:
        signals = with_reason_counts(recipe.rules)(lake.read("signals")) if _needs_signals(config) else None
        with work.display.stage("dedup", None):
            found = duplicates(documents, config, lake.checkpoint, signals)
            alarms = [dataclasses.asdict(alarm) for alarm in found.alarms]
            written.num_rows = found.stats.num_documents
            info = record(work, "dedup", {"dedup": key}, tables, written, stats=found.stats.as_dict(), alarms=alarms)
            if found.signatures is not None:
                lake.write("signatures", found.signatures, info=info)
            lake.write("clusters", found.clusters, info=info)  # last: it says that the stage is done
        lake.drop_scratch()
        written.num_bytes = _text_bytes(work)
        written.notes += _notes(found)
        written.warnings += [f"dedup: {alarm.message}" for alarm in found.alarms]

    return timed("dedup", body)


def _needs_signals(config: Dedup) -> bool:
    return any(criterion.on.startswith("signals.") for criterion in config.keep)


def _text_bytes(work: Work) -> int | None:
    if work.lake.version("signals") is None:
        return None
    return total(work.lake, "signals", "num_bytes")


def _notes(found: DedupResult) -> list[str]:
    stats = found.stats
    return [
        f"{stats.num_clusters:,} clusters, {stats.num_duplicates:,} documents to drop",
        f"{stats.num_verified_pairs:,} of {stats.num_comparisons:,} compared pairs verified",
    ]


if __name__ == "__main__":
    from jobs.cli import main

    main(["dedup", *sys.argv[1:]])
