"""Real text of four kinds as token shards: what the models of the reproductions learn."""

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from curation.export.draws import held_out
from curation.export.manifest import NAME, TOKENIZER, manifest_of, to_bytes
from curation.export.shard import EVAL, TRAIN, Copies, RowFormat, shard_file, shard_path, surrounded
from curation.export.tokenizer import ExportTokenizer
from curation.export.train_bpe import TokenizerTraining, train_bpe

DOMAINS = ("arxiv", "books", "code", "qa")
"""Sources that the sample corpus and the larger one beside the repository both have."""

BYTES_AND_END = 257
END = "<|endoftext|>"


def folder_of_texts(repository: Path) -> Path:
    """The larger texts beside the repository where they are there, else the sample corpus."""
    larger = repository.parent / "shared" / "data" / "docs"
    return larger if larger.is_dir() else repository / "jobs" / "sample_corpus"


def read(folder: Path, domain: str, megabytes: float) -> list[tuple[str, str]]:
    """Id and text of so many million bytes of a domain, in an order that the ids alone decide."""
    found: list[tuple[str, str]] = []
    for path in sorted(folder.glob(f"{domain}*.jsonl.gz")):
        with gzip.open(path) as lines:
            found += [(one["id"], one["text"]) for one in map(orjson.loads, lines)]
    found.sort(key=lambda one: hashlib.sha256(one[0].encode()).digest())
    sizes = np.cumsum([len(text.encode()) for _, text in found])
    return found[: 1 + int(np.searchsorted(sizes, megabytes * 1e6))]


def write(
    to: Path,
    folder: Path,
    *,
    row_length: int,
    megabytes: float,
    vocab_size: int = BYTES_AND_END,
    eval_share: float = 0.1,
) -> None:
    """An export of the four domains, so many million bytes of each; by default bytes are tokens.

    Shards and manifest are made by the code that makes every export; only the engine that divides work is left out.
    """
    texts = {domain: read(folder, domain, megabytes) for domain in DOMAINS}
    batches = ([text for _, text in documents] for documents in texts.values())
    content = train_bpe(batches, TokenizerTraining(vocab_size=vocab_size))
    tokenizer = ExportTokenizer(content=content, name=f"{vocab_size} tokens", eos=END)
    rows = RowFormat(
        row_length=row_length,
        packing="best_fit",
        token_dtype="uint16",
        eos=tokenizer.special_ids["eos"] or 0,
        bos=None,
        pad=tokenizer.special_ids["pad"] or 0,
        vocab_size=tokenizer.vocab_size,
    )
    written: dict[str, dict[str, Any]] = {}
    for domain, documents in texts.items():
        is_eval = held_out(pa.array([name for name, _ in documents]), eval_share, seed=1)
        for split, wanted in ((TRAIN, False), (EVAL, True)):
            some = [one for one, held in zip(documents, is_eval.tolist(), strict=True) if held == wanted]
            path = shard_path(domain, split, 0)
            content_of_shard, written[path] = shard_file(_copies(some, domain, tokenizer, rows), rows)
            (to / path).parent.mkdir(parents=True, exist_ok=True)
            (to / path).write_bytes(content_of_shard)
    (to / TOKENIZER).write_bytes(content)
    (to / NAME).write_bytes(to_bytes(manifest_of(written, DOMAINS, _head(tokenizer, rows, eval_share))))


def _copies(documents: list[tuple[str, str]], domain: str, tokenizer: ExportTokenizer, rows: RowFormat) -> Copies:
    texts = pa.array([text for _, text in documents])
    encoded = tokenizer.encode(texts)
    lengths = np.where(encoded.lengths > 0, encoded.lengths + rows.num_special, 0)
    return Copies(
        tokens=surrounded(encoded.ids, encoded.lengths, rows),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        doc_ids=pa.array([name for name, _ in documents]),
        repeats=np.zeros(len(documents), np.int64),
        sources=pa.array([domain] * len(documents)),
        num_bytes=np.array([len(text.encode()) for _, text in documents], np.int64),
    )


def _head(tokenizer: ExportTokenizer, rows: RowFormat, eval_share: float) -> Mapping[str, Any]:
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
        "seed": 1,
        "eval_share": eval_share,
    }
