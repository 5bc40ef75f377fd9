"""Job: documents, signals, clusters and decisions -> token shards and their manifest."""

import hashlib
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import orjson
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from curation.errors import LakeError
from curation.export.manifest import TOKENIZER, manifest_of, to_bytes
from curation.export.settings import Export, ExportError
from curation.export.shard import RowFormat, folder_of
from curation.export.stage import ShardPlan, ShardWriter, Split, assigned, kept_documents, placed, written
from curation.export.storage import Storage
from curation.export.tokenizer import ExportTokenizer
from curation.history import Commit, lineage
from curation.recipe import canonical, encode
from jobs.export_folder import ExportFolder
from jobs.lake import Lake
from jobs.lake_reader import EngineReader
from jobs.stage import Display, code_version

MOST_DOMAINS = 10_000
MOST_SHARDS = 1_000_000
_TABLES = ("documents", "signals", "clusters", "decisions")
_ROUND_BYTES = 8 << 30
"""Text whose tokens an engine inside this process holds at once; larger exports are made in rounds."""
_MOST_BYTES_PER_TOKEN = 16
"""No tokenizer of running text has longer tokens on average: what has no room then has none at all."""


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


@dataclass(frozen=True)
class Drawn:
    """What is to be exported of one domain and split: documents that are taken, copies of them and bytes of text."""

    num_kept: int
    num_drawn: int
    num_repeats: int
    num_bytes: int


@dataclass(frozen=True)
class Exported:
    """What an export did.

    Attributes:
        manifest: as it was written, or found.
        skipped: it was there already.
        seconds: how long it took.
        num_kept: documents kept, those that their weight left out included.
        notes: what it found, for people.
        warnings: what should be looked at.
    """

    manifest: dict[str, Any]
    skipped: bool = False
    seconds: float = 0.0
    num_kept: int = 0
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def export(
    lake: Lake,
    tokenizer: ExportTokenizer,
    settings: Export,
    to: str,
    display: Display,
    *,
    overwrite: bool = False,
    lake_name: str | None = None,
) -> Exported:
    """Write the kept documents of a lake as token shards; the manifest comes last.

    Args:
        lake: the lake.
        tokenizer: what makes tokens of its texts.
        settings: how they become rows.
        to: the folder or URI.
        display: shows how far it has come.
        overwrite: replace the export that is there.
        lake_name: how the user named the lake; None: its path.

    Raises:
        WinnowError: there is nothing to export, no room for it, or no place.
    """
    start = time.perf_counter()
    rows = row_format(settings, tokenizer)
    origin = origin_of(lake)
    key = _key(settings, tokenizer, origin)
    folder = ExportFolder(to)
    if folder.is_done(key, overwrite=overwrite):
        return Exported(folder.manifest() or {}, skipped=True)
    kept = _kept(lake, origin, settings)
    with folder.held():
        folder.is_done(key, overwrite=overwrite)  # again: it is held from here on
        drawn = _drawn(kept.transform(placed(settings)), lake)
        plan = shard_plan(drawn, settings.shard_bytes)
        _check_room(folder.storage, sum(part.num_bytes for part in drawn.values()), rows)
        domains = sorted({domain for domain, _ in drawn})
        folder.begin([folder_of(domain) for domain in domains])
        folder.storage.write(TOKENIZER, tokenizer.content)
        with display.stage("export", sum(part.num_repeats for part in drawn.values())):
            found = _write(lake, origin, kept, drawn, plan, settings, rows, tokenizer, folder.storage)
        manifest = manifest_of(found, domains, _head(lake_name or lake.path, tokenizer, settings, rows, origin, key))
        _check_whole(manifest, drawn, folder)
        folder.finish(to_bytes(manifest), [shard["path"] for shard in manifest["shards"]])
    done = Exported(
        manifest, seconds=time.perf_counter() - start, num_kept=sum(part.num_kept for part in drawn.values())
    )
    _say(done, settings)
    return done


def row_format(settings: Export, tokenizer: ExportTokenizer) -> RowFormat:
    """What the rows of an export with that tokenizer look like.

    Raises:
        ExportSettingsError: the vocabulary does not fit into the width that was asked for.
    """
    special = tokenizer.special_ids
    assert special["eos"] is not None
    assert special["pad"] is not None
    return RowFormat(
        row_length=settings.row_length,
        packing=settings.packing,
        token_dtype=tokenizer.token_dtype(settings.token_dtype),
        eos=special["eos"],
        bos=special["bos"],
        pad=special["pad"],
        vocab_size=tokenizer.vocab_size,
    )


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


