"""Lists that a recipe names by path: read, checked by their hash, one entry a line."""

import gzip
import hashlib
import zlib
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from curation.errors import WinnowError


class ListError(WinnowError):
    """A list that is missing, has changed since the recipe named it, or holds what cannot be."""


def bytes_at(path: str) -> bytes:
    """The bytes of a local file, or of a URI that Arrow can read.

    Raises:
        OSError: there is none.
        pa.ArrowInvalid: the URI is none.
    """
    if "://" not in path:
        return Path(path).read_bytes()
    system, place = fs.FileSystem.from_uri(path)
    with system.open_input_stream(place) as stream:
        content: bytes = stream.read()
        return content


def named_bytes(path: str, sha256: str, remedy: str, failure: type[WinnowError], what: str) -> bytes:
    """The bytes of the file that the recipe names; `what` it is, the error says.

    Raises:
        WinnowError: it cannot be read, or is not the one that the recipe names; of the type `failure`.
    """
    content = readable_bytes(path, failure, what)
    check_sha256(path, sha256_of(content), sha256, remedy, failure)
    return content


def readable_bytes(path: str, failure: type[WinnowError], what: str) -> bytes:
    """What `bytes_at` gives.

    Raises:
        WinnowError: there is none; of the type `failure`.
    """
    try:
        return bytes_at(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise failure(f"{what} {path} cannot be read: {error}") from error


def content_of(path: str) -> bytes:
    """The bytes of a list, unpacked where they are gzip's.

    Raises:
        ListError: it cannot be read.
    """
    try:
        content = bytes_at(path)
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error, pa.ArrowInvalid) as error:
        raise ListError(f"the list {path} cannot be read: {error}") from error


def sha256_of(content: bytes) -> str:
    """What a recipe remembers a list by."""
    return hashlib.sha256(content).hexdigest()


def check_sha256(path: str, found: str, named: str, remedy: str, failure: type[WinnowError] = ListError) -> None:
    """Check that a list is the one that the recipe names.

    Raises:
        WinnowError: it is not; of the type `failure`.
    """
    if found != named:
        raise failure(
            f"{path} has the sha256 {found[:16]}..., and the recipe names {named[:16]}...: name the new one "
            f"in the recipe ({remedy} does), so that documents are measured again"
        )


def entries(path: str, content: bytes) -> tuple[str, ...]:
    """The lines of a list without the white space around them; empty ones and those that begin with `#` are left out.

    Raises:
        ListError: a line is not UTF-8, or there is no entry.
    """
    found: dict[str, None] = {}
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            entry = line.decode().strip()
        except UnicodeDecodeError as error:
            raise ListError(f"the list {path}, line {number}: not UTF-8 ({line[:60]!r}); save it as UTF-8") from error
        if entry and not entry.startswith("#"):
            found[entry] = None
    if not found:
        raise ListError(f"the list {path} holds no entry: expected one a line")
    return tuple(found)


@lru_cache(maxsize=16)
def word_list(path: str, sha256: str, remedy: str) -> tuple[str, ...]:
    """The entries of the list that the recipe names, each once, in their order; read once per process.

    Raises:
        ListError: it cannot be read, is not the one that the recipe names, or holds what cannot be.
    """
    content = content_of(path)
    check_sha256(path, sha256_of(content), sha256, remedy)
    return entries(path, content)
