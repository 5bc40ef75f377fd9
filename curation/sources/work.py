"""Files to tables on the engine: work shared out by size, read once to judge and once to write."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.fs as pafs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from curation.progress import advance
from curation.sources.html_field import extracted
from curation.sources.jsonl import read_jsonl
from curation.sources.listing import SourceFile, open_filesystem
from curation.sources.pages import read_warc
from curation.sources.parquet import read_parquet
from curation.sources.piece import COLUMNS, Piece, Rejected
from curation.sources.settings import Ingest, InputError
from curation.sources.unpack import NOT_READABLE, FileFaultError, RawStream

_SHARES = 64
_SHARE_BYTES = 4 << 20, 128 << 20
"""Parquet files are read in this many shares altogether, about, of no fewer and no more stored bytes than these."""

SCAN = pa.schema(
    [
        ("file", pa.string()),
        ("part", pa.int64()),
        ("record", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("raw", pa.binary()),
        ("num_records", pa.int64()),
        ("num_documents", pa.int64()),
        ("num_quarantined", pa.int64()),
        ("num_bytes", pa.int64()),
        ("fingerprint", pa.string()),
        ("skipped", pa.string()),
        ("document", pa.struct(list(COLUMNS))),
    ]
)
"""What a scan gives: a row with a reason for each thing quarantined, and a row of counts for each unit of work.

The fingerprint stands in the counts of a file's first unit; it is null where the file could not be read to its end.
`skipped` is a JSON object: records that are no pages, by type. A unit whose texts are extracted gives a row for each of
its documents too: extracting is dear, and is done once.
"""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A file, or a share of a Parquet file's row groups.

    Attributes:
        file: the file.
        part: number of the share, from 0.
        parts: number of shares.
        num_documents: what the scan found in it, None before.
    """

    file: SourceFile
    part: int = 0
    parts: int = 1
    num_documents: int | None = None

    @property
    def weight(self) -> int:
        """Bytes to work through, as far as they are known before reading; packed text counts three times."""
        return self.file.size // self.parts * (1 if self.file.packing == "plain" else 3) + 4096


def is_extracted(file: SourceFile, config: Ingest) -> bool:
    """Whether the file's texts have to be made of HTML: the scan then gives its documents."""
    return file.format == "warc" or config.html_field is not None


