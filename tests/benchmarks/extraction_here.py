"""Worker: pages of a crawl to documents, and the libraries' own part of that work. Prints one line of JSON.

The libraries' part is what no program can do without: zlib for each record, the codec of a character set that is known,
and the extractor, page after page as a program has to. Both sides work on the same pages in turn, on one core, and are
counted in processor seconds.
"""

import argparse
import io
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.sources.charset import decode_page
from curation.sources.html_field import extract_texts
from curation.sources.listing import SourceFile
from curation.sources.pages import read_warc
from curation.sources.settings import Extractor, Ingest
from curation.sources.unpack import RawStream

STEP = 64 << 10
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


def packed(pages: list[tuple[str, bytes]]) -> bytes:
    """The pages as a WARC file, a gzip member for each."""
    out = io.BytesIO()
    for number, (url, page) in enumerate(pages):
        fields = {
            "WARC-Type": "response",
            "WARC-Record-ID": f"<urn:uuid:{number}>",
            "WARC-Date": "2020-08-05T00:00:00Z",
            "WARC-Target-URI": url,
            "Content-Type": "application/http; msgtype=response",
            "Content-Length": str(len(HEAD) + len(page)),
        }
        head = "WARC/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
        member = zlib.compressobj(6, wbits=31)
        out.write(member.compress(head.encode() + HEAD + page + b"\r\n\r\n") + member.flush())
    return out.getvalue()


def unpacked(content: bytes) -> Iterator[bytes]:
    """Every member of a file by zlib alone, in the steps that are usual."""
    view, place = memoryview(content), 0
    while place < len(content):
        member = zlib.decompressobj(wbits=31)
        parts = []
        while not member.eof:
            step = view[place : place + STEP]
            parts.append(member.decompress(step))
            place += len(step) - len(member.unused_data)
        yield b"".join(parts)


def extractor(name: Extractor) -> Callable[[str], Any]:
    """The library's own call, with our settings."""
    if name == "resiliparse":
        from resiliparse.extract.html2text import extract_plain_text

        return lambda page: extract_plain_text(
            page, preserve_formatting=True, main_content=True, alt_texts=False, comments=False
        )
    import trafilatura

    return lambda page: trafilatura.extract(page, favor_precision=True, include_comments=False, deduplicate=False)


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", type=Path, help="Parquet with columns url and html")
    parser.add_argument("--extractor", default="resiliparse")
    parser.add_argument("--most", type=int, help="so many pages")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--core", type=int, required=True)
    given = parser.parse_args()
    os.sched_setaffinity(0, {given.core})
    table = pq.read_table(given.pages, columns=["url", "html"]).slice(0, given.most)
    pages = list(zip(table["url"].to_pylist(), table["html"].to_pylist(), strict=True))
    content, library = packed(pages), extractor(given.extractor)
    charsets = [decode_page(page, "text/html").charset for _, page in pages]
    column = pa.array([page for _, page in pages], pa.binary())
    config = Ingest(inputs=("pages.warc.gz",), extractor=given.extractor)
    file = SourceFile(
        name="pages.warc.gz", uri="pages.warc.gz", size=len(content), modified=0, format="warc", packing="gzip"
    )

    def libraries() -> None:
        for record, (_, page), charset in zip(unpacked(content), pages, charsets, strict=True):
            library(record[-len(page) - 4 : -4].decode(charset, "replace"))

    def from_warc() -> None:
        for piece in read_warc(RawStream(pa.BufferReader(content), hashing=True), file, config):
            piece.build()

    sides: dict[str, Callable[[], object]] = {
        "extractor": lambda: [
            library(page.decode(charset, "replace")) for (_, page), charset in zip(pages, charsets, strict=True)
        ],
        "zlib and extractor": libraries,
        "column": lambda: extract_texts(column, config),
        "warc": from_warc,
    }
    samples: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(given.repeat + 1):
        for name, work in sides.items():
            found = seconds(work)
            samples[name] += [found] if number else []
    megabytes = sum(len(page) for _, page in pages) / 1e6
    sys.stdout.write(json.dumps({**samples, "megabytes": megabytes, "num_pages": len(pages)}) + "\n")


if __name__ == "__main__":
    main()
