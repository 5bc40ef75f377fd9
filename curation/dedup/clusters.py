"""Documents in, clusters of duplicates out."""

from dataclasses import asdict, dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from curation.dedup.alarms import Alarm, alarms
from curation.dedup.candidates import Checkpoint
from curation.dedup.config import Dedup
from curation.dedup.giants import VerifiedGiants, verify_giants
from curation.dedup.groups import verify
from curation.dedup.nominate import Nominations, nominate
from curation.dedup.reuse import as_verified, reusable
from curation.dedup.same_url import same_urls, with_same_urls
from curation.dedup.sketches import sketches, with_keep_keys
from curation.dedup.stored import StoredSketches, bound, stored_sketches


@dataclass(frozen=True)
class DedupStats:
    """What was done, in numbers.

    Attributes:
        num_documents: documents with a text.
        num_exact_groups: normalised texts that more than one document has.
        num_buckets: band keys shared by at least two different texts.
        num_split_buckets: buckets that were too large and were split.
        largest_bucket: documents under one band key, exact duplicates included.
        num_candidate_edges: pairs of different texts nominated (star edges).
        num_component_rounds: rounds over all machines until the components were known; 0: one worker sufficed.
        num_components: nominated components of at least two different texts.
        num_nominated: different texts in them.
        num_giant_components: components too large to verify all against all.
        num_unverified: texts of giant components left over when the allowed representatives were used up; kept.
        num_comparisons: exact similarities computed.
        num_verified_pairs: those that reached the threshold.
        num_clusters: clusters.
        num_in_clusters: documents that have a duplicate.
        num_duplicates: documents that are not their cluster's representative.
        num_url_duplicates: those among them that go because of their address; they were compared with nothing.
    """

    num_documents: int
    num_exact_groups: int
    num_buckets: int
    num_split_buckets: int
    largest_bucket: int
    num_candidate_edges: int
    num_component_rounds: int
    num_components: int
    num_nominated: int
    num_giant_components: int
    num_unverified: int
    num_comparisons: int
    num_verified_pairs: int
    num_clusters: int
    num_in_clusters: int
    num_duplicates: int
    num_url_duplicates: int

    def as_dict(self) -> dict[str, int]:
        """The numbers by name, for a commit's JSON."""
        return asdict(self)


@dataclass(frozen=True)
class DedupResult:
    """Clusters and what to say about them.

    Attributes:
        clusters: (doc_id, cluster_id, representative, similarity, kind), one row per document that has a duplicate; the
            kind is `exact`, `minhash` or `url`, and a duplicate by its address has no similarity. Reads a checkpoint:
            write it away before scratch tables are dropped.
        alarms: what a person should look at, most serious first.
        stats: counts.
        stored: what the table `signatures` has to hold and what is new in it, where the configuration keeps signatures;
            else None.
        verified: rows of the table `verified`, where the configuration keeps signatures; else None. Reads a checkpoint
            too.
    """

    clusters: DataFrame
    alarms: tuple[Alarm, ...]
    stats: DedupStats
    stored: StoredSketches | None = None
    verified: DataFrame | None = None


@dataclass(frozen=True)
class Earlier:
    """What an earlier run left, for a configuration that keeps signatures.

    Attributes:
        signatures: rows of the table `signatures`, made with the same `Dedup.minhash`; None where there are none.
        verified: rows of the table `verified`, found with the same shingles, threshold and bounds of groups; or None.
    """

    signatures: DataFrame | None = None
    verified: DataFrame | None = None


def duplicates(
    documents: DataFrame,
    config: Dedup,
    checkpoint: Checkpoint,
    signals: DataFrame | None = None,
    earlier: Earlier | None = None,
) -> DedupResult:
    """Clusters of exact and near duplicates among `documents`, each with a representative that is kept.

    No document has a representative of a Jaccard similarity below the threshold, addresses aside; a representative
    stands for itself. Exact twins of a document that joined a cluster go with it. The rows do not depend on engine or
    partitioning, nor on what an earlier run left: that saves reading the texts of documents that are as they were, and
    comparing those of components that are as they were, and nothing else. Components are always found among all
    documents, so that one that is gone holds none together.

    Args:
        documents: doc_id, source, text, and what the configuration names; doc_id is unique.
        config: settings.
        checkpoint: persists a frame under a scratch name and gives a frame that reads it back. A name is used once.
        signals: doc_id and one struct per signal, where criteria of `config.keep` need it.
        earlier: what an earlier run left; used where the configuration keeps signatures.

    Raises:
        ValueError: the configuration names a column or signal that is not there, or it keeps signatures and documents
            has no content_hash.
        RuntimeError: the components failed their check.
    """
    earlier = earlier or Earlier()
    stored = None
    if config.keep_signatures and config.minhash is not None:
        stored = stored_sketches(documents, config.minhash, earlier.signatures, checkpoint)
    made = sketches(documents, config) if stored is None else bound(stored.rows, documents, config)
    sketched = checkpoint(made, "sketches")
    num_documents = int(sketched.count())
    shared, compared = None, sketched
    if config.same_url is not None:
        shared = same_urls(sketched, documents, config, signals, checkpoint)
        others = shared.where(F.col("doc_id") != F.col("best_id")).select("doc_id")
        compared = checkpoint(sketched.join(others, "doc_id", "left_anti"), "compared")
    nominations = None if config.minhash is None else nominate(compared, num_documents, config, checkpoint)
    nominated = checkpoint(_nominated(compared, nominations, config, signals), "nominated")
    sizes = _sizes(nominated, config)
    verification = _verified(nominated, documents, config, checkpoint, sizes, earlier.verified)
    rows = _clusters(nominated, verification.rows)
    marked = checkpoint(rows if shared is None else with_same_urls(rows, shared), "clusters")
    clusters = marked.select("doc_id", "cluster_id", "representative", "similarity", "kind")
    stats = _stats(num_documents, marked, verification, nominations, sizes)
    found = alarms(sketched, marked, config, stats.as_dict())
    return DedupResult(clusters, found, stats, stored, verification.rows if config.keep_signatures else None)


