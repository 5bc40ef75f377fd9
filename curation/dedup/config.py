"""Settings of deduplication."""

from dataclasses import dataclass, field

from curation.dedup.keep import Keep
from curation.dedup.minhash import MinHash


@dataclass(frozen=True, kw_only=True)
class SameUrl:
    """Which addresses are one, beyond what `curation.dedup.same_url.normalized_urls` always takes for one.

    Attributes:
        drop_www: a host with and without a leading `www.` is one.
        drop_tracking: parameters whose name begins with `utm_` do not count.
    """

    drop_www: bool = True
    drop_tracking: bool = False


@dataclass(frozen=True, kw_only=True)
class Dedup:
    """What counts as a duplicate, which one is kept, and the bounds on the work.

    Attributes:
        minhash: how near duplicates are nominated; None: exact duplicates only.
        keep_signatures: keep the signatures, 8 bytes per permutation and document, so that other tools can ask what is
            near a text.
        threshold: least exact Jaccard similarity of a document with the representative that it is dropped for.
        keep: criteria of preference, most important first; the doc_id decides the rest. Empty: the smallest doc_id.
        scope: documents of different scopes never meet: None (all are one), a column of documents (`source`) or
            `metadata.<field>` (`metadata.dump`). Documents without a value are a scope of their own.
        max_bucket_size: documents that one band key may bring together; a larger bucket is split at random.
        max_group_size: candidates of one component that are verified all against all (at most; larger components are
            verified against representatives, round by round).
        max_group_bytes: the same bound in bytes of text.
        max_representatives: representatives that a larger component may get; what is left then is kept, and counted.
        max_local_edges: candidate edges, or band keys of all documents, up to which one worker finds the components
            alone (16 bytes each, about 1 GB in all for the default).
        max_cluster_size: documents of one cluster above which a warning is given.
        max_cluster_share: the same as a share of all documents, in (0, 1]; clusters of fewer than 100 never warn.
        max_source_loss: share of a source's documents, in (0, 1], above whose loss a warning is given; sources of fewer
            than 100 documents never warn.
        same_url: of the documents of one scope with the same `url`, only the one that `keep` prefers is compared with
            others, and the rest goes where it goes; None: addresses do not matter. Documents without one never match.
    """

    minhash: MinHash | None = field(default_factory=MinHash)
    keep_signatures: bool = False
    threshold: float = 0.8
    keep: tuple[Keep, ...] = (Keep("num_chars"),)
    scope: str | None = None
    max_bucket_size: int = 10_000
    max_group_size: int = 512
    max_group_bytes: int = 64 << 20
    max_representatives: int = 64
    max_local_edges: int = 8_000_000
    max_cluster_size: int = 10_000
    max_cluster_share: float = 0.05
    max_source_loss: float = 0.5
    same_url: SameUrl | None = field(default=None, metadata={"added_later": True})

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: a number is out of range, a name cannot be one, or there are no signatures to keep.
        """
        if self.keep_signatures and self.minhash is None:
            raise ValueError("Dedup.keep_signatures needs signatures: give Dedup.minhash, or leave it out")
        for name in ("threshold", "max_cluster_share", "max_source_loss"):
            value = getattr(self, name)
            if not 0.0 < value <= 1.0:
                raise ValueError(f"expected 0 < Dedup.{name} <= 1, got {value}")
        counts = ("max_bucket_size", "max_group_size", "max_group_bytes", "max_representatives", "max_cluster_size")
        for name in (*counts, "max_local_edges"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected Dedup.{name} of at least 1, got {getattr(self, name)}")
        if self.max_group_size < 2 or self.max_bucket_size < 2:
            raise ValueError(
                f"expected Dedup.max_group_size and max_bucket_size of at least 2 (a pair), got {self.max_group_size} "
                f"and {self.max_bucket_size}"
            )
        if self.scope is not None:
            parts = self.scope.split(".")
            if not all(parts) or (len(parts) > 1 and parts[0] != "metadata"):
                raise ValueError(
                    f"expected Dedup.scope to be None, a column of documents or metadata.<field>, got {self.scope!r}"
                )
