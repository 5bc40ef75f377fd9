"""How much is to be exported, into how many shards, and whether there is room for it: before any text is read."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from curation.export.settings import ExportError
from curation.export.shard import RowFormat
from curation.export.shard_plan import ShardPlan, Split
from curation.export.storage import Storage
from jobs.lake import Lake

MOST_DOMAINS = 10_000
MOST_SHARDS = 1_000_000
_MOST_BYTES_PER_TOKEN = 16
"""No tokenizer of running text has longer tokens on average: what has no room then has none at all."""


@dataclass(frozen=True)
class Drawn:
    """What is to be exported of one domain and split: documents that are taken, copies of them and bytes of text."""

    num_kept: int
    num_drawn: int
    num_repeats: int
    num_bytes: int


def drawn_by_split(frame: DataFrame, lake: Lake) -> dict[Split, Drawn]:
    """What is to be exported, by domain and split.

    Raises:
        ExportError: there is nothing, there are too many domains, or a weight makes no sense.
    """
    copies = F.greatest(F.col("num_repeats"), F.lit(0)).cast("bigint")
    counted = (
        frame.groupBy("domain", "eval")
        .agg(
            F.count("*").alias("kept"),
            F.sum((F.col("num_repeats") > 0).cast("bigint")).alias("drawn"),
            F.sum(copies).alias("repeats"),
            F.sum(copies * F.col("num_bytes")).alias("size"),
            F.sum((F.col("num_repeats") < 0).cast("bigint")).alias("unusable"),
        )
        .limit(2 * MOST_DOMAINS + 1)
        .collect()
    )
    unusable = sum(row["unusable"] for row in counted)
    if unusable:
        raise ExportError(
            f"{unusable:,} kept documents of {lake.location('decisions')} have a weight that is no number from 0 to "
            "32766: `winnow decide` writes them anew"
        )
    found = {
        (row["domain"], bool(row["eval"])): Drawn(
            int(row["kept"]), int(row["drawn"]), int(row["repeats"]), int(row["size"])
        )
        for row in counted
    }
    if not sum(part.num_repeats for part in found.values()):
        kept = sum(part.num_kept for part in found.values())
        what = "keeps no document" if not kept else f"keeps {kept:,} documents, and their weights draw none of them"
        raise ExportError(
            f"{lake.location('decisions')} {what}: there is nothing to export. `winnow report` shows what dropped them."
        )
    if len({domain for domain, _ in found}) > MOST_DOMAINS:
        raise ExportError(
            f"there are more than {MOST_DOMAINS:,} domains, each a folder of its own: choose another --domain, or "
            "--domain one"
        )
    return {split: part for split, part in found.items() if part.num_repeats}


def shard_plan(drawn: Mapping[Split, Drawn], shard_bytes: int) -> ShardPlan:
    """So many shards of each domain and split that each has about so much text.

    Raises:
        ExportError: there would be too many.
    """
    counts = {split: min(max(1, -(-part.num_bytes // shard_bytes)), part.num_repeats) for split, part in drawn.items()}
    if sum(counts.values()) > MOST_SHARDS:
        raise ExportError(
            f"shards of {shard_bytes:,} bytes would be {sum(counts.values()):,}, and {MOST_SHARDS:,} is the most: give "
            "a larger --shard-mb"
        )
    return ShardPlan(counts=counts)


def check_room(storage: Storage, num_bytes: int, rows: RowFormat) -> None:
    """Raise where the disk cannot hold so much text as tokens, however good the tokenizer is."""
    free = storage.free_bytes()
    least = num_bytes // _MOST_BYTES_PER_TOKEN * (2 if rows.token_dtype == "uint16" else 4)
    if free is not None and free < least:
        raise ExportError(
            f"the disk of {storage.location} has {free / 1e6:,.0f} MB free, and {num_bytes / 1e6:,.0f} MB of text take "
            f"more than {least / 1e6:,.0f} MB as tokens: make room, or give another folder with --to"
        )
