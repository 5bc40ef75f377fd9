"""Job: what stands behind a row of a shard: documents, source files, table versions, verdicts."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from curation.errors import LakeError
from curation.export.manifest import NAME, from_bytes
from curation.export.settings import ExportError
from curation.export.tokenizer import open_library
from curation.printable import printable
from jobs.lake_reader import DirectReader, LakeReader, Match, Where
from jobs.trace_tokens import Retokenizer, agreement_said, warning_of

_PLACE = re.compile(r"(?P<shard>.+?\.arrow):(?P<row>\d+)(?::(?P<token>\d+))?", re.DOTALL)
_MOST_IDS = 200
"""Documents that are looked up at once."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Segment:
    """A piece of a document in a row.

    Attributes:
        start: its first token in the row.
        end: the token after its last.
        doc_id: the document.
        offset: the piece's first token in the document's tokens.
        repeat: number of the copy, from 0.
        text: the piece as text; special tokens left out, but for a conversation's.
        loss_weights: of its tokens, where the export has them; else empty.
        tokens: the ids of the piece.
    """

    start: int
    end: int
    doc_id: str
    offset: int
    repeat: int
    text: str
    loss_weights: tuple[float, ...] = ()
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True)
class Place:
    """A row of a shard, and all that its export says.

    Attributes:
        shard: path of the shard below the export's folder.
        row: its number, from 0.
        token: the token asked for, None for the whole row.
        segments: the pieces that were asked for.
        num_tokens: tokens of the row, padding left out.
        manifest: the export's manifest.
        folder: the export's folder.
    """

    shard: str
    row: int
    token: int | None
    segments: tuple[Segment, ...]
    num_tokens: int
    manifest: dict[str, Any]
    folder: Path


def open_place(wanted: str) -> Place:
    """The row, or the token, that `SHARD:ROW[:TOKEN]` names.

    Raises:
        ExportError: there is no such shard, row or token, or the shard belongs to no export.
    """
    found = _PLACE.fullmatch(wanted)
    if found is None:
        raise ExportError(
            f"expected SHARD:ROW or SHARD:ROW:TOKEN, for instance shards/qa/train-00000.arrow:7, got {wanted}"
        )
    path = Path(found["shard"]).absolute()
    folder = path.parent.parent
    if not path.is_file():
        raise ExportError(f"there is no shard {found['shard']}")
    if not (folder / NAME).is_file():
        raise ExportError(f"{found['shard']} belongs to no export: {folder / NAME} is not there")
    manifest = from_bytes((folder / NAME).read_bytes(), str(folder / NAME))
    shard = str(path.relative_to(folder))
    described = next((entry for entry in manifest["shards"] if entry["path"] == shard), None)
    if described is None or described["num_bytes"] != path.stat().st_size:
        size = "does not name it" if described is None else f"says that it has {described['num_bytes']:,} bytes"
        raise ExportError(f"{found['shard']} is no shard of its export: {folder / NAME} {size}. Export anew.")
    number, token = int(found["row"]), None if found["token"] is None else int(found["token"])
    row = _row(path, number)
    segments = _segments(row, folder / manifest["tokenizer"]["file"])
    if token is not None:
        if token >= row["num_tokens"]:
            what = (
                "padding" if token < manifest["row_length"] else f"beyond the row's {manifest['row_length']:,} tokens"
            )
            raise ExportError(
                f"token {token} of row {number} is {what}: the row has {row['num_tokens']:,} tokens, from 0"
            )
        segments = [segment for segment in segments if segment.start <= token < segment.end]
    return Place(shard, number, token, tuple(segments), row["num_tokens"], manifest, folder)


def _row(path: Path, number: int) -> Row:
    try:
        with pa.memory_map(str(path)) as source:
            batch = pa.ipc.open_file(source).get_batch(0)
            if number >= batch.num_rows:
                raise ExportError(f"{path} has {batch.num_rows:,} rows, numbered from 0: there is no row {number}")
            return dict(batch.slice(number, 1).to_pylist()[0])
    except pa.ArrowInvalid as error:
        raise ExportError(f"{path} is damaged ({error}): export anew") from error


def _segments(row: Row, tokenizer: Path) -> list[Segment]:
    if not tokenizer.is_file():
        raise ExportError(f"{tokenizer} is not there: copy the tokenizer of the export back, or export anew")
    library = open_library(tokenizer.read_bytes(), str(tokenizer))
    bounds = [*row["starts"], row["num_tokens"]]
    weights = row.get("loss_weights")
    return [
        Segment(
            start,
            end,
            doc_id,
            offset,
            repeat,
            library.decode(row["tokens"][start:end], skip_special_tokens=weights is None),
            tuple(weights[start:end]) if weights is not None else (),
            tuple(row["tokens"][start:end]),
        )
        for start, end, doc_id, offset, repeat in zip(
            bounds[:-1], bounds[1:], row["doc_ids"], row["offsets"], row["repeats"], strict=True
        )
    ]


