"""The command line as a person types it: bad input of every kind in one folder, and commands that cannot work."""

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from references.packing import gzipped

GOOD = "A perfectly good document that nobody would want to lose, number {}."
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def winnow(*arguments: str, code: int = 0, cwd: Path | None = None) -> str:
    """Run the command, check its exit code and give what it printed."""
    command = [str(Path(sys.executable).parent / "winnow"), *arguments]
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, check=False)
    printed = ESCAPES.sub("", done.stdout + done.stderr)
    assert done.returncode == code, printed
    assert "Traceback" not in printed, printed
    return printed


def line(text: object, **more: object) -> bytes:
    """One record of JSONL."""
    return json.dumps({"text": text, **more}).encode() + b"\n"


def good(number: int) -> bytes:
    """One record that has to survive."""
    return line(GOOD.format(number), id=f"good-{number}")


def write_bad_files(folder: Path) -> None:
    """One file per kind of bad input, each with good records around the bad one."""
    plain = {
        "malformed": b'{"text": "no end\n',
        "not_object": b'["text", "a list"]\n',
        "missing": b'{"body": "no text here"}\n',
        "null": line(None),
        "number": line(17),
        "list": line(["a", "b"]),
        "utf8": b'{"text": "caf\xe9 au lait"}\n',
        "surrogate": b'{"text": "half a pair \\ud83d here"}\n',
        "blank": b"\n   \n",
    }
    for number, (name, bad) in enumerate(plain.items()):
        (folder / f"{name}.jsonl").write_bytes(good(2 * number) + bad + good(2 * number + 1))
    (folder / "long.jsonl").write_bytes(good(100) + line("x" * 100_000_000) + good(101))
    (folder / "empty.jsonl").write_bytes(b"")
    packed = gzipped(b"".join(line(f"{number} {os.urandom(2000).hex()}") for number in range(200)))
    (folder / "truncated.jsonl.gz").write_bytes(packed[: len(packed) * 3 // 4])
    (folder / "not_gzip.jsonl.gz").write_bytes(b"this is not gzip at all\n" * 10)
    with gzip.open(folder / "bomb.jsonl.gz", "wb") as file:
        file.write(good(110))
        for _ in range(400):
            file.write(b"0" * (1 << 20))
    (folder / "nul.jsonl").write_bytes(line("before\0after the NUL byte", id="nul") + good(120))
    pq.write_table(pa.table({"text": [1, 2], "id": ["a", "b"]}), folder / "numbers.parquet")
    pq.write_table(pa.table({"other": ["a", "b"]}), folder / "no_text.parquet")
    (folder / "broken.parquet").write_bytes(b"PAR1 but nothing more")
    pq.write_table(pa.table({"text": ["Parquet text one.", None, "Parquet text two."]}), folder / "nulls.parquet")


@pytest.fixture(scope="module")
def bad_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A lake made from all bad files at once, and what the run printed."""
    base = tmp_path_factory.mktemp("bad")
    (base / "in").mkdir()
    write_bad_files(base / "in")
    return base / "lake", winnow("run", "-i", str(base / "in"), "-r", "gopher_en", "-o", str(base / "lake"))


def quarantine_of(lake: Path, name: str) -> list[dict[str, object]]:
    rows = DeltaTable(str(lake / "quarantine")).to_pyarrow_table().to_pylist()
    return [row for row in rows if row["origin"]["file"] == name]


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("malformed.jsonl", ["json.malformed"]),
        ("not_object.jsonl", ["json.not_an_object"]),
        ("missing.jsonl", ["text.missing"]),
        ("null.jsonl", ["text.null"]),
        ("number.jsonl", ["text.not_a_string"]),
        ("list.jsonl", ["text.not_a_string"]),
        ("utf8.jsonl", ["text.invalid_utf8"]),
        ("surrogate.jsonl", ["text.lone_surrogate"]),
        ("blank.jsonl", []),
        ("long.jsonl", ["record.too_large"]),
        ("empty.jsonl", ["file.empty"]),
        ("truncated.jsonl.gz", ["file.truncated"]),
        ("not_gzip.jsonl.gz", ["file.wrong_format"]),
        ("bomb.jsonl.gz", ["file.bomb"]),
        ("numbers.parquet", ["text.not_a_string"]),
        ("no_text.parquet", ["text.missing"]),
        ("broken.parquet", ["file.wrong_format"]),
        ("nulls.parquet", ["text.null"]),
    ],
)
def test_bad_input_is_quarantined_with_its_reason(bad_run: tuple[Path, str], name: str, reasons: list[str]) -> None:
    lake, printed = bad_run
    rows = quarantine_of(lake, name)
    assert sorted(str(row["reason"]) for row in rows) == reasons, rows
    for row in rows:
        assert len(row["raw"] or b"") <= 64 << 10
        assert row["detail"]
        assert str(row["reason"]) in printed


def test_a_bad_record_is_located_and_kept_as_it_was(bad_run: tuple[Path, str]) -> None:
    (row,) = quarantine_of(bad_run[0], "malformed.jsonl")
    assert row["origin"] == {"file": "malformed.jsonl", "record": 2}
    assert row["raw"] == b'{"text": "no end'


def test_the_rest_goes_on(bad_run: tuple[Path, str]) -> None:
    lake, _ = bad_run
    documents = DeltaTable(str(lake / "documents")).to_pyarrow_table().to_pylist()
    found = {row["record_id"] for row in documents if row["record_id"]}
    assert {f"good-{number}" for number in [*range(18), 100, 101, 120]} <= found
    assert sum(row["origin"]["file"] == "truncated.jsonl.gz" for row in documents) > 100
    assert sum(row["origin"]["file"] == "nulls.parquet" for row in documents) == 2
    assert [row["text"] for row in documents if row["record_id"] == "nul"] == ["before\0after the NUL byte"]
    decided = DeltaTable(str(lake / "decisions")).to_pyarrow_table()["doc_id"].to_pylist()
    assert sorted(decided) == sorted(row["doc_id"] for row in documents)


def test_again_there_is_nothing_to_do(bad_run: tuple[Path, str]) -> None:
    lake, _ = bad_run
    tables = [path for path in lake.iterdir() if path.is_dir()]
    before = {path.name: DeltaTable(str(path)).version() for path in tables}
    printed = winnow("run", "-i", str(lake.parent / "in"), "-r", "gopher_en", "-o", str(lake))
    assert "Nothing to do" in printed
    assert {path.name: DeltaTable(str(path)).version() for path in tables} == before


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["run", "-i", "IN", "-r", "finweb_en", "-o", "OUT"], 2, "Did you mean fineweb_en"),
        (["run", "-i", "NOWHERE/**/*.jsonl", "-r", "demo", "-o", "OUT"], 1, "there is no .*nowhere"),
        (["run", "-i", "IN/*.warc", "-r", "demo", "-o", "OUT"], 1, r"\*\.warc"),
        (["run", "-i", "IN", "-r", "RULE.py", "-o", "OUT"], 1, "no signal of the recipe measures"),
        (["run", "-i", "IN", "-r", "demo", "-o", "FILE/lake"], 1, "cannot write"),
        (["run", "-i", "IN", "-r", "demo", "-o", "THEIRS"], 1, "Winnow did not write"),
        (["run", "-i", "IN", "-r", "demo"], 2, "--out"),
        (["run", "-i", "IN", "-r", "demo", "-o", "OUT", "--engine", "duck"], 2, "duck"),
        (
            ["run", "-i", "IN", "-r", "demo", "-o", "OUT", "--master", "local[2]", "--engine", "sail"],
            2,
            "--engine spark",
        ),
        (["decide", "-r", "demo", "-o", "OUT"], 1, "winnow measure"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_what_cannot_work_says_what_to_do(tmp_path: Path, arguments: Sequence[str], code: int, says: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(good(1) + good(2))
    (tmp_path / "file").write_text("a file, no folder")
    write_deltalake(str(tmp_path / "theirs" / "documents"), pa.table({"theirs": [1]}))
    (tmp_path / "rule.py").write_text(
        "from dataclasses import replace\n"
        "from curation.rules import Rule\n"
        "from jobs.recipes.gopher_en import RECIPE as base\n"
        "RECIPE = replace(base, rules=(Rule('x.y', on='gopher.num_wrods', min=1),))\n"
    )
    names = {"IN": "in", "OUT": "out", "FILE": "file", "THEIRS": "theirs", "RULE.py": "rule.py", "NOWHERE": "nowhere"}
    filled = []
    for argument in arguments:
        head, slash, rest = argument.partition("/")
        filled.append(str(tmp_path / names[head]) + slash + rest if head in names else argument)
    printed = winnow(*filled, code=code)
    assert re.search(says, printed), printed
    assert DeltaTable(str(tmp_path / "theirs" / "documents")).version() == 0


@pytest.mark.parametrize("command", ["run", "ingest", "measure", "dedup", "decide", "sample", "recipes"])
def test_help_has_an_example(command: str) -> None:
    assert "Example: winnow " + command in winnow(command, "--help")


def test_a_recipe_printed_as_json_runs_again(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(b"".join(good(number) for number in range(20)))
    (tmp_path / "recipe.json").write_text(winnow("recipes", "--json", "demo"))
    out = str(tmp_path / "out")
    winnow("run", "-i", str(tmp_path / "in"), "-r", "demo", "-o", out)
    again = winnow("run", "-i", str(tmp_path / "in"), "-r", str(tmp_path / "recipe.json"), "-o", out)
    assert "Nothing to do" in again
