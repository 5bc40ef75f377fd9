"""Manifests: read, and refused with the file, the field and what was expected."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from training.data import Loader, ManifestError, read_manifest


def test_what_a_manifest_says(export: Path) -> None:
    manifest = read_manifest(export)
    assert list(manifest.domains) == ["books", "held", "web pages", "ärzte/.."]
    assert manifest.rows() == {"books": 130, "held": 0, "web pages": 77, "ärzte/..": 300}
    assert manifest.rows("eval") == {"books": 11, "held": 5, "web pages": 11, "ärzte/..": 11}
    assert (manifest.row_length, manifest.token_dtype, manifest.tokenizer.pad_id) == (32, "uint16", 2)
    assert [shard.path for shard in manifest.domains["books"].train.shards] == [
        f"books/train-{i:05d}.arrow" for i in range(3)
    ]
    assert read_manifest(export / "manifest.json").sha256 == manifest.sha256
    assert manifest.record["tables"]["decisions"] == 1


def _set(place: str, value: Any) -> Any:
    def change(manifest: dict[str, Any]) -> None:
        at: Any = manifest
        *path, last = [int(part) if part.isdigit() else part for part in place.split(".")]
        for part in path:
            at = at[part]
        if value is KeyError:
            del at[last]
        else:
            at[last] = value

    return change


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("format", "mds", "field format is 'mds', expected 'winnow-shards'"),
        ("version", 2, "field version is 2, and this code reads version 1"),
        ("row_length", 0, "field row_length is 0, expected a whole number of at least 1"),
        ("row_length", "16", "field row_length is '16'"),
        ("row_length", True, "field row_length is True"),
        ("token_dtype", "int64", "field token_dtype is 'int64', expected one of uint16, uint32"),
        ("tokenizer.vocab_size", 70000, "cannot hold the ids of a vocabulary of 70,000"),
        ("tokenizer.vocab_size", KeyError, "field tokenizer.vocab_size is missing"),
        ("tokenizer", [], r"tokenizer is \[\], expected an object"),
        ("tokenizer.special_ids.eos", 1000, "field tokenizer.special_ids.eos is 1000, expected an id below"),
        ("tokenizer.sha256", "xyz", "field tokenizer.sha256 is 'xyz', expected 64 hexadecimal digits"),
        ("shards", [], r"field shards is \[\], expected a list that is not empty"),
        ("shards.1", 5, r"shards\[1\] is 5, expected an object"),
        ("shards.1.path", "../a.arrow", r"field shards\[1\].path is '../a.arrow', expected a path inside"),
        ("shards.1.path", "/a.arrow", "expected a path inside"),
        ("shards.1.path", "a/train-00000.arrow", "which is listed twice"),
        ("shards.1.num_rows", 11, r"field domains\[0\].train.num_rows is 20, but the shards of this split have 21"),
        ("shards.1.num_rows", -1, r"field shards\[1\].num_rows is -1"),
        ("shards.1.num_rows", 1.0, r"field shards\[1\].num_rows is 1.0"),
        ("shards.1.num_tokens", 9999, r"field shards\[1\].num_tokens is 9,999, more than 10 rows of 16 hold"),
        ("shards.1.split", "test", r"field shards\[1\].split is 'test', expected one of train, eval"),
        ("shards.1.domain", "c", "has no 'c', to which a/train-00001.arrow belongs|but the shards of this split"),
        ("shards.1.xxh3", "A" * 16, "expected 16 hexadecimal digits in lower case"),
        ("shards.1.sha256", None, "is None, expected 64"),
        ("shards.1.num_bytes", KeyError, r"field shards\[1\].num_bytes is missing"),
        ("domains.0.train.num_tokens", 1, r"field domains\[0\].train.num_tokens is 1, but the shards"),
        ("domains.1.name", "a", r"field domains\[1\].name is 'a', which is listed twice|but the shards"),
        ("domains.1.eval", KeyError, r"field domains\[1\].eval is missing"),
        ("domains", {}, "field domains is {}, expected a list"),
        ("packing", None, "field packing is None, expected text"),
    ],
)
def test_a_wrong_field_is_named(own_export: Path, place: str, value: Any, said: str) -> None:
    path = own_export / "manifest.json"
    manifest = json.loads(path.read_text())
    _set(place, value)(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(ManifestError, match=said) as raised:
        Loader(own_export)
    assert str(path) in str(raised.value)


def test_a_domain_that_is_not_listed(own_export: Path) -> None:
    path = own_export / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["domains"].pop()
    path.write_text(json.dumps(manifest))
    with pytest.raises(ManifestError, match=r"field domains has no 'b', to which b/train-00000.arrow belongs"):
        read_manifest(own_export)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": '])
def test_something_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ManifestError, match=r"manifest.json.* (is not JSON|expected an object)"):
        read_manifest(tmp_path)


def test_an_unfinished_export(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="the manifest is written last, so an export that was interrupted has none"):
        read_manifest(tmp_path)
    with pytest.raises(ManifestError, match=r"no manifest\.json at"):
        Loader(tmp_path / "nowhere")


def test_another_tokenizer(own_export: Path, tmp_path: Path) -> None:
    manifest = read_manifest(own_export)
    manifest.check_tokenizer(own_export / "tokenizer.json")
    other = tmp_path / "other.json"
    other.write_text("{}")
    with pytest.raises(ManifestError, match=r"other\.json is another tokenizer than the one that"):
        manifest.check_tokenizer(other)
    (own_export / "tokenizer.json").write_text("{}")
    with pytest.raises(ManifestError, match="is another tokenizer"):
        Loader(own_export)


def test_a_hundred_thousand_shards(tmp_path: Path, own_export: Path) -> None:
    manifest = json.loads((own_export / "manifest.json").read_text())
    shard = manifest["shards"][0]
    num = 100_000
    manifest["shards"] = [shard | {"path": f"a/train-{i:06d}.arrow"} for i in range(num)]
    train = {"num_rows": num * shard["num_rows"], "num_tokens": num * shard["num_tokens"]}
    manifest["domains"] = [manifest["domains"][0] | {"train": train}]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
    started = time.process_time()
    found = read_manifest(tmp_path)
    assert len(found.shards) == num
    assert time.process_time() - started < 4  # 2 is asked for of a machine that does nothing else
