"""What corpora are made of: counts of hashed words and pairs of words, in one file that every worker can read.

`winnow fit-importance` makes it of a source and of some targets; `curation.signals.redpajama_models` weighs documents
by it: how much likelier is this text in Wikipedia than in the crawl?
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.errors import WinnowError
from curation.signals.list_files import named_bytes, readable_bytes
from curation.text import token_features
from curation.text.ascii_blocks import ascii_kinds
from curation.text.batch import TextBatch
from curation.text.unicode import character_classes

SOURCE = "source"
"""The name of the corpus that the others are compared with."""

_VERSION = 1
_SMOOTHING = 1e-8


class ImportanceError(WinnowError):
    """Counts of corpora that cannot be made or read."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of a batch of texts.

    Attributes:
        offsets: int64[n + 1], those of each text.
        hashes: uint64[m].
    """

    offsets: NDArray[np.int64]
    hashes: NDArray[np.uint64]


def tokens_of(batch: TextBatch) -> Tokens:
    """The tokens of each text; a null text has none."""
    offsets, hashes = np.empty(len(batch) + 1, np.int64), np.empty(len(batch.data), np.uint64)
    count = token_features.hash_tokens(batch.data, batch.offsets, ascii_kinds(), character_classes(), offsets, hashes)
    return Tokens(offsets, hashes[:count])


@dataclass(frozen=True)
class CorpusCounts:
    """A corpus.

    Attributes:
        name: `source`, or a target's.
        counts: int64[buckets]; its tokens and pairs of tokens by bucket.
        num_tokens: its tokens.
        num_documents: its texts.
    """

    name: str
    counts: NDArray[np.int64]
    num_tokens: int
    num_documents: int


def count_corpus(name: str, batches: Iterable[TextBatch], *, buckets: int = 10_000) -> CorpusCounts:
    """Count the features of a corpus.

    Raises:
        ImportanceError: there are fewer than two buckets, or the corpus has no token.
    """
    if buckets < 2:
        raise ImportanceError(f"{buckets} buckets: expected 2 or more (10,000 is usual)")
    counts = np.zeros(buckets, np.int64)
    num_tokens = num_documents = 0
    for batch in batches:
        tokens = tokens_of(batch)
        token_features.count_features(tokens.offsets, tokens.hashes, counts)
        num_tokens += len(tokens.hashes)
        num_documents += int(batch.valid.sum())
    if not num_tokens:
        raise ImportanceError(f"the corpus {name!r} has no token in {num_documents:,} documents: nothing can be fitted")
    return CorpusCounts(name, counts, num_tokens, num_documents)


@dataclass(frozen=True)
class ImportanceCounts:
    """A source and the targets that texts are weighed by.

    Attributes:
        source: what the texts are taken from.
        targets: what they should be like.

    Raises:
        ImportanceError: there is no target, two have one name, a name is no name of a column, or the buckets differ.
    """

    source: CorpusCounts
    targets: tuple[CorpusCounts, ...]

    def __post_init__(self) -> None:
        names = [one.name for one in self.targets]
        if not names or len(set(names)) < len(names) or SOURCE in names:
            raise ImportanceError(f"the targets are {names}: expected one or more different names, not {SOURCE!r}")
        if bad := [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)]:
            raise ImportanceError(f"the target {bad[0]!r} names a column: expected small letters, digits and _")
        if len({len(one.counts) for one in (self.source, *self.targets)}) > 1:
            raise ImportanceError("the corpora are counted in different numbers of buckets")

    @cached_property
    def log_ratios(self) -> NDArray[np.float64]:
        """Of each bucket, by target: the logarithm of its share there over its share in the source, float64[b, k]."""
        shares = np.stack([one.counts / one.counts.sum() for one in (self.source, *self.targets)], axis=1)
        logs = np.log(shares + _SMOOTHING)
        return np.ascontiguousarray(logs[:, 1:] - logs[:, :1])

    @cached_property
    def mean_tokens(self) -> NDArray[np.float64]:
        """Tokens of a document, in the mean: of the source and the targets, float64[k + 1]."""
        corpora = (self.source, *self.targets)
        return np.array([one.num_tokens / max(1, one.num_documents) for one in corpora])

    def to_bytes(self) -> bytes:
        """The file: Arrow, a row per corpus."""
        corpora = (self.source, *self.targets)
        table = pa.table(
            {
                "name": [one.name for one in corpora],
                "num_tokens": [one.num_tokens for one in corpora],
                "num_documents": [one.num_documents for one in corpora],
                "counts": pa.array([one.counts for one in corpora], pa.list_(pa.int64())),
            }
        ).replace_schema_metadata({"winnow.importance": json.dumps({"version": _VERSION})})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        content: bytes = sink.getvalue().to_pybytes()
        return content

    @staticmethod
    def from_bytes(content: bytes, name: str) -> "ImportanceCounts":
        """What `to_bytes` wrote.

        Raises:
            ImportanceError: it is none, or of another version.
        """
        try:
            table = pa.ipc.open_file(content).read_all()
            version = json.loads((table.schema.metadata or {})[b"winnow.importance"])["version"]
        except (pa.ArrowInvalid, KeyError, ValueError) as error:
            raise ImportanceError(
                f"{name} holds no counts of corpora: make them with `winnow fit-importance`"
            ) from error
        if version != _VERSION:
            raise ImportanceError(f"{name} is of version {version}, expected {_VERSION}: make it anew")
        rows = [row | {"counts": np.array(row["counts"], np.int64)} for row in table.to_pylist()]
        source, *targets = (CorpusCounts(**row) for row in rows)
        return ImportanceCounts(source, tuple(targets))


def read_counts(path: str) -> bytes:
    """The bytes of a file of counts: a local file, or a URI that Arrow can read.

    Raises:
        ImportanceError: there is none.
    """
    return readable_bytes(path, ImportanceError, "the counts")


@lru_cache(maxsize=4)
def open_counts(path: str, sha256: str) -> ImportanceCounts:
    """The counts, opened once per process.

    Raises:
        ImportanceError: there are none, or they have changed since the recipe named them.
    """
    content = named_bytes(path, sha256, "RedPajamaModels.of(...)", ImportanceError, "the counts")
    return ImportanceCounts.from_bytes(content, path)
