"""A stored HTTP response: its status, its headers, and its body with the codings that it was sent in taken off.

Reference: RFC 9112 (HTTP/1.1), section 7.1 on chunks; RFC 9110, section 8.4 on content codings.
"""

import importlib
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import zstandard

from curation.sources.record import RecordFault
from curation.sources.warc import parse_fields

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? +(\d{3})", re.IGNORECASE)
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"\r?\n?([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]{0,200})?\r?\n")
_MAX_CODINGS = 5
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class HttpResponse:
    """A response.

    Attributes:
        status: its status code.
        headers: its headers, names in lower case.
        body: its body as it was before it was coded for the way.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def parse_response(block: bytes | memoryview, *, max_bytes: int, is_cut: bool) -> HttpResponse:
    """The response in a record's block.

    Crawlers often take the codings off and leave the headers that name them: a body that is plainly not coded so is
    taken as it is.

    Args:
        block: the record's content.
        max_bytes: most bytes that the body may have once its codings are off.
        is_cut: the crawler says that it cut the body (`WARC-Truncated`): what can be decoded of it is taken.

    Raises:
        RecordFault: it is no HTTP response, a coding cannot be taken off, or the body is too large without it.
    """
    status = _STATUS.match(block)
    end = _HEADER_END.search(block)
    if status is None or end is None:
        begins = bytes(block[:40])
        raise RecordFault("http.malformed", f"expected an HTTP response with a header, it begins with {begins!r}")
    headers = parse_fields(bytes(block[: end.start()]))[1]
    body = bytes(block[end.end() :])
    coded, sent = headers.get("content-encoding", ""), headers.get("transfer-encoding", "")
    if not coded and not sent:
        return HttpResponse(int(status[1]), headers, body)
    if "chunked" in sent.lower():
        body = _without_chunks(body)
    codings = f"{coded},{sent}"
    names = [name for part in codings.lower().split(",") if (name := part.strip()) not in _NO_CODING]
    if len(names) > _MAX_CODINGS:
        raise RecordFault("http.bad_encoding", f"{len(names)} codings, one in the other: {', '.join(names)[:100]}")
    for name in reversed(names):
        body = _decoded(body, name, max_bytes, is_cut=is_cut)
    return HttpResponse(int(status[1]), headers, body)


_NO_CODING = {"", "identity", "chunked", "none", "utf-8"}


def _without_chunks(body: bytes) -> bytes:
    """The chunks put together; the body itself where it is not in chunks."""
    parts: list[bytes] = []
    place = 0
    while place < len(body):
        head = _CHUNK.match(body, place)
        if head is None:
            return body if not parts else b"".join(parts)
        size = int(head[1], 16)
        if not size:
            break
        parts.append(body[head.end() : head.end() + size])
        place = head.end() + size
    return b"".join(parts)


def _decoded(body: bytes, name: str, max_bytes: int, *, is_cut: bool) -> bytes:
    name = name.removeprefix("x-")
    if not body or _is_plain(body, name):
        return body
    if name == "gzip":
        return _inflated(body, 31, name, max_bytes, is_cut=is_cut)
    if name == "deflate":
        # The standard means zlib's format; many servers send the bare stream.
        wbits = 15 if body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0 else -15
        return _inflated(body, wbits, name, max_bytes, is_cut=is_cut)
    if name == "zstd":
        with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
            try:
                return _bounded(reader.read(max_bytes + 1), max_bytes)
            except zstandard.ZstdError as error:
                raise RecordFault("http.bad_encoding", f"zstd: {error}") from error
    if name == "br":
        return _unbrotlied(body, max_bytes, is_cut=is_cut)
    raise RecordFault("http.bad_encoding", f"unknown content coding {name[:40]!r}: known are gzip, deflate, br, zstd")


def _is_plain(body: bytes, name: str) -> bool:
    if name == "gzip":
        return not body.startswith(_GZIP)
    if name == "zstd":
        return not body.startswith(_ZSTD)
    return body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _inflated(body: bytes, wbits: int, name: str, max_bytes: int, *, is_cut: bool) -> bytes:
    decoder = zlib.decompressobj(wbits)
    try:
        data = _bounded(decoder.decompress(body, max_bytes + 1), max_bytes)
    except zlib.error as error:
        raise RecordFault("http.bad_encoding", f"{name}: {error}") from error
    if not decoder.eof and not is_cut:
        raise RecordFault("http.bad_encoding", f"{name}: the body ends too early")
    return data


def _unbrotlied(body: bytes, max_bytes: int, *, is_cut: bool) -> bytes:
    brotli: Any = importlib.import_module("brotli")
    decoder = brotli.Decompressor()
    parts, num_bytes = [], 0
    try:
        part = decoder.process(body, output_buffer_limit=max_bytes + 1)
        while part:
            parts.append(part)
            num_bytes += len(part)
            if num_bytes > max_bytes or decoder.is_finished():
                break
            part = decoder.process(b"", output_buffer_limit=max_bytes + 1)
    except brotli.error as error:
        raise RecordFault("http.bad_encoding", f"br: {error}") from error
    if not decoder.is_finished() and not is_cut and num_bytes <= max_bytes:
        raise RecordFault("http.bad_encoding", "br: the body ends too early")
    return _bounded(b"".join(parts), max_bytes)


def _bounded(data: bytes, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise RecordFault("record.too_large", f"the page has more than {max_bytes} bytes once it is unpacked")
    return data
