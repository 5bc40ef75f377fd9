"""The folder of an export: done once, others left alone, what a killed run left cleared, one at a time."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from end_to_end.killing import Run
from references.object_store import ObjectStore, reachable
from references.read_export import files, manifest
from references.tokenizers_made import bpe, saved

from curation.export.settings import Export, ExportError
from curation.export.tokenizer import ExportTokenizer
from curation.session import EngineConfig, Session, open_session
from jobs.display import Silent
from jobs.export_folder import JOURNAL, ExportFolder
from jobs.export_shards import Exported, export
from jobs.lake import Lake

WINNOW = str(Path(sys.executable).parent / "winnow")
TOKENIZER = ExportTokenizer(content=bpe(), name="small", eos="<|endoftext|>")
SETTINGS = Export(row_length=128, shard_bytes=100_000)


@pytest.fixture(scope="module")
def sail() -> Iterator[Session]:
    with open_session(EngineConfig()) as opened:
        yield opened


def exported(sail: Session, lake: Path, to: Path, settings: Export = SETTINGS, *, overwrite: bool = False) -> Exported:
    return export(Lake(sail, str(lake)), TOKENIZER, settings, str(to), Silent(), overwrite=overwrite, lake_name="lake")


@pytest.fixture(scope="module")
def whole(sail: Session, told_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed export. Copy it before changing it."""
    to = tmp_path_factory.mktemp("whole") / "out"
    exported(sail, told_lake, to)
    return to


