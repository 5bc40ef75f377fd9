"""Job: documents, signals, clusters and decisions -> token shards and their manifest."""

import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import orjson
from pyspark.sql import DataFrame

from curation.code_identity import code_identity
from curation.export.manifest import REPORT, TOKENIZER, manifest_of, to_bytes
from curation.export.settings import Export, ExportError
from curation.export.shard import RowFormat, folder_of
from curation.export.shard_plan import ShardPlan, Split
from curation.export.stage import assigned, kept_documents, placed, written
from curation.export.storage import Storage
from curation.export.tokenizer import ExportTokenizer
from curation.export.writer import ShardWriter
from curation.recipe import canonical, encode
from curation.report.shards import shards_page
from curation.session import ENGINE_FAILURES
from jobs.export_folder import ExportFolder
from jobs.export_origin import Origin, origin_of
from jobs.export_plan import Drawn, check_room, drawn_by_split, shard_plan
from jobs.lake import Lake
from jobs.stage import Display, code_version

_ROUND_BYTES = 8 << 30
"""Text whose tokens an engine inside this process holds at once; larger exports are made in rounds."""

_TASK_BYTES, _LEAST_TEXT_TASKS = 64 << 20, 16
"""Text that one task makes tokens of where there is a process for each core; and how many tasks there are at least, so
that no core is idle for long while another has the last of them."""


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
        found = folder.manifest() or {}
        if folder.storage.read(REPORT) is None:
            folder.write_page(shards_page(found))
        return Exported(found, skipped=True)
    kept = _kept(lake, origin, settings)
    with folder.held():
        folder.is_done(key, overwrite=overwrite)  # again: it is held from here on
        drawn = drawn_by_split(kept.transform(placed(settings)), lake)
        plan = shard_plan(drawn, settings.shard_bytes)
        check_room(folder.storage, sum(part.num_bytes for part in drawn.values()), rows)
        domains = sorted({domain for domain, _ in drawn})
        folder.begin([folder_of(domain) for domain in domains])
        folder.storage.write(TOKENIZER, tokenizer.content)
        with display.stage("export", sum(part.num_repeats for part in drawn.values())):
            parts = _write(lake, origin, kept, drawn, plan, settings, rows, tokenizer, folder.storage)
        manifest = manifest_of(parts, domains, _head(lake_name or lake.path, tokenizer, settings, rows, origin, key))
        _check_whole(manifest, drawn, folder)
        folder.finish(to_bytes(manifest), shards_page(manifest), [shard["path"] for shard in manifest["shards"]])
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


def _key(settings: Export, tokenizer: ExportTokenizer, origin: Origin) -> str:
    """Hash of all that the shards depend on: tables, settings, tokenizer and code."""
    tokens = [tokenizer.sha256, tokenizer.eos, tokenizer.bos, tokenizer.pad]
    code = [code_version(), export_code(), version("tokenizers")]
    body = canonical(["export", code, encode(settings), tokens, origin.identity])
    return hashlib.sha256(body.encode()).hexdigest()[:32]


def export_code() -> str:
    """Hash of the code that decides what stands in the shards and the manifest."""
    return code_identity("curation.export.stage", "curation.export.manifest", alone=("jobs.export_plan",))


def _kept(lake: Lake, origin: Origin, settings: Export) -> DataFrame:
    versions = origin.versions
    clusters = None if versions["clusters"] is None else lake.read("clusters", versions["clusters"])
    documents, decisions, signals = (lake.read(name, versions[name]) for name in ("documents", "decisions", "signals"))
    return kept_documents(documents, decisions, signals, clusters, settings)


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
    text_tasks = max(_LEAST_TEXT_TASKS, -(-num_bytes // _TASK_BYTES))
    found: dict[str, dict[str, Any]] = {}
    for first, end in pairwise(bounds):
        tasks = min(end - first, os.cpu_count() or 1) if shares else end - first
        copies = kept.transform(placed(settings)).transform(assigned(settings, plan, first, end))
        with _telling():
            rows_written = copies.transform(written(writer, texts, tasks, text_tasks)).collect()
        found |= {row["path"]: orjson.loads(row["counts"]) for row in rows_written}
    return found


@contextmanager
def _telling() -> Iterator[None]:
    """Say plainly what a worker could not do, which the engines bury in a page of their own names."""
    try:
        yield
    except ENGINE_FAILURES as error:
        said = re.search(r"ExportError: (.+)", str(error))
        if said is None:
            raise
        raise ExportError(said[1].strip()) from error


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
        "code": export_code(),
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
        if not domain["train"]["num_rows"] + domain["eval"]["num_rows"]:
            done.warnings.append(f"no document of {domain['name']} has a token: there is nothing of it in the export")
            continue
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
