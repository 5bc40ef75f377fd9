"""Job: files of conversations -> token shards with a loss weight for each token, and their manifest."""

import hashlib
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.code_identity import code_identity
from curation.export.draws import copies_hashes, held_out
from curation.export.manifest import CHAT_TEMPLATE, CONVERSATIONS, REPORT, TOKENIZER, manifest_of, to_bytes
from curation.export.settings import Export, ExportError
from curation.export.shard import EVAL, TRAIN, Copies, RowFormat, folder_of, shard_file, shard_path, sorted_places
from curation.export.shard_plan import ShardPlan, Split
from curation.export.storage import Storage
from curation.export.tokenizer import ExportTokenizer
from curation.recipe import canonical, encode
from curation.report.shards import shards_page
from curation.sources.listing import SourceFile
from jobs.conversation_files import sha256_of
from jobs.conversation_mix import ALL, NOT_DRAWN, Amount, check_names, drawn
from jobs.conversation_tokens import Tokenized
from jobs.export_folder import ExportFolder
from jobs.export_plan import Drawn, check_room, shard_plan
from jobs.export_shards import Exported, row_format
from jobs.stage import Display, code_version
from training.data.chat import Chat, ChatSettings
from training.data.chat_templates import ChatTemplate
from training.data.errors import ChatError

_MOST_NAMED = 100
"""Conversations that could not be used and are named in the manifest; the table beside the shards has them all."""


@dataclass(frozen=True, kw_only=True)
class ChatExport:
    """How conversations become rows.

    Attributes:
        rows: rows, shards, seed and what is held out; packing is best-fit, so that conversations stay whole.
        chat: what is learnt; a conversation has at most a row's tokens.
        mix: how much of which dataset; all of those that are not named.
        dataset_field: the field that names the dataset of a record; None, and where it is missing: the file's name.
        id_field: the field with the user's own id.
    """

    rows: Export = field(default_factory=Export)
    chat: ChatSettings = field(default_factory=ChatSettings)
    mix: Mapping[str, Amount] = field(default_factory=dict)
    dataset_field: str | None = None
    id_field: str = "id"


def export_conversations(
    files: Sequence[SourceFile],
    tokenizer: ExportTokenizer,
    template: ChatTemplate,
    settings: ChatExport,
    to: str,
    display: Display,
    *,
    overwrite: bool = False,
) -> Exported:
    """Write conversations as token shards; the manifest comes last.

    Args:
        files: what is read; their order changes nothing.
        tokenizer: what makes tokens of the texts.
        template: what makes texts of the conversations.
        settings: which are taken, what is learnt of them, how they become rows.
        to: the folder or URI.
        display: shows how far it has come.
        overwrite: replace the export that is there.

    Raises:
        WinnowError: template and tokenizer do not go together, no conversation can be used, or there is no place.
    """
    start = time.perf_counter()
    chat, rows = open_chat(tokenizer, template, settings), _row_format(settings, tokenizer)
    sources = {file.name: file for file in files}
    inputs = [
        {"file": name, "path": file.recorded_uri, "sha256": sha256_of(file)} for name, file in sorted(sources.items())
    ]
    key = _key(settings, tokenizer, template, inputs)
    folder = ExportFolder(to)
    if folder.is_done(key, overwrite=overwrite):
        found = folder.manifest() or {}
        if folder.storage.read(REPORT) is None:
            folder.write_page(shards_page(found))
        return Exported(found, skipped=True)
    with folder.held():
        folder.is_done(key, overwrite=overwrite)  # again: it is held from here on
        read = Tokenized()
        with display.stage("tokenize", None):
            read.read(sources, chat, rows, dataset_field=settings.dataset_field, id_field=settings.id_field)
        warnings = _choose(read, settings)
        chosen = _by_split(read)
        plan = _plan(read, chosen, settings)
        check_room(folder.storage, sum(row["num_bytes"] for row in read.rows if row["split"]), rows)
        datasets = sorted({row["dataset"] for row in read.rows})
        folder.begin([folder_of(name) for name in datasets])
        folder.storage.write(TOKENIZER, tokenizer.content)
        folder.storage.write(CHAT_TEMPLATE, template.source.encode())
        with display.stage("write", len(read.rows)):
            parts = _write(read, chosen, plan, settings, rows, folder.storage) | _lost(read, datasets)
        head = _head(tokenizer, template, chat, settings, rows, key, inputs) | {"conversations": _told(read, settings)}
        manifest = manifest_of(parts, datasets, head)
        folder.storage.write(CONVERSATIONS, _table_bytes(read.table()))
        kept = [shard["path"] for shard in manifest["shards"]]
        folder.finish(to_bytes(manifest), shards_page(manifest), [CONVERSATIONS, CHAT_TEMPLATE, *kept])
    return Exported(
        manifest,
        seconds=time.perf_counter() - start,
        num_kept=sum(len(places) for places in chosen.values()),
        notes=_notes(read),
        warnings=[*warnings, *_warnings(manifest, chat, settings)],
    )


