"""Unpacked bytes to WARC records, each with its byte range; what is damaged costs one record.

Reference: The WARC Format 1.1 (IIPC), sections 4 and 5; appendix D.2 on a gzip member per record.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from curation.sources.members import Begin, Broken, Data, End, Event, Member
from curation.sources.piece import Rejected
from curation.sources.settings import Limits
from curation.sources.unpack import FileFaultError

_MAX_HEADER_BYTES = 64 << 10
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_LINE_ENDS = re.compile(rb"[\r\n]*")
_NEXT = re.compile(rb"(?:^|(?<=\n))WARC/\d")
_VERSION = b"WARC/"
_LONGEST_VERSION = 8
_AFTER = b"\r\n\r\n"
_LENGTH = re.compile(r"\d{1,15}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class WarcRecord:
    """One record.

    Attributes:
        number: its number in the file, from 1; damaged records count.
        headers: its named fields, names in lower case; the first of fields that are named alike.
        block: its content, a view that is read-only.
        offset: byte of the file, as stored, at which its gzip member begins; in a plain file, it itself.
        num_bytes: stored bytes from there on that hold it and nothing else; None where it shares a gzip member.
        inner_offset: byte at which it begins in the unpacked member; 0 where the member is its own.
    """

    number: int
    headers: Mapping[str, str]
    block: memoryview
    offset: int
    num_bytes: int | None
    inner_offset: int


def read_records(
    events: Iterable[Event], limits: Limits, *, packed: bool, num_bytes: int | None = None
) -> Iterator[WarcRecord | Rejected]:
    """The records of a file in their order, and what could not be read as one.

    Args:
        events: the file's unpacked bytes.
        limits: bounds on a record.
        packed: the file is gzip: a record's place is that of its member.
        num_bytes: size of a file that is not packed, where it is known: no record can reach beyond it.
    """
    framer = _Framer(limits, packed=packed, num_bytes=num_bytes)
    try:
        for event in events:
            yield from framer.take(event)
    except FileFaultError as fault:
        yield from framer.stop(fault)
        return
    yield from framer.close()


class _Framer:
    """Cuts unpacked bytes into records.

    `_marks` are the members of which bytes are held: the place in the held bytes where each begins (below 0 where its
    beginning is gone), and where in the file it does. `_pending` is a record that is whole, until it is known where
    its member ends, and that its checksum holds.
    """

    def __init__(self, limits: Limits, *, packed: bool, num_bytes: int | None) -> None:
        self._limits = limits
        self._num_bytes = num_bytes
        self._packed = packed
        self._held: bytes | bytearray = b""  # a chunk as it came, until some of it is dropped or more follows
        self._marks: list[tuple[int, int]] = []
        self._number = 0
        self._pending: WarcRecord | None = None
        self._skip = 0
        self._num_junk = 0
        self._is_lost = False

    def take(self, event: Event) -> Iterator[WarcRecord | Rejected]:
        """Work on one event."""
        if isinstance(event, Member):
            record = self._only_record(event)
            if record is not None:
                yield record
                return
            for part in (Begin(event.offset), Data(event.data), End(event.end)):
                yield from self.take(part)
        elif isinstance(event, Data):
            if self._marks[-1][0] == len(self._held) and event.data.startswith(_VERSION) and self._unfinished:
                yield from self._abandon("warc.wrong_length", "the next member begins inside the record")
            self._hold(event.data)
            yield from self._parse(ended=False)
        elif isinstance(event, Begin):
            self._marks = [*self._marks, (len(self._held), event.offset)]
        elif isinstance(event, End):
            yield from self._parse(ended=True)
            yield from self._release(event.offset)
        else:
            yield from self._break(event)

    def _only_record(self, member: Member) -> WarcRecord | None:
        """The record of a member that is one record and nothing else, with nothing before it: the usual case, quickly.

        None leaves it to the other methods, which would find the same.
        """
        data = member.data
        if self._held or self._pending or self._skip or self._num_junk or self._is_lost:
            return None
        end = _HEADER_END.search(data, 0, _MAX_HEADER_BYTES)
        if end is None or not data.startswith(_VERSION) or not data.endswith(_AFTER):
            return None
        fault, headers = parse_fields(data[: end.start()])
        said, start, size = headers.get("content-length", ""), end.end(), len(data) - len(_AFTER)
        if fault or not _LENGTH.fullmatch(said) or int(said) != size - start:
            return None
        if size - start > self._limits.max_record_bytes:
            return None
        self._number += 1
        self._marks = [(-len(data), member.offset)]
        return WarcRecord(
            number=self._number,
            headers=headers,
            block=memoryview(data)[start:size],
            offset=member.offset,
            num_bytes=member.end - member.offset,
            inner_offset=0,
        )

    def _hold(self, data: bytes) -> None:
        if not self._held:
            self._held = data
            return
        if isinstance(self._held, bytes):
            self._held = bytearray(self._held)
        self._held += data

    def close(self) -> Iterator[WarcRecord | Rejected]:
        """What is left when the file ends."""
        yield from self._abandon("file.truncated", "the file ends inside the record")
        yield from self._release(None)
        yield from self._junk()

    def stop(self, fault: FileFaultError) -> Iterator[WarcRecord | Rejected]:
        """What is left when the rest of the file cannot be read."""
        yield from self._release(None)
        is_inside = self._unfinished and not self._skip
        self._number += is_inside
        raw = self._raw() if is_inside else None
        yield Rejected(self._number if is_inside else None, fault.reason, fault.detail, raw)

    @property
    def _unfinished(self) -> bool:
        return bool(self._skip or len(self._held) > self._num_blank())

    def _num_blank(self) -> int:
        """Line ends that the held bytes begin with; nothing is copied to count them."""
        found = _LINE_ENDS.match(self._held)
        return found.end() if found else 0

    def _break(self, event: Broken) -> Iterator[WarcRecord | Rejected]:
        if event.is_junk:
            yield Rejected(None, event.reason, event.detail)
            return
        if self._pending is not None:
            number, raw = self._pending.number, bytes(self._pending.block[: self._limits.max_raw_bytes])
            self._pending = None
        elif self._skip:
            self._forget()  # it has been rejected already, as too large
            return
        else:
            self._number += 1
            number, raw = self._number, self._raw()
        self._forget()
        yield Rejected(number, event.reason, event.detail, raw or None)

    def _abandon(self, reason: str, why: str) -> Iterator[WarcRecord | Rejected]:
        """Reject the record that is being read, of which no more will come, and read what it may have swallowed."""
        while self._unfinished:
            end = _HEADER_END.search(self._held, 0, _MAX_HEADER_BYTES)
            hidden = _NEXT.search(self._held, end.end()) if end else None
            place = hidden.start() if hidden else len(self._held)
            if self._skip or self._is_lost:
                self._skip = 0
                self._drop(place)
            else:
                said = parse_fields(bytes(self._held[: end.start()]))[1].get("content-length") if end else None
                there = f"{said} bytes are said and {len(self._held) - end.end()} are there" if end else "in its header"
                yield self._lose("warc.wrong_length" if hidden else reason, f"{why}: {there}", place)
            yield from self._parse(ended=True)

    def _parse(self, *, ended: bool) -> Iterator[WarcRecord | Rejected]:
        while True:
            if self._skip:
                self._skip -= self._drop(min(self._skip, len(self._held)))
                if self._skip:
                    return
            self._drop(self._num_blank())
            if not self._held:
                return
            if not self._held.startswith(_VERSION[: len(self._held)]):
                if not self._seek(ended=ended):
                    return
                continue
            yield from self._junk()
            made = self._record(ended=ended)
            if made is None:
                return
            yield from self._release(None)
            if isinstance(made, Rejected):
                yield made
            else:
                self._pending = made

    def _record(self, *, ended: bool) -> WarcRecord | Rejected | None:
        """The record that the held bytes begin with; None while it is not all there."""
        end = _HEADER_END.search(self._held, 0, _MAX_HEADER_BYTES)
        if end is None:
            detail = f"no header ends within {_MAX_HEADER_BYTES} bytes"
            is_long = len(self._held) >= _MAX_HEADER_BYTES
            return self._lose("warc.bad_header", detail, len(_VERSION)) if is_long else None
        fault, headers = parse_fields(bytes(self._held[: end.start()]))
        said = headers.get("content-length", "")
        if fault or not _LENGTH.fullmatch(said):
            return self._lose("warc.bad_header", fault or f"its content-length is {said!r}", end.end())
        size = end.end() + int(said)
        if self._num_bytes is not None and sum(self._where()) + size > self._num_bytes:
            return self._lose("warc.wrong_length", f"the file ends before the {said} bytes that it says", end.end())
        if int(said) > self._limits.max_record_bytes:
            return self._lose_large(int(said), size)
        return self._bounded(headers, end.end(), size, ended=ended)

    def _bounded(
        self, headers: Mapping[str, str], start: int, size: int, *, ended: bool
    ) -> WarcRecord | Rejected | None:
        after = bytes(self._held[size : size + 4 + len(_VERSION)])
        if len(self._held) < size or (len(after) < 4 and not ended):
            return None
        if after.startswith(_AFTER) or after.lstrip(b"\r\n")[:5] in (b"", _VERSION):
            return self._whole(headers, start, size)
        detail = f"what follows {size - start} bytes of it is neither the end of the record nor the next one"
        hidden = _NEXT.search(self._held, start, size + _LONGEST_VERSION)
        return self._lose("warc.wrong_length", detail, hidden.start() if hidden else size)

    def _whole(self, headers: Mapping[str, str], start: int, size: int) -> WarcRecord:
        self._number += 1
        offset, inner = self._where()
        if isinstance(self._held, bytes):
            block = memoryview(self._held)[start:size]
        else:  # what is looked into cannot grow
            block = memoryview(bytes(memoryview(self._held)[start:size]))
        self._drop(size)
        num_bytes = None if self._packed else size
        if not self._packed:
            offset, inner = offset + inner, 0
        return WarcRecord(
            number=self._number,
            headers=headers,
            block=block,
            offset=offset,
            num_bytes=num_bytes,
            inner_offset=inner,
        )

    def _lose_large(self, said: int, size: int) -> Rejected:
        detail = f"the record has {said} bytes, more than {self._limits.max_record_bytes}"
        rejected = self._lose("record.too_large", detail, 0)
        self._skip, self._is_lost = size, False
        return rejected

    def _lose(self, reason: str, detail: str, num_bytes: int) -> Rejected:
        """Reject the record at hand, drop so many of its bytes, and pass over what follows up to the next record."""
        self._number += 1
        offset, inner = self._where()
        rejected = Rejected(self._number, reason, f"{detail}; it is at byte {offset + inner * (not self._packed)}")
        rejected = replace(rejected, raw=self._raw())
        self._drop(num_bytes)
        self._is_lost = True
        return rejected

    def _seek(self, *, ended: bool) -> bool:
        """Pass over bytes that are no record; whether one has been found."""
        found = _NEXT.search(self._held)
        keep = 0 if ended else _LONGEST_VERSION
        num_bytes = found.start() if found else max(0, len(self._held) - keep)
        self._drop(num_bytes)
        if not self._is_lost:
            self._num_junk += num_bytes
        return found is not None

    def _junk(self) -> Iterator[Rejected]:
        self._is_lost = False
        if self._num_junk:
            where = f", before byte {self._where()[0]}" if self._marks else ""
            yield Rejected(None, "warc.junk", f"{self._num_junk} bytes between records are no record{where}")
        self._num_junk = 0

    def _release(self, end: int | None) -> Iterator[WarcRecord]:
        """Give the pending record; with `end` its member ends there."""
        if self._pending is not None:
            record, self._pending = self._pending, None
            if self._packed and end is not None and record.inner_offset == 0 and record.offset == self._marks[-1][1]:
                record = replace(record, num_bytes=end - record.offset)
            yield record

    def _where(self) -> tuple[int, int]:
        """Where the held bytes begin: their member in the file, and the place inside it."""
        place, offset = next(mark for mark in reversed(self._marks) if mark[0] <= 0)
        return offset, -place

    def _drop(self, num_bytes: int) -> int:
        if num_bytes:
            if isinstance(self._held, bytes):
                self._held = bytearray(memoryview(self._held)[num_bytes:])
            else:
                del self._held[:num_bytes]
            marks = [(place - num_bytes, offset) for place, offset in self._marks]
            first = max((index for index, (place, _) in enumerate(marks) if place <= 0), default=0)
            self._marks = marks[first:]
        return num_bytes

    def _forget(self) -> None:
        self._held, self._marks, self._skip = b"", [], 0

    def _raw(self) -> bytes:
        return bytes(self._held[: self._limits.max_raw_bytes])


def parse_fields(head: bytes) -> tuple[str, dict[str, str]]:
    """What is wrong with a header ("" for nothing), and its fields; the first line names the version.

    Bytes that are not UTF-8 are replaced; a line that begins with white space goes on with the line before.
    """
    fields: dict[str, str] = {}
    name, fault = "", ""
    for line in head.decode(errors="replace").rstrip("\r\n").split("\n")[1:]:
        if line[:1] in (" ", "\t") and name:
            fields[name] += " " + line.strip()
            continue
        key, colon, value = line.partition(":")
        if not colon:
            fault = fault or f"the line {line[:80]!r} of its header has no colon"
            continue
        name = key.strip().lower()
        fields.setdefault(name, value.strip())
    return fault, fields
