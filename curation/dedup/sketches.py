"""The one pass over the text: what documents are compared and chosen by, without the text."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from curation.dedup.config import Dedup
from curation.dedup.exact import content_hashes, mix64
from curation.dedup.keep import Keep, keep_keys
from curation.dedup.minhash import MinHash, key_lists, sketch
from curation.progress import advance
from curation.text.batch import TextBatch
from curation.text.blocks import hash_bytes
from curation.text.kernel import kernel

_COMPUTED = ("num_chars", "num_bytes")
_FIXED = pa.schema(
    {
        "doc_id": pa.string(),
        "source": pa.string(),
        "scope": pa.int64(),
        "high": pa.int64(),
        "low": pa.int64(),
        "num_bytes": pa.int64(),
        "keys": pa.list_(pa.int64()),
    }
)
_TYPES = {pa.string(): "string", pa.int64(): "bigint", pa.float64(): "double", pa.list_(pa.int64()): "array<bigint>"}


def ddl(schema: pa.Schema) -> str:
    """The schema as Spark writes it."""
    return ", ".join(f"{field.name} {_TYPES[field.type]}" for field in schema)


def document_field(name: str) -> Column:
    """A column of documents, or a field of their metadata for `metadata.<field>` (null where it is absent)."""
    table, _, field = name.partition(".")
    if table == "metadata" and field:
        return F.get_json_object(F.col("metadata"), f"$['{field}']")
    return F.col(f"`{name}`")


def _value_type(criterion: Keep) -> pa.DataType:
    return pa.float64() if criterion.is_number else pa.string()


def _value(criterion: Keep, column: Column) -> Column:
    return column.try_cast("double") if criterion.is_number else column.cast("string")


@kernel
def _hash_values(data: NDArray[np.uint8], offsets: NDArray[np.int64], out: NDArray[np.uint64]) -> None:
    for i in range(len(out)):
        out[i] = mix64(hash_bytes(data, offsets[i], offsets[i + 1]) + np.uint64(1))


def _scope_hashes(values: pa.Array) -> NDArray[np.uint64]:
    batch = TextBatch.from_arrow(values.cast(pa.large_string()))
    hashes = np.empty(len(batch), np.uint64)
    _hash_values(batch.data, batch.offsets, hashes)
    hashes[~batch.valid] = 0
    return hashes


@kernel
def _mix_scope(scope: NDArray[np.uint64], values: NDArray[np.uint64]) -> None:
    """Bind each row of `values` to the scope of its document, in place."""
    for i in range(values.shape[0]):
        for k in range(values.shape[1]):
            values[i, k] = mix64(values[i, k] ^ scope[i])


@dataclass(frozen=True)
class Measured:
    """What the texts of a batch are compared by, not yet bound to a scope.

    Attributes:
        hashes: uint64[n, 2]; high and low half of the hash of the normalised text.
        keys: uint64[n, bands]; band keys, None where there are none at all.
        present: bool[n]; whether a text has band keys.
        num_chars: int64[n].
        num_bytes: int64[n].
    """

    hashes: NDArray[np.uint64]
    keys: NDArray[np.uint64] | None
    present: NDArray[np.bool_]
    num_chars: NDArray[np.int64]
    num_bytes: NDArray[np.int64]


@dataclass(frozen=True)
class Binding:
    """Worker's side: binds what was measured to the scopes, and takes the criteria's values along.

    Attributes:
        scoped: whether batches have a `scope_value`.
        criteria: those that come from documents; their values are `keep_<i>` of a batch.
        schema: of the result.
    """

    scoped: bool
    criteria: tuple[Keep, ...]
    schema: pa.Schema

    def __call__(self, batch: pa.RecordBatch, measured: Measured) -> pa.RecordBatch:
        """Rows of `schema`. Changes the arrays of `measured` in place."""
        scope = np.zeros(batch.num_rows, np.uint64)
        if self.scoped:
            scope = _scope_hashes(batch.column("scope_value"))
            _mix_scope(scope, measured.hashes)
        if measured.keys is None:
            keys = pa.nulls(batch.num_rows, pa.list_(pa.int64()))
        else:
            if self.scoped:
                _mix_scope(scope, measured.keys)
            keys = key_lists(measured.keys, measured.present)
        values = [
            pa.array(getattr(measured, criterion.on), pa.float64())
            if criterion.on in _COMPUTED
            else batch.column(f"keep_{i}")
            for i, criterion in enumerate(self.criteria)
        ]
        columns = [
            batch.column("doc_id").cast(pa.string()),
            batch.column("source").cast(pa.string()),
            pa.array(scope.view(np.int64)),
            *halves(measured.hashes),
            pa.array(measured.num_bytes),
            keys,
            *values,
        ]
        columns = [column.cast(field.type) for column, field in zip(columns, self.schema, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def halves(hashes: NDArray[np.uint64]) -> tuple[pa.Array, pa.Array]:
    """The columns `high` and `low`, int64, of hashes uint64[n, 2]."""
    high, low = (np.ascontiguousarray(hashes[:, i]).view(np.int64) for i in (0, 1))
    return pa.array(high), pa.array(low)


@dataclass(frozen=True)
class _SketchBatches:
    """Worker's side: batches of (doc_id, source, text[, scope_value], keep_<i>...) to batches of `binding.schema`."""

    minhash: MinHash | None
    binding: Binding

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            texts = TextBatch.from_arrow(batch.column("text"))
            rows = self.binding(batch, self._measured(texts))
            advance(len(texts), int(texts.offsets[-1]))
            yield rows

    def _measured(self, texts: TextBatch) -> Measured:
        if self.minhash is None:
            exact = content_hashes(texts)
            hashes = np.stack([exact.high, exact.low], axis=1)
            return Measured(hashes, None, np.zeros(len(texts), np.bool_), texts.num_chars, texts.num_bytes)
        made = sketch(texts, self.minhash)
        return Measured(made.hashes, made.keys, made.num_shingles > 0, texts.num_chars, texts.num_bytes)


