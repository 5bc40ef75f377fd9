"""A lake with tables that a test thinks up: no ingest, no rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from curation.tables import CLUSTERS, DOCUMENTS
from jobs.lake import Lake


@dataclass(frozen=True)
class Doc:
    """A document and what was decided about it."""

    doc_id: str
    text: str
    source: str = "web"
    kept: bool = True
    weight: float | None = 1.0
    cluster: str | None = None
    metadata: str | None = "{}"


def write(lake: Lake, docs: Sequence[Doc], *, clusters: bool = True, partitions: int = 1) -> None:
    """Write the tables, each in one commit that says what it was made from."""
    frames: Mapping[str, tuple[pa.Table, dict[str, int]]] = {
        "documents": (_documents(docs), {}),
        "signals": (_signals(docs), {"documents": 0}),
        "clusters": (_clusters(docs), {"documents": 0, "signals": 0}),
        "decisions": (_decisions(docs), {"signals": 0, "clusters": 0} if clusters else {"signals": 0}),
    }
    stages = {"documents": "ingest", "signals": "measure", "clusters": "dedup", "decisions": "decide"}
    for name, (table, inputs) in frames.items():
        if name == "clusters" and not clusters:
            continue
        record = {"winnow": "0", "stage": stages[name], "recipe_name": "made", "recipe_hash": "abc", "inputs": inputs}
        frame = lake.spark.createDataFrame(table)
        if name == "clusters" and not any(doc.cluster for doc in docs):
            frame = frame.where("1 = 0")
        lake.write(name, frame.repartition(partitions), info=record)


def _documents(docs: Sequence[Doc]) -> pa.Table:
    columns = {
        "doc_id": [doc.doc_id for doc in docs],
        "source": [doc.source for doc in docs],
        "text": [doc.text for doc in docs],
        "metadata": [doc.metadata for doc in docs],
        "origin": [{"file": "made.jsonl", "record": number} for number in range(len(docs))],
    }
    every = {name: columns.get(name, [None] * len(docs)) for name in DOCUMENTS.schema.names}
    return pa.table(every, schema=DOCUMENTS.schema)


def _signals(docs: Sequence[Doc]) -> pa.Table:
    sizes = [len(doc.text.encode()) for doc in docs]
    ids = [doc.doc_id for doc in docs]
    return pa.table({"doc_id": ids, "content_hash": ids, "num_bytes": pa.array(sizes, pa.int64())})


def _clusters(docs: Sequence[Doc]) -> pa.Table:
    chosen = [doc for doc in docs if doc.cluster] or list(docs[:1])
    columns = {
        "doc_id": [doc.doc_id for doc in chosen],
        "cluster_id": [doc.cluster or "" for doc in chosen],
        "representative": [doc.doc_id for doc in chosen],
        "similarity": [1.0] * len(chosen),
        "kind": ["minhash"] * len(chosen),
    }
    return pa.table(columns, schema=CLUSTERS.schema)


def _decisions(docs: Sequence[Doc]) -> pa.Table:
    return pa.table(
        {
            "doc_id": [doc.doc_id for doc in docs],
            "kept": [doc.kept for doc in docs],
            "reasons": pa.array([[] if doc.kept else ["x.y"] for doc in docs], pa.list_(pa.string())),
            "weight": pa.array([doc.weight for doc in docs], pa.float64()),
            "sampling_key": pa.array([None] * len(docs), pa.float64()),
            "recipe_hash": ["abc"] * len(docs),
        }
    )
