"""Parquet files to pieces: the text as it lies in Arrow, everything else as JSON."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.sources.html_field import extract_texts
from curation.sources.listing import SourceFile
from curation.sources.piece import PIECE_BYTES, Piece, Rejected, to_documents
from curation.sources.record import RecordFault, taker
from curation.sources.settings import Ingest
from curation.sources.unpack import FileFaultError

_MAX_ROWS = 1 << 16


def read_parquet(
    stream: pa.NativeFile, file: SourceFile, part: tuple[int, int], config: Ingest, *, only_text: bool
) -> Iterator[Piece]:
    """Read a share of a Parquet file's row groups. The first row of the file is record 1.

    A damaged row group is set aside and the next one read. Values of other columns that are not UTF-8 have their bad
    bytes replaced (U+FFFD); a text that is not UTF-8 is set aside. Floats that are no number become null in the JSON.

    Args:
        stream: the file, open for random access.
        file: the file.
        part: which share of how many.
        config: fields and limits.
        only_text: read the text's column alone; `Piece.build` must then not be called.

    Raises:
        FileFaultError: it is no Parquet file, or has no column of text.
    """
    try:
        opened = pq.ParquetFile(stream)
    except pa.ArrowInvalid as error:
        raise FileFaultError("file.wrong_format", f"is no Parquet file: {_one_line(error)}") from error
    except OSError as error:
        raise FileFaultError("file.corrupt", _one_line(error)) from error
    text_column = _check_text_column(opened.schema_arrow, config.content_field)
    counts = [opened.metadata.row_group(group).num_rows for group in range(opened.num_row_groups)]
    firsts = np.concatenate([[1], 1 + np.cumsum(counts, dtype=np.int64)])
    share, shares = part
    for group in range(share * len(counts) // shares, (share + 1) * len(counts) // shares):
        columns = [text_column] if only_text else None
        yield from _row_group(opened, group, int(firsts[group]), columns, file, config)


def _row_group(
    opened: pq.ParquetFile, group: int, first: int, columns: list[str] | None, file: SourceFile, config: Ingest
) -> Iterator[Piece]:
    described = opened.metadata.row_group(group)
    row_bytes = max(1, described.total_byte_size // max(1, described.num_rows))
    rows = min(_MAX_ROWS, max(1, PIECE_BYTES // row_bytes))
    record = first
    batches = opened.iter_batches(batch_size=rows, row_groups=[group], columns=columns)
    while True:
        try:
            batch = next(batches, None)
        except (OSError, pa.ArrowException) as error:
            end = first + described.num_rows - 1
            detail = f"row group {group + 1}, rows {record} to {end}: {_one_line(error)}"
            yield Piece(rejected=[Rejected(None, "file.corrupt", detail)])
            return
        if batch is None:
            return
        if len(batch):
            yield _piece(_without_views(batch), record, row_bytes * len(batch), file, config)
        record += len(batch)


def _piece(batch: pa.RecordBatch, first: int, num_bytes: int, file: SourceFile, config: Ingest) -> Piece:
    column = _column(batch, config.content_field)
    faults: dict[int, RecordFault] = {}
    bad: dict[int, bytes] = {}
    if config.html_field is None:
        texts, bad = decode_texts(column)
    else:
        texts, faults = extract_texts(column, config)
    rejected: list[Rejected] = []
    limit, cap = config.limits.max_record_bytes, config.limits.max_raw_bytes
    sizes = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    keep = texts.is_valid().to_numpy(zero_copy_only=False) & (sizes <= limit)
    for row in np.flatnonzero(~keep).tolist():
        record = first + row
        if row in faults:
            raw = column[row].cast(pa.large_binary()).as_buffer()[:cap].to_pybytes()
            rejected.append(Rejected(record, faults[row].reason, faults[row].detail, raw))
        elif row in bad:
            rejected.append(Rejected(record, "text.invalid_utf8", "the text is not UTF-8", bad[row][:cap]))
        elif sizes[row] > limit:
            raw = texts[row].as_buffer()[:cap].to_pybytes()
            detail = f"the text has {sizes[row]} bytes, more than {limit}"
            rejected.append(Rejected(record, "record.too_large", detail, raw))
        else:
            rejected.append(Rejected(record, "text.null", f"the column {config.content_field!r} is null"))

    def build() -> pa.RecordBatch:
        kept = np.flatnonzero(keep)
        rows = batch if len(kept) == len(batch) else batch.take(pa.array(kept))
        chosen = texts if len(kept) == len(batch) else texts.take(pa.array(kept))
        return to_documents(file.name, (kept + first).tolist(), chosen, *_other_fields(rows, file, config))

    return Piece(int(keep.sum()), rejected, num_bytes, build)


def _without_views(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows with plain strings and bytes for views, which Arrow cannot take rows of."""
    for place, column in enumerate(batch.columns):
        if pa.types.is_string_view(column.type) or pa.types.is_binary_view(column.type):
            kind = pa.string() if pa.types.is_string_view(column.type) else pa.binary()
            batch = batch.set_column(place, batch.schema.field(place).with_type(kind), column.cast(kind))
    return batch