def units_of(files: Iterable[SourceFile]) -> list[Unit]:
    """The units of work that files make: small ones where there is little, so that all cores have some of it."""
    chosen = list(files)
    least, most = _SHARE_BYTES
    share = min(most, max(least, sum(file.size for file in chosen) // _SHARES))
    units = []
    for file in chosen:
        parts = max(1, -(-file.size // share)) if file.format == "parquet" else 1
        units += [Unit(file=file, part=part, parts=parts) for part in range(parts)]
    return units


def share_out(units: Iterable[Unit], num_tasks: int) -> list[tuple[Unit, ...]]:
    """Units in at most `num_tasks` heaps of like weight: the largest first, each to the lightest heap."""
    heaps = [(0, place) for place in range(num_tasks)]
    held: list[list[Unit]] = [[] for _ in range(num_tasks)]
    for unit in sorted(units, key=lambda unit: (-unit.weight, unit.file.name, unit.part)):
        weight, place = heapq.heappop(heaps)
        held[place].append(unit)
        heapq.heappush(heaps, (weight + unit.weight, place))
    return [tuple(heap) for heap in held if heap]


def scan(spark: SparkSession, heaps: list[tuple[Unit, ...]], config: Ingest) -> DataFrame:
    """Judge every record of the units: a frame of `SCAN`."""
    return _over(spark, heaps, SCAN, lambda unit: scan_unit(unit, config))


def read(spark: SparkSession, heaps: list[tuple[Unit, ...]], config: Ingest) -> DataFrame:
    """The documents of the units, without `ingest_id`."""
    return _over(spark, heaps, COLUMNS, lambda unit: read_unit(unit, config))


def fingerprints(spark: SparkSession, heaps: list[tuple[Unit, ...]]) -> dict[str, str | None]:
    """Hash of each file's stored bytes by its name; None where it cannot be read."""
    rows = _over(spark, heaps, SCAN, fingerprint_unit).select("file", "fingerprint").collect()
    return {row["file"]: row["fingerprint"] for row in rows}


def _over(
    spark: SparkSession,
    heaps: list[tuple[Unit, ...]],
    schema: pa.Schema,
    work: Callable[[Unit], Iterator[pa.RecordBatch]],
) -> DataFrame:
    # A range has one row in each partition on both engines; shuffling the heaps themselves would not keep them apart.
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for place in batch.column(0).to_pylist():
                for unit in heaps[place]:
                    yield from work(unit)

    numbers = spark.range(0, len(heaps), 1, max(1, len(heaps)))
    return numbers.mapInArrow(run, from_arrow_schema(schema))


def scan_unit(unit: Unit, config: Ingest) -> Iterator[pa.RecordBatch]:
    """Judge every record of a unit, in batches of `SCAN`.

    Raises:
        InputError: a later share of a file cannot be read although its first one could.
    """
    num_documents = num_records = num_quarantined = num_bytes = 0
    skipped: Counter[str] = Counter()
    extracting = is_extracted(unit.file, config)
    found = _Fingerprint()
    fault: FileFaultError | None = None
    try:
        for piece in _pieces(unit, config, only_text=not extracting, found=found):
            advance(piece.num_documents, piece.num_bytes)
            num_documents += piece.num_documents
            num_records += piece.num_documents + sum(one.record is not None for one in piece.rejected)
            num_quarantined += len(piece.rejected)
            num_bytes += piece.num_bytes
            skipped.update(piece.skipped)
            if extracting and piece.num_documents:
                yield _document_rows(unit, piece.build())
            if piece.rejected:
                yield _rejected_rows(unit, piece.rejected)
    except FileFaultError as caught:
        fault = caught
    if fault is None and unit.parts == 1 and num_quarantined == num_documents == skipped.total() == 0:
        fault = FileFaultError("file.empty", "there is no record in it")
    if fault is not None and unit.part and fault.reason == NOT_READABLE:
        raise InputError(f"{unit.file.uri} cannot be read any more: {fault.detail}. Run the ingest again.")
    if fault is not None and not unit.part:
        num_quarantined += 1
        yield _rejected_rows(unit, [Rejected(None, fault.reason, fault.detail)])
    counts = [num_records, num_documents, num_quarantined, num_bytes]
    yield _row(unit.file.name, unit.part, None, None, None, None, *counts, found.value, orjson.dumps(skipped).decode())


def read_unit(unit: Unit, config: Ingest) -> Iterator[pa.RecordBatch]:
    """The documents of a unit, in batches of some MB.

    Raises:
        InputError: the file changed since it was listed, or gives other documents than when it was scanned.
    """
    num_documents = 0
    for piece in _pieces(unit, config, only_text=False, found=None):
        num_documents += piece.num_documents
        advance(piece.num_documents, piece.num_bytes)
        if piece.num_documents:
            yield piece.build()
    if num_documents != unit.num_documents or not _is_unchanged(unit.file):
        raise InputError(
            f"{unit.file.uri} changed while it was read ({unit.num_documents} documents, then {num_documents}): "
            "run the ingest again when nothing writes to it"
        )


def read_here(file: SourceFile, config: Ingest) -> Iterator[Piece]:
    """The pieces of a file, read in this process and not judged before.

    Raises:
        FileFaultError: the file cannot be opened, or not be read to its end.
    """
    yield from _pieces(Unit(file=file), config, only_text=False, found=None)


def fingerprint_unit(unit: Unit) -> Iterator[pa.RecordBatch]:
    """The fingerprint of a unit's file, as a row of `SCAN`."""
    found: str | None = None
    try:
        with _open(unit.file) as stream:
            found = RawStream(stream, hashing=True).fingerprint()
    except FileFaultError:
        pass
    yield _row(unit.file.name, unit.part, *[None] * 8, found, None)


@dataclass
class _Fingerprint:
    value: str | None = None


def _pieces(unit: Unit, config: Ingest, *, only_text: bool, found: _Fingerprint | None) -> Iterator[Piece]:
    """Read a unit; with `found`, its first share also takes the fingerprint of the whole file.

    Raises:
        FileFaultError: the file cannot be opened, or nothing of it can be read.
    """
    hashing = found is not None and unit.part == 0
    with _open(unit.file) as stream:
        raw = RawStream(stream, hashing=hashing)
        if unit.file.format == "jsonl":
            pieces = read_jsonl(raw, unit.file, config)
            yield from pieces if config.html_field is None else extracted(pieces, config)
        elif unit.file.format == "warc":
            yield from read_warc(raw, unit.file, config)
        if found is not None:
            found.value = raw.fingerprint()
        if unit.file.format == "parquet":
            stream.seek(0)
            yield from read_parquet(stream, unit.file, (unit.part, unit.parts), config, only_text=only_text)


@contextmanager
def _open(file: SourceFile) -> Iterator[pa.NativeFile]:
    filesystem, path = open_filesystem(file.uri)
    try:
        # Arrow would unpack by the file's ending, out of sight of the limits.
        stream = (
            filesystem.open_input_file(path)
            if file.format == "parquet"
            else filesystem.open_input_stream(path, compression=None)
        )
    except OSError as error:
        raise FileFaultError(NOT_READABLE, str(error)) from error
    with stream:
        yield stream


def _is_unchanged(file: SourceFile) -> bool:
    if file.table is not None:
        return True
    filesystem, path = open_filesystem(file.uri)
    info = filesystem.get_file_info(path)
    return info.type == pafs.FileType.File and (info.size, info.mtime_ns or 0) == (file.size, file.modified)


def _rejected_rows(unit: Unit, rejected: list[Rejected]) -> pa.RecordBatch:
    rows = [
        {
            "file": unit.file.name,
            "part": unit.part,
            "record": one.record,
            "reason": one.reason,
            "detail": one.detail,
            "raw": one.raw,
        }
        for one in rejected
    ]
    return pa.RecordBatch.from_pylist(rows, schema=SCAN)


def _document_rows(unit: Unit, documents: pa.RecordBatch) -> pa.RecordBatch:
    known = {
        "file": pa.array([unit.file.name] * len(documents), pa.string()),
        "part": pa.array([unit.part] * len(documents), pa.int64()),
        "document": documents.to_struct_array(),
    }
    columns = [known.get(column.name, pa.nulls(len(documents), column.type)) for column in SCAN]
    return pa.RecordBatch.from_arrays(columns, schema=SCAN)


def _row(*values: Any) -> pa.RecordBatch:
    columns = [pa.array([value], kind) for value, kind in zip((*values, None), SCAN.types, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=SCAN)
