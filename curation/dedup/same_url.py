"""Documents of one address: a page that was crawled more than once is one document, whatever its text became."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from curation.dedup.candidates import Checkpoint
from curation.dedup.config import Dedup, SameUrl
from curation.dedup.sketches import with_keep_keys

_HTTP = r"(?i)^https?://"
_DEFAULT_PORTS = (r"(?i)^(http://[^/?]*):80([/?]|$)", r"(?i)^(https://[^/?]*):443([/?]|$)")
_PARTS = r"(?s)^(?P<scheme>(?:[A-Za-z][A-Za-z0-9+.\-]*://)?)(?P<host>[^/?]*)(?P<path>[^?]*)(?P<query>(?:\?.*)?)$"
_UTM = r"(?i)([?&])utm_[^&=]*(?:=[^&]*)?"


def normalized_urls(urls: pa.Array, settings: SameUrl) -> pa.Array:
    """The form by which addresses are compared, large_string: null for null, and where nothing is left.

    Without blanks at the ends, the fragment (`#...`), `http://` and `https://` (they are one), the default port of
    either, slashes at the end of the path and an empty query; the host in lower case; without `www.` and `utm_*` where
    the settings say so. Path and query keep their case, the order of their parameters and their percent signs: servers
    tell those apart. An address without a scheme is read as one of `http`.

    Reference: RFC 3986, section 6.2, for case and default ports; the rest is what crawls do.
    """
    found = pc.utf8_trim_whitespace(urls.cast(pa.large_string()))
    found = pc.replace_substring_regex(found, "(?s)#.*", "")
    for pattern in _DEFAULT_PORTS:
        found = pc.replace_substring_regex(found, pattern, r"\1\2")
    found = pc.replace_substring_regex(found, _HTTP, "")
    parts = pc.extract_regex(found, _PARTS)
    scheme, host = (pc.utf8_lower(pc.struct_field(parts, name)) for name in ("scheme", "host"))
    if settings.drop_www:
        host = pc.replace_substring_regex(host, r"^www\.", "")
    path = pc.utf8_rtrim(pc.struct_field(parts, "path"), "/")
    query = pc.struct_field(parts, "query")
    if settings.drop_tracking:
        query = pc.replace_substring_regex(query, _UTM, r"\1")
        query = pc.replace_substring_regex(query, "&&+", "&")
        query = pc.replace_substring_regex(pc.utf8_rtrim(query, "&"), r"^\?&", "?")
    query = pc.if_else(pc.equal(query, "?"), pa.scalar("", query.type), query)
    joined = pc.binary_join_element_wise(scheme, host, path, query, pa.scalar("", pa.large_string()))
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, joined.type), joined)


@dataclass(frozen=True)
class _UrlBatches:
    """Worker's side: batches of (doc_id, url) to (doc_id, url), the latter normalised and never null."""

    settings: SameUrl

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            urls = normalized_urls(batch.column(1), self.settings)
            columns = [batch.column(0).cast(pa.string()), urls.cast(pa.string())]
            yield pa.RecordBatch.from_arrays(columns, ["doc_id", "url"]).filter(pc.is_valid(urls))


def same_urls(
    sketched: DataFrame, documents: DataFrame, config: Dedup, signals: DataFrame | None, checkpoint: Checkpoint
) -> DataFrame:
    """(doc_id, source, best_id, least_id) of each document that shares its address with another one of its scope.

    `best_id` is the document of the address that the configuration prefers, `least_id` the smallest id.

    Raises:
        ValueError: documents has no `url`.
    """
    assert config.same_url is not None
    if "url" not in documents.columns:
        raise ValueError(f"Dedup.same_url needs a column 'url'; documents has {', '.join(documents.columns)}")
    urls = documents.select("doc_id", "url").mapInArrow(_UrlBatches(config.same_url), "doc_id string, url string")
    address = Window.partitionBy("scope", "url")
    shared = sketched.drop("keys").join(urls, "doc_id").withColumn("size", F.count("*").over(address))
    shared = checkpoint(shared.where(F.col("size") > 1).drop("size"), "same_urls")
    keyed = with_keep_keys(shared.drop("url").withColumn("component", F.lit(0).cast("bigint")), config, signals)
    placed = keyed.select("doc_id", "source", "scope", "keep_key").join(shared.select("doc_id", "url"), "doc_id")
    best = F.expr("substring(best_key, instr(best_key, '/') + 1)").alias("best_id")
    least = F.min("doc_id").over(address)
    marked = placed.withColumn("best_key", F.min("keep_key").over(address)).withColumn("least_id", least)
    return checkpoint(marked.select("doc_id", "source", best, "least_id"), "url_clusters")


def with_same_urls(clusters: DataFrame, shared: DataFrame) -> DataFrame:
    """The rows of `clusters`, which tell of the preferred document of each address, and those of all others.

    A document goes where the preferred one of its address goes: it has that one's cluster and representative, the kind
    `url`, and no similarity, because none was measured. A cluster is called by the smallest id of all its members.

    Args:
        clusters: doc_id, source, cluster_id, representative, similarity and kind.
        shared: what `same_urls` gives.
    """
    place = clusters.select(
        F.col("doc_id").alias("best_id"), F.col("cluster_id").alias("found_id"), F.col("representative").alias("found")
    )
    joined = shared.join(place, "best_id", "left")
    is_best = F.col("doc_id") == F.col("best_id")
    added = joined.where(~is_best | F.col("found").isNull()).select(
        "doc_id",
        "source",
        F.coalesce("found_id", "least_id").alias("cluster_id"),
        F.coalesce("found", "best_id").alias("representative"),
        F.when(is_best, F.lit(1.0)).alias("similarity"),
        F.lit("url").alias("kind"),
    )
    rows = clusters.select(*added.columns).unionByName(added)
    together = Window.partitionBy("cluster_id")
    called = rows.withColumn("called", F.min("doc_id").over(together)).drop("cluster_id")
    return called.withColumnRenamed("called", "cluster_id").select(*added.columns)
