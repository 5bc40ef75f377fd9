import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from references.packing import gzipped
from references.warc_files import page

from curation.sources.listing import SourceFile
from curation.sources.piece import COLUMNS
from curation.sources.settings import Ingest, Limits
from curation.sources.work import Unit, read_unit, scan_unit

WORDS = "Some words that make the text of this page, and a few more of them: größer. "
PAGES = [
    page(WORDS),
    page(WORDS).decode().encode("cp1252"),
    b"%PDF-1.4",
    b"<p> </p>",
    None,
    b"<p>" * 700,
    page("End. " + WORDS),
]
EXPECTED = [(3, "html.not_html"), (4, "text.empty"), (5, "text.null"), (6, "record.too_large")]


def scanned(path, format, packing="plain", **changes) -> tuple[list[dict], list[tuple[int, str]]]:
    info = path.stat()
    file = SourceFile(
        name="web/x", uri=str(path), size=info.st_size, modified=info.st_mtime_ns, format=format, packing=packing
    )
    config = Ingest(inputs=("x",), html_field="page", limits=Limits(max_record_bytes=2000), **changes)
    rows = pa.Table.from_batches(list(scan_unit(Unit(file=file), config))).to_pylist()
    counts = [row for row in rows if row["num_records"] is not None]
    documents = [row["document"] for row in rows if row["document"] is not None]
    assert [row["num_documents"] for row in counts] == [len(documents)]
    if not documents:
        return [], [(row["record"], row["reason"]) for row in rows if row["reason"]]
    batches = list(read_unit(Unit(file=file, num_documents=len(documents)), config))
    assert pa.Table.from_batches(batches, COLUMNS).to_pylist() == documents
    return documents, [(row["record"], row["reason"]) for row in rows if row["reason"]]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_bytes_in_parquet(tmp_path, kind):
    columns = {"page": pa.array(PAGES, kind), "id": list("abcdefg"), "text": ["not this"] * 7}
    pq.write_table(pa.table(columns), tmp_path / "x", row_group_size=3)
    documents, rejected = scanned(tmp_path / "x", "parquet")
    assert rejected == EXPECTED
    assert [row["record_id"] for row in documents] == ["a", "b", "g"]
    assert [row["text"] for row in documents[:2]] == [WORDS.strip()] * 2
    assert documents[0]["content_hash"] == documents[1]["content_hash"]
    assert orjson.loads(documents[0]["metadata"]) == {"text": "not this"}


def test_text_in_parquet_and_jsonl_is_the_same(tmp_path):
    texts = [
        None if one is None else one.decode("cp1252" if place == 1 else "utf-8") for place, one in enumerate(PAGES)
    ]
    pq.write_table(pa.table({"page": texts, "id": list("abcdefg")}), tmp_path / "x.parquet")
    lines = [orjson.dumps({"page": text, "id": name}) for text, name in zip(texts, "abcdefg", strict=True)]
    (tmp_path / "x.gz").write_bytes(gzipped(b"\n".join(lines)))
    documents, rejected = scanned(tmp_path / "x.parquet", "parquet")
    others, rejected_lines = scanned(tmp_path / "x.gz", "jsonl", "gzip")
    assert rejected == sorted(rejected_lines) == EXPECTED
    assert others == documents
    assert len(documents) == 3


def test_a_file_without_the_field_says_so(tmp_path):
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "x")
    assert scanned(tmp_path / "x", "parquet") == ([], [(None, "text.missing")])


def test_settings_that_change_nothing_keep_what_is_ingested():
    plain = Ingest(inputs=("x",))
    assert "html_field" not in plain.reading_key()
    keys = {
        plain.reading_key(),
        Ingest(inputs=("x",), html_field="html").reading_key(),
        Ingest(inputs=("x",), extractor="trafilatura").reading_key(),
        Ingest(inputs=("x",), extractor="none").reading_key(),
    }
    assert len(keys) == 4
