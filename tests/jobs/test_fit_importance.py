"""Counts of corpora by the command: the same bytes however the files are cut, what is left out, and what cannot be."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.signals.importance_counts import ImportanceCounts
from jobs.cli import app

TEXTS = [f"document {number} of the crawl says: {number * 7}" for number in range(40)]


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["fit-importance", *map(str, arguments)], env={"COLUMNS": "300"})
    assert done.exit_code == code, done.output
    return done.output


def write(path: Path, texts: list[str], *more: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in [*(json.dumps({"text": text}) for text in texts), *more]))
    return path


def test_the_same_bytes_however_files_are_cut(tmp_path: Path) -> None:
    wiki = write(tmp_path / "wiki.jsonl", TEXTS[:5])
    write(tmp_path / "whole" / "a.jsonl", TEXTS)
    for number in range(4):
        write(tmp_path / "cut" / f"{number}.jsonl", TEXTS[number::4])
    written = []
    for folder in ("whole", "cut"):
        to = tmp_path / f"{folder}.counts"
        said = run("--source", tmp_path / folder, "--target", f"wiki={wiki}", "--to", to)
        assert f"redpajama_models.RedPajamaModels.of(importance='{to}')" in said
        written.append(to.read_bytes())
    assert written[0] == written[1]
    found = ImportanceCounts.from_bytes(written[0], "counts")
    assert [(one.name, one.num_documents) for one in (found.source, *found.targets)] == [("source", 40), ("wiki", 5)]


def test_a_target_of_several_files_and_what_cannot_be_read(tmp_path: Path) -> None:
    source = write(tmp_path / "crawl.jsonl", TEXTS, "no json", '{"text": 3}')
    parts = [write(tmp_path / name, [name]) for name in ("one.jsonl", "two.jsonl")]
    (tmp_path / "cut.jsonl.gz").write_bytes(b"\x1f\x8b\x08 and no more")
    targets = [f"--target=books={path}" for path in (*parts, tmp_path / "cut.jsonl.gz")]
    said = run("--source", source, *targets, "--to", tmp_path / "counts", "--buckets", 100)
    assert "3 could not be read and are left out, such as" in said
    assert "crawl.jsonl, record 41: " in said
    found = ImportanceCounts.from_bytes((tmp_path / "counts").read_bytes(), "counts")
    assert (found.source.num_documents, found.targets[0].num_documents, len(found.source.counts)) == (40, 2, 100)


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        ("wiki", 2, "expected NAME=FILES"),
        ("=wiki.jsonl", 2, "expected NAME=FILES"),
        ("wiki=nothing", 1, "there is no"),
        ("A wiki=wiki.jsonl", 1, "names a column"),
        ("source=wiki.jsonl", 1, "expected one or more different names"),
        ("wiki=empty.jsonl", 1, "the corpus 'wiki' has no token"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "wiki.jsonl", TEXTS[:5])
    write(tmp_path / "empty.jsonl", [])
    assert said in run("--source", "wiki.jsonl", "--target", target, "--to", "counts", code=code)
    assert not (tmp_path / "counts").exists()
