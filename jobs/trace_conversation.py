"""What stands behind a row of conversations: from which file and line each is, and what of it is learnt."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from curation.export.settings import ExportError
from curation.printable import printable
from jobs.trace_row import Place

Row = dict[str, Any]


def are_conversations(place: Place) -> bool:
    """Whether a row is of an export of conversations."""
    return "conversations" in place.manifest


def trace_conversations(place: Place) -> Row:
    """All that is known of a row of conversations, as plain JSON.

    Raises:
        ExportError: the table beside the shards is missing, or of another export.
    """
    manifest = place.manifest
    table = place.folder / manifest["conversations"]["file"]
    ids = sorted({segment.doc_id for segment in place.segments})
    try:
        rows = pq.read_table(table, filters=[("doc_id", "in", ids)]).to_pylist() if ids else []
    except (OSError, pa.ArrowException) as error:
        raise ExportError(f"{table} cannot be read ({error}): copy it back, or export anew") from error
    by_id = {row["doc_id"]: row for row in rows}
    missing = [doc_id for doc_id in ids if doc_id not in by_id]
    if missing:
        raise ExportError(f"{table} does not know the conversation {missing[0]}: it is of another export. Export anew.")
    paths = {one["file"]: one["path"] for one in manifest["inputs"]}
    return {
        "shard": place.shard,
        "row": place.row,
        "token": place.token,
        "num_tokens": place.num_tokens,
        "tokenizer": manifest["tokenizer"],
        "chat": manifest["chat"],
        "key": manifest["key"],
        "segments": [
            {
                "start": segment.start,
                "end": segment.end,
                "text": segment.text,
                "num_supervised_tokens": sum(weight > 0 for weight in segment.loss_weights),
                "loss_weight": None if place.token is None else segment.loss_weights[place.token - segment.start],
                "path": paths[by_id[segment.doc_id]["file"]],
                **{
                    name: by_id[segment.doc_id][name]
                    for name in ("doc_id", "record_id", "dataset", "file", "record", "split", "num_cut_tokens")
                },
            }
            for segment in place.segments
        ],
    }


def show_conversations(told: Row, console: Console, *, as_json: bool = False, num_chars: int = 200) -> None:
    """Print what `trace_conversations` gives.

    Args:
        told: the row's story.
        console: where.
        as_json: as JSON.
        num_chars: characters of each conversation to print.
    """
    if as_json:
        said = json.dumps(told, indent=2, ensure_ascii=False)
        console.print(said, markup=False, highlight=False, soft_wrap=True)
        return
    template = told["chat"]["template"]
    head = [
        Text(f"{told['shard']}, row {told['row']}: {told['num_tokens']:,} tokens", style="bold"),
        Text(f"template {printable(template['name'])}, sha256 {template['sha256'][:16]}"),
        Text(f"tokenizer {printable(told['tokenizer']['name'])}, sha256 {told['tokenizer']['sha256'][:16]}"),
    ]
    console.print(Group(*head, *(_view(segment, num_chars) for segment in told["segments"])))


def _view(segment: Row, num_chars: int) -> Table:
    learnt = f"{segment['num_supervised_tokens']:,} of {segment['end'] - segment['start']:,} tokens"
    if segment["loss_weight"] is not None:
        learnt += f"; this one has the weight {segment['loss_weight']:g}"
    if segment["num_cut_tokens"]:
        learnt += f"; {segment['num_cut_tokens']:,} more are cut off"
    own = f" ({segment['record_id']})" if segment["record_id"] else ""
    shown = segment["text"][:num_chars] + (" ..." if len(segment["text"]) > num_chars else "")
    table = Table(
        title=f"tokens {segment['start']:,} to {segment['end'] - 1:,}", title_justify="left", show_header=False
    )
    table.add_column("")
    table.add_column("", overflow="fold")
    for name, value in (
        ("conversation", f"{segment['doc_id']}{own}"),
        ("from", f"{segment['path']}:{segment['record']}, dataset {segment['dataset']}"),
        ("learnt", learnt),
        ("text", shown.replace("\n", " ")),
    ):
        table.add_row(name, Text(printable(value)))
    return table
