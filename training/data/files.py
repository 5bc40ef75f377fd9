"""Where shards lie: a folder of this machine, read in place, or one far away, of which copies are kept."""

import errno
import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import xxhash

from training.data.errors import DataError, ManifestError, ShardError
from training.data.manifest import NAME, Manifest, ShardEntry, parse_manifest, read_manifest

_STRIPES = 64
_ABANDONED_S = 900
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class NoRoomError(DataError):
    """The local copies may not grow, and none of them can be deleted."""


class ShardFiles(Protocol):
    """Gives shards as files of this machine."""

    manifest: Manifest

    def path(self, entry: ShardEntry, mapped: Collection[Path]) -> Path:
        """A local file of the right size; files in `mapped` stay."""
        ...

    def discard(self, entry: ShardEntry) -> bool:
        """Delete the copy of a damaged shard; whether another may be fetched."""
        ...


class LocalFiles:
    """The shards of an export on a disk of this machine, read where they are.

    Args:
        path: the export's folder, or its manifest.

    Raises:
        ManifestError: there is no manifest, it is wrong, or the tokenizer beside it is another than it names.
        ShardError: a shard is missing or has another size than the manifest says.
    """

    def __init__(self, path: str | Path) -> None:
        self.manifest = read_manifest(path)
        self.folder = Path(self.manifest.where).parent
        tokenizer = self.folder / self.manifest.tokenizer.file
        if tokenizer.is_file():
            self.manifest.check_tokenizer(tokenizer)
        root = f"{self.folder}/"
        for entry in self.manifest.shards:
            try:
                size = os.stat(root + entry.path).st_size  # noqa: PTH116 - twice as fast, and there may be 100,000
            except FileNotFoundError:
                raise ShardError(
                    f"{root}{entry.path} is missing, though {self.manifest.where} lists it: copy the export again, "
                    "with all of its folders"
                ) from None
            if size != entry.num_bytes:
                raise ShardError(wrong_size(root + entry.path, size, entry))

    def path(self, entry: ShardEntry, mapped: Collection[Path]) -> Path:
        """Where the shard is."""
        return self.folder / entry.path

    def discard(self, entry: ShardEntry) -> bool:
        """Nothing: what is not ours is not deleted."""
        return False