def _nominated(
    sketched: DataFrame, nominations: Nominations | None, config: Dedup, signals: DataFrame | None
) -> DataFrame:
    """Documents with an exact twin or a candidate, each with its component, keep_key and what its twins have in common.

    Added columns: `best_key` and `least_id` (smallest keep_key and doc_id of the exact twins), `twins` (their number,
    the document included), `num_texts` and `sum_bytes` (different texts of the component, and their bytes).
    """
    twins = sketched.groupBy("high", "low").agg(F.count("*").alias("twins")).where(F.col("twins") > 1)
    rows = sketched.drop("keys").join(twins, ["high", "low"], "left")
    if nominations is None:
        rows = rows.where(F.col("twins").isNotNull()).withColumn("component", F.col("low"))
    else:
        labels = nominations.labels.select(F.col("vertex").alias("low"), "component")
        rows = rows.join(labels, "low", "left")
        rows = rows.where(F.col("twins").isNotNull() | F.col("component").isNotNull())
        rows = rows.withColumn("component", F.coalesce("component", "low"))
    keyed = with_keep_keys(rows.drop("twins"), config, signals)
    same_text = Window.partitionBy("high", "low")
    keyed = (
        keyed.withColumn("best_key", F.min("keep_key").over(same_text))
        .withColumn("least_id", F.min("doc_id").over(same_text))
        .withColumn("twins", F.count("*").over(same_text))
    )
    first = F.col("keep_key") == F.col("best_key")
    together = Window.partitionBy("component", "scope")
    return keyed.withColumn("num_texts", F.sum(first.cast("bigint")).over(together)).withColumn(
        "sum_bytes", F.sum(F.when(first, F.col("num_bytes")).otherwise(0)).over(together)
    )


@dataclass(frozen=True)
class _Sizes:
    """Of the nominated documents."""

    num_exact_groups: int
    num_nominated: int
    num_components: int
    num_giant_components: int
    num_bytes: int


def _is_giant(config: Dedup) -> Column:
    return (F.col("num_texts") > config.max_group_size) | (F.col("sum_bytes") > config.max_group_bytes)


def _sizes(nominated: DataFrame, config: Dedup) -> _Sizes:
    texts = nominated.where(F.col("keep_key") == F.col("best_key"))
    compared = F.col("num_texts") > 1
    row = texts.agg(
        F.sum((F.col("twins") > 1).cast("bigint")),
        F.sum(compared.cast("bigint")),
        F.countDistinct(F.when(compared, F.col("component"))),
        F.countDistinct(F.when(compared & _is_giant(config), F.col("component"))),
        F.sum(F.when(compared & ~_is_giant(config), F.col("num_bytes"))),
    ).collect()[0]
    return _Sizes(*(int(value or 0) for value in row))


@dataclass(frozen=True)
class _Verification:
    """Rows of `curation.dedup.groups.VERIFIED` or, where signatures are kept, of the table `verified`.

    `num_unverified` is the number of texts of giant components that were left over.
    """

    rows: DataFrame | None
    num_unverified: int


def _verified(
    nominated: DataFrame,
    documents: DataFrame,
    config: Dedup,
    checkpoint: Checkpoint,
    sizes: _Sizes,
    earlier: DataFrame | None,
) -> _Verification:
    """What verification finds for the compared texts."""
    nodes = nominated.where((F.col("keep_key") == F.col("best_key")) & (F.col("num_texts") > 1))
    if not config.keep_signatures:
        rows, giants = _compared(nodes, documents, config, checkpoint, sizes)
        return _Verification(
            None if rows is None else checkpoint(rows, "verified"), giants.num_unverified if giants else 0
        )
    unchanged = None
    if earlier is not None:
        parts = reusable(nodes, earlier)
        unchanged, nodes = parts.unchanged, checkpoint(parts.changed, "changed")
        sizes = _sizes(nodes, config)
    rows, _ = _compared(nodes, documents, config, checkpoint, sizes)
    found = as_verified(nodes, rows)
    verified = checkpoint(found if unchanged is None else unchanged.unionByName(found), "verified")
    return _Verification(verified, verified.where(F.col("representative").isNull()).count())


