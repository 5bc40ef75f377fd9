import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.packing import gzipped
from references.read_jsonl import documents

from curation.sources.jsonl import read_jsonl
from curation.sources.listing import SourceFile
from curation.sources.piece import COLUMNS, Rejected
from curation.sources.settings import Ingest, Limits
from curation.sources.unpack import RawStream


def config(**changes) -> Ingest:
    return Ingest(inputs=("x",), **changes)


def source_file(name: str = "folder/part.jsonl", packing="plain") -> SourceFile:
    return SourceFile(name=name, uri="x", size=0, modified=0, format="jsonl", packing=packing)


def read(
    data: bytes, settings: Ingest | None = None, file: SourceFile | None = None
) -> tuple[list[dict], list[Rejected]]:
    rows, rejected = [], []
    raw = RawStream(pa.BufferReader(data), hashing=True)
    for piece in read_jsonl(raw, file or source_file(), settings or config()):
        batch = piece.build()
        batch.validate(full=True)
        assert batch.schema == COLUMNS
        assert batch.num_rows == piece.num_documents
        rows += batch.to_pylist()
        rejected += piece.rejected
    return rows, rejected


def reasons(data: bytes, **changes) -> list[tuple[int | None, str]]:
    return [(one.record, one.reason) for one in read(data, config(**changes))[1]]


TEXTS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from('\0\n\r\u2028\ufeff😀é̈\\"')), max_size=30)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.fixed_dictionaries(
    {"text": TEXTS},
    optional={
        "id": st.none() | TEXTS | st.integers(-(10**25), 10**25),
        "source": TEXTS,
        "url": st.none() | TEXTS,
        "x": VALUES,
        "a": VALUES,
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(RECORDS, max_size=6), st.booleans(), st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]), st.booleans())
def test_agrees_with_the_standard_library(records, ascii_only, ending, ended):
    text = ending.join(json.dumps(record, ensure_ascii=ascii_only) for record in records) + (ending if ended else "")
    rows, rejected = read(text.encode())
    assert rejected == []
    for row in rows:
        row["metadata"] = json.loads(row["metadata"])
    assert rows == documents("folder/part.jsonl", "folder", text.encode())


def test_agrees_with_the_standard_library_on_real_documents(shared):
    path = shared / "data" / "docs" / "code_python_stdlib.jsonl.gz"
    rows, rejected = read(path.read_bytes(), file=source_file("code.jsonl.gz", "gzip"))
    assert rejected == []
    for row in rows:
        row["metadata"] = json.loads(row["metadata"])
    assert rows == documents("code.jsonl.gz", "code", gzip.decompress(path.read_bytes()))
    assert len(rows) == 706


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_metadata_is_sorted_compact_json_without_loss(record):
    rows, _ = read(json.dumps(record | {"text": ""}).encode())
    text = rows[0]["metadata"]
    for name in ("text", "id", "source", "url"):
        record.pop(name, None)
    assert json.loads(text) == record
    assert list(json.loads(text)) == sorted(record)
    outside_strings = re.sub(r'"(\\.|[^"\\])*"', '""', text)
    assert " " not in outside_strings


def test_large_numbers_keep_every_digit():
    line = b"""{"text": "t", "id": 340282366920938463463374607431768211456, "k": 18446744073709551615,
        "n": [-99999999999999999999, 1e400, {"m": 18446744073709551616}]}""".replace(b"\n", b"")
    row = read(line)[0][0]
    assert row["record_id"] == "340282366920938463463374607431768211456"
    assert row["metadata"] == '{"k":18446744073709551615,"n":[-99999999999999999999,1e400,{"m":18446744073709551616}]}'
    row = read(b'{"text": "t", "n": -9223372036854775809}')[0][0]
    assert row["metadata"] == '{"n":-9223372036854775809}'


