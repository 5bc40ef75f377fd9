"""Shards that are missing, damaged or of another export: found before they are trained on, and named."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xxhash
from references.token_shards import Row, arrow_bytes, random_rows, write_export

from training.data import DataError, Loader, ShardError
from training.data.batches import Content
from training.data.shards import Verify

SHARD = "a/train-00001.arrow"
EVERYTHING = Content(labels="shifted", position_ids=True, document_ids=True, cu_seqlens=True)


def everything(folder: Path, **arguments: Any) -> None:
    loader = Loader(folder, batch_size=4, until=40, content=EVERYTHING, **arguments)
    for _ in loader:
        pass


def replace(folder: Path, content: bytes, **fields: Any) -> None:
    """Put another file into an export, and into its manifest."""
    (folder / SHARD).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    (entry,) = [shard for shard in manifest["shards"] if shard["path"] == SHARD]
    entry |= {
        "num_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "xxh3": xxhash.xxh3_64_hexdigest(content),
        **fields,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_nothing_wrong(own_export: Path) -> None:
    everything(own_export)


def test_missing(own_export: Path) -> None:
    (own_export / SHARD).unlink()
    with pytest.raises(ShardError, match=rf"{SHARD} is missing, though .*manifest.json lists it: copy"):
        Loader(own_export)


@pytest.mark.parametrize(("change", "said"), [(-1, "was cut short"), (1, "is not the file that was exported")])
def test_another_size(own_export: Path, change: int, said: str) -> None:
    content = (own_export / SHARD).read_bytes()
    (own_export / SHARD).write_bytes(content[:change] if change < 0 else content + b"\0")
    with pytest.raises(ShardError, match=rf"{SHARD} has [\d,]+ bytes, but its manifest says [\d,]+: it {said}"):
        Loader(own_export)


@pytest.mark.parametrize("verify", ["first_touch", "sha256"])
@pytest.mark.parametrize("place", [0, 100, -500, -1])
def test_one_byte_flipped(own_export: Path, verify: Verify, place: int) -> None:
    content = bytearray((own_export / SHARD).read_bytes())
    content[place] ^= 1
    (own_export / SHARD).write_bytes(content)
    with pytest.raises(ShardError, match=rf"{SHARD} is damaged: the (xxh3|sha256) of its content is .* Copy it"):
        everything(own_export, verify=verify)


def test_every_flipped_byte_is_an_error_or_harmless_even_unverified(own_export: Path) -> None:
    """Without verification a damaged file may give other tokens, but never reads outside of the file."""
    whole = (own_export / SHARD).read_bytes()
    for place in range(0, len(whole), 7):
        content = bytearray(whole)
        content[place] ^= 0xFF
        (own_export / SHARD).write_bytes(content)
        with contextlib.suppress(ShardError):
            everything(own_export, verify="size")


def test_a_shard_is_verified_once(own_export: Path) -> None:
    loader = Loader(own_export, batch_size=20)
    loader.next_batch()
    for name in ("a", "b"):
        for path in (own_export / name).glob("*.arrow"):
            path.write_bytes(path.read_bytes()[:-1] + b"X")
    loader.next_batch()


def test_how_to_verify(own_export: Path) -> None:
    with pytest.raises(DataError, match="verify is 'md5': expected one of first_touch, sha256, size"):
        Loader(own_export, verify="md5")  # type: ignore[arg-type]


def rows(row_length: int = 16, num: int = 10) -> list[Row]:
    return random_rows(3, num, row_length, 1000, "other")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not arrow", "is not an Arrow file"),
        (arrow_bytes(rows(8), 8, "uint16", 2), r"has rows of .*\[8\].*, but .* says 16 tokens of uint16 each"),
        (arrow_bytes(rows(), 16, "uint32", 2), "has rows of .*uint32.*, but .* says 16 tokens of uint16 each"),
        (arrow_bytes(rows(num=9), 16, "uint16", 2), "has 9 rows, but .* says 10"),
    ],
)
def test_shards_of_another_export(own_export: Path, content: bytes, said: str) -> None:
    replace(own_export, content)
    with pytest.raises(ShardError, match=rf"{SHARD} {said}"):
        everything(own_export)


def _rewritten(folder: Path, change: Any, **options: Any) -> bytes:
    batch = pa.ipc.open_file(pa.BufferReader((folder / SHARD).read_bytes())).get_batch(0)
    batches = change(batch)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for one in batches:
            writer.write_batch(one)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (lambda batch: [batch], {"compression": "zstd"}, "is compressed or has nulls"),
        (lambda batch: [batch.slice(0, 5), batch.slice(5)], {}, "has 2 record batches"),
        (
            lambda batch: [batch.drop_columns(["starts"])],
            {},
            "has 1 record batches of the columns tokens, num_tokens, doc",
        ),
        (
            lambda batch: [batch.set_column(1, "num_tokens", pa.array([None] + [16] * 9, pa.int32()))],
            {},
            "is compressed or has nulls",
        ),
        (
            lambda batch: [batch.set_column(1, "num_tokens", pa.array([16] * 10, pa.int64()))],
            {},
            "has columns of other types",
        ),
    ],
)
def test_files_that_cannot_be_mapped(own_export: Path, change: Any, options: dict[str, Any], said: str) -> None:
    replace(own_export, _rewritten(own_export, change, **options))
    with pytest.raises(ShardError, match=rf"{SHARD} {said}"):
        everything(own_export)


@pytest.mark.parametrize("starts", [[1], [0, 5, 5], [0, 9, 4], [0, 16], [-1, 3], []])
def test_segments_that_contradict_themselves(tmp_path: Path, starts: list[int]) -> None:
    bad = Row(list(range(3, 17)), starts, ["x"] * len(starts), [0] * len(starts), [0] * len(starts))
    good = random_rows(0, 3, 16, 1000, "a")
    write_export(tmp_path / "e", {"a": {"train": [*good, bad]}}, row_length=16)
    loader = Loader(tmp_path / "e", batch_size=4, content=EVERYTHING)
    with pytest.raises(ShardError, match=r"a/train-00000.arrow of .*: row 3 has segments that do not begin at 0"):
        loader.next_batch()


def test_few_maps_at_a_time(export: Path) -> None:
    bounded = Loader(export, seed=1, batch_size=16, max_open=2, content=EVERYTHING)
    free = Loader(export, seed=1, batch_size=16, content=EVERYTHING)
    for _ in range(40):
        first, second = bounded.next_batch(), free.next_batch()
        assert (first["tokens"] == second["tokens"]).all()
        assert (first["labels"] == second["labels"]).all()
    assert len(bounded._store._open) <= 16
    assert bounded._store._may_close