def decode_texts(column: pa.Array) -> tuple[pa.Array, dict[int, bytes]]:
    """A text column of any kind as a string array that is UTF-8, and the bytes of the rows that are not.

    Those rows are null in the array.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        texts = column.cast(pa.string())
        # A cast from string to string looks at nothing, and Parquet's readers do not check.
        texts.validate(full=True)
    except pa.ArrowInvalid:
        values = column.cast(pa.large_binary()).to_pylist()
        decoded = [None if value is None else _decoded(value) for value in values]
        bad = {row: value for row, value in enumerate(values) if value is not None and decoded[row] is None}
        return pa.array(decoded, pa.string()), bad
    if texts.offset or len(texts) == 0:
        texts = pa.concat_arrays([texts, pa.array([""], pa.string())]).slice(0, len(texts))
    return texts, {}


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _check_text_column(schema: pa.Schema, name: str) -> str:
    """The column to read for the text.

    Raises:
        FileFaultError: there is none, there are two, or it holds something else than text.
    """
    names = schema.names
    if names.count(name) > 1:
        raise FileFaultError("file.wrong_format", f"has two columns {name!r}")
    kind: pa.DataType | None = schema.field(name).type if name in names else None
    if kind is None and "." in name:
        head, *rest = name.split(".")
        kind = schema.field(head).type if names.count(head) == 1 else None
        for part in rest:
            place = kind.get_field_index(part) if kind is not None and pa.types.is_struct(kind) else -1
            kind = kind.field(place).type if kind is not None and place >= 0 else None
    if kind is None:
        raise FileFaultError("text.missing", f"no column {name!r}; the columns are: {', '.join(names)[:200]}")
    if not _holds_text(kind):
        raise FileFaultError("text.not_a_string", f"the column {name!r} holds {kind}, expected text")
    return name


def _holds_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests: tuple[Callable[[pa.DataType], bool], ...] = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    if name in batch.schema.names:
        return batch.column(name)
    head, *rest = name.split(".")
    column = batch.column(head)
    for part in rest:
        column = pc.struct_field(column, part)
    return column


def _other_fields(batch: pa.RecordBatch, file: SourceFile, config: Ingest) -> tuple[pa.Array, ...]:
    """Record ids, sources, urls and metadata of rows, as string arrays."""
    if config.content_field in batch.schema.names:
        batch = batch.drop_columns([config.content_field])
    names = [*batch.schema.names, *(name for name, _ in file.constants)]
    wanted = (config.id_field, config.source_field, config.url_field)
    columns = [
        _values(column, text=name in wanted) for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    columns += [[value] * len(batch) for _, value in file.constants]
    fields: list[list[str | None]] = []
    plain = [name for name in wanted if name in names]
    for name in plain:
        place = names.index(name)
        names.pop(place)
        fields.append([_as_text(value) for value in columns.pop(place)])
    found = dict(zip(plain, fields, strict=True))
    records = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)] or [
        {} for _ in range(len(batch))
    ]
    nested = [name for name in (config.content_field, *wanted) if "." in name and name not in found]
    take = taker(tuple(nested))
    for name in nested:
        found[name] = [_as_text(take(record, name, None)) for record in records]
    default = file.source
    nothing: list[str | None] = [None] * len(batch)
    ids, sources, urls = (found.get(name, nothing) for name in wanted)
    metadata = [orjson.dumps(record, _jsonable, orjson.OPT_SORT_KEYS) for record in records]
    return (
        pa.array(ids, pa.string()),
        pa.array([source or default for source in sources], pa.string()),
        pa.array(urls, pa.string()),
        pa.array(metadata, pa.string()),
    )


def _values(column: pa.Array, *, text: bool = False) -> list[Any]:
    """The values of a column as Python objects; moments as text, and bytes too where `text` says so."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _values(column.dictionary_decode(), text=text)
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        column, kind = column.cast(pa.string()), pa.string()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or (text and _holds_text(kind)):
        texts, bad = decode_texts(column)
        values: list[Any] = texts.to_numpy(zero_copy_only=False).tolist()
        for row, raw in bad.items():
            values[row] = raw.decode(errors="replace")
        return values
    if column.null_count == 0 and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        numbers: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return numbers
    try:
        items: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        items = [_with_text(value) for value in column.cast(_with_bytes(kind)).to_pylist()]
    return items


def _with_bytes(kind: pa.DataType) -> pa.DataType:
    """A nested type with bytes in place of strings, so that strings which are not UTF-8 can be looked at."""
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_with_bytes(field.type)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_with_bytes(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(_with_bytes(kind.key_type), _with_bytes(kind.item_type))
    return pa.binary() if pa.types.is_string(kind) or pa.types.is_large_string(kind) else kind


def _with_text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, dict):
        return {key: _with_text(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_text(inner) for inner in value]
    return value


def _as_text(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    return orjson.dumps(value, _jsonable, orjson.OPT_SORT_KEYS).decode()


def _jsonable(value: Any) -> Any:
    """What JSON has in place of a Python object: base64 for bytes, text for moments, spans and decimals."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, timedelta)):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
