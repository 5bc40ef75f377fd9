"""Files of conversations, read in batches: JSONL, plain, gzip or zstd, and Parquet."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from curation.export.settings import ExportError
from curation.sources.lines import Block, LineReader
from curation.sources.listing import SourceFile, open_filesystem
from curation.sources.settings import Limits
from curation.sources.unpack import FileFaultError, RawStream, unpack
from training.data.errors import ConversationError

_ENDING = re.compile(r"\.(jsonl|ndjson|json|parquet|pq)(\.gz|\.zst|\.zstd)?$", re.IGNORECASE)
_BATCH = 1000
_PIECE_BYTES = 1 << 20
_LEAST_FIELDS = ("messages", "prompt", "completion", "instruction", "input", "output")


@dataclass(frozen=True)
class Records:
    """Consecutive records of a file.

    Attributes:
        numbers: of each, its line or row in the file, from 1.
        records: each as parsed, or the error that says why it cannot be.
        num_bytes: about how much they take in the file.
    """

    numbers: list[int]
    records: list[Any]
    num_bytes: int


def dataset_of(file: SourceFile) -> str:
    """The dataset that a file's name says: the name without its endings."""
    name = PurePosixPath(file.name).name
    return _ENDING.sub("", name) or name


def sha256_of(file: SourceFile) -> str:
    """Hash of a file as it is stored.

    Raises:
        ExportError: it cannot be read.
    """
    filesystem, path = open_filesystem(file.uri)
    found = hashlib.sha256()
    try:
        with filesystem.open_input_stream(path, compression=None) as stream:
            while piece := stream.read(_PIECE_BYTES):
                found.update(piece)
    except OSError as error:
        raise ExportError(f"{file.uri} cannot be read: {error.strerror or error}") from error
    return found.hexdigest()


def read_records(file: SourceFile, fields: tuple[str, ...]) -> Iterator[Records]:
    """The records of a file, in its order; a line that cannot be parsed, and a file that breaks off, have their error.

    Args:
        file: the file.
        fields: what is wanted beside the conversation; of a Parquet file no other columns are read.

    Raises:
        ExportError: the file cannot be opened.
    """
    filesystem, path = open_filesystem(file.uri)
    try:
        if file.format == "parquet":
            with filesystem.open_input_file(path) as opened:
                yield from _parquet(opened, file, {*_LEAST_FIELDS, *fields})
        else:
            with filesystem.open_input_stream(path, compression=None) as stream:
                yield from _jsonl(stream, file)
    except OSError as error:
        raise ExportError(f"{file.uri} cannot be read: {error.strerror or error}") from error


def _jsonl(stream: pa.NativeFile, file: SourceFile) -> Iterator[Records]:
    limits = Limits()
    lines = LineReader(unpack(RawStream(stream, hashing=False), file.packing, limits), limits)
    try:
        for block in lines:
            if not isinstance(block, Block):
                said = ConversationError("record.too_large", f"the line has {block.num_bytes:,} bytes")
                yield Records([block.number], [said], block.num_bytes)
                continue
            for first in range(0, len(block.lines), _BATCH):
                some = block.lines[first : first + _BATCH]
                full = [place for place, line in enumerate(some) if line.strip()]
                numbers = [block.first + first + place for place in full]
                yield Records(numbers, [_parsed(some[place]) for place in full], sum(map(len, some)))
    except FileFaultError as fault:
        yield Records([lines.number], [ConversationError(fault.reason, f"from here on: {fault.detail}")], 0)


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        return ConversationError("json.malformed", str(error))


def _parquet(stream: pa.NativeFile, file: SourceFile, fields: set[str]) -> Iterator[Records]:
    number = 1
    try:
        opened = pq.ParquetFile(stream)
        columns = [name for name in opened.schema_arrow.names if name in fields]
        for batch in opened.iter_batches(batch_size=_BATCH, columns=columns or None):
            yield Records(list(range(number, number + len(batch))), batch.to_pylist(), batch.nbytes)
            number += len(batch)
    except (pa.ArrowException, OSError) as error:
        said = f"from here on: {' '.join(str(error).split())[:200]}"
        yield Records([number], [ConversationError("file.corrupt", said)], 0)
