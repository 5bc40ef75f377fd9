import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from references.ingests import rows
from references.warc_files import http, member, members, page, record
from rich.console import Console

from curation.sources.settings import Ingest
from jobs.ingest_documents import ingest_files
from jobs.ingested import notes_of
from jobs.lake import Lake
from jobs.lake_reader import DirectReader
from jobs.show_document import show

sail_only = pytest.mark.parametrize("session", ["sail"], indirect=True)
WORDS = "Some words that make the text of this page, and a few more of them. "


def crawl(folder: Path) -> Path:
    """A crawl with pages of several kinds, good and bad, and what else may stand in a folder."""
    folder.mkdir()
    pages = [record(http(page(f"Number {number}. {WORDS}")), url=f"http://a.example/{number}") for number in range(5)]
    pages[2] = record(http(b"<p></p>"), url="http://a.example/empty")
    pages[3] = record(http(page(WORDS)), length=9, url="http://a.example/wrong")
    (folder / "a.warc.gz").write_bytes(member(record(b"x", "request")) + members(pages) + member(pages[0])[:-30])
    (folder / "b.warc").write_bytes(b"".join(pages))
    texts = [record(f"Text {number}.\n".encode(), "conversion", number=number) for number in range(3)]
    (folder / "c.warc.wet.gz").write_bytes(members(texts))
    (folder / "d.warc.gz").write_bytes(b"no gzip")
    return folder


def ingested(lake: Lake, folder: Path, **changes) -> tuple[list[dict], list[dict]]:
    num_tasks = changes.pop("num_tasks", None)
    ingest_files(lake, Ingest(inputs=(str(folder),), **changes), num_tasks=num_tasks)
    documents = sorted(rows(lake, "documents"), key=lambda row: row["doc_id"])
    quarantined = sorted(
        rows(lake, "quarantine"), key=lambda row: (row["origin"]["file"], row["origin"]["record"] or 0, row["reason"])
    )
    return documents, quarantined


def test_a_crawl_on_each_engine(session, tmp_path):
    folder = crawl(tmp_path / "crawl")
    lake = Lake(session, str(tmp_path / "lake"))
    documents, quarantined = ingested(lake, folder)
    assert [(row["origin"]["file"], row["origin"]["record"], row["reason"]) for row in quarantined] == [
        ("a.warc.gz", 4, "text.empty"),
        ("a.warc.gz", 5, "warc.wrong_length"),
        ("a.warc.gz", 7, "file.truncated"),
        ("b.warc", 3, "text.empty"),
        ("b.warc", 4, "warc.wrong_length"),
        ("d.warc.gz", None, "file.wrong_format"),
    ]
    texts = sorted((row["origin"]["file"], row["text"]) for row in documents)
    numbered = [f"Number {number}. {WORDS}".strip() for number in (0, 1, 4)]
    assert texts == [
        *(("a.warc.gz", text) for text in numbered),
        *(("b.warc", text) for text in numbered),
        *(("c.warc.wet.gz", f"Text {number}.\n") for number in range(3)),
    ]
    # The ids are those of the file and the record, whatever engine and shares: written down once.
    first = next(row for row in documents if row["origin"] == {"file": "a.warc.gz", "record": 2})
    assert first["doc_id"] == "91598f1ce68a438091fa5c8751f63ed2"
    ledger = {row["name"]: row for row in rows(lake, "files")}
    assert {name: (row["format"], row["num_documents"], row["num_quarantined"]) for name, row in ledger.items()} == {
        "a.warc.gz": ("warc", 3, 3),
        "b.warc": ("warc", 3, 2),
        "c.warc.wet.gz": ("warc", 3, 0),
        "d.warc.gz": ("warc", 0, 1),
    }
    assert ingest_files(lake, Ingest(inputs=(str(folder),))).nothing_to_do


@sail_only
def test_shares_change_nothing(session, tmp_path, shared):
    found = []
    for num_tasks in (1, 3):
        lake = Lake(session, str(tmp_path / f"lake{num_tasks}"))
        documents, quarantined = ingested(lake, shared / "data" / "warc", num_tasks=num_tasks)
        assert (len(documents), quarantined) == (73, [])
        found.append([{name: value for name, value in row.items() if name != "ingest_id"} for row in documents])
    assert found[0] == found[1]


@sail_only
def test_records_that_are_no_pages_are_counted_and_the_rest_is_told(session, tmp_path):
    folder = crawl(tmp_path / "crawl")
    done = ingest_files(Lake(session, str(tmp_path / "lake")), Ingest(inputs=(str(folder),)))
    told = "\n".join(notes_of(done))
    assert "1 WARC records hold no page and were passed over: request 1" in told
    assert "6 records quarantined: text.empty 2, warc.wrong_length 2, file.truncated 1, file.wrong_format 1" in told


@sail_only
def test_show_traces_a_document_to_its_bytes(session, tmp_path):
    folder = crawl(tmp_path / "crawl")
    lake = Lake(session, str(tmp_path / "lake"))
    ingested(lake, folder)
    console = Console(record=True, width=200)
    show(DirectReader(lake.path), "a.warc.gz:3", console)
    told = console.export_text()
    place, size = (
        int(told.partition(f"metadata.{name}")[2].split()[0]) for name in ("record_offset", "record_num_bytes")
    )
    stored = (folder / "a.warc.gz").read_bytes()[place:][:size]
    assert b"http://a.example/1" in gzip.decompress(stored)


@sail_only
def test_another_extractor_reads_again(session, tmp_path):
    folder = crawl(tmp_path / "crawl")
    lake = Lake(session, str(tmp_path / "lake"))
    ingested(lake, folder)
    documents, _ = ingested(lake, folder, extractor="none")
    assert sum(row["text"].startswith("<!DOCTYPE html>") for row in documents) == 6
    assert lake.info("documents")["extractor"] == "none"


@sail_only
def test_pages_in_columns_beside_a_crawl(session, tmp_path):
    folder = crawl(tmp_path / "crawl")
    pq.write_table(pa.table({"page": [page(WORDS), b"\x89PNG"]}), folder / "pages.parquet")
    (folder / "pages.jsonl").write_text(json.dumps({"page": page(WORDS).decode()}) + "\n")
    documents, quarantined = ingested(Lake(session, str(tmp_path / "lake")), folder, html_field="page")
    assert len(documents) == 11
    assert [row["text"] for row in documents if row["origin"]["file"].startswith("pages")] == [WORDS.strip()] * 2
    assert ("pages.parquet", "html.not_html") in [(row["origin"]["file"], row["reason"]) for row in quarantined]


@sail_only
def test_a_format_said_for_names_that_say_nothing(session, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "crawl.gz").write_bytes(members([record(http(page(WORDS)))]))
    documents, _ = ingested(Lake(session, str(tmp_path / "lake")), tmp_path / "data" / "crawl.gz", format="warc")
    assert [row["text"] for row in documents] == [WORDS.strip()]