def test_again_there_is_nothing_to_do(sail: Session, told_lake: Path, whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    done = exported(sail, told_lake, whole)
    assert done.skipped
    assert done.manifest == manifest(whole)
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_another_export_is_replaced_only_when_asked(
    sail: Session, told_lake: Path, whole: Path, tmp_path: Path
) -> None:
    to = tmp_path / "out"
    shutil.copytree(whole, to)
    other = replace(SETTINGS, seed=2, domain="one")
    with pytest.raises(
        ExportError, match=r"holds a complete export of other tables, settings, tokenizer or code.*--overwrite"
    ):
        exported(sail, told_lake, to, other)
    assert files(to) == files(whole)
    (to / "notes.txt").write_text("mine")
    (to / "qa" / "mine.arrow").write_text("mine too")
    exported(sail, told_lake, to, other, overwrite=True)
    fresh = tmp_path / "fresh"
    exported(sail, told_lake, fresh, other)
    assert (to / "qa" / "mine.arrow").read_text() == "mine too"
    left = files(to)
    assert {name for name in left if name not in files(fresh)} == {"notes.txt", "qa/mine.arrow"}
    assert {name: sha for name, sha in left.items() if name not in ("notes.txt", "qa/mine.arrow")} == files(fresh)


@pytest.mark.parametrize("name", ["notes.txt", "qa/train-00000.arrow", "tokenizer.json", ".tmp-manifest.json-0a"])
def test_folders_of_others_are_refused(sail: Session, told_lake: Path, tmp_path: Path, name: str) -> None:
    saved(b"mine", tmp_path / "out" / name)
    with pytest.raises(ExportError, match=r"holds files that are no export's .*give a folder of its own with --to"):
        exported(sail, told_lake, tmp_path / "out")
    assert (tmp_path / "out" / name).read_bytes() == b"mine"


@pytest.mark.parametrize("content", [b"{", b'{"format": "theirs"}', b'{"format": "winnow-shards", "version": 9}'])
def test_manifests_of_others_are_refused(sail: Session, told_lake: Path, tmp_path: Path, content: bytes) -> None:
    path = saved(content, tmp_path / "out" / "manifest.json")
    with pytest.raises(ExportError, match=r"manifest\.json"):
        exported(sail, told_lake, tmp_path / "out", overwrite=True)
    assert path.read_bytes() == content


def test_leftovers_are_cleared_and_nothing_else(sail: Session, told_lake: Path, whole: Path, tmp_path: Path) -> None:
    """As a run that was killed while it overwrote another export leaves them."""
    to = tmp_path / "out"
    shutil.copytree(whole, to)
    (to / "manifest.json").unlink()
    saved(b"half", to / "qa" / ".tmp-train-00000.arrow-0a1b2c3d4e5f")
    saved(b"old", to / "gone" / "train-00017.arrow")
    saved(b"half", to / ".tmp-manifest.json-0a1b2c3d4e5f")
    (to / JOURNAL).write_text(json.dumps(["arxiv", "books", "code", "qa", "odd", "gone"]))
    exported(sail, told_lake, to)
    assert files(to) == files(whole)
    assert not (to / "gone").exists()
    (to / "manifest.json").unlink()
    (to / JOURNAL).write_text(json.dumps(["qa", "code"]))
    (to / "qa" / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"no export's \(.*qa/notes.txt"):
        exported(sail, told_lake, to)


def test_a_second_export_waits_for_nobody(sail: Session, told_lake: Path, tmp_path: Path) -> None:
    folder = ExportFolder(str(tmp_path / "out"))
    with folder.held(), pytest.raises(ExportError, match="another export is writing to"):
        exported(sail, told_lake, tmp_path / "out")
    exported(sail, told_lake, tmp_path / "out")


def test_a_uri_holds_the_same(sail: Session, told_lake: Path, whole: Path, tmp_path: Path) -> None:
    to = tmp_path / "out"
    done = export(Lake(sail, str(told_lake)), TOKENIZER, SETTINGS, to.as_uri(), Silent(), lake_name="lake")
    assert not done.skipped
    assert {name: sha for name, sha in files(whole).items() if name != JOURNAL} == files(to)
    assert export(Lake(sail, str(told_lake)), TOKENIZER, SETTINGS, to.as_uri(), Silent()).skipped


def test_an_object_store_holds_the_same(sail: Session, told_lake: Path, whole: Path) -> None:
    store = ObjectStore({"shelf": {"out/notes.txt": b"mine", "other/manifest.json": b"{}"}})
    lake, to = Lake(sail, str(told_lake)), "s3://shelf/out"
    with reachable(store):
        with pytest.raises(ExportError, match=r"s3://shelf/out holds files that are no export's \(notes.txt\)"):
            export(lake, TOKENIZER, SETTINGS, to, Silent(), lake_name="lake")
        del store.buckets["shelf"]["out/notes.txt"]
        assert not export(lake, TOKENIZER, SETTINGS, to, Silent(), lake_name="lake").skipped
        written = {key: content for key, content in store.buckets["shelf"].items() if not key.endswith("/")}
        assert written.pop("other/manifest.json") == b"{}"
        made = {key.removeprefix("out/"): sha256(content).hexdigest() for key, content in written.items()}
        assert made == {name: sha for name, sha in files(whole).items() if name != JOURNAL}
        assert export(lake, TOKENIZER, SETTINGS, to, Silent(), lake_name="lake").skipped
        store.full = True
        with pytest.raises(ExportError, match=r"cannot write s3://shelf/out/.*QuotaExceeded"):
            export(lake, TOKENIZER, replace(SETTINGS, seed=2), to, Silent(), overwrite=True)


def test_places_that_cannot_be_written(sail: Session, told_lake: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"cannot (write|be read)"):
        exported(sail, told_lake, tmp_path / "file" / "out")
    with pytest.raises(ExportError, match=r"cannot (write|be read)"):
        exported(sail, told_lake, tmp_path / "file")


def command(lake: Path, to: Path, tokenizer: Path) -> list[str]:
    flags = ["--row-length", "128", "--shard-mb", "0.1"]
    return [WINNOW, "export", "-o", str(lake), "--to", str(to), "--tokenizer", str(tokenizer), *flags]


def test_killed_at_any_moment(told_lake: Path, tmp_path: Path) -> None:
    """After SIGKILL there is no manifest, or a whole export; the next run ends as an undisturbed one does."""
    tokenizer = saved(TOKENIZER.content, tmp_path / "tokenizer.json")
    dice = random.Random(11)
    subprocess.run(command(told_lake, tmp_path / "undisturbed", tokenizer), check=True, capture_output=True)
    expected = files(tmp_path / "undisturbed")
    to, num_killed = tmp_path / "out", 0
    moments = [("journal", 0.0), ("shards", 0.0), ("shards", dice.uniform(0, 0.2)), ("shards", dice.uniform(0, 0.2))]
    for mark, delay in moments:
        with Run(command(told_lake, to, tokenizer), tmp_path) as run:
            while run.goes_on():
                written = [path for path in to.rglob("*") if path.suffix == ".arrow" or ".tmp-" in path.name]
                if written or (mark == "journal" and (to / JOURNAL).exists()):
                    break
                time.sleep(0.002)
            time.sleep(delay)
            num_killed += run.goes_on()
            run.kill()
        if (to / "manifest.json").exists():
            assert files(to) == expected
            shutil.rmtree(to)
    assert num_killed >= 2
    subprocess.run(command(told_lake, to, tokenizer), check=True, capture_output=True)
    assert files(to) == expected


def test_ctrl_c(told_lake: Path, tmp_path: Path) -> None:
    tokenizer = saved(TOKENIZER.content, tmp_path / "tokenizer.json")
    with Run(command(told_lake, tmp_path / "out", tokenizer), tmp_path) as run:
        while run.goes_on() and not (tmp_path / "out" / JOURNAL).exists():
            time.sleep(0.002)
        run.to_all(signal.SIGINT)
        code, said = run.finish()
    assert code == 130, said
    assert "Traceback" not in said
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("blocks", [4, 40])
def test_a_full_disk(told_lake: Path, tmp_path: Path, blocks: int) -> None:
    """A limit on the size of files stands in for it: one plain line, no manifest, and then the same command goes on."""
    tokenizer = saved(TOKENIZER.content, tmp_path / "tokenizer.json")
    limited = ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *command(told_lake, tmp_path / "out", tokenizer)]
    done = subprocess.run(limited, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "1000"})
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    (line,) = said.strip().splitlines()
    assert line.startswith(f"Error: the disk is full: {tmp_path / 'out'}"), said
    assert line.endswith("make room and run the same command again."), said
    assert not (tmp_path / "out" / "manifest.json").exists()
    subprocess.run(command(told_lake, tmp_path / "out", tokenizer), check=True, capture_output=True)
    assert manifest(tmp_path / "out")["counts"]["num_rows"] > 100