def _from_documents(config: Dedup) -> tuple[Keep, ...]:
    return tuple(criterion for criterion in config.keep if not criterion.on.startswith("signals."))


def columns_beside_text(config: Dedup) -> tuple[Column, ...]:
    """Of documents: doc_id, source, and what the scope and the criteria of preference need, the text aside."""
    columns = [F.col("doc_id"), F.col("source")]
    if config.scope is not None:
        columns.append(document_field(config.scope).cast("string").alias("scope_value"))
    for i, criterion in enumerate(_from_documents(config)):
        if criterion.on not in _COMPUTED:
            columns.append(_value(criterion, document_field(criterion.on)).alias(f"keep_{i}"))
    return tuple(columns)


def binding_of(config: Dedup) -> Binding:
    """What makes rows as `sketches` describes them."""
    criteria = _from_documents(config)
    schema = _FIXED
    for i, criterion in enumerate(criteria):
        schema = schema.append(pa.field(f"keep_{i}", _value_type(criterion)))
    return Binding(config.scope is not None, criteria, schema)


def sketches(documents: DataFrame, config: Dedup) -> DataFrame:
    """One row per document with a text: (doc_id, source, scope, high, low, num_bytes, keys, keep_0, ...).

    `high` and `low` are the hash of the normalised text, `keys` the band keys (both bound to the scope), `keep_<i>` the
    values of the criteria that come from documents, in the order in which those stand in the configuration.

    Raises:
        ValueError: the configuration names a column that documents does not have.
    """
    check_columns(documents, config)
    binding = binding_of(config)
    worker = _SketchBatches(config.minhash, binding)
    rows = documents.where(F.col("text").isNotNull()).select(*columns_beside_text(config), "text")
    return rows.mapInArrow(worker, ddl(binding.schema))


def check_columns(documents: DataFrame, config: Dedup) -> None:
    """Refuse a configuration that names a column that documents does not have.

    Raises:
        ValueError: it does.
    """
    wanted = [criterion.on for criterion in _from_documents(config) if criterion.on not in _COMPUTED]
    _check_columns(documents, [*wanted, *([config.scope] if config.scope else [])])


def _check_columns(documents: DataFrame, names: list[str]) -> None:
    for name in names:
        column = name.partition(".")[0]
        if column not in documents.columns:
            raise ValueError(
                f"the dedup configuration names {name!r}, but documents has no column {column!r}; "
                f"it has {', '.join(documents.columns)}"
            )


def _signal_column(signals: DataFrame, on: str) -> Column:
    _, name, column = on.split(".", 2)
    known = {field.name: field.dataType for field in signals.schema.fields if isinstance(field.dataType, StructType)}
    if name not in known:
        raise ValueError(f"Keep({on!r}): there is no signal {name!r}; there are {', '.join(known)}")
    columns = known[name].fieldNames()
    if column not in columns:
        raise ValueError(f"Keep({on!r}): signal {name!r} has no column {column!r}; it has {', '.join(columns)}")
    return F.col(f"`{name}`.`{column}`")


@dataclass(frozen=True)
class _KeyBatches:
    """Worker's side: the criteria's values of each batch become one keep_key."""

    criteria: tuple[Keep, ...]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            values = [batch.column(f"value_{i}") for i in range(len(self.criteria))]
            keys = keep_keys(values, self.criteria, batch.column("doc_id"))
            names = [name for name in batch.schema.names if not name.startswith("value_")]
            yield pa.RecordBatch.from_arrays([*(batch.column(name) for name in names), keys], [*names, "keep_key"])


def with_keep_keys(nominated: DataFrame, config: Dedup, signals: DataFrame | None) -> DataFrame:
    """`nominated` (rows of `sketches` with a `component`) with the string `keep_key` that orders by preference.

    Raises:
        ValueError: a criterion needs signals, and none were given or the column is not among them.
    """
    kept = ["doc_id", "source", "scope", "high", "low", "component", "num_bytes"]
    if not config.keep:
        return nominated.select(*kept, F.concat(F.lit("/"), F.col("doc_id")).alias("keep_key"))
    from_documents = _from_documents(config)
    from_signals = [criterion for criterion in config.keep if criterion not in from_documents]
    if from_signals:
        if signals is None:
            raise ValueError(f"Keep({from_signals[0].on!r}) needs the signals table: measure first, or pass signals=")
        chosen = [
            _value(criterion, _signal_column(signals, criterion.on)).alias(f"signal_{i}")
            for i, criterion in enumerate(from_signals)
        ]
        nominated = nominated.join(signals.select("doc_id", *chosen), "doc_id", "left")
    places = [
        F.col(f"signal_{from_signals.index(c)}") if c in from_signals else F.col(f"keep_{from_documents.index(c)}")
        for c in config.keep
    ]
    values = [place.alias(f"value_{i}") for i, place in enumerate(places)]
    schema = (
        "doc_id string, source string, scope bigint, high bigint, low bigint, component bigint, num_bytes bigint, "
        "keep_key string"
    )
    return nominated.select(*kept, *values).mapInArrow(_KeyBatches(config.keep), schema)