def open_chat(tokenizer: ExportTokenizer, template: ChatTemplate, settings: ChatExport) -> Chat:
    """The chat of an export.

    Raises:
        ExportError: template and tokenizer do not go together.
    """
    try:
        bounded = replace(settings.chat, max_tokens=settings.rows.row_length)
        return Chat(tokenizer.content, template, bounded)
    except ChatError as error:
        raise ExportError(str(error)) from error


def _row_format(settings: ChatExport, tokenizer: ExportTokenizer) -> RowFormat:
    if settings.rows.packing != "best_fit":
        raise ExportError(f"conversations are packed best_fit, as they are not to be cut; got {settings.rows.packing}")
    return replace(row_format(settings.rows, tokenizer), loss_weights=True)


def _key(
    settings: ChatExport, tokenizer: ExportTokenizer, template: ChatTemplate, inputs: Sequence[Mapping[str, str]]
) -> str:
    """Hash of all that the shards depend on: files, settings, tokenizer, template and code."""
    tokens = [tokenizer.sha256, tokenizer.eos, tokenizer.bos, tokenizer.pad]
    mix = {name: amount.said for name, amount in settings.mix.items()}
    body = canonical(
        [
            "export-chat",
            [code_version(), _code(), version("tokenizers"), version("jinja2")],
            encode(settings.rows),
            encode(settings.chat),
            [mix, settings.dataset_field, settings.id_field],
            tokens,
            [template.source, dict(template.special_tokens)],
            [[one["file"], one["sha256"]] for one in inputs],
        ]
    )
    return hashlib.sha256(body.encode()).hexdigest()[:32]


def _code() -> str:
    """Hash of the code that decides what stands in the shards and the manifest."""
    ours = [f"jobs.{name}" for name in ("export_conversations", "export_plan")]
    ours += [f"jobs.conversation_{name}" for name in ("files", "mix", "tokens")]
    ours += [f"training.data.{name}" for name in ("chat", "chat_templates", "conversations")]
    return code_identity("curation.export.shard", "curation.export.manifest", alone=tuple(ours))


def _choose(read: Tokenized, settings: ChatExport) -> list[str]:
    """Write into the rows which are taken for what, and why the others are not; gives what fell short.

    Raises:
        ExportError: nothing is left.
    """
    by_dataset: dict[str, list[int]] = {row["dataset"]: [] for row in read.rows}
    check_names(settings.mix, by_dataset)
    for place, row in enumerate(read.rows):
        if row["reason"] is None:
            by_dataset[row["dataset"]].append(place)
    seed, short = settings.rows.seed, []
    for name, places in sorted(by_dataset.items()):
        amount = settings.mix.get(name, ALL)
        taken = drawn(pa.array([read.rows[place]["doc_id"] for place in places], pa.string()), amount, seed)
        groups = pa.array([read.groups[place] for place in places], pa.string())
        is_eval = held_out(groups, settings.rows.eval_share, seed)
        for place, take, held in zip(places, taken.tolist(), is_eval.tolist(), strict=True):
            read.rows[place] |= {"split": EVAL if held else TRAIN} if take else {"reason": NOT_DRAWN}
        if amount.count is not None and amount.count > len(places):
            short.append(
                f"--mix {name}={amount.said}: it has {len(places):,} usable conversations, and all are taken once"
            )
    if not any(row["split"] for row in read.rows):
        reasons = Counter(row["reason"] for row in read.rows).most_common(5)
        example = next((f"; for instance {row['detail']}" for row in read.rows if row["detail"]), "")
        why = ", ".join(f"{reason} {count:,}" for reason, count in reasons) or "the files hold no record"
        raise ExportError(f"none of {len(read.rows):,} conversations can be used ({why}{example})")
    return short


