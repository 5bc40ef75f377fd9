"""Shards that lie elsewhere: copied when first touched, within a cap, by several processes."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from references.web_server import Answer, Request, serving

from training.data import DataError, Loader, ManifestError, OrderSettings, ShardError

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def remote(export: Path) -> Iterator[str]:
    """The export at an address."""
    memory = fsspec.filesystem("memory")
    memory.put(str(export), "/remote", recursive=True)
    yield "memory://remote"
    memory.rm("/remote", recursive=True)


def sizes(cache: Path) -> list[int]:
    return [path.stat().st_size for path in cache.rglob("*.arrow")]


def read(loader: Loader, num: int) -> list[Any]:
    return [loader.next_batch()["tokens"] for _ in range(num)]


def test_copies_give_the_same(export: Path, remote: str, tmp_path: Path) -> None:
    expected = read(Loader(export, seed=1, batch_size=16), 30)
    loader = Loader(remote, seed=1, batch_size=16, cache=tmp_path)
    assert sizes(tmp_path) == []
    assert np.array_equal(read(loader, 30), expected)
    assert len(sizes(tmp_path)) == sum(shard.split == "train" for shard in loader.manifest.shards)
    fsspec.filesystem("memory").rm("/remote/books", recursive=True)  # what is here is not fetched again
    again = Loader(f"{remote}/manifest.json", seed=1, batch_size=16, cache=tmp_path)
    assert np.array_equal(read(again, 30), expected)


def test_copies_stay_within_the_cap(export: Path, remote: str, tmp_path: Path) -> None:
    order = OrderSettings(window_rows=50)
    largest = max(shard.num_bytes for shard in Loader(export).manifest.shards)
    cap = 8 * largest  # of 12 shards
    expected = read(Loader(export, seed=1, batch_size=4, order=order), 300)
    loader = Loader(remote, seed=1, batch_size=4, order=order, cache=tmp_path, cache_bytes=cap)
    for batch in expected:
        assert np.array_equal(loader.next_batch()["tokens"], batch)
        assert sum(sizes(tmp_path)) <= cap


def test_a_cap_that_is_too_small_says_so(remote: str, tmp_path: Path) -> None:
    loader = Loader(remote, seed=1, batch_size=16, cache=tmp_path, cache_bytes=9000)
    with pytest.raises(DataError, match=r"may hold 9,000 bytes, and .* raise cache_bytes, or set window_rows"):
        read(loader, 5)


def test_the_least_recently_used_copies_go_first(remote: str, tmp_path: Path) -> None:
    loader = Loader(remote, seed=1, batch_size=64, cache=tmp_path)
    read(loader, 3)
    copies = sorted(tmp_path.rglob("*.arrow"))
    for age, path in enumerate(copies):
        os.utime(path, (time.time() - 1000 - age, time.time() - 1000 - age))
    needed = loader._store.entries[0].num_bytes
    loader._files._max_bytes = sum(sizes(tmp_path))  # type: ignore[union-attr]
    loader._files._make_room(needed, {copies[-1]})  # type: ignore[union-attr]
    left = sorted(tmp_path.rglob("*.arrow"))
    assert copies[-1] in left  # the oldest, but mapped
    assert left == [*copies[: len(left) - 1], copies[-1]]
    assert len(left) < len(copies)


def test_leftovers_of_a_killed_process_go(remote: str, tmp_path: Path) -> None:
    loader = Loader(remote, seed=1, batch_size=16, cache=tmp_path)
    loader._files.folder.mkdir(parents=True)  # type: ignore[union-attr]
    old, new = (loader._files.folder / f"a.arrow.{pid}.part" for pid in (1, 2))  # type: ignore[union-attr]
    old.write_bytes(bytes(100))
    new.write_bytes(bytes(100))
    os.utime(old, (time.time() - 3600,) * 2)
    read(loader, 3)
    assert not old.exists()
    assert new.exists()


def test_a_copy_damaged_here_is_fetched_again(export: Path, remote: str, tmp_path: Path) -> None:
    read(Loader(remote, seed=1, batch_size=64, cache=tmp_path), 5)
    for path in tmp_path.rglob("*.arrow"):
        content = bytearray(path.read_bytes())
        content[100] ^= 1
        path.write_bytes(content)
    loader = Loader(remote, seed=1, batch_size=64, cache=tmp_path)
    assert np.array_equal(read(loader, 5), read(Loader(export, seed=1, batch_size=64), 5))


def test_a_shard_damaged_there_is_named(remote: str, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for path in memory.glob("/remote/books/train-*.arrow"):
        content = bytearray(memory.cat_file(path))
        content[100] ^= 1
        memory.pipe_file(path, bytes(content))
    with pytest.raises(ShardError, match=r"books/train-0000\d.arrow is damaged"):
        read(Loader(remote, seed=1, batch_size=64, cache=tmp_path), 5)
    for path in memory.glob("/remote/books/train-*.arrow"):
        memory.pipe_file(path, memory.cat_file(path)[:-10])
    with pytest.raises(ShardError, match=r"books/train-0000\d.arrow has .* bytes, .* was cut short"):
        read(Loader(remote, seed=1, batch_size=64, cache=tmp_path / "b"), 5)
    memory.rm("/remote/books", recursive=True)
    with pytest.raises(ShardError, match=r"books/train-0000\d.arrow is missing"):
        read(Loader(remote, seed=1, batch_size=64, cache=tmp_path / "c"), 5)


def test_addresses_that_cannot_be_read(tmp_path: Path, remote: str) -> None:
    with pytest.raises(ManifestError, match=r"no manifest.json at memory://nowhere"):
        Loader("memory://nowhere", cache=tmp_path)
    with pytest.raises(DataError, match=r"nonsense://a is no address that fsspec knows"):
        Loader("nonsense://a", cache=tmp_path)
    with pytest.raises(DataError, match=r"lacks a package for oss://a \(Install ossfs.*\): install it, or copy the"):
        Loader("oss://a", cache=tmp_path)
    with pytest.raises(DataError, match=r"memory://remote is far away: name a folder for local copies"):
        Loader(remote)


def test_over_http(export: Path, tmp_path: Path) -> None:
    """Through fsspec's own HTTP client: shards are fetched once each, what is refused or cut off is told by address."""
    refused: dict[str, Answer] = {}

    def answer(request: Request) -> Answer:
        path = export / request.path.removeprefix("/an export/")
        answers = {name: told for name, told in refused.items() if request.path.endswith(name)}
        if answers or not path.is_file():
            return next(iter(answers.values()), Answer(404))
        return Answer(200, {}, path.read_bytes())

    with serving(answer) as server:
        address = f"{server.address}/an%20export"
        loader = Loader(address, seed=1, batch_size=16, cache=tmp_path / "a")
        assert [request.path for request in server.requests] == ["/an export/manifest.json"]
        assert np.array_equal(read(loader, 30), read(Loader(export, seed=1, batch_size=16), 30))
        fetched = [request.path for request in server.requests if request.method == "GET"]
        assert len(fetched) == len(set(fetched)) == 1 + len(sizes(tmp_path / "a"))
        refused["train-00001.arrow"] = Answer(503)
        with pytest.raises(DataError, match=r"/train-00001.arrow cannot be read \(503.*the network"):
            read(Loader(address, seed=1, batch_size=64, cache=tmp_path / "b"), 5)
        refused["train-00001.arrow"] = Answer(200, {"Content-Length": "4000"}, b"cut off")
        with pytest.raises(DataError, match=r"/train-00001.arrow cannot be read"):
            read(Loader(address, seed=1, batch_size=64, cache=tmp_path / "b"), 5)
        assert not list(tmp_path.rglob("*.part"))
        refused.clear()
        assert len(read(Loader(address, seed=1, batch_size=64, cache=tmp_path / "b"), 5)) == 5
        refused["manifest.json"] = Answer(403)
        with pytest.raises(DataError, match=r"/an%20export/manifest.json cannot be read \(403, message='Forbidden'"):
            Loader(address, cache=tmp_path / "c")
        refused.clear()
        with pytest.raises(ManifestError, match=r"no manifest.json at http://127.0.0.1:\d+/nothing: expected"):
            Loader(f"{server.address}/nothing", cache=tmp_path / "c")
    with pytest.raises(DataError, match=r"an%20export/manifest.json cannot be read \(Cannot connect to host"):
        Loader(address, cache=tmp_path / "c")


