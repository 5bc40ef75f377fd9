"""A small export written plainly, row by row, as the manifest's format says; and plain answers about its rows."""

import hashlib
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash


@dataclass
class Row:
    """A row as plain lists."""

    tokens: list[int]  # without padding
    starts: list[int]
    doc_ids: list[str]
    offsets: list[int]
    repeats: list[int]
    loss_weights: list[float] | None = None  # as long as the tokens


def random_rows(seed: int, num: int, row_length: int, vocab_size: int, name: str) -> list[Row]:
    """Rows of a few documents each; some are full, some padded."""
    draw = random.Random(f"{seed}/{name}")
    rows = []
    for number in range(num):
        length = row_length if draw.random() < 0.5 else draw.randint(1, row_length)
        starts = sorted({0, *(draw.randrange(length) for _ in range(draw.randint(0, 4)))})
        tokens = [draw.randrange(3, vocab_size) for _ in range(length)]
        ids = [f"{name}-{number}-{k}" for k in range(len(starts))]
        offsets = [draw.choice([0, 0, 0, 77]) for _ in starts]
        rows.append(Row(tokens, starts, ids, offsets, [draw.randrange(3) for _ in starts]))
    return rows


def arrow_bytes(rows: list[Row], row_length: int, dtype: str, pad: int) -> bytes:
    """The content of a shard."""
    kind = pa.list_(pa.field("item", pa.type_for_alias(dtype), nullable=False), row_length)
    schema = pa.schema(
        [
            pa.field("tokens", kind, nullable=False),
            pa.field("num_tokens", pa.int32(), nullable=False),
            pa.field("starts", pa.list_(pa.int32()), nullable=False),
            pa.field("doc_ids", pa.list_(pa.string()), nullable=False),
            pa.field("offsets", pa.list_(pa.int32()), nullable=False),
            pa.field("repeats", pa.list_(pa.int16()), nullable=False),
        ],
        metadata={"winnow.format": "tokens", "winnow.version": "1"},
    )
    columns: list[list[Any]] = [
        [row.tokens + [pad] * (row_length - len(row.tokens)) for row in rows],
        [len(row.tokens) for row in rows],
        *([getattr(row, name) for row in rows] for name in ("starts", "doc_ids", "offsets", "repeats")),
    ]
    if rows[0].loss_weights is not None:
        weights = [row.loss_weights or [] for row in rows]
        columns.append([one + [0.0] * (row_length - len(one)) for one in weights])
        schema = schema.append(pa.field("loss_weights", pa.list_(pa.float16(), row_length), nullable=False))
    batch = pa.record_batch([_array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """An Arrow array; one of lists of float16, which Arrow takes from NumPy only, by way of it."""
    if kind == pa.list_(pa.float16(), getattr(kind, "list_size", -1)):
        return pa.FixedSizeListArray.from_arrays(pa.array(np.array(values, np.float16).reshape(-1)), type=kind)
    return pa.array(values, kind)


def folder_of(domain: str) -> str:
    """The folder of a domain."""
    if re.fullmatch(r"(?!\.)[A-Za-z0-9_.-]{1,64}", domain):
        return domain
    return f"{re.sub('[^A-Za-z0-9_-]', '_', domain)[:40]}-{xxhash.xxh3_64_hexdigest(domain.encode())[:8]}"


def write_export(
    folder: Path,
    domains: dict[str, dict[str, list[Row]]],
    *,
    row_length: int,
    vocab_size: int = 1000,
    dtype: str = "uint16",
    rows_per_shard: int = 50,
    pad: int = 2,
    tokenizer: bytes = b'{"a": "tokenizer"}',
) -> dict[str, Any]:
    """Write an export of these rows, by domain and split; gives its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_bytes(tokenizer)
    shards, listed = [], []
    for domain in sorted(domains):
        entry: dict[str, Any] = {"name": domain, "folder": folder_of(domain)}
        for split in ("train", "eval"):
            rows = domains[domain].get(split, [])
            entry[split] = {"num_rows": len(rows), "num_tokens": sum(len(row.tokens) for row in rows)}
            for number, first in enumerate(range(0, len(rows), rows_per_shard)):
                some = rows[first : first + rows_per_shard]
                path = f"{entry['folder']}/{split}-{number:05d}.arrow"
                content = arrow_bytes(some, row_length, dtype, pad)
                (folder / entry["folder"]).mkdir(exist_ok=True)
                (folder / path).write_bytes(content)
                num_tokens = sum(len(row.tokens) for row in some)
                shards.append(
                    {
                        "path": path,
                        "domain": domain,
                        "split": split,
                        "num_rows": len(some),
                        "num_tokens": num_tokens,
                        "num_padding": len(some) * row_length - num_tokens,
                        "num_documents": len({one for row in some for one in row.doc_ids}),
                        "num_bytes": len(content),
                        "sha256": hashlib.sha256(content).hexdigest(),
                        "xxh3": xxhash.xxh3_64_hexdigest(content),
                    }
                )
        listed.append(entry)
    manifest: dict[str, Any] = {
        "format": "winnow-shards",
        "version": 1,
        "row_length": row_length,
        "token_dtype": dtype,
        "packing": "best_fit",
        "tokenizer": {
            "file": "tokenizer.json",
            "sha256": hashlib.sha256(tokenizer).hexdigest(),
            "vocab_size": vocab_size,
            "special_ids": {"bos": None, "eos": 2, "pad": pad, "unk": 0},
            "name": "test",
        },
        "recipe": {"name": "demo", "hash": "0" * 16},
        "tables": {"documents": 0, "signals": 0, "clusters": 0, "decisions": 1},
        "lake": "lake",
        "key": "0" * 32,
        "winnow": "0.1.0",
        "seed": 1,
        "eval_share": 0.01,
        "counts": {},
        "domains": listed,
        "shards": sorted(shards, key=lambda shard: str(shard["path"])),
    }
    if any(row.loss_weights is not None for splits in domains.values() for rows in splits.values() for row in rows):
        manifest["loss_weights"] = "float16"
    write_manifest(folder, manifest)
    return manifest


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest."""
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def segments(row: Row, row_length: int) -> list[tuple[int, int, bool]]:
    """(begin, end, padding) of each segment, the padding being the last."""
    ends = [*row.starts[1:], len(row.tokens)][: len(row.starts)]
    found = [(begin, end, False) for begin, end in zip(row.starts, ends, strict=True)]
    return found + ([(len(row.tokens), row_length, True)] if len(row.tokens) < row_length else [])