class CachedFiles:
    """Local copies of an export that lies elsewhere, fetched when they are first touched.

    Copies appear by renaming, so that several processes can share a folder. Before one more is fetched the least
    recently used ones make room for it, except those that this process has mapped. A copy that another process has
    mapped may be deleted: that process reads on, and its space is free when it lets go of it.

    Args:
        url: the export's folder, in the words of fsspec (`s3://bucket/export`, `https://...`).
        folder: where copies are kept.
        max_bytes: how much the copies of all exports in `folder` may take.

    Raises:
        DataError: fsspec does not know such addresses or lacks a package for them, or the address cannot be reached.
        ManifestError: there is no manifest, or it is wrong.
    """

    def __init__(self, url: str, folder: str | Path, max_bytes: int) -> None:
        address = url.rstrip("/").removesuffix(f"/{NAME}")
        self._remote, self._address = _opened(address)
        try:
            content: bytes = self._remote.cat_file(f"{self._address}/{NAME}")
        except FileNotFoundError:
            raise ManifestError(f"no {NAME} at {address}: expected the folder of a finished export") from None
        except _failures() as error:
            raise _unreachable(f"{address}/{NAME}", error) from error
        self.manifest = parse_manifest(content, where=f"{address}/{NAME}")
        self._cache = Path(folder)
        self.folder = self._cache / self.manifest.sha256[:16]
        self._max_bytes = max_bytes
        (self._cache / ".locks").mkdir(parents=True, exist_ok=True)

    def path(self, entry: ShardEntry, mapped: Collection[Path]) -> Path:
        """A copy of the shard, fetched if there is none.

        Raises:
            NoRoomError: the copies that may be deleted do not make enough room, or the disk is full.
            DataError: the shard cannot be fetched.
            ShardError: the shard is missing, or has another size than the manifest says.
        """
        path = self.folder / entry.path
        if self._present(path, entry):
            return path
        with self._locked(f"{xxhash.xxh3_64_intdigest(str(path).encode()) % _STRIPES:02d}"):
            if not self._present(path, entry):
                try:
                    self._copy(entry, path, mapped)
                except OSError as error:
                    if error.errno not in _FULL:
                        raise
                    raise NoRoomError(
                        f"the disk of {self._cache} is full: {entry.path} of {self.manifest.where} could not be copied "
                        f"to it. Make room, or lower cache_bytes, which is {self._max_bytes:,}"
                    ) from error
        return path

    def _copy(self, entry: ShardEntry, path: Path, mapped: Collection[Path]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with self._locked("room"):
                self._make_room(entry.num_bytes, mapped)
                with part.open("wb") as reserved:  # so that others count what is on its way
                    reserved.truncate(entry.num_bytes)
            self._fetch(entry, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def discard(self, entry: ShardEntry) -> bool:
        """Delete a damaged copy, which may have been damaged here."""
        (self.folder / entry.path).unlink(missing_ok=True)
        return True

    def _present(self, path: Path, entry: ShardEntry) -> bool:
        try:
            if path.stat().st_size != entry.num_bytes:
                return False
            os.utime(path)  # used just now
        except FileNotFoundError:
            return False
        return True

    def _fetch(self, entry: ShardEntry, part: Path) -> None:
        address = f"{self._address}/{entry.path}"
        try:
            self._remote.get_file(address, str(part))
        except FileNotFoundError:
            raise ShardError(
                f"{address} is missing, though {self.manifest.where} lists it: copy the export again, with all of "
                "its folders"
            ) from None
        except _failures() as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            raise _unreachable(address, error) from error
        size = part.stat().st_size
        if size != entry.num_bytes:
            raise ShardError(wrong_size(address, size, entry))

    def _make_room(self, num_bytes: int, mapped: Collection[Path]) -> None:
        copies = sorted(self._copies(), key=lambda copy: copy[0])
        total = sum(size for _, size, _ in copies)
        for _, size, path in copies:
            if total + num_bytes <= self._max_bytes:
                return
            if path not in mapped and path.suffix != ".part":
                path.unlink(missing_ok=True)
                total -= size
        if total + num_bytes > self._max_bytes:
            raise NoRoomError(
                f"{self._cache} may hold {self._max_bytes:,} bytes, and {total:,} of them are in use, so that a shard "
                f"of {num_bytes:,} does not fit: raise cache_bytes, or set window_rows, with which fewer shards are "
                "needed at a time"
            )

    def _copies(self) -> Iterator[tuple[float, int, Path]]:
        for folder, _, names in os.walk(self._cache):
            for name in names:
                path = Path(folder, name)
                if path.parent.name == ".locks":
                    continue
                try:
                    found = path.stat()
                except FileNotFoundError:
                    continue
                if path.suffix == ".part" and time.time() - found.st_mtime > _ABANDONED_S:
                    path.unlink(missing_ok=True)  # its process was killed
                    continue
                yield found.st_mtime, found.st_size, path

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self._cache / ".locks" / name).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address, and what it calls the address."""
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise DataError(f"{address} is read through fsspec, which is not installed: pip install fsspec") from None
    try:
        found: tuple[Any, str] = url_to_fs(address)
    except ImportError as error:
        raise DataError(
            f"fsspec lacks a package for {address} ({error}): install it, or copy the export to a disk of this machine"
        ) from error
    except ValueError as error:
        raise DataError(f"{address} is no address that fsspec knows ({error})") from error
    return found


def _failures() -> tuple[type[Exception], ...]:
    """What a file system of fsspec raises where a file cannot be had; through aiohttp, its errors too."""
    aiohttp = sys.modules.get("aiohttp")
    return (OSError,) if aiohttp is None else (OSError, aiohttp.ClientError)


def _unreachable(address: str, error: Exception) -> DataError:
    said = str(error) or type(error).__name__
    return DataError(f"{address} cannot be read ({said}): check the address, the network and whether you have access")


def open_files(place: str | Path, *, cache: str | Path | None, cache_bytes: int) -> LocalFiles | CachedFiles:
    """The shards at a path, or at an address that fsspec knows.

    Raises:
        DataError: an address is given without a folder for copies; and as `LocalFiles` and `CachedFiles` say.
    """
    text = str(place)
    if text.startswith("file://"):
        return LocalFiles(text.removeprefix("file://"))
    if "://" not in text:
        return LocalFiles(place)
    if cache is None:
        raise DataError(f"{text} is far away: name a folder for local copies of its shards (cache=...)")
    return CachedFiles(text, cache, cache_bytes)


def wrong_size(where: str, size: int, entry: ShardEntry) -> str:
    """What is said of a file that does not have the size that the manifest gives."""
    kind = "was cut short" if size < entry.num_bytes else "is not the file that was exported"
    return (
        f"{where} has {size:,} bytes, but its manifest says {entry.num_bytes:,}: it {kind}. Copy it again from where "
        "the export was written, or run the export again"
    )


def sha256_of(buffer: Any) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(buffer).hexdigest()
