"""Worker: pages of a crawl to documents, and the libraries' own part of that work. Prints one line of JSON.

The libraries' part is what no program can do without: zlib for each record, the codec of a character set that is
known, and the extractor, page after page as a program has to. Both sides work on the same pages in turn, some at a
time, on one core, and are counted in processor seconds: of each few the best sample counts, for a core's speed changes
from second to second.
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
FEW = 98
"""Pages that one side works on before it is the other's turn."""
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


class Few:
    """Some of the pages, and what each side does with them."""

    def __init__(self, pages: list[tuple[str, bytes]], name: Extractor) -> None:
        self._pages = pages
        self._content = packed(pages)
        self._library = extractor(name)
        self._charsets = [decode_page(page, "text/html").charset for _, page in pages]
        self._column = pa.array([page for _, page in pages], pa.binary())
        self._config = Ingest(inputs=("pages.warc.gz",), extractor=name)
        self._file = SourceFile(
            name="pages.warc.gz",
            uri="pages.warc.gz",
            size=len(self._content),
            modified=0,
            format="warc",
            packing="gzip",
        )
        self.sides: dict[str, Callable[[], object]] = {
            "extractor": self._extractor,
            "column": lambda: extract_texts(self._column, self._config),
            "zlib and extractor": self._libraries,
            "warc": self._from_warc,
        }

    def _extractor(self) -> None:
        for (_, page), charset in zip(self._pages, self._charsets, strict=True):
            self._library(page.decode(charset, "replace"))

    def _libraries(self) -> None:
        for record, (_, page), charset in zip(unpacked(self._content), self._pages, self._charsets, strict=True):
            self._library(record[-len(page) - 4 : -4].decode(charset, "replace"))

    def _from_warc(self) -> None:
        raw = RawStream(pa.BufferReader(self._content), hashing=True)
        for piece in read_warc(raw, self._file, self._config):
            piece.build()


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
    parts = [Few(pages[place : place + FEW], given.extractor) for place in range(0, len(pages), FEW)]
    best: dict[str, float] = dict.fromkeys(parts[0].sides, 0.0)
    for part in parts:
        samples: dict[str, list[float]] = {name: [] for name in best}
        for number in range(given.repeat + 1):  # the first is to warm up
            for name, work in part.sides.items():
                found = seconds(work)
                samples[name] += [found] if number else []
        best = {name: best[name] + min(samples[name]) for name in best}
    megabytes = sum(len(page) for _, page in pages) / 1e6
    sys.stdout.write(json.dumps({**best, "megabytes": megabytes, "num_pages": len(pages)}) + "\n")


if __name__ == "__main__":
    main()