def trace(place: Place, reader: LakeReader) -> Row:
    """All that is known of a row: its documents with their origins and verdicts, as plain JSON.

    The documents' texts are tokenized again, so that it can say whether they still give the row's tokens.

    Args:
        place: the row.
        reader: the lake that the export was made from.

    Raises:
        LakeError: the lake's tables are gone, or not those of the export.
    """
    versions = place.manifest["tables"]
    ids = sorted({segment.doc_id for segment in place.segments})
    columns = ("doc_id", "record_id", "source", "url", "origin")
    documents = _by_id(reader, "documents", (*columns, "text"), ids, versions)
    verdicts = _by_id(reader, "decisions", ("doc_id", "kept", "reasons", "weight"), ids, versions)
    clusters = _by_id(reader, "clusters", ("doc_id", "cluster_id", "representative"), ids, versions)
    missing = [doc_id for doc_id in ids if doc_id not in documents or doc_id not in verdicts]
    if missing:
        raise LakeError(
            f"{reader.path} holds no document {missing[0]} at {versions}: it is not the lake of this export, or it was "
            "made anew. Name the lake with --out."
        )
    again = Retokenizer.beside(place.folder, place.manifest)
    return {
        "shard": place.shard,
        "row": place.row,
        "token": place.token,
        "num_tokens": place.num_tokens,
        "lake": reader.path,
        "tables": versions,
        "recipe": place.manifest["recipe"],
        "tokenizer": place.manifest["tokenizer"],
        "tokenizer_is_the_exports": again.is_the_exports,
        "key": place.manifest["key"],
        "segments": [
            {
                "start": segment.start,
                "end": segment.end,
                "doc_id": segment.doc_id,
                "offset": segment.offset,
                "repeat": segment.repeat,
                "text": segment.text,
                "difference": again.difference(
                    segment.tokens, segment.start, segment.offset, documents[segment.doc_id]["text"]
                ),
                "document": {name: documents[segment.doc_id][name] for name in columns[1:]},
                "verdict": {name: verdicts[segment.doc_id][name] for name in ("kept", "reasons", "weight")},
                "cluster": {
                    name: clusters.get(segment.doc_id, {}).get(name) for name in ("cluster_id", "representative")
                },
            }
            for segment in place.segments
        ],
    }


def _by_id(
    reader: LakeReader, table: str, columns: Sequence[str], ids: Sequence[str], versions: dict[str, int | None]
) -> dict[str, Row]:
    if versions.get(table) is None:
        return {}
    found: dict[str, Row] = {}
    for start in range(0, len(ids), _MOST_IDS):
        where: Where = [[Match(column="doc_id", one_of=tuple(ids[start : start + _MOST_IDS]))]]
        rows = reader.rows(table, columns, where, version=versions[table])
        found |= {row["doc_id"]: row for row in rows}
    return found


def lake_of(place: Place, given: str | None) -> LakeReader:
    """A reader of the lake that an export was made from.

    Raises:
        LakeError: the export names a lake that is not there, and none was given.
    """
    path = given or place.manifest["lake"]
    if "://" not in path and not Path(path).is_dir():
        raise LakeError(
            f"there is no lake {path}"
            + ("" if given else ", which the export says it was made from: name it with --out")
        )
    return DirectReader(path)


def show(told: Row, console: Console, *, as_json: bool = False, num_chars: int = 200) -> None:
    """Print what `trace` gives.

    Args:
        told: the row's story.
        console: where.
        as_json: as JSON.
        num_chars: characters of each piece to print.
    """
    if as_json:
        said = json.dumps(told, indent=2, ensure_ascii=False)
        console.print(said, markup=False, highlight=False, soft_wrap=True)
        return
    versions = ", ".join(f"{name} {number}" for name, number in told["tables"].items() if number is not None)
    head = [
        Text(f"{told['shard']}, row {told['row']}: {told['num_tokens']:,} tokens", style="bold"),
        Text(f"made from {printable(told['lake'])} at {versions}"),
        Text(f"recipe {told['recipe']['name']} {told['recipe']['hash']}"),
        Text(f"tokenizer {printable(told['tokenizer']['name'])}, sha256 {told['tokenizer']['sha256'][:16]}"),
    ]
    same = told["tokenizer_is_the_exports"]
    warning = warning_of([segment["difference"] for segment in told["segments"]], told["tables"], same=same)
    head += [] if warning is None else [Text(f"Warning: {warning}", style="bold red")]
    console.print(Group(*head, *(_segment_view(segment, num_chars) for segment in told["segments"])))


def _segment_view(segment: Row, num_chars: int) -> Table:
    document, verdict = segment["document"], segment["verdict"]
    origin = document["origin"]
    lines = [
        ("document", f"{segment['doc_id']}" + (f" ({document['record_id']})" if document["record_id"] else "")),
        ("from", f"{origin['file']}:{origin['record']}, source {document['source']}"),
        ("piece", f"from token {segment['offset']:,} of the document on, copy {segment['repeat']}"),
        ("tokens", agreement_said(segment["difference"])),
        ("verdict", _verdict(verdict)),
    ]
    if document["url"]:
        lines.insert(2, ("url", document["url"]))
    if segment["cluster"]["cluster_id"]:
        lines.append(
            ("cluster", f"{segment['cluster']['cluster_id']}, representative {segment['cluster']['representative']}")
        )
    shown = segment["text"][:num_chars] + (" ..." if len(segment["text"]) > num_chars else "")
    lines.append(("text", shown.replace("\n", " ")))
    table = Table(
        title=f"tokens {segment['start']:,} to {segment['end'] - 1:,}", title_justify="left", show_header=False
    )
    table.add_column("")
    table.add_column("", overflow="fold")
    for name, value in lines:
        table.add_row(name, Text(printable(value)))
    return table


def _verdict(verdict: Row) -> str:
    reasons = ", ".join(verdict["reasons"] or ()) or "no reason against it"
    return f"{'kept' if verdict['kept'] else 'dropped'}, weight {verdict['weight']:g}, {reasons}"


if __name__ == "__main__":
    from jobs.cli import main

    main(["trace", *sys.argv[1:]])
