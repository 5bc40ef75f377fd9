"""Storage and manifest: whole files or none; what is read back is what was written."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from references.object_store import ObjectStore, reachable

from curation.export.manifest import added, from_bytes, manifest_of, to_bytes
from curation.export.settings import ExportError
from curation.export.storage import TEMPORARY, Storage, final_name


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    made = ObjectStore({"shelf": {"other/mine": b"mine"}})
    with reachable(made):
        yield made


@pytest.fixture(params=["folder", "uri", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    folder = tmp_path / "out"
    if request.param == "s3":
        request.getfixturevalue("store")
        return Storage.at("s3://shelf/some/out/")
    return Storage.at(str(folder) if request.param == "folder" else folder.as_uri())


def test_files_come_back(storage: Storage) -> None:
    assert storage.files() == {}
    assert storage.read("a/b.arrow") is None
    storage.write("a/b.arrow", b"one")
    storage.write("a/b.arrow", b"two!")
    storage.write("top.json", b"")
    assert storage.files() == {"a/b.arrow": 4, "top.json": 0}
    assert storage.read("a/b.arrow") == b"two!"
    large = bytes(range(256)) * 50_000
    storage.write("large", large)
    assert storage.read("large") == large
    storage.delete(["a/b.arrow", "not/there", "large"])
    assert storage.files() == {"top.json": 0}


def test_objects_of_a_store(store: ObjectStore) -> None:
    storage = Storage.at("s3://shelf/out")
    storage.write("a/b.arrow", b"one")
    assert store.buckets == {"shelf": {"other/mine": b"mine", "out/a/b.arrow": b"one"}}
    assert storage.free_bytes() is None
    store.full = True
    with pytest.raises(ExportError, match=r"cannot write s3://shelf/out/a/c.arrow: .*QuotaExceeded.*--to"):
        storage.write("a/c.arrow", bytes(20_000_000))
    assert storage.files() == {"a/b.arrow": 3}
    with pytest.raises(ExportError, match=r"cannot write s3://none/out/a: .*NO_SUCH_BUCKET"):
        Storage.at("s3://none/out").write("a", b"")


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage.at(str(tmp_path))
    storage.write("x/a.arrow", b"old")

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match=r"the disk is full: .*x/a.arrow could not be written.*make room"):
        storage.write("x/a.arrow", b"new")
    assert storage.files() == {"x/a.arrow": 3}
    assert storage.read("x/a.arrow") == b"old"


def test_places_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot write"):
        Storage.at(str(tmp_path / "file")).write("a", b"")
    for uri in ("nonsense://a/b", "memory://a/b"):
        with pytest.raises(ExportError, match=rf"{uri} cannot be reached: .*Give a folder, or a URI of file://, s3://"):
            Storage.at(uri)


def test_names_of_files_that_are_being_written() -> None:
    assert final_name(f"qa/{TEMPORARY}train-00000.arrow-0a1b2c") == "qa/train-00000.arrow"
    assert final_name("qa/train-00000.arrow") == "qa/train-00000.arrow"
    assert final_name(f"{TEMPORARY}manifest.json-ff") == "manifest.json"


def counts(number: int, **more: Any) -> dict[str, Any]:
    own = {"num_rows": number, "num_tokens": 10 * number, "num_padding": number, "num_documents": 2 * number}
    files = {"num_bytes": 100, "sha256": "ab", "xxh3": "cd"}
    return {**own, **files, "length_histogram": [0] * number + [1], "sources": {"s": {"num_tokens": number}}, **more}


def test_a_manifest_adds_up() -> None:
    written = {
        "qa/train-00001.arrow": counts(2),
        "qa/train-00000.arrow": counts(1),
        "qa/eval-00000.arrow": counts(3, num_failed=1, failed={"d": "why"}),
        "code/train-00000.arrow": {"num_rows": 0, "num_empty": 4},
    }
    found = manifest_of(written, ["qa", "code"], {"seed": 1})
    assert [shard["path"] for shard in found["shards"]] == [
        "qa/eval-00000.arrow",
        "qa/train-00000.arrow",
        "qa/train-00001.arrow",
    ]
    code, qa = found["domains"]
    assert (code["name"], code["train"]["num_empty"], code["eval"]["num_rows"]) == ("code", 4, 0)
    assert qa["train"]["num_tokens"] == 30
    assert qa["train"]["length_histogram"] == [0, 1, 1]
    assert qa["train"]["sources"] == {"s": {"num_tokens": 3}}
    assert found["counts"]["num_rows"] == 6
    assert found["counts"]["num_failed"] == 1
    assert found["failed"] == {"d": "why"}
    content = to_bytes(found)
    assert content.endswith(b"\n")
    assert from_bytes(content, "m") == found
    assert to_bytes(manifest_of(dict(reversed(written.items())), ["code", "qa"], {"seed": 1})) == content
    assert added([])["num_rows"] == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "is not JSON"),
        (b"[]", "no manifest"),
        (b"{}", "no manifest"),
        (b'{"format": "winnow-shards"}', "version"),
    ],
)
def test_manifests_that_are_none(content: bytes, says: str) -> None:
    with pytest.raises(ExportError, match=says):
        from_bytes(content, "m")
