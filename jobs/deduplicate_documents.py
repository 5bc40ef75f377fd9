"""Job: documents and signals -> clusters of exact and near duplicates."""

import dataclasses
import hashlib
import sys
from collections.abc import Callable
from typing import Any

from pyspark.sql import DataFrame

from curation.decide import with_reason_counts
from curation.dedup.clusters import DedupResult, Earlier, duplicates
from curation.dedup.config import Dedup
from curation.dedup.stored import StoredSketches
from curation.recipe import canonical, encode
from jobs.lake import Lake
from jobs.lake_figures import total
from jobs.stage import StageResult, Work, Written, code_version, identity, record, stage_key, timed, up_to_date


def deduplicate(work: Work) -> StageResult:
    """Find the duplicates among all documents and say which document stands for them.

    Where the recipe keeps signatures, only texts of documents that the tables `signatures` and `verified` do not answer
    for are read. Each of their rows says itself what it holds for, so that a run that was killed between their commits,
    documents that are gone and other settings cost time and nothing else.
    """
    lake, recipe = work.lake, work.recipe
    config = recipe.dedup
    if config is None:
        return StageResult("dedup", skipped=True, notes=("the recipe keeps duplicates",))
    documents = lake.read("documents")
    tables = ("documents", "signals") if _needs_signals(config) else ("documents",)
    key = stage_key(recipe, "dedup", {table: identity(lake, table) for table in tables})
    made = (*_settings(config), "clusters")
    if all(up_to_date(lake, table, "dedup", key) for table in made):
        return StageResult("dedup", skipped=True)

    def body(written: Written) -> None:
        signals = with_reason_counts(recipe.rules)(lake.read("signals")) if _needs_signals(config) else None
        with work.display.stage("dedup", None):
            earlier = _earlier(lake, config)
            found = duplicates(documents, config, lake.checkpoint, signals, earlier)
            alarms = [dataclasses.asdict(alarm) for alarm in found.alarms]
            written.num_rows = found.stats.num_documents

            def info(**settings: str) -> dict[str, Any]:
                keys = {"dedup": key, **settings}
                return record(work, "dedup", keys, tables, written, stats=found.stats.as_dict(), alarms=alarms)

            if found.stored is not None and found.verified is not None:
                settings = _settings(config)
                if not up_to_date(lake, "signatures", "dedup", key):
                    _write_signatures(lake, found.stored, lambda: info(settings=settings["signatures"]))
                lake.write("verified", found.verified, info=info(settings=settings["verified"]))
            lake.write("clusters", found.clusters, info=info())  # last: it says that the stage is done
        lake.drop_scratch()
        written.num_bytes = _text_bytes(work)
        written.notes += _notes(found)
        written.warnings += [f"dedup: {alarm.message}" for alarm in found.alarms]

    return timed("dedup", body)


def _settings(config: Dedup) -> dict[str, str]:
    """The tables that carry over to the next run, each with a hash of all settings that its rows depend on."""
    if not config.keep_signatures or config.minhash is None:
        return {}
    bounds = [config.threshold, config.max_group_size, config.max_group_bytes, config.max_representatives]
    depends = {"signatures": [config.minhash], "verified": [config.minhash.shingles, *bounds]}
    bodies = {table: canonical([table, code_version(), encode(values)]) for table, values in depends.items()}
    return {table: hashlib.sha256(body.encode()).hexdigest()[:32] for table, body in bodies.items()}


def _earlier(lake: Lake, config: Dedup) -> Earlier:
    """What an earlier run left, as far as it was made with these settings."""
    there: dict[str, DataFrame | None] = {
        table: lake.read(table) if up_to_date(lake, table, "settings", settings) else None
        for table, settings in _settings(config).items()
    }
    return Earlier(there.get("signatures"), there.get("verified"))


def _write_signatures(lake: Lake, stored: StoredSketches, info: Callable[[], dict[str, Any]]) -> None:
    """Add the new rows, or write the table anew where rows have to go or there is nothing to add."""
    if stored.still_there is None or stored.num_gone or not stored.num_new:
        lake.write("signatures", stored.signatures, info=info())
    else:
        lake.write("signatures", stored.new_signatures, info=info(), mode="append")


def _needs_signals(config: Dedup) -> bool:
    return any(criterion.on.startswith("signals.") for criterion in config.keep)


def _text_bytes(work: Work) -> int | None:
    if work.lake.version("signals") is None:
        return None
    return total(work.lake, "signals", "num_bytes")


def _notes(found: DedupResult) -> list[str]:
    stats, stored = found.stats, found.stored
    compared = []
    if stored is not None and stored.still_there is not None:
        gone = f"; no longer there: {stored.num_gone:,}" if stored.num_gone else ""
        compared = [f"compared {stored.num_new:,} new documents with {stored.num_earlier:,} earlier ones{gone}"]
    addresses = []
    if stats.num_url_duplicates:
        addresses = [f"{stats.num_url_duplicates:,} of them have the URL of a document that is preferred"]
    return [
        *compared,
        f"{stats.num_clusters:,} clusters, {stats.num_duplicates:,} documents to drop",
        *addresses,
        f"{stats.num_verified_pairs:,} of {stats.num_comparisons:,} compared pairs verified",
    ]


if __name__ == "__main__":
    from jobs.cli import main

    main(["dedup", *sys.argv[1:]])