def test_ids_of_other_kinds_become_text():
    ids = (b'"id":7', b'"id":true', b'"id":null', b'"no":1', b'"id":{"b":1,"a":[2]}', b'"id":1.5')
    lines = b"\n".join(b'{"text":"",' + field + b"}" for field in ids)
    assert [row["record_id"] for row in read(lines)[0]] == ["7", "true", None, None, '{"a":[2],"b":1}', "1.5"]


def test_the_source_comes_from_the_field_or_else_from_the_path():
    fields = (b'"source":"own"', b'"source":null', b'"source":""', b'"no":1', b'"source":3')
    lines = b"\n".join(b'{"text":"",' + field + b"}" for field in fields)
    assert [row["source"] for row in read(lines)[0]] == ["own", "folder", "folder", "folder", "3"]
    assert read(b'{"text":""}', file=source_file("wiki.v2.jsonl.gz"))[0][0]["source"] == "wiki.v2"


def test_fields_may_have_other_names_and_lie_deeper():
    line = b'{"body":{"raw":"t","n":1},"meta.url":"u","meta":{"key":5,"url":"other"},"text":"kept"}'
    fields = config(text_field="body.raw", id_field="meta.key", url_field="meta.url", source_field="from")
    row = read(line, fields)[0][0]
    assert (row["text"], row["record_id"], row["url"], row["source"]) == ("t", "5", "u", "folder")
    assert row["metadata"] == '{"body":{"n":1},"meta":{"url":"other"},"text":"kept"}'


BAD = {
    b'{"text": "a"': "json.malformed",
    b'{"text": "a"} {"text": "b"}': "json.malformed",
    b"nonsense": "json.malformed",
    b'{"text": "a", "n": NaN}': "json.malformed",
    b'{"text": "a\tb"}': "json.malformed",
    b"\0\0\0\0": "json.malformed",
    b'{"text": "\xff"}': "text.invalid_utf8",
    b'{"text": "a", "other": "\xed\xa0\x80"}': "text.invalid_utf8",
    b'["text"]': "json.not_an_object",
    b'"text"': "json.not_an_object",
    b"3": "json.not_an_object",
    b"null": "json.not_an_object",
    b'{"other": "a"}': "text.missing",
    b"{}": "text.missing",
    b'{"text": null}': "text.null",
    b'{"text": 3}': "text.not_a_string",
    b'{"text": ["a"]}': "text.not_a_string",
    b'{"text": {"a": "b"}}': "text.not_a_string",
    b'{"text": "a\\ud800b"}': "text.lone_surrogate",
    b'{"text": "a", "other": ["\\udc00"]}': "text.lone_surrogate",
    b'{"text": "a", "\\udc00": 1}': "text.lone_surrogate",
    b'{"text": "a", "deep": ' + b"[" * 300 + b"]" * 300 + b"}": "json.too_deep",
    b"[" * 200_000: "json.malformed",
}  # fmt: skip


@pytest.mark.parametrize(("line", "reason"), BAD.items(), ids=range(len(BAD)))
def test_a_bad_line_is_set_aside_and_the_rest_read(line, reason):
    rows, rejected = read(b'{"text":"before"}\n' + line + b'\n{"text":"after"}\n')
    assert [row["text"] for row in rows] == ["before", "after"]
    assert [row["origin"]["record"] for row in rows] == [1, 3]
    assert len(rejected) == 1
    if len(line) < 100_000:
        assert rejected[0].reason == reason
    assert rejected[0].reason in (reason, "json.too_deep")
    assert (rejected[0].record, rejected[0].raw) == (2, line[: 64 << 10])
    assert rejected[0].detail
    assert "\n" not in rejected[0].detail


def test_a_missing_text_names_the_fields_that_are_there():
    assert "content, title" in read(b'{"title": 1, "content": "x"}')[1][0].detail


def test_the_pair_of_surrogates_is_a_character():
    assert read(b'{"text": "\\ud83d\\ude00"}')[0][0]["text"] == "😀"


