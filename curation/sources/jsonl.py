"""JSON lines to pieces: the quick way by orjson, what it stumbles over once more with care."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

from curation.sources.lines import Block, LineReader, LongLine
from curation.sources.listing import SourceFile
from curation.sources.piece import PIECE_BYTES, Piece, Rejected, to_documents
from curation.sources.record import MISSING, RecordFault, as_text, check_text, parse_exactly, taker, write_exactly
from curation.sources.settings import Ingest
from curation.sources.unpack import FileFaultError, RawStream, unpack

_BOM = b"\xef\xbb\xbf"
_ROUNDED = re.compile(rb"[:,\[]-?\d(?:\.\d+)?e\+?\d\d")
"""How orjson writes a number of 17 digits or more that no 64-bit integer holds, and then not as it was."""


def read_jsonl(raw: RawStream, file: SourceFile, config: Ingest) -> Iterator[Piece]:
    """Read a file of JSON lines. The first record is line 1; blank lines count and are passed over.

    A file that breaks off is read to that place; the line that it breaks off in goes with the file's reason.
    A character NUL in a text is kept: it is a character like others, and every table and kernel carries it. Numbers
    keep every digit where they are whole; fractions are doubles, as JSON readers take them.

    Args:
        raw: the file's stored bytes.
        file: the file.
        config: fields and limits.
    """
    lines = LineReader(unpack(raw, file.packing, config.limits), config.limits)
    rows = Rows(file, config)
    try:
        for block in lines:
            if isinstance(block, LongLine):
                rows.reject_long(block)
            else:
                rows.parse(block)
            if rows.num_bytes >= PIECE_BYTES:
                yield rows.piece()
                rows = Rows(file, config)
    except FileFaultError as fault:
        pending = lines.pending
        record = lines.number if pending else None
        rows.rejected.append(Rejected(record, fault.reason, fault.detail, pending or None))
    yield rows.piece()


class Rows:
    """Records of one file, field by field, until they are enough for a piece."""

    def __init__(self, file: SourceFile, config: Ingest) -> None:
        self._file = file
        self._config = config
        self._source = file.source
        self._names = (config.content_field, config.id_field, config.source_field, config.url_field)
        self._take = taker(self._names)
        self._texts: list[str] = []
        self._ids: list[str | None] = []
        self._sources: list[str] = []
        self._urls: list[str | None] = []
        self._metadata: list[bytes] = []
        self._records: list[int] = []
        self.rejected: list[Rejected] = []
        self.num_bytes = 0

    def parse(self, block: Block) -> None:
        """Read the lines of a block."""
        self.num_bytes += block.num_bytes
        if block.num_bytes > self._config.limits.max_record_bytes:
            self._parse_warily(block)
            return
        start = len(self._texts)
        self._parse(block.first, block.lines)
        if _ROUNDED.search(b"".join(self._metadata[start:])):
            self._restore_numbers(start, block)

    def _parse(self, first: int, lines: list[bytes]) -> None:
        take, loads, dumps, sort = self._take, orjson.loads, orjson.dumps, orjson.OPT_SORT_KEYS
        text_name, id_name, source_name, url_name = self._names
        for number, line in enumerate(lines, first):
            if not line:
                continue
            try:
                record = loads(line)
                text = take(record, text_name, None)
                record_id = take(record, id_name, None)
                source = take(record, source_name, None)
                url = take(record, url_name, None)
                metadata = dumps(record, None, sort)
            except (ValueError, TypeError):  # orjson's own errors are of these kinds; so is a record that is no dict
                self._parse_carefully(number, line)
                continue
            if source is None or source == "":
                source = self._source
            if type(record_id) is int:
                record_id = str(record_id)
            if (
                type(text) is not str
                or type(source) is not str
                or type(record_id) not in _PLAIN
                or type(url) not in _PLAIN
            ):
                self._parse_carefully(number, line)
                continue
            self._texts.append(text)
            self._ids.append(record_id)
            self._sources.append(source)
            self._urls.append(url)
            self._metadata.append(metadata)
            self._records.append(number)

    def _parse_carefully(self, number: int, line: bytes) -> None:
        """Read one line the slow way, which loses no digit and says what is wrong."""
        if number == 1:
            line = line.removeprefix(_BOM)
        if not line.strip():
            return
        try:
            row = self._read_exactly(line)
        except RecordFault as fault:
            raw = line[: self._config.limits.max_raw_bytes]
            self.rejected.append(Rejected(number, fault.reason, fault.detail, raw))
            return
        text, record_id, source, url, metadata = row
        self._texts.append(text)
        self._ids.append(record_id)
        self._sources.append(source)
        self._urls.append(url)
        self._metadata.append(metadata)
        self._records.append(number)

    def _read_exactly(self, line: bytes) -> tuple[str, str | None, str, str | None, bytes]:
        record = parse_exactly(line)
        text, record_id, source, url = (self._take(record, name, MISSING) for name in self._names)
        check_text(text, record, self._config.content_field)
        write_exactly(text)
        rest = [as_text(None if value is MISSING else value) for value in (record_id, source, url)]
        for value in rest:
            write_exactly(value)
        return text, rest[0], rest[1] or self._source, rest[2], write_exactly(record).encode()

    def _parse_warily(self, block: Block) -> None:
        """Read a block that may hold lines that are too long."""
        for number, line in enumerate(block.lines, block.first):
            if len(line) > self._config.limits.max_record_bytes:
                self._reject_long(LongLine(number, len(line), line[: self._config.limits.max_raw_bytes]))
                continue
            start = len(self._texts)
            self._parse(number, [line])
            if _ROUNDED.search(b"".join(self._metadata[start:])):
                self._restore_numbers(start, Block(number, [line], len(line)))

    def _restore_numbers(self, start: int, block: Block) -> None:
        for row in range(start, len(self._texts)):
            if _ROUNDED.search(self._metadata[row]):
                self._metadata[row] = self._read_exactly(block.lines[self._records[row] - block.first])[-1]

    def reject_long(self, line: LongLine) -> None:
        """Set aside a line that is longer than a record may be."""
        self.num_bytes += line.num_bytes + 1
        self._reject_long(line)

    def _reject_long(self, line: LongLine) -> None:
        detail = f"the line has {line.num_bytes} bytes, more than {self._config.limits.max_record_bytes}"
        self.rejected.append(Rejected(line.number, "record.too_large", detail, line.head))

    def piece(self) -> Piece:
        """What has been read so far."""
        return Piece(len(self._texts), self.rejected, self.num_bytes, self._build)

    def _build(self) -> pa.RecordBatch:
        return to_documents(
            self._file.name,
            self._records,
            pa.array(self._texts, pa.string()),
            pa.array(self._ids, pa.string()),
            pa.array(self._sources, pa.string()),
            pa.array(self._urls, pa.string()),
            pa.array(self._metadata, pa.string()),
        )


_PLAIN: frozenset[Any] = frozenset({str, type(None)})
