"""How long the stages took that made a lake's tables, from what their commits recorded."""

from collections.abc import Mapping, Sequence

from curation.history import Commit
from curation.recipe import Recipe
from curation.report.findings import StageTime

_COMMITS_LAST = {
    "ingest": "files",
    "edit": "documents",
    "measure": "signals",
    "dedup": "clusters",
    "decide": "decisions",
    "weigh": "commonness",
    "sample": "decisions",
}
_READS_ALL_TEXT = ("measure", "dedup")


def recorded_times(commits: Mapping[str, Sequence[Commit]], recipe: Recipe, num_bytes: int) -> dict[str, StageTime]:
    """How long each stage took when it last committed, in the order of the stages; those on record only.

    Args:
        commits: the commits of each table, newest first.
        recipe: the recipe that the tables were made by.
        num_bytes: bytes of the texts that are in the lake now.
    """
    found: dict[str, StageTime] = {}
    now = {name: entries[0].version for name, entries in commits.items() if entries}
    for stage, table in _COMMITS_LAST.items():
        commit = next((one for one in commits.get(table, ()) if one.stage == stage), None)
        if commit is None or commit.seconds is None or (stage == "dedup" and recipe.dedup is None):
            continue
        if stage == "weigh" and recipe.weighting is None:
            continue
        if stage == "sample" and commit is not commits["decisions"][0]:
            continue  # decided anew since, and not drawn again
        timing = commit.record["timing"]
        handled = timing["num_bytes"]
        # A stage that reads text knows how much only after its commit. Here it is known, unless texts came since.
        if stage in _READS_ALL_TEXT and handled is None and commit.inputs.get("documents") == now.get("documents"):
            handled = num_bytes - timing["carried_bytes"]
        found[stage] = StageTime(
            stage=stage,
            num_rows=timing["num_rows"],
            num_bytes=handled,
            seconds=commit.seconds,
            note=f"{commit.time:%Y-%m-%d %H:%M} UTC",
        )
    return found
