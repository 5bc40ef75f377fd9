"""WARC records as crawlers write them, made by the tests, whole and damaged."""

import gzip
import io


def record(
    block: bytes,
    kind: str = "response",
    url: str = "http://example.org/",
    *,
    number: int = 0,
    length: int | str | None = None,
    fields: tuple[str, ...] = (),
    trailer: bytes = b"\r\n\r\n",
) -> bytes:
    """A record; `length` is what its header says of its block in place of the truth."""
    content = {"response": "application/http; msgtype=response", "conversion": "text/plain"}.get(kind, "text/html")
    lines = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:uuid:{number:032d}>",
        f"WARC-Target-URI: {url}",
        "WARC-Date: 2024-05-18T01:58:10Z",
        f"Content-Type: {content}",
        *fields,
        f"Content-Length: {len(block) if length is None else length}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + trailer


def http(body: bytes, *headers: str, status: str = "200 OK", content_type: str = "text/html") -> bytes:
    """An HTTP response."""
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {content_type}"] if content_type else []), *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def page(words: str, title: str = "A page") -> bytes:
    """A small page with a text."""
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body><p>{words}</p></body></html>".encode()


def members(records: list[bytes]) -> bytes:
    """A gzip member for each record, with the same bytes each time."""
    return b"".join(map(member, records))


def member(record: bytes) -> bytes:
    """One gzip member."""
    stored = io.BytesIO()
    with gzip.GzipFile(fileobj=stored, mode="wb", mtime=0) as packed:
        packed.write(record)
    return stored.getvalue()