def _key(settings: Export, tokenizer: ExportTokenizer, origin: Origin) -> str:
    """Hash of all that the shards depend on: tables, settings, tokenizer and code."""
    tokens = [tokenizer.sha256, tokenizer.eos, tokenizer.bos, tokenizer.pad]
    body = canonical(["export", code_version(), encode(settings), tokens, origin.identity])
    return hashlib.sha256(body.encode()).hexdigest()[:32]


def _kept(lake: Lake, origin: Origin, settings: Export) -> DataFrame:
    versions = origin.versions
    clusters = None if versions["clusters"] is None else lake.read("clusters", versions["clusters"])
    documents, decisions, signals = (lake.read(name, versions[name]) for name in ("documents", "decisions", "signals"))
    return kept_documents(documents, decisions, signals, clusters, settings)


def _drawn(frame: DataFrame, lake: Lake) -> dict[Split, Drawn]:
    """What is to be exported, by domain and split.

    Raises:
        ExportError: there is nothing, there are too many domains, or a weight makes no sense.
    """
    copies = F.greatest(F.col("num_repeats"), F.lit(0)).cast("bigint")
    counted = (
        frame.groupBy("domain", "eval")
        .agg(
            F.count("*").alias("kept"),
            F.sum((F.col("num_repeats") > 0).cast("bigint")).alias("drawn"),
            F.sum(copies).alias("repeats"),
            F.sum(copies * F.col("num_bytes")).alias("size"),
            F.sum((F.col("num_repeats") < 0).cast("bigint")).alias("unusable"),
        )
        .limit(2 * MOST_DOMAINS + 1)
        .collect()
    )
    unusable = sum(row["unusable"] for row in counted)
    if unusable:
        raise ExportError(
            f"{unusable:,} kept documents of {lake.location('decisions')} have a weight that is no number from 0 to "
            "32766: `winnow decide` writes them anew"
        )
    found = {
        (row["domain"], bool(row["eval"])): Drawn(
            int(row["kept"]), int(row["drawn"]), int(row["repeats"]), int(row["size"])
        )
        for row in counted
    }
    if not sum(part.num_repeats for part in found.values()):
        kept = sum(part.num_kept for part in found.values())
        what = "keeps no document" if not kept else f"keeps {kept:,} documents, and their weights draw none of them"
        raise ExportError(
            f"{lake.location('decisions')} {what}: there is nothing to export. `winnow report` shows what dropped them."
        )
    if len({domain for domain, _ in found}) > MOST_DOMAINS:
        raise ExportError(
            f"there are more than {MOST_DOMAINS:,} domains, each a folder of its own: choose another --domain, or "
            "--domain one"
        )
    return {split: part for split, part in found.items() if part.num_repeats}


