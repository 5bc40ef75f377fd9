"""Sketches of texts that outlast a run: a new batch is compared with all earlier ones without reading those again."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from curation.dedup.candidates import Checkpoint
from curation.dedup.config import Dedup
from curation.dedup.minhash import MinHash, band_keys, sketch
from curation.dedup.sketches import Binding, Measured, binding_of, check_columns, columns_beside_text, ddl, halves
from curation.progress import advance
from curation.tables import SIGNATURES
from curation.text.batch import TextBatch

_KEY = ["doc_id", "content_hash"]
_MOST_INGESTS = 100
_MEASURED = tuple(name for name in SIGNATURES.schema.names if name not in _KEY)


@dataclass(frozen=True)
class StoredSketches:
    """Rows that depend on the text and on `Dedup.minhash` alone, of all documents.

    Attributes:
        still_there: rows of the table `signatures` whose documents are unchanged; None where none were stored.
        new: rows of the other documents, of those without shingles too (their signature is null). Reads a checkpoint.
        num_earlier: rows of `still_there`.
        num_new: documents of `new` that have shingles.
        num_gone: stored rows whose document is gone or has another text now.
    """

    still_there: DataFrame | None
    new: DataFrame
    num_earlier: int
    num_new: int
    num_gone: int

    @property
    def new_signatures(self) -> DataFrame:
        """What the table `signatures` has to get in addition."""
        return self.new.where(F.col("signature").isNotNull())

    @property
    def signatures(self) -> DataFrame:
        """What the table `signatures` has to hold."""
        return self._all(self.new_signatures)

    @property
    def rows(self) -> DataFrame:
        """A row for every document with a text."""
        return self._all(self.new)

    def _all(self, new: DataFrame) -> DataFrame:
        return new if self.still_there is None else self.still_there.unionByName(new)


@dataclass(frozen=True)
class _SketchTexts:
    """Worker's side: batches of (doc_id, content_hash, text) to rows of the table `signatures`."""

    minhash: MinHash

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            texts = TextBatch.from_arrow(batch.column("text"))
            made = sketch(texts, self.minhash, with_signatures=True)
            advance(len(texts), int(texts.offsets[-1]))
            columns = [
                *(batch.column(name).cast(pa.string()) for name in _KEY),
                *halves(made.hashes),
                pa.array(texts.num_chars),
                pa.array(texts.num_bytes),
                made.signatures_arrow(),
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=SIGNATURES.schema)


@dataclass(frozen=True)
class _BindBatches:
    """Worker's side: rows of the table `signatures` and what stands beside the text, to rows of `sketches`."""

    minhash: MinHash
    binding: Binding

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            lists = batch.column("signature")
            present = np.asarray(lists.is_valid())
            signatures = np.zeros((batch.num_rows, self.minhash.num_perm), np.uint64)
            minima = np.asarray(lists.drop_null().flatten()).astype(np.int64, copy=False)
            signatures[present] = minima.view(np.uint64).reshape(-1, self.minhash.num_perm)
            high, low, num_chars, num_bytes = (np.asarray(batch.column(name)) for name in _MEASURED[:4])
            hashes = np.stack([high, low], axis=1).view(np.uint64)
            measured = Measured(hashes, band_keys(signatures, self.minhash), present, num_chars, num_bytes)
            yield self.binding(batch, measured)


def stored_sketches(
    documents: DataFrame, minhash: MinHash, stored: DataFrame | None, checkpoint: Checkpoint
) -> StoredSketches:
    """Sketch the documents that `stored` does not know with their present text, and no others.

    Args:
        documents: doc_id, content_hash and text. Texts of documents that `stored` knows are not read.
        minhash: settings; `stored` was made with the same ones.
        stored: rows of the table `signatures`, None where there are none.
        checkpoint: see `curation.dedup.clusters.duplicates`.

    Raises:
        ValueError: documents has no content_hash.
    """
    if "content_hash" not in documents.columns:
        raise ValueError("Dedup.keep_signatures needs documents with a content_hash, to know a text that has changed")
    still_there, num_earlier, num_gone = None, 0, 0
    unknown = documents
    if stored is not None:
        keys = documents.select(*_KEY)
        still_there = stored.join(keys, _KEY, "left_semi").select(*SIGNATURES.schema.names)
        num_earlier = still_there.select("doc_id").count()
        num_gone = stored.select("doc_id").count() - num_earlier
        # the keys first, without texts: what is shuffled then is small
        beside = [name for name in ("ingest_id",) if name in documents.columns]
        new_keys = checkpoint(
            documents.select(*_KEY, *beside).join(stored.select(*_KEY), _KEY, "left_anti"), "new_documents"
        )
        unknown = _of_ingests(documents, new_keys).join(new_keys.select(*_KEY), _KEY, "left_semi")
    texts = unknown.where(F.col("text").isNotNull()).select(*_KEY, "text")
    new = checkpoint(texts.mapInArrow(_SketchTexts(minhash), ddl(SIGNATURES.schema)), "new_sketches")
    num_new = new.where(F.col("signature").isNotNull()).count()
    return StoredSketches(still_there, new, num_earlier, num_new, num_gone)


def _of_ingests(documents: DataFrame, new_keys: DataFrame) -> DataFrame:
    """The documents of the ingests that the new ones came with, if those are few: files of others are not opened."""
    if "ingest_id" not in new_keys.columns:
        return documents
    ingests = [row[0] for row in new_keys.select("ingest_id").distinct().limit(_MOST_INGESTS + 1).collect()]
    few = 0 < len(ingests) <= _MOST_INGESTS and None not in ingests
    return documents.where(F.col("ingest_id").isin(ingests)) if few else documents


def bound(rows: DataFrame, documents: DataFrame, config: Dedup) -> DataFrame:
    """The rows of `curation.dedup.sketches.sketches`, from rows of the table `signatures` and without any text.

    Raises:
        ValueError: the configuration names a column that documents does not have.
    """
    assert config.minhash is not None
    check_columns(documents, config)
    binding = binding_of(config)
    joined = rows.select("doc_id", *_MEASURED).join(documents.select(*columns_beside_text(config)), "doc_id")
    return joined.mapInArrow(_BindBatches(config.minhash, binding), ddl(binding.schema))
