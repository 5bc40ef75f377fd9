"""Reading an export without any of the project's code: Arrow, JSON and plain Python."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import xxhash

Row = dict[str, Any]


def manifest(folder: Path) -> Row:
    found: Row = json.loads((folder / "manifest.json").read_text())
    return found


def rows(folder: Path, split: str | None = None) -> Iterator[tuple[str, Row]]:
    """The domain and the content of every row of every shard that the manifest names; checks sums and sizes."""
    for shard in manifest(folder)["shards"]:
        content = (folder / shard["path"]).read_bytes()
        assert len(content) == shard["num_bytes"]
        assert hashlib.sha256(content).hexdigest() == shard["sha256"]
        assert xxhash.xxh3_64_hexdigest(content) == shard["xxh3"]
        batch = pa.ipc.open_file(pa.BufferReader(content)).get_batch(0)
        assert batch.num_rows == shard["num_rows"]
        assert sum(batch.column("num_tokens").to_pylist()) == shard["num_tokens"]
        if split in (None, shard["split"]):
            for row in batch.to_pylist():
                yield shard["domain"], row


def copies(folder: Path, split: str | None = None) -> dict[tuple[str, int], list[int]]:
    """The tokens of every copy of every document, put together from its pieces."""
    pieces: dict[tuple[str, int], dict[int, list[int]]] = defaultdict(dict)
    pad = manifest(folder)["tokenizer"]["special_ids"]["pad"]
    for _, row in rows(folder, split):
        ends = [*row["starts"][1:], row["num_tokens"]]
        assert row["starts"][0] == 0
        assert row["tokens"][row["num_tokens"] :] == [pad] * (len(row["tokens"]) - row["num_tokens"])
        for start, end, doc_id, offset, repeat in zip(
            row["starts"], ends, row["doc_ids"], row["offsets"], row["repeats"], strict=True
        ):
            assert end > start
            assert offset not in pieces[doc_id, repeat]
            pieces[doc_id, repeat][offset] = row["tokens"][start:end]
    found = {}
    for key, parts in pieces.items():
        tokens: list[int] = []
        for offset in sorted(parts):
            assert offset == len(tokens), f"{key}: a piece at {offset} follows {len(tokens)} tokens"
            tokens += parts[offset]
        found[key] = tokens
    return found


def files(folder: Path) -> dict[str, str]:
    """Hash of every file, by its name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