def shard_plan(drawn: Mapping[Split, Drawn], shard_bytes: int) -> ShardPlan:
    """So many shards of each domain and split that each has about so much text.

    Raises:
        ExportError: there would be too many.
    """
    counts = {split: min(max(1, -(-part.num_bytes // shard_bytes)), part.num_repeats) for split, part in drawn.items()}
    if sum(counts.values()) > MOST_SHARDS:
        raise ExportError(
            f"shards of {shard_bytes:,} bytes would be {sum(counts.values()):,}, and {MOST_SHARDS:,} is the most: give "
            "a larger --shard-mb"
        )
    return ShardPlan(counts=counts)


def _check_room(storage: Storage, num_bytes: int, rows: RowFormat) -> None:
    free = storage.free_bytes()
    least = num_bytes // _MOST_BYTES_PER_TOKEN * (2 if rows.token_dtype == "uint16" else 4)
    if free is not None and free < least:
        raise ExportError(
            f"the disk of {storage.location} has {free / 1e6:,.0f} MB free, and {num_bytes / 1e6:,.0f} MB of text take "
            f"more than {least / 1e6:,.0f} MB as tokens: make room, or give another folder with --to"
        )


def _write(
    lake: Lake,
    origin: Origin,
    kept: DataFrame,
    drawn: Mapping[Split, Drawn],
    plan: ShardPlan,
    settings: Export,
    rows: RowFormat,
    tokenizer: ExportTokenizer,
    storage: Storage,
) -> dict[str, dict[str, Any]]:
    """Write all shards; by path, what the workers counted."""
    shares = lake.session.shares_process
    texts = lake.read("documents", origin.versions["documents"]).select("doc_id", "text")
    writer = ShardWriter.of(tokenizer, settings=settings, rows=rows, plan=plan, storage=storage, in_parallel=shares)
    num_bytes = sum(part.num_bytes for part in drawn.values())
    num_rounds = max(1, min(plan.num_shards, -(-num_bytes // _ROUND_BYTES))) if shares else 1
    bounds = [plan.num_shards * number // num_rounds for number in range(num_rounds + 1)]
    found: dict[str, dict[str, Any]] = {}
    for first, end in pairwise(bounds):
        tasks = min(end - first, os.cpu_count() or 1) if shares else end - first
        copies = kept.transform(placed(settings)).transform(assigned(settings, plan, first, end))
        for row in copies.transform(written(writer, texts, tasks)).collect():
            found[row["path"]] = orjson.loads(row["counts"])
    return found


def _head(
    lake: str, tokenizer: ExportTokenizer, settings: Export, rows: RowFormat, origin: Origin, key: str
) -> dict[str, Any]:
    """What an export was made from, as its manifest says."""
    return {
        "row_length": rows.row_length,
        "token_dtype": rows.token_dtype,
        "packing": rows.packing,
        "tokenizer": {
            "file": TOKENIZER,
            "name": tokenizer.name,
            "sha256": tokenizer.sha256,
            "vocab_size": tokenizer.vocab_size,
            "special_ids": tokenizer.special_ids,
        },
        "recipe": dict(origin.recipe),
        "tables": dict(origin.versions),
        "lake": lake,
        "key": key,
        "winnow": code_version(),
        "seed": settings.seed,
        "eval_share": settings.eval_share,
        "domain": settings.domain,
        "shard_bytes": settings.shard_bytes,
    }


def _check_whole(manifest: dict[str, Any], drawn: Mapping[Split, Drawn], folder: ExportFolder) -> None:
    """Raise where a copy of a document, or a file, has been lost on the way."""
    counts = manifest["counts"]
    expected = sum(part.num_repeats for part in drawn.values())
    arrived = counts["num_repeats"] + counts["num_empty"] + counts["num_failed"]
    if arrived != expected:
        raise ExportError(
            f"{expected:,} copies of documents were drawn and {arrived:,} arrived: a doc_id stands twice in a table, "
            "or a table has changed on the way. Run again; if it stays so, make the tables anew."
        )
    if not counts["num_rows"]:
        raise ExportError(f"none of {expected:,} kept documents has a token: there is nothing to export")
    files = folder.storage.files()
    for shard in manifest["shards"]:
        if files.get(shard["path"]) != shard["num_bytes"]:
            raise ExportError(
                f"{folder.location}/{shard['path']} should have {shard['num_bytes']:,} bytes and has "
                f"{files.get(shard['path'])}: the workers wrote elsewhere. Give --to as a folder or URI that this "
                "machine and all workers reach."
            )


def _say(done: Exported, settings: Export) -> None:
    """Note and warn of what a user should know."""
    counts = done.manifest["counts"]
    if counts["num_failed"]:
        named = ", ".join(list(done.manifest["failed"])[:3])
        done.warnings.append(
            f"{counts['num_failed']:,} documents could not be tokenized and are left out ({named}; the manifest names "
            "them and what the tokenizer said)"
        )
    if counts["num_empty"]:
        done.notes.append(f"{counts['num_empty']:,} documents have no token and are left out")
    for domain in done.manifest["domains"]:
        if settings.eval_share and not domain["eval"]["num_rows"]:
            done.warnings.append(
                f"no document of {domain['name']} is held out: it has {domain['train']['num_documents']:,}; a larger "
                "--eval-share or another --seed holds some out"
            )
        if not domain["train"]["num_rows"]:
            done.warnings.append(f"all of {domain['name']} is held out: there is nothing of it to train on")


if __name__ == "__main__":
    from jobs.cli import main

    main(["export", *sys.argv[1:]])