def _by_split(read: Tokenized) -> dict[Split, list[int]]:
    found: dict[Split, list[int]] = {}
    for place, row in enumerate(read.rows):
        if row["split"]:
            found.setdefault((row["dataset"], row["split"] == EVAL), []).append(place)
    return found


def _plan(read: Tokenized, chosen: Mapping[Split, Sequence[int]], settings: ChatExport) -> ShardPlan:
    sizes = {split: sum(read.rows[place]["num_bytes"] for place in places) for split, places in chosen.items()}
    parts = {split: Drawn(len(places), len(places), len(places), sizes[split]) for split, places in chosen.items()}
    return shard_plan(parts, settings.rows.shard_bytes)


def _write(
    read: Tokenized,
    chosen: Mapping[Split, Sequence[int]],
    plan: ShardPlan,
    settings: ChatExport,
    rows: RowFormat,
    storage: Storage,
) -> dict[str, dict[str, Any]]:
    """Write all shards; by path, what is in them. Bytes depend on the conversations, not on their order."""
    found = {}
    for (dataset, is_eval), places in sorted(chosen.items()):
        doc_ids = pa.array([read.rows[place]["doc_id"] for place in places], pa.string())
        repeats = np.zeros(len(places), np.int64)
        hashes = copies_hashes(doc_ids, repeats, settings.rows.seed, "shard")
        shards = (hashes % np.uint64(plan.counts[dataset, is_eval])).astype(np.int64)
        keys = pa.array(copies_hashes(doc_ids, repeats, settings.rows.seed, "order"))
        order = sorted_places(pa.array(shards), keys, doc_ids, pa.array(repeats))
        for number in np.unique(shards).tolist():
            own = [places[place] for place in order.tolist() if shards[place] == number]
            content, counts = shard_file(_copies(read, own), rows)
            counts["num_special_tokens"] = sum(read.rows[place]["num_special_tokens"] for place in own)
            counts["num_truncated_documents"] = sum(read.rows[place]["num_cut_tokens"] > 0 for place in own)
            path = shard_path(dataset, EVAL if is_eval else TRAIN, number)
            storage.write(path, content)
            found[path] = counts
    return found


def _copies(read: Tokenized, places: Sequence[int]) -> Copies:
    ids, weights = ([values[place] for place in places] for values in (read.ids, read.loss_weights))
    tokens, loss_weights = (np.concatenate([one for one in values if one is not None]) for values in (ids, weights))
    rows = [read.rows[place] for place in places]
    lengths = np.array([row["num_tokens"] for row in rows], np.int64)
    return Copies(
        tokens=tokens,
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        doc_ids=pa.array([row["doc_id"] for row in rows], pa.string()),
        repeats=np.zeros(len(rows), np.int64),
        sources=pa.array([row["file"] for row in rows], pa.string()),
        num_bytes=np.array([row["num_bytes"] for row in rows], np.int64),
        loss_weights=loss_weights,
    )


