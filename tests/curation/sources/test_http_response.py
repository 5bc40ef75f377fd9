import zlib

import brotli
import pytest
import zstandard
from references.packing import gzipped
from references.warc_files import http

from curation.sources.http_response import parse_response
from curation.sources.record import RecordFault

BODY = b"<html>" + b"words and words " * 50 + b"</html>"


def body_of(block: bytes, *, max_bytes: int = 1_000_000, is_cut: bool = False) -> bytes:
    return parse_response(block, max_bytes=max_bytes, is_cut=is_cut).body


def in_chunks(body: bytes, size: int = 100, extension: bytes = b"") -> bytes:
    parts = [body[place : place + size] for place in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts) + b"0\r\n\r\n"


def bare_deflate(body: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(body) + coder.flush()


CODINGS = {
    "gzip": gzipped,
    "x-gzip": gzipped,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def test_status_and_headers():
    made = parse_response(http(b"x", "X-Two: a", "x-two: b", status="404 Not Found"), max_bytes=10, is_cut=False)
    assert (made.status, made.body) == (404, b"x")
    assert made.headers == {"content-type": "text/html", "x-two": "a"}


@pytest.mark.parametrize("name", CODINGS)
def test_codings_are_taken_off(name):
    assert body_of(http(CODINGS[name](BODY), f"Content-Encoding: {name}")) == BODY


def test_bare_deflate_is_taken_off():
    assert body_of(http(bare_deflate(BODY), "Content-Encoding: deflate")) == BODY


@pytest.mark.parametrize("outer", CODINGS)
@pytest.mark.parametrize("inner", CODINGS)
def test_nested_codings_in_chunks(inner, outer):
    coded = in_chunks(CODINGS[outer](CODINGS[inner](BODY)))
    block = http(coded, f"Content-Encoding: {inner}, {outer}", "Transfer-Encoding: chunked")
    assert body_of(block) == BODY


@pytest.mark.parametrize("name", CODINGS)
def test_a_coding_that_the_crawler_took_off_already(name):
    assert body_of(http(BODY, f"Content-Encoding: {name}", "Transfer-Encoding: chunked")) == BODY


def test_chunks_that_break_off_and_extensions():
    block = http(in_chunks(BODY, extension=b";a=b")[:-200], "Transfer-Encoding: chunked")
    assert body_of(block) == BODY[: len(body_of(block))]
    assert len(body_of(block)) > 500


@pytest.mark.parametrize("name", ["gzip", "deflate", "br"])
def test_a_body_that_is_cut(name):
    coded = CODINGS[name](bytes(range(256)) * 40)[:-9] if name != "br" else brotli.compress(BODY * 9)[:-3]
    block = http(coded, f"Content-Encoding: {name}")
    with pytest.raises(RecordFault) as caught:
        body_of(block)
    assert caught.value.reason == "http.bad_encoding"
    assert isinstance(body_of(block, is_cut=True), bytes)


@pytest.mark.parametrize("name", CODINGS)
def test_bombs_are_bounded(name):
    block = http(CODINGS[name](bytes(20_000_000)), f"Content-Encoding: {name}")
    with pytest.raises(RecordFault) as caught:
        body_of(block, max_bytes=100_000)
    assert caught.value.reason == "record.too_large"


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"", "http.malformed"),
        (b"<html>no header</html>", "http.malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", "http.malformed"),
        (http(b"\x01\x02", "Content-Encoding: compress"), "http.bad_encoding"),
        (http(b"\x01\x02", "Content-Encoding: " + "br, " * 9 + "br"), "http.bad_encoding"),
        (http(b"\x1f\x8bgarbage and more", "Content-Encoding: gzip"), "http.bad_encoding"),
        (http(b"\xff\xfegarbage and more", "Content-Encoding: br"), "http.bad_encoding"),
        (http(b"\xff\xfegarbage and more", "Content-Encoding: deflate"), "http.bad_encoding"),
    ],
)
def test_what_cannot_be_read(block, reason):
    with pytest.raises(RecordFault) as caught:
        body_of(block)
    assert caught.value.reason == reason
