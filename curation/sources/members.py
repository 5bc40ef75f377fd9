"""Stored bytes of a WARC file to unpacked ones, and where each gzip member stands; damage ends at the next member."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from curation.sources.settings import Limits
from curation.sources.unpack import CHUNK_BYTES, FileFaultError, Packing, RawStream, unpack

_MAGIC = b"\x1f\x8b\x08"
_STEP = 64 << 10
_HELD = 64 << 20
"""Stored bytes of a member that are kept, to look for the next one in them when it turns out to be broken."""
_JUDGED_FROM = 64 << 20
_TRIAL = 4 << 10


class Begin(NamedTuple):
    """A member begins, at this byte of the file as stored."""

    offset: int


class Data(NamedTuple):
    """Unpacked bytes of the member, at most `CHUNK_BYTES`."""

    data: bytes


class End(NamedTuple):
    """The member is whole; what follows it begins at this byte."""

    offset: int


class Member(NamedTuple):
    """A member that has at most `CHUNK_BYTES`, as nearly all have: what `Begin`, `Data` and `End` say of it."""

    offset: int
    data: bytes
    end: int


class Broken(NamedTuple):
    """The member cannot be unpacked to its end, or what stands here is no member at all (`is_junk`).

    Attributes:
        offset: where it begins.
        reason: short stable string.
        detail: one line for people.
        is_junk: it was never begun.
    """

    offset: int
    reason: str
    detail: str
    is_junk: bool = False


Event = Begin | Data | End | Member | Broken


def read_members(raw: RawStream, packing: Packing, limits: Limits) -> Iterator[Event]:
    """What a file unpacks to, member by member. A file that is not gzip is one member.

    Raises:
        FileFaultError: it is not what its name says, unpacks to too much, or cannot be read.
    """
    if packing == "gzip":
        yield from _Gzip(raw, limits).events()
        return
    yield Begin(0)
    num_bytes = 0
    for chunk in unpack(raw, packing, limits):
        num_bytes += len(chunk)
        yield Data(chunk)
    yield End(num_bytes)


class _Gzip:
    """Gzip members of a file. `_held` are stored bytes, from `_base` on; `_place` is how far they are used."""

    def __init__(self, raw: RawStream, limits: Limits) -> None:
        self._raw = raw
        self._limits = limits
        self._held = b""
        self._base = 0
        self._place = 0
        self._num_unpacked = 0

    def events(self) -> Iterator[Event]:
        self._more()
        head = self._held[:8]
        while self._skip_padding():
            start = self._base + self._place
            if self._at_member():
                yield from self._member(start)
                continue
            self._seek_member()
            if start == 0 and self._place == len(self._held):
                raise FileFaultError("file.wrong_format", f"is not gzip: it begins with {head!r}")
            num_bytes = self._base + self._place - start
            yield Broken(start, "warc.junk", f"{num_bytes} bytes at byte {start} are no gzip member", is_junk=True)

    def _member(self, start: int) -> Iterator[Event]:
        member = zlib.decompressobj(wbits=31)
        parts: list[bytes] = []
        num_bytes = 0
        has_begun = False
        broken: Broken | None = None
        while not member.eof:
            if self._place == len(self._held) and not self._more(keep_from=start):
                broken = self._broken(start, "file.truncated", "the gzip member ends too early")
                break
            step = memoryview(self._held)[self._place : self._place + _STEP]
            try:
                chunk = member.decompress(step, CHUNK_BYTES)
            except zlib.error as error:
                broken = self._broken(start, "warc.corrupt", f"gzip: {error}")
                break
            # At the end both may hold the bytes that follow.
            self._place += len(step) - len(member.unused_data if member.eof else member.unconsumed_tail)
            self._count(len(chunk))
            if num_bytes + len(chunk) > CHUNK_BYTES:
                yield from _some(parts, None if has_begun else start)
                parts, num_bytes, has_begun = [], 0, True
            parts.append(chunk)
            num_bytes += len(chunk)
        if broken is None and not has_begun:
            yield Member(start, b"".join(parts), self._base + self._place)
            return
        yield from _some(parts, None if has_begun else start)
        yield broken or End(self._base + self._place)

    def _broken(self, start: int, reason: str, why: str) -> Broken:
        # Where bytes are missing, the decoder runs on into the members that follow: they are sought from the start.
        self._place = max(start + 1 - self._base, 0)
        self._seek_member()
        if reason == "file.truncated" and self._place < len(self._held):
            reason = "warc.corrupt"
        return Broken(start, reason, f"{why}; the member begins at byte {start}")

    def _seek_member(self) -> None:
        """Go on to the next place where a member begins that holds a record, or to the end."""
        while True:
            found = self._held.find(_MAGIC, self._place)
            if found < 0:
                self._place = max(self._place, len(self._held) - len(_MAGIC) + 1)
                if not self._more(keep_from=self._base + self._place):
                    self._place = len(self._held)
                    return
                continue
            self._place = found
            while len(self._held) - self._place < _TRIAL and self._more():
                pass
            if self._at_member() and self._holds_record():
                return
            self._place += 1

    def _holds_record(self) -> bool:
        trial = memoryview(self._held)[self._place : self._place + _TRIAL]
        try:
            return zlib.decompressobj(wbits=31).decompress(trial, 16).lstrip(b"\r\n").startswith(b"WARC/")
        except zlib.error:
            return False

    def _at_member(self) -> bool:
        return self._held.startswith(_MAGIC, self._place)

    def _skip_padding(self) -> bool:
        """Pass over zeros between members (tapes, tar). False at the end of the file."""
        while True:
            while self._held.startswith(b"\0", self._place):
                self._place += 1
            if len(self._held) - self._place >= len(_MAGIC):
                return True
            if not self._more():
                return self._place < len(self._held)

    def _more(self, keep_from: int | None = None) -> bool:
        """Read on; bytes before `keep_from` (where in the file) are let go, at the latest when they are too many."""
        place = self._base + self._place
        first = max(place if keep_from is None else keep_from, place - _HELD, self._base)
        first = min(first, place)
        piece = self._raw.read()
        self._held = self._held[first - self._base :] + piece
        self._base, self._place = first, place - first
        return bool(piece)

    def _count(self, num_bytes: int) -> None:
        self._num_unpacked += num_bytes
        most = max(_JUDGED_FROM, self._limits.max_expansion * self._raw.num_bytes)
        if self._num_unpacked > min(most, self._limits.max_unpacked_bytes):
            detail = f"{self._raw.num_bytes} bytes unpack to more than {self._num_unpacked}"
            raise FileFaultError("file.bomb", detail)


def _some(parts: list[bytes], start: int | None) -> Iterator[Event]:
    """A part of a member, with its begin where that is given."""
    if start is not None:
        yield Begin(start)
    data = b"".join(parts)
    if data:
        yield Data(data)