def _compared(
    nodes: DataFrame, documents: DataFrame, config: Dedup, checkpoint: Checkpoint, sizes: _Sizes
) -> tuple[DataFrame | None, VerifiedGiants | None]:
    """Rows of `curation.dedup.groups.VERIFIED` for the texts `nodes`, which have these sizes; None where none is."""
    if config.minhash is None or sizes.num_nominated == 0:
        return None, None
    shingles = config.minhash.shingles
    rows: DataFrame | None = None
    giants: VerifiedGiants | None = None
    if sizes.num_components > sizes.num_giant_components:
        groups = nodes.where(~_is_giant(config)).select(
            "doc_id",
            "least_id",
            "keep_key",
            "component",
            "scope",
            F.lit(0).cast("bigint").alias("part"),
            F.lit(False).alias("is_leader"),
            F.lit(config.max_group_size).cast("bigint").alias("max_leaders"),
        )
        rows = verify(groups, documents, shingles, config.threshold, linked=True, num_bytes=sizes.num_bytes)
    if sizes.num_giant_components:
        members = nodes.where(_is_giant(config)).select(
            "doc_id", "least_id", "keep_key", "component", "scope", "num_bytes", "low"
        )
        giants = verify_giants(members, documents, shingles, config, checkpoint)
        if giants.rows is not None:
            rows = giants.rows if rows is None else rows.unionByName(giants.rows)
    return rows, giants


def _clusters(nominated: DataFrame, verified: DataFrame | None) -> DataFrame:
    """The result's rows, and `source`."""
    node = F.expr("substring(best_key, instr(best_key, '/') + 1)")
    rows = nominated.select("doc_id", "source", "twins", "least_id", node.alias("node"))
    if verified is None:
        rows = rows.select(
            "*",
            F.lit(None).cast("string").alias("joined_id"),
            F.lit(None).cast("string").alias("joined_to"),
            F.lit(None).cast("double").alias("jaccard"),
        )
    else:
        found = verified.where(F.col("representative").isNotNull())
        sized = found.withColumn("size", F.count("*").over(Window.partitionBy("cluster_id")))
        joined = sized.where(F.col("size") > 1).select(
            F.col("doc_id").alias("node"),
            F.col("cluster_id").alias("joined_id"),
            F.col("representative").alias("joined_to"),
            F.col("similarity").alias("jaccard"),
        )
        rows = rows.join(joined, "node", "left")
    rows = rows.where(F.col("joined_to").isNotNull() | (F.col("twins") > 1))
    representative = F.coalesce("joined_to", "node")
    same_text = (F.col("node") == representative) & (F.col("twins") > 1)
    return rows.select(
        "doc_id",
        "source",
        F.coalesce("joined_id", "least_id").alias("cluster_id"),
        representative.alias("representative"),
        F.coalesce(F.col("jaccard"), F.lit(1.0)).alias("similarity"),
        F.when(same_text, "exact").otherwise("minhash").alias("kind"),
    )


def _stats(
    num_documents: int,
    clusters: DataFrame,
    verification: _Verification,
    nominations: Nominations | None,
    sizes: _Sizes,
) -> DedupStats:
    is_dropped = F.col("doc_id") != F.col("representative")
    row = clusters.agg(
        F.countDistinct("cluster_id").alias("clusters"),
        F.count("*").alias("members"),
        F.sum(is_dropped.cast("bigint")).alias("dropped"),
        F.sum((is_dropped & (F.col("kind") == "url")).cast("bigint")).alias("by_url"),
    ).collect()[0]
    comparisons = pairs = 0
    if verification.rows is not None:
        counted = verification.rows.agg(F.sum("num_comparisons"), F.sum("num_verified")).collect()[0]
        comparisons, pairs = int(counted[0] or 0), int(counted[1] or 0)
    return DedupStats(
        num_documents=num_documents,
        num_exact_groups=sizes.num_exact_groups,
        num_buckets=nominations.num_buckets if nominations else 0,
        num_split_buckets=nominations.num_split_buckets if nominations else 0,
        largest_bucket=nominations.largest_bucket if nominations else 0,
        num_candidate_edges=nominations.num_edges if nominations else 0,
        num_component_rounds=nominations.num_rounds if nominations else 0,
        num_components=sizes.num_components,
        num_nominated=sizes.num_nominated,
        num_giant_components=sizes.num_giant_components,
        num_unverified=verification.num_unverified,
        num_comparisons=comparisons,
        num_verified_pairs=pairs,
        num_clusters=int(row["clusters"]),
        num_in_clusters=int(row["members"]),
        num_duplicates=int(row["dropped"] or 0),
        num_url_duplicates=int(row["by_url"] or 0),
    )
