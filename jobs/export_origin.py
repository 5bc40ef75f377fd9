"""Which tables an export reads: the newest decisions, and all that they were made from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curation.errors import LakeError
from curation.history import Commit, lineage
from curation.recipe import canonical
from jobs.lake import Lake
from jobs.lake_reader import EngineReader

_TABLES = ("documents", "signals", "clusters", "decisions")


@dataclass(frozen=True)
class Origin:
    """The tables that an export reads, and by which recipe they were decided.

    Attributes:
        versions: by table; None where there is no such table.
        recipe: name and hash of the recipe.
        identity: what the shards depend on of all that.
    """

    versions: Mapping[str, int | None]
    recipe: Mapping[str, str | None]
    identity: str


def origin_of(lake: Lake) -> Origin:
    """The newest decisions, and the versions of the other tables that these were made from.

    Raises:
        LakeError: nothing is decided yet.
    """
    reader = EngineReader(lake)
    commits = {name: reader.commits(name) for name in _TABLES}
    for name, stage in (("documents", "run"), ("signals", "measure"), ("decisions", "decide")):
        if not commits[name]:
            raise LakeError(f"{lake.location(name)} does not exist: run `winnow {stage}` first")
    newest = commits["decisions"][0]
    if newest.stage is None:
        raise LakeError(
            f"{lake.location('decisions')} at version {newest.version} was written by something other than Winnow: "
            "run `winnow decide` again"
        )
    made_from = lineage([commit for entries in commits.values() for commit in entries], "decisions", newest.version)
    versions = {name: made_from.get(name, commits[name][0].version if commits[name] else None) for name in _TABLES}
    records = [_record(commits[name], versions[name]) for name in _TABLES]
    identity = hashlib.sha256(canonical([dict(versions), records]).encode()).hexdigest()
    return Origin(versions, {"name": newest.recipe_name, "hash": newest.recipe_hash}, identity)


def _record(commits: list[Commit], version: int | None) -> Any:
    """Winnow's record of a commit, times aside."""
    found = next((commit for commit in commits if commit.version == version), None)
    return None if found is None else {name: value for name, value in found.record.items() if name != "timing"}
