"""Corpus-wide edits run over made-up documents, on one engine or without any."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curation.edits.repeats import FoundIn, PiecesOf, are_repeated
from curation.session import Session
from curation.text.batch import TextBatch


def cut(text: str, spans: Sequence[Mapping[str, int]]) -> str:
    """The text without the spans, after a check that they are in order."""
    data, out, reached = text.encode(), b"", 0
    for span in spans:
        assert reached <= span["start"] < span["end"] <= len(data)
        out += data[reached : span["start"]]
        reached = span["end"]
    return (out + data[reached:]).decode()


def without_engine(corpus: Mapping[str, str | None], pieces_of: PiecesOf, found_in: FoundIn) -> dict[str, str | None]:
    """What an edit leaves of a corpus that is one batch, the corpus' answer computed by plain Python."""
    batch = TextBatch.from_texts(list(corpus.values()))
    pieces = pieces_of(batch)
    names = list(corpus)
    keys = list(zip(pieces.high.view(np.int64).tolist(), pieces.low.view(np.int64).tolist(), strict=True))
    first: dict[tuple[int, int], str] = {}
    for key, document in zip(keys, pieces.document.tolist(), strict=True):
        first[key] = min(first.get(key, names[document]), names[document])
    known: list[list[dict[str, int]] | None] = [None] * len(names)
    for key, document in set(zip(keys, pieces.document.tolist(), strict=True)):
        if first[key] < names[document]:
            known[document] = [*(known[document] or ()), {"high": key[0], "low": key[1]}]
    kind = pa.list_(pa.struct([("high", pa.int64()), ("low", pa.int64())]))
    found = found_in(batch, pieces, are_repeated(pieces, pa.array(known, kind)))
    spans: list[list[dict[str, int]]] = [[] for _ in names]
    for document, start, end in zip(found.document, found.start, found.end, strict=True):
        offset = batch.offsets[document]
        spans[document].append({"start": int(start - offset), "end": int(end - offset)})
    return {name: text if text is None else cut(text, spans[k]) for k, (name, text) in enumerate(corpus.items())}


def on_engine(session: Session, edit: Any, corpus: Mapping[str, str | None], partitions: int) -> dict[str, str | None]:
    """What an edit leaves of a corpus in so many partitions."""
    rows = pa.table({"doc_id": pa.array(list(corpus), pa.string()), "text": pa.array(corpus.values(), pa.string())})
    documents = session.spark.createDataFrame(rows).repartition(partitions)
    found = edit.spans(documents, lambda frame, name: frame).toArrow().to_pylist()
    spans = {row["doc_id"]: row["spans"] for row in found}
    assert len(spans) == len(found)
    return {name: text if text is None else cut(text, spans.get(name) or ()) for name, text in corpus.items()}


def real_corpus(shared: Path, most: int = 150) -> dict[str, str | None]:
    """Real pages of several versions, so that much of them repeats, and a null."""
    with gzip.open(shared / "data" / "neardup" / "etcd_docs.jsonl.gz", "rt", encoding="utf-8") as lines:
        pages = [json.loads(line) for line in lines][:most]
    return {page["id"]: page["text"] for page in pages} | {"none": None, "empty": ""}
