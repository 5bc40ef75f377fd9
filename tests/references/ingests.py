"""Small inputs to ingest, and the rows that a lake then holds."""

import json
from pathlib import Path

import zstandard
from references.packing import gzipped

from curation.sources.settings import Ingest
from jobs.ingest_documents import ingest_files
from jobs.ingested import Ingested
from jobs.lake import Lake

TABLES = ("documents", "quarantine", "files")


def make_inputs(folder: Path) -> Path:
    """A folder of four files of five documents each, packed in every way."""
    for name in ("wiki/a.jsonl", "wiki/b.jsonl.gz", "web/c.jsonl.zst", "d.jsonl"):
        write(folder / name, [f"{name} {number}" for number in range(5)])
    return folder


def write(path: Path, texts: list[str], *more: bytes) -> Path:
    lines = b"".join(json.dumps({"text": text, "id": place}).encode() + b"\n" for place, text in enumerate(texts))
    lines += b"".join(line + b"\n" for line in more)
    pack = {".gz": gzipped, ".zst": zstandard.ZstdCompressor().compress}.get(path.suffix, bytes)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack(lines))
    return path


def run(lake: Lake, *inputs: Path | str, **changes) -> Ingested:
    return ingest_files(lake, Ingest(inputs=tuple(map(str, inputs)), **changes))


def rows(lake: Lake, table: str = "documents") -> list[dict]:
    """A table's rows in the order of their origin (or name), without the ingest's id."""
    found = lake.read(table).toArrow().to_pylist()
    for row in found:
        row.pop("ingest_id")
    return sorted(found, key=_place)


def _place(row: dict) -> tuple[str, int]:
    return (row["origin"]["file"], row["origin"]["record"] or 0) if "origin" in row else (row["name"], 0)


def texts(lake: Lake) -> list[str]:
    return [row["text"] for row in rows(lake)]


def versions(lake: Lake) -> list[int | None]:
    return [lake.version(table) for table in TABLES]
