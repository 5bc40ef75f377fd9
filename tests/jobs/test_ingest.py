import gzip
import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from references.ingests import make_inputs, rows, run, texts, versions, write
from references.packing import gzipped
from references.read_jsonl import documents

from curation.session import Session
from curation.sources.settings import Ingest, InputError, Limits
from jobs.ingest_documents import ingest_files
from jobs.lake import Lake

sail_only = pytest.mark.parametrize("session", ["sail"], indirect=True)


@pytest.fixture
def lake(session: Session, tmp_path: Path) -> Lake:
    return Lake(session, str(tmp_path / "lake"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_inputs(tmp_path / "data")


def bad_input(folder: Path) -> dict[str, list[tuple[int | None, str]]]:
    """A folder with everything that goes wrong, and what has to be said of each file."""
    write(folder / "good.jsonl", ["a", "nul \0 in it", "é😀"])
    write(folder / "lines.jsonl", ["a"], b"{", b"[1]", b'{"text": 1}', b"{}", b'{"text": null}', b'{"text": "\xff"}',
          b'{"text": "\\ud800"}', b"", b'{"text": "last"}')  # fmt: skip
    write(folder / "long.jsonl", ["a"], b'{"text": "' + b"x" * 20_000 + b'"}', b'{"text": "last"}')
    (folder / "empty.jsonl").write_bytes(b"")
    (folder / "not.jsonl.gz").write_bytes(b'{"text": "a"}\n')
    packed = gzipped(os.urandom(20_000).hex().encode() + b'\n{"text": "a"}\n')
    (folder / "cut.jsonl.gz").write_bytes(gzipped(b'{"text": "whole"}\n') + packed[: len(packed) // 2])
    (folder / "bomb.jsonl.gz").write_bytes(gzipped(b'{"text": "first"}\n' + b"\0" * (80 << 20)))
    pq.write_table(pa.table({"text": ["a", None]}), folder / "good.parquet")
    pq.write_table(pa.table({"text": [1, 2]}), folder / "numbers.parquet")
    pq.write_table(pa.table({"body": ["a"]}), folder / "body.parquet")
    (folder / "broken.parquet").write_bytes((folder / "good.parquet").read_bytes()[:-20])
    return {
        "body.parquet": [(None, "text.missing")],
        "bomb.jsonl.gz": [(2, "file.bomb")],
        "broken.parquet": [(None, "file.wrong_format")],
        "cut.jsonl.gz": [(2, "file.truncated")],
        "empty.jsonl": [(None, "file.empty")],
        "good.jsonl": [],
        "good.parquet": [(2, "text.null")],
        "lines.jsonl": [(2, "json.malformed"), (3, "json.not_an_object"), (4, "text.not_a_string"), (5, "text.missing"),
                        (6, "text.null"), (7, "text.invalid_utf8"), (8, "text.lone_surrogate")],
        "long.jsonl": [(2, "record.too_large")],
        "not.jsonl.gz": [(None, "file.wrong_format")],
        "numbers.parquet": [(None, "text.not_a_string")],
    }  # fmt: skip


def test_everything_that_goes_wrong_is_set_aside_with_its_reason(lake, tmp_path):
    expected = bad_input(tmp_path / "bad")
    limits = Limits(max_record_bytes=10_000, max_raw_bytes=100)
    done = run(lake, tmp_path / "bad", limits=limits)
    found: dict[str, list] = {name: [] for name in expected}
    for row in rows(lake, "quarantine"):
        found[row["origin"]["file"]].append((row["origin"]["record"], row["reason"]))
        assert row["detail"]
        assert row["raw"] is None or len(row["raw"]) <= 100
    assert found == expected
    assert texts(lake) == ["first", "whole", "a", "nul \0 in it", "é😀", "a", "a", "last", "a", "last"]
    ledger = {row["name"]: row for row in rows(lake, "files")}
    assert {name: row["num_quarantined"] for name, row in ledger.items()} == {
        name: len(bad) for name, bad in expected.items()
    }
    assert all(row["num_records"] - row["num_documents"] <= row["num_quarantined"] for row in ledger.values())
    assert sum(done.quarantined.values()) == sum(map(len, expected.values()))
    before = versions(lake)
    assert run(lake, tmp_path / "bad", limits=limits).nothing_to_do
    assert versions(lake) == before


def test_real_documents_are_read_as_the_reference_reads_them(lake, shared):
    names = ("wikipedia", "code_python_stdlib")
    docs = shared / "data" / "docs"
    done = run(lake, *(docs / f"{name}.jsonl.gz" for name in names))
    expected = []
    for name in sorted(names):
        expected += documents(f"{name}.jsonl.gz", name, gzip.decompress((docs / f"{name}.jsonl.gz").read_bytes()))
    found = rows(lake)
    for row in found:
        row["metadata"] = json.loads(row["metadata"])
        assert row.pop("cuts") is row.pop("edits") is None
    assert found == sorted(expected, key=lambda row: (row["origin"]["file"], row["origin"]["record"]))
    assert (done.num_records, done.num_documents, dict(done.quarantined)) == (1995, 1995, {})
    assert done.num_bytes == sum(len(gzip.decompress((docs / f"{name}.jsonl.gz").read_bytes())) for name in names)


def test_new_changed_and_vanished_files(lake, data):
    first = run(lake, data)
    assert first.new == ("d.jsonl", "web/c.jsonl.zst", "wiki/a.jsonl", "wiki/b.jsonl.gz")
    assert {row["source"] for row in rows(lake)} == {"d", "web", "wiki"}
    before, then = versions(lake), rows(lake)
    assert run(lake, data).nothing_to_do
    assert (versions(lake), rows(lake)) == (before, then)

    write(data / "wiki/a.jsonl", ["changed"], b"{")
    write(data / "new.jsonl", ["new"])
    (data / "d.jsonl").unlink()
    os.utime(data / "web/c.jsonl.zst")  # touched, the same bytes
    second = run(lake, data)
    assert (second.new, second.changed, second.missing) == (("new.jsonl",), ("wiki/a.jsonl",), ("d.jsonl",))
    assert (second.num_unchanged, second.num_documents, dict(second.quarantined)) == (2, 2, {"json.malformed": 1})
    kept = [text for text in (row["text"] for row in then) if not text.startswith("wiki/a")]
    assert sorted(texts(lake)) == sorted([*kept, "changed", "new"])
    assert [row["origin"]["file"] for row in rows(lake, "quarantine")] == ["wiki/a.jsonl"]
    assert "d.jsonl" in [row["name"] for row in rows(lake, "files")]

    write(data / "wiki/a.jsonl", [f"wiki/a.jsonl {number}" for number in range(5)])
    (data / "new.jsonl").unlink()
    assert run(lake, data).changed == ("wiki/a.jsonl",)
    assert [row for row in rows(lake) if row["origin"]["file"] != "new.jsonl"] == then
    assert rows(lake, "quarantine") == []


@sail_only
def test_results_do_not_depend_on_the_place_or_on_the_tasks(lake, data, session, tmp_path):
    run(lake, data)
    for place, num_tasks in (("elsewhere", 1), ("third", 7)):
        shutil.copytree(data, tmp_path / place / "x")
        other = Lake(session, str(tmp_path / f"lake_{place}"))
        ingest_files(other, Ingest(inputs=(str(tmp_path / place / "x"),)), num_tasks=num_tasks)
        assert rows(other) == rows(lake)
        assert other.read("documents").select("ingest_id").distinct().collect() == (
            lake.read("documents").select("ingest_id").distinct().collect()
        )


@sail_only
def test_a_moved_folder_changes_nothing_and_another_one_is_refused(lake, data, tmp_path):
    run(lake, data)
    shutil.copytree(data, tmp_path / "moved")
    before = versions(lake)
    assert run(lake, tmp_path / "moved").nothing_to_do
    write(tmp_path / "other/d.jsonl", ["something else"])
    with pytest.raises(InputError, match="give a root"):
        run(lake, tmp_path / "other")
    with pytest.raises(InputError, match="would now be called"):
        run(lake, data / "wiki")
    assert versions(lake) == before
    assert run(lake, tmp_path / "other", root=str(tmp_path)).new == ("other/d.jsonl",)


@sail_only
def test_other_settings_read_the_files_again(lake, data):
    run(lake, data)
    write(data / "d.jsonl", [], b'{"text": "one", "body": "other", "key": 7}')
    done = run(lake, data / "d.jsonl", text_field="body", id_field="key")
    assert done.changed == ("d.jsonl",)
    row = next(row for row in rows(lake) if row["origin"]["file"] == "d.jsonl")
    assert (row["text"], row["record_id"], row["metadata"]) == ("other", "7", '{"text":"one"}')
    assert len(rows(lake)) == 16


@sail_only
def test_nothing_is_committed_where_no_document_can_be_read(lake, data, tmp_path):
    with pytest.raises(InputError, match=r"text\.missing 20 times \(no field 'content'; the other fields are: text"):
        run(lake, data, text_field="content")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match=r"file\.empty 1 times"):
        run(lake, tmp_path / "empty.jsonl")
    with pytest.raises(InputError, match="there is no"):
        run(lake, tmp_path / "nowhere")
    assert versions(lake) == [None, None, None]
    run(lake, data)
    assert dict(run(lake, tmp_path / "empty.jsonl").quarantined) == {"file.empty": 1}


@sail_only
def test_names_may_hold_anything(lake, tmp_path):
    names = [
        "it's.jsonl",
        "back\\slash.jsonl",
        'quo"te.jsonl',
        "spa ce é😀.jsonl",
        "per%20cent.jsonl",
        "-- ; drop.jsonl",
    ]
    for name in names:
        write(tmp_path / "odd" / name, [name])
    run(lake, tmp_path / "odd")
    for name in names:
        write(tmp_path / "odd" / name, [name + " changed"])
    assert run(lake, tmp_path / "odd").changed == tuple(sorted(names))
    assert sorted(texts(lake)) == sorted(name + " changed" for name in names)


@sail_only
def test_a_delta_table_is_mirrored(lake, tmp_path):
    table = tmp_path / "input" / "wiki"
    write_deltalake(table, pa.table({"text": ["a", "b"]}))
    run(lake, table)
    write_deltalake(table, pa.table({"text": ["c"]}), mode="append")
    second = run(lake, table)
    assert (len(second.new), second.removed, second.num_unchanged) == (1, (), 1)
    assert sorted(texts(lake)) == ["a", "b", "c"]
    DeltaTable(table).delete("text = 'a'")
    DeltaTable(table).optimize.compact()
    third = run(lake, table)
    assert len(third.removed) == 2
    assert sorted(texts(lake)) == ["b", "c"]
    assert {row["source"] for row in rows(lake)} == {"wiki"}
    assert {row["format"] for row in rows(lake, "files")} == {"delta"}
    assert run(lake, table).nothing_to_do


@sail_only
def test_a_large_parquet_file_is_read_in_shares(lake, tmp_path, monkeypatch):
    pq.write_table(
        pa.table({"text": [f"t{number}" for number in range(1000)]}), tmp_path / "a.parquet", row_group_size=100
    )
    monkeypatch.setattr("curation.sources.work._SHARE_BYTES", (1000, 1000))
    done = ingest_files(lake, Ingest(inputs=(str(tmp_path / "a.parquet"),)), num_tasks=3)
    assert done.num_documents == 1000
    assert texts(lake) == [f"t{number}" for number in range(1000)]
    assert [(row["num_records"], row["num_documents"]) for row in rows(lake, "files")] == [(1000, 1000)]


@sail_only
def test_a_file_that_cannot_be_read_is_tried_again(lake, data, monkeypatch):
    from curation.sources import work
    from curation.sources.unpack import FileFaultError

    shut: set[str] = set()
    real = work._open

    def open_unless_shut(file):
        if file.name in shut:
            raise FileFaultError("file.not_readable", "permission denied")
        return real(file)

    monkeypatch.setattr(work, "_open", open_unless_shut)
    shut.add("d.jsonl")
    first = run(lake, data)
    assert (first.unreadable, dict(first.quarantined)) == (("d.jsonl",), {"file.not_readable": 1})
    before = versions(lake)
    assert run(lake, data).nothing_to_do
    assert versions(lake) == before
    shut.clear()
    assert run(lake, data).changed == ("d.jsonl",)
    assert len(texts(lake)) == 20
    assert rows(lake, "quarantine") == []

    # What was read before and cannot be read now keeps its rows.
    write(data / "d.jsonl", ["changed, and longer than it was before"])
    shut.add("d.jsonl")
    before = versions(lake)
    kept = run(lake, data)
    assert (kept.unreadable, kept.nothing_to_do, dict(kept.quarantined)) == (("d.jsonl",), True, {})
    assert versions(lake) == before


@sail_only
def test_a_file_that_changes_while_it_is_read_is_refused(lake, data, monkeypatch):
    from jobs import ingest_documents

    real = ingest_documents.read

    def change_first(*arguments):
        write(data / "d.jsonl", ["one", "two"])
        return real(*arguments)

    monkeypatch.setattr(ingest_documents, "read", change_first)
    with pytest.raises(Exception, match=r"d\.jsonl changed while it was read"):
        run(lake, data)
    assert versions(lake) == [None, None, None]
    monkeypatch.undo()
    run(lake, data)
    assert len(texts(lake)) == 17


@sail_only
def test_a_table_that_is_gone_is_said(lake, data):
    run(lake, data)
    shutil.rmtree(Path(lake.path) / "documents")
    with pytest.raises(ValueError, match=r"documents is gone.*delete .*files"):
        run(lake, data)


def test_both_engines_write_the_same_tables(lake, tmp_path):
    """Each engine in turn against the reference, which makes them equal to each other; NUL and odd text included."""
    values = ["a\0b", "\ufeffx", "😀" * 3, "e\u0301", "line\r\nend\u2028", "", " ", "'\"\\", "\x7f\x01"]
    write(tmp_path / "odd.jsonl", values)
    run(lake, tmp_path / "odd.jsonl")
    expected = documents("odd.jsonl", "odd", (tmp_path / "odd.jsonl").read_bytes())
    assert [row | {"metadata": {}} for row in rows(lake)] == [
        row | {"record_id": str(row["record_id"]), "cuts": None, "edits": None} for row in expected
    ]