def test_nul_is_kept():
    row = read(b'{"text": "a\\u0000b", "n": "\\u0000"}')[0][0]
    assert row["text"] == "a\0b"
    assert json.loads(row["metadata"]) == {"n": "\0"}


def test_the_last_of_equal_keys_wins():
    assert read(b'{"text": "a", "text": "b"}')[0][0]["text"] == "b"


def test_a_byte_order_mark_is_taken_off_the_first_line_only():
    rows, rejected = read(b'\xef\xbb\xbf{"text":"a"}\n\xef\xbb\xbf{"text":"b"}\n')
    assert [row["text"] for row in rows] == ["a"]
    assert [(one.record, one.reason) for one in rejected] == [(2, "json.malformed")]


def test_blank_lines_count_and_are_no_records():
    rows, rejected = read(b'\n\r\n{"text":"a"}\r\n  \n{"text":"b"}')
    assert rejected == []
    assert [row["origin"]["record"] for row in rows] == [3, 5]


@pytest.mark.parametrize("size", [99, 100, 101, 5000, 9 << 20])
def test_a_long_line_is_set_aside_wherever_it_stands(size):
    line = b'{"text":"' + b"x" * (size - 11) + b'"}'
    assert len(line) == size
    short = b'{"text":"s"}\n'
    limits = Limits(max_record_bytes=100, max_raw_bytes=20)
    rows, rejected = read(short * 3 + line + b"\n" + short, config(limits=limits))
    if size <= 100:
        assert (len(rows), rejected) == (5, [])
        return
    assert [row["origin"]["record"] for row in rows] == [1, 2, 3, 5]
    assert [(one.record, one.reason, one.raw) for one in rejected] == [(4, "record.too_large", line[:20])]
    assert str(size) in rejected[0].detail


def test_a_file_that_breaks_off_keeps_what_was_read():
    lines = b"".join(
        b'{"text":"%d %s"}\n' % (number, orjson.dumps(str(number * 7919)).strip(b'"')) for number in range(50_000)
    )
    packed = gzipped(lines)
    rows, rejected = read(packed[: len(packed) // 2], file=source_file("a.jsonl.gz", "gzip"))
    assert 20_000 < len(rows) < 30_000
    assert [row["origin"]["record"] for row in rows] == list(range(1, len(rows) + 1))
    assert [(one.record, one.reason) for one in rejected] == [(len(rows) + 1, "file.truncated")]
    assert lines.split(b"\n")[len(rows)].startswith(rejected[0].raw or b"?")


def test_ids_do_not_depend_on_where_pieces_end(monkeypatch):
    data = b"".join(b'{"text":"%d","id":%d}\n' % (number, number) for number in range(2000))
    whole = read(data)
    monkeypatch.setattr("curation.sources.jsonl.PIECE_BYTES", 100)
    monkeypatch.setattr("curation.sources.unpack.CHUNK_BYTES", 333)
    assert read(data) == whole
    assert len({row["doc_id"] for row in whole[0]}) == 2000


def test_a_line_of_100_mb_takes_bounded_memory(tmp_path: Path):
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text":"')
        for _ in range(300):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n{"text":"after"}\n')
    script = """
import resource, sys
import pyarrow as pa
from curation.sources.jsonl import read_jsonl
from curation.sources.listing import SourceFile
from curation.sources.settings import Ingest
from curation.sources.unpack import RawStream
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
file = SourceFile(name="long.jsonl", uri="x", size=0, modified=0, format="jsonl")
pieces = list(read_jsonl(RawStream(pa.OSFile(sys.argv[1]), hashing=True), file, Ingest(inputs=("x",))))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
rejected = [(one.record, one.reason) for piece in pieces for one in piece.rejected]
print(rejected, sum(piece.num_documents for piece in pieces))
"""
    result = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    grown, told = result.stdout.strip().splitlines()
    assert told == "[(1, 'record.too_large')] 1"
    assert int(grown) < 150