def test_a_full_disk_says_so(export: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for it."""
    program = (
        "import resource, sys, fsspec\n"
        "from training.data import Loader\n"
        "fsspec.filesystem('memory').put(sys.argv[1], '/remote', recursive=True)\n"
        "loader = Loader('memory://remote', batch_size=64, cache=sys.argv[2])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "loader.next_batch()\n"
    )
    command = [sys.executable, "-c", program, str(export), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"training.data.files.NoRoomError: the disk of {tmp_path} is full: "), done.stderr
    assert last.endswith("could not be copied to it. Make room, or lower cache_bytes, which is 50,000,000,000")
    assert not list(tmp_path.rglob("*.part"))


def test_a_file_address_is_read_in_place(export: Path) -> None:
    assert Loader(f"file://{export}").manifest.sha256 == Loader(export).manifest.sha256


def test_processes_share_copies(export: Path, tmp_path: Path) -> None:
    """Several processes with one folder and a tight cap; the export is far away by fsspec's `dir` in front of it."""
    program = (
        "import sys, hashlib, fsspec\n"
        "from training.data import Loader, OrderSettings\n"
        "import training.data.files as files\n"
        "fsspec.register_implementation('far', type('Far', (fsspec.get_filesystem_class('file'),),"
        " {'protocol': ('far',)}), clobber=True)\n"
        "loader = Loader('far://' + sys.argv[1], seed=1, batch_size=4, cache=sys.argv[2],"
        " cache_bytes=int(sys.argv[3]), order=OrderSettings(window_rows=50))\n"
        "digest = hashlib.sha256()\n"
        "for _ in range(300): digest.update(loader.next_batch()['tokens'].tobytes())\n"
        "print(digest.hexdigest())\n"
    )
    largest = max(shard.num_bytes for shard in Loader(export).manifest.shards)
    command = [sys.executable, "-c", program, str(export), str(tmp_path), str(8 * largest)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)
    ]
    results = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], results
    assert len({out for out, _ in results}) == 1
    assert not list(tmp_path.rglob("*.part"))
    logging.getLogger(__name__).info("copies at the end: %s", sizes(tmp_path))