def _lost(read: Tokenized, datasets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What could not be used of each dataset, in the form of a shard without rows."""
    lost: dict[str, dict[str, str]] = {name: {} for name in datasets}
    for row in read.rows:
        if row["reason"] not in (None, NOT_DRAWN):
            lost[row["dataset"]][f"{row['file']}:{row['record']}"] = f"{row['reason']}: {row['detail']}"[:200]
    return {
        f"{folder_of(name)}/{TRAIN}-": {"num_failed": len(said), "failed": dict(sorted(said.items())[:_MOST_NAMED])}
        for name, said in lost.items()
    }


def _told(read: Tokenized, settings: ChatExport) -> dict[str, Any]:
    """How many conversations each dataset has, how many were wanted, and why the others are left out."""
    datasets: dict[str, dict[str, Any]] = {}
    for row in read.rows:
        amount = settings.mix.get(row["dataset"], ALL).said
        one = datasets.setdefault(row["dataset"], {"num_read": 0, "num_kept": 0, "wanted": amount, "dropped": {}})
        one["num_read"] += 1
        one["num_kept"] += row["reason"] is None
        if row["reason"] is not None:
            one["dropped"][row["reason"]] = one["dropped"].get(row["reason"], 0) + 1
    return {"file": CONVERSATIONS, "datasets": datasets}


def _head(
    tokenizer: ExportTokenizer,
    template: ChatTemplate,
    chat: Chat,
    settings: ChatExport,
    rows: RowFormat,
    key: str,
    inputs: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    """What an export was made from, as its manifest says."""
    names = [one["file"] for one in inputs]
    return {
        "row_length": rows.row_length,
        "token_dtype": rows.token_dtype,
        "loss_weights": "float16",
        "packing": rows.packing,
        "tokenizer": {
            "file": TOKENIZER,
            "name": tokenizer.name,
            "sha256": tokenizer.sha256,
            "vocab_size": tokenizer.vocab_size,
            "special_ids": tokenizer.special_ids,
        },
        "chat": {
            "template": {
                "file": CHAT_TEMPLATE,
                "name": template.name,
                "sha256": hashlib.sha256(template.source.encode()).hexdigest(),
                "marked": template.has_markers,
            },
            "special_tokens": dict(template.special_tokens),
            "end_of_turn": chat.end_of_turn,
            "train_on": settings.chat.train_on,
            "too_long": settings.chat.too_long,
        },
        "inputs": list(inputs),
        "lake": "conversations: " + ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else ""),
        "recipe": {"name": "export-chat", "hash": key[:16]},
        "tables": {},
        "key": key,
        "winnow": code_version(),
        "code": _code(),
        "seed": settings.rows.seed,
        "eval_share": settings.rows.eval_share,
        "domain": "dataset" if settings.dataset_field is None else f"field {settings.dataset_field}",
        "shard_bytes": settings.rows.shard_bytes,
    }


def _table_bytes(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _notes(read: Tokenized) -> list[str]:
    cut = [row["num_cut_tokens"] for row in read.rows if row["split"] and row["num_cut_tokens"]]
    taken = [group for group, row in zip(read.groups, read.rows, strict=True) if row["split"]]
    notes = []
    if cut:
        notes.append(f"{len(cut):,} conversations are longer than a row and lose {sum(cut):,} tokens at their end.")
    if len(taken) > len(set(taken)):
        notes.append(f"{len(taken) - len(set(taken)):,} conversations say the same as another one, word for word.")
    return notes


def _warnings(manifest: Mapping[str, Any], chat: Chat, settings: ChatExport) -> list[str]:
    found = []
    if chat.end_of_turn is None:
        found.append("the template ends an assistant's turn with no special token: nothing teaches the model to stop")
    for name, told in manifest["conversations"]["datasets"].items():
        bad = told["num_read"] - told["num_kept"] - told["dropped"].get(NOT_DRAWN, 0)
        if bad * 2 > told["num_read"]:
            found.append(f"{bad:,} of {told['num_read']:,} conversations of {name} cannot be used")
    for domain in manifest["domains"]:
        if settings.rows.eval_share and domain["train"]["num_rows"] and not domain["eval"]["num_rows"]:
            found.append(f"no conversation of {domain['name']} is held out: a larger --eval-share holds some out")
    return found


if __name__ == "__main__":
    from jobs.cli import main

    main(["export-chat", *sys.argv[1:]])
