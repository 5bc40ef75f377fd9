import gzip
import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from references.packing import gzipped
from references.warc_files import http, member, members, page, record

from curation.sources.listing import SourceFile
from curation.sources.pages import read_warc
from curation.sources.piece import COLUMNS, Rejected
from curation.sources.settings import Ingest, Limits
from curation.sources.unpack import RawStream

WORDS = "Some words that make the text of this page, and a few more of them. "


def read(data: bytes, packing="gzip", **changes) -> tuple[list[dict], list[Rejected], Counter]:
    rows, rejected, skipped = [], [], Counter()
    file = SourceFile(name="crawl/a.warc.gz", uri="x", size=0, modified=0, format="warc", packing=packing)
    raw = RawStream(pa.BufferReader(data), hashing=True)
    for piece in read_warc(raw, file, Ingest(inputs=("x",), **changes)):
        batch = piece.build()
        batch.validate(full=True)
        assert batch.schema == COLUMNS
        assert batch.num_rows == piece.num_documents
        rows += batch.to_pylist()
        rejected += piece.rejected
        skipped.update(piece.skipped)
    return rows, rejected, skipped


def test_what_is_kept_of_a_page():
    response = http(page(WORDS), "Content-Language: en", "X-Robots-Tag: noindex", "Server: s", status="203 Other")
    first = record(b"software: x", "warcinfo")
    data = members(
        [first, record(response, url="http://a.example/b", fields=("WARC-Payload-Digest: sha1:X",), number=7)]
    )
    (row,), rejected, skipped = read(data)
    assert rejected == []
    assert skipped == {"warcinfo": 1}
    assert row["text"] == WORDS.strip()
    assert row["url"] == "http://a.example/b"
    assert row["record_id"] == f"<urn:uuid:{7:032d}>"
    assert row["source"] == "crawl"
    assert row["origin"] == {"file": "crawl/a.warc.gz", "record": 2}
    assert json.loads(row["metadata"]) == {
        "charset": "utf-8",
        "content_type": "text/html",
        "crawl_date": "2024-05-18T01:58:10Z",
        "http_headers": {"content-language": "en", "x-robots-tag": "noindex"},
        "http_status": 203,
        "payload_digest": "sha1:X",
        "record_num_bytes": len(data) - len(member(first)),
        "record_offset": len(member(first)),
        "warc_type": "response",
    }


def test_what_becomes_no_document_says_why():
    given = [
        (record(http(page(WORDS))), None),
        (record(b"x", "request"), None),
        (record(http(page(WORDS), status="404 Not Found")), "http.status"),
        (record(http(b"%PDF-1.4", content_type="application/pdf")), "html.not_html"),
        (record(http(b"%PDF-1.4")), "html.not_html"),
        (record(http(b'{"a": 1}', content_type="")), "html.not_html"),
        (record(http(b"<html></html>")), "text.empty"),
        (record(http(b"\x1f\x8b broken", "Content-Encoding: gzip")), "http.bad_encoding"),
        (record(b"no response"), "http.malformed"),
        (record(http(gzipped(bytes(9_000_000)), "Content-Encoding: gzip")), "record.too_large"),
        (record(b"<p>" * 2_000_000), "record.too_large"),
        (record(http(b"<div>" * 9000)), "html.too_deep"),
        (record(b"\xff\xfe\xfa", "conversion"), "text.invalid_utf8"),
        (record(b" \n", "conversion"), "text.empty"),
        (record(page(WORDS), "resource"), None),
        (record("gr\u00fcn\n".encode(), "conversion"), None),
    ]
    for packing in ("gzip", "plain"):
        parts = [one for one, _ in given]
        data = members(parts) if packing == "gzip" else b"".join(parts)
        rows, rejected, skipped = read(data, packing, limits=Limits(max_record_bytes=5_000_000, max_raw_bytes=100))
        expected = [(number, reason) for number, (_, reason) in enumerate(given, 1) if reason]
        assert [(one.record, one.reason) for one in rejected] == expected
        assert [row["origin"]["record"] for row in rows] == [1, 15, 16]
        assert rows[-1]["text"] == "gr\u00fcn\n"
        assert skipped == {"request": 1}
        assert all(len(one.raw) <= 100 for one in rejected)


def test_real_files(shared):
    folder = shared / "data" / "warc"
    rows, rejected, skipped = read((folder / "commoncrawl_2020-34_sample.warc.gz").read_bytes())
    assert (len(rows), rejected) == (12, [])
    assert skipped == {"warcinfo": 1, "request": 12, "metadata": 12}
    assert {json.loads(row["metadata"])["charset"] for row in rows} >= {"utf-8", "cp1251"}
    (row,), rejected, _ = read((folder / "commoncrawl_2024-22_one_page.warc.wet.gz").read_bytes())
    assert row["url"] == "https://an.wikipedia.org/wiki/Escopete"
    assert row["text"].startswith("Escopete - Biquipedia, a enciclopedia libre\n")


def test_a_page_in_a_warc_gives_the_text_that_it_gives_in_a_column(shared):
    rows, rejected, _ = read((shared / "data" / "warc" / "trafilatura_pages.warc.gz").read_bytes())
    pages = pq.read_table(shared / "data" / "html" / "trafilatura_eval.parquet", columns=["url", "must_contain"])
    wanted = {row["url"]: row["must_contain"] for row in pages.to_pylist()}
    assert (len(rows), rejected) == (60, [])
    segments = [(segment in row["text"]) for row in rows for segment in wanted[row["url"]]]
    assert sum(segments) > 0.9 * len(segments)


def test_a_document_is_traced_to_its_bytes(shared):
    stored = (shared / "data" / "warc" / "commoncrawl_2020-34_sample.warc.gz").read_bytes()
    for row in read(stored)[0]:
        found = json.loads(row["metadata"])
        there = gzip.decompress(stored[found["record_offset"] :][: found["record_num_bytes"]])
        assert f"WARC-Record-ID: {row['record_id']}\r\n".encode() in there
        assert f"WARC-Target-URI: {row['url']}\r\n".encode() in there


def test_a_file_packed_with_zstd():
    records = [record(http(page(f"{number}. {WORDS}"))) for number in range(3)]
    rows, rejected, _ = read(zstandard.ZstdCompressor().compress(b"".join(records)), "zstd")
    assert rejected == []
    assert [row["text"] for row in rows] == [f"{number}. {WORDS}".strip() for number in range(3)]
    places = [json.loads(row["metadata"])["record_offset"] for row in rows]
    assert all(b"".join(records)[place:].startswith(records[number]) for number, place in enumerate(places))
