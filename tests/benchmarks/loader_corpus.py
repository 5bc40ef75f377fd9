"""The rows that the loader and its peers read: random tokens in seven domains, as an export and as one NumPy array."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

ROW_LENGTH, NUM_ROWS, ROWS_PER_SHARD = 2048, 16384, 1024
WEIGHTS = {
    "arxiv": 0.019240034,
    "book": 0.051930810,
    "c4": 0.151094351,
    "cc": 0.682166179,
    "github": 0.032765405,
    "stackexchange": 0.016729292,
    "wiki": 0.046073928,
}
"""Weights of the domain-mixing specification's vector; they sum to one within 1e-8."""


def write(folder: Path) -> None:
    """Write `export/` and `tokens.npy`, whose rows are the export's, domain after domain."""
    draw = np.random.default_rng(0)
    shards: list[dict[str, Any]] = []
    domains: list[dict[str, Any]] = []
    everything = np.lib.format.open_memmap(
        folder / "tokens.npy", mode="w+", dtype=np.uint32, shape=(NUM_ROWS, ROW_LENGTH)
    )
    done = 0
    num_shards = NUM_ROWS // ROWS_PER_SHARD
    for number, name in enumerate(WEIGHTS):
        own = num_shards // len(WEIGHTS) + (number < num_shards % len(WEIGHTS))
        for part in range(own):
            tokens = draw.integers(3, 50_000, (ROWS_PER_SHARD, ROW_LENGTH), dtype=np.uint32)
            everything[done : done + ROWS_PER_SHARD] = tokens
            done += ROWS_PER_SHARD
            shards.append(_write_shard(folder / "export", name, part, tokens, draw))
        some = [shard for shard in shards if shard["domain"] == name]
        train = {count: sum(shard[count] for shard in some) for count in ("num_rows", "num_tokens")}
        domains.append({"name": name, "folder": name, "train": train, "eval": {"num_rows": 0, "num_tokens": 0}})
    write_manifest(folder / "export", domains, shards)


def _write_shard(export: Path, name: str, part: int, tokens: Any, draw: Any) -> dict[str, Any]:
    """One shard; its rows hold five documents each, and every third ends with padding."""
    num = len(tokens)
    num_tokens = np.full(num, ROW_LENGTH, np.int32)
    num_tokens[::3] -= 10
    starts = np.sort(draw.integers(1, ROW_LENGTH - 10, (num, 5)).astype(np.int32), axis=1)
    starts += np.arange(5, dtype=np.int32)  # no two are equal
    starts[:, 0] = 0
    starts = np.minimum(starts, ROW_LENGTH - 15 + np.arange(5, dtype=np.int32))
    offsets = pa.array(np.arange(0, 5 * num + 1, 5, dtype=np.int32))

    def listed(values: Any) -> pa.Array:
        return pa.ListArray.from_arrays(offsets, values)

    columns = {
        "tokens": pa.FixedSizeListArray.from_arrays(pa.array(tokens.reshape(-1)), ROW_LENGTH),
        "num_tokens": pa.array(num_tokens),
        "starts": listed(pa.array(starts.reshape(-1))),
        "doc_ids": listed(pa.array(["0" * 32] * (5 * num))),
        "offsets": listed(pa.array(np.zeros(5 * num, np.int32))),
        "repeats": listed(pa.array(np.zeros(5 * num, np.int16))),
    }
    batch = pa.record_batch(columns)
    path = export / name / f"train-{part:05d}.arrow"
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.ipc.new_file(str(path), batch.schema) as writer:
        writer.write_batch(batch)
    content = path.read_bytes()
    return {
        "path": f"{name}/{path.name}",
        "domain": name,
        "split": "train",
        "num_rows": num,
        "num_tokens": int(num_tokens.sum()),
        "num_padding": int(num * ROW_LENGTH - num_tokens.sum()),
        "num_documents": 5 * num,
        "num_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "xxh3": xxhash.xxh3_64_hexdigest(content),
    }


def write_manifest(export: Path, domains: list[dict[str, Any]], shards: list[dict[str, Any]]) -> None:
    """The manifest of these shards."""
    tokenizer = {"file": "tokenizer.json", "sha256": "0" * 64, "vocab_size": 50_257, "name": "benchmark"}
    manifest = {
        "format": "winnow-shards",
        "version": 1,
        "row_length": ROW_LENGTH,
        "token_dtype": "uint32",
        "packing": "best_fit",
        "tokenizer": tokenizer | {"special_ids": {"bos": None, "eos": 2, "pad": 2, "unk": 0}},
        "domains": domains,
        "shards": sorted(shards, key=lambda shard: str(shard["path"])),
    }
    export.mkdir(parents=True, exist_ok=True)
    (export / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def write_large_manifest(export: Path, num_shards: int) -> None:
    """A manifest of many shards, which are not there."""
    digest = hashlib.sha256(b"").hexdigest()
    shards = [
        {
            "path": f"{name}/train-{number:06d}.arrow",
            "domain": name,
            "split": "train",
            "num_rows": 16384,
            "num_tokens": 16384 * ROW_LENGTH,
            "num_padding": 0,
            "num_documents": 40_000,
            "num_bytes": 16384 * ROW_LENGTH * 2,
            "sha256": digest,
            "xxh3": digest[:16],
        }
        for number, name in zip(range(num_shards), list(WEIGHTS) * num_shards, strict=False)
    ]
    domains = []
    for name in WEIGHTS:
        num = sum(shard["domain"] == name for shard in shards)
        train = {"num_rows": num * 16384, "num_tokens": num * 16384 * ROW_LENGTH}
        domains.append({"name": name, "folder": name, "train": train, "eval": {"num_rows": 0, "num_tokens": 0}})
    write_manifest(export, domains, shards)
