"""From patterns to files: what there is to read, by what name, in which format."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import quote

import pyarrow as pa
import pyarrow.fs as pafs

from curation.sources.settings import Ingest, InputError
from curation.sources.unpack import Packing

_WILDCARD = re.compile(r"[*?\[]")
_PACKINGS: dict[str, Packing] = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_FORMATS: dict[str, Literal["jsonl", "parquet", "warc"]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".warc": "warc",
    ".wet": "warc",
}
_LOG = "_delta_log"
KNOWN_ENDINGS = ", ".join(_FORMATS) + " (JSON and WARC also with .gz, .zst)"


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file to read.

    Attributes:
        name: what it is called in the lake: its path below the input's root.
        uri: where it is: an absolute path of this machine, or a URI.
        size: bytes as stored.
        modified: time of the last change, nanoseconds since 1970.
        format: how its records are written.
        packing: how its bytes are packed (Parquet packs by itself).
        table: for a file of a Delta table: the table's uri.
        constants: for a file of a Delta table: values of the partition columns, which the file itself lacks.
    """

    name: str
    uri: str
    size: int
    modified: int
    format: Literal["jsonl", "parquet", "warc"]
    packing: Packing = "plain"
    table: str | None = None
    constants: tuple[tuple[str, str | None], ...] = ()

    @property
    def source(self) -> str:
        """The source that the path names: the first folder below the root, else the file's name without its ending."""
        parts = PurePosixPath(self.name).parts
        if len(parts) > 1:
            return parts[0]
        stem, _, packed = _split_ending(parts[0])
        return stem or packed or parts[0]

    @property
    def recorded_uri(self) -> str:
        """Where it is, without user and password, fit for writing down."""
        return without_credentials(self.uri)


@dataclass(frozen=True)
class Place:
    """A pattern taken apart: a folder (or file) without wildcards, and what has to follow.

    Attributes:
        uri: where that folder is; a scheme and its options (`?region=...`) included.
        filesystem: reads it.
        path: the folder's path inside the filesystem.
        pattern: the parts of the pattern that follow, empty where there are no wildcards.
    """

    uri: str
    filesystem: pafs.FileSystem
    path: str
    pattern: tuple[str, ...]

    def uri_of(self, path: str) -> str:
        """The uri of a file below this place, by its path inside the filesystem."""
        rest = path[len(self.path) :]
        if "://" not in self.uri:
            return self.uri + rest
        base, question, options = self.uri.partition("?")
        return base.rstrip("/") + quote(rest) + question + options

    def covers(self, uri: str) -> bool:
        """Whether the pattern would match a file at `uri`."""
        base = self.uri.partition("?")[0] if "://" in self.uri else self.uri
        if not uri.startswith(base.rstrip("/") + "/"):
            return False
        return matches(uri.partition("?")[0][len(base.rstrip("/")) + 1 :], self.pattern)


@dataclass(frozen=True)
class Found:
    """What the inputs of an ingest stand for.

    Attributes:
        files: every JSONL, Parquet and WARC file, in the order of their names.
        tables: every Delta table: its uri, and the name that its files begin with.
        ignored: files that were passed over because their names end in no known format.
        places: the patterns, to tell whether a file that is no more would have been read.
    """

    files: tuple[SourceFile, ...]
    tables: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    places: tuple[Place, ...]


def open_filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """The filesystem of a path or URI, and the path inside it.

    Raises:
        InputError: no filesystem answers to such a URI.
    """
    if "://" not in uri:
        return pafs.LocalFileSystem(), uri
    try:
        filesystem, path = pafs.FileSystem.from_uri(uri)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"cannot open {uri}: {error}. Expected a path, or a URI such as s3://, gs://, hdfs:// or file://"
        ) from error
    return filesystem, path


def without_credentials(uri: str) -> str:
    """A path or URI without user and password, and without options that are secret, fit for writing down."""
    uri = re.sub(r"^([a-z0-9+.-]+://)[^/@]*@", r"\1", uri)
    return re.sub(r"(?i)([?&][^=&]*(?:secret|token|key|sig)[^=&]*=)[^&]*", r"\1...", uri)


def find_files(config: Ingest) -> Found:
    """List what the inputs stand for.

    Raises:
        InputError: an input is not there, nothing matches, or two files would get one name.
    """
    root = _place(config.root, literal=True) if config.root is not None else None
    files: dict[str, SourceFile] = {}
    tables: dict[str, str] = {}
    ignored: set[str] = set()
    places: list[Place] = []
    for text in config.inputs:
        place = _place(text)
        places.append(place)
        found = _below(place, root or place, config, tables, ignored)
        _add(files, found)
    if not files and not tables:
        seen = f" {len(ignored)} files end in no known format ({_few(ignored)})." if ignored else ""
        raise InputError(
            f"no input file matches {', '.join(config.inputs)}.{seen} Known endings are {KNOWN_ENDINGS}; "
            "for other names say the format. Put patterns in quotes, so that the shell leaves them alone."
        )
    ordered = tuple(files[name] for name in sorted(files))
    return Found(ordered, tuple(sorted(tables.items())), tuple(sorted(ignored)), tuple(places))


def matches(path: str, pattern: tuple[str, ...]) -> bool:
    """Whether a path below a place is meant by the rest of the pattern, or lies in a folder that is.

    Names that begin with `.` or `_` are met only by a part of the pattern that begins so too.
    """
    return _matches(tuple(path.split("/")), pattern)


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not any(_is_hidden(part) for part in parts)
    if pattern[0] == "**":
        return _matches(parts, pattern[1:]) or (
            bool(parts) and not _is_hidden(parts[0]) and _matches(parts[1:], pattern)
        )
    if not parts or (_is_hidden(parts[0]) and parts[0][0] != pattern[0][0]):
        return False
    return fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _is_hidden(part: str) -> bool:
    return part.startswith((".", "_"))


def _place(text: str, *, literal: bool = False) -> Place:
    if "://" not in text or text.startswith("file://"):
        path = open_filesystem(text)[1] if "://" in text else text
        filesystem: pafs.FileSystem = pafs.LocalFileSystem()
        if literal or not _WILDCARD.search(path) or Path(path).expanduser().exists():
            whole = _absolute(path)
            return Place(whole, filesystem, whole, ())
        base, pattern = _split_pattern(path)
        whole = _absolute(base or ".")
        return Place(whole, filesystem, whole, pattern)
    uri, question, options = text.partition("?") if "?" in text and "=" in text else (text, "", "")
    base, pattern = (uri.rstrip("/"), ()) if literal else _split_pattern(uri)
    filesystem, path = open_filesystem(base + question + options)
    return Place(base + question + options, filesystem, path.rstrip("/"), pattern)


def _absolute(path: str) -> str:
    # Not Path.resolve: it follows links, and it is the link that the user named.
    return os.path.abspath(Path(path).expanduser())  # noqa: PTH100


def _split_pattern(path: str) -> tuple[str, tuple[str, ...]]:
    parts = path.split("/")
    first = next((place for place, part in enumerate(parts) if _WILDCARD.search(part)), len(parts))
    base = "/".join(parts[:first])
    if not base and path.startswith("/"):
        base = "/"
    pattern = tuple(part for part in parts[first:] if part)
    return (base.rstrip("/") or base), pattern


def _below(
    place: Place, root: Place, config: Ingest, tables: dict[str, str], ignored: set[str]
) -> Iterator[SourceFile]:
    info = _info(place)
    if info.type == pafs.FileType.File:
        name = _name(place.uri_of(info.path), root, parent=root is place)
        made = _source_file(place, info, name, config)
        if made is None:
            raise InputError(
                f"cannot tell the format of {place.uri} by its name: known endings are {KNOWN_ENDINGS}. Say the format."
            )
        yield made
        return
    listing = _list(place)
    if config.format == "delta" or any(_LOG in entry.path.split("/") for entry in listing):
        yield from _with_tables(place, root, config, listing, tables, ignored)
        return
    yield from _plain_files(place, root, config, listing, ignored)


def _plain_files(
    place: Place, root: Place, config: Ingest, listing: Iterable[pafs.FileInfo], ignored: set[str]
) -> Iterator[SourceFile]:
    for info in listing:
        if info.type != pafs.FileType.File or not matches(_relative(place, info), place.pattern):
            continue
        name = _name(place.uri_of(info.path), root)
        made = _source_file(place, info, name, config)
        if made is None:
            ignored.add(name)
        else:
            yield made


def _with_tables(
    place: Place,
    root: Place,
    config: Ingest,
    listing: list[pafs.FileInfo],
    tables: dict[str, str],
    ignored: set[str],
) -> Iterator[SourceFile]:
    """The Delta tables among the files, each as the files of its newest version, and the other files."""
    from curation.sources.delta import table_files

    folders = {
        info.path.rpartition(f"/{_LOG}/")[0]
        for info in listing
        if f"/{_LOG}/" in info.path and info.path.endswith((".json", ".parquet"))
    }
    loose: list[pafs.FileInfo] = []
    chosen: set[str] = set()
    for info in listing:
        if info.type != pafs.FileType.File:
            continue
        table = next((folder for folder in folders if info.path.startswith(folder + "/")), None)
        if table is None:
            loose.append(info)
        elif matches(_relative(place, info), place.pattern):
            chosen.add(table)
    if config.format == "delta" and not folders:
        raise InputError(f"{place.uri} holds no Delta table: no folder {_LOG} in it")
    for folder in sorted(chosen):
        uri = place.uri_of(folder)
        # A table that is itself the root would leave its files without a folder: it then gives its own name.
        name = _name(uri, root, parent=folder == root.path)
        tables[uri] = name
        yield from table_files(uri, name)
    if config.format != "delta":
        yield from _plain_files(place, root, config, loose, ignored)


def _info(place: Place) -> pafs.FileInfo:
    try:
        info = place.filesystem.get_file_info(place.path)
    except OSError as error:
        raise InputError(f"cannot look at {place.uri}: {error}") from error
    if info.type == pafs.FileType.NotFound:
        raise InputError(f"there is no {place.uri}: give an existing file, folder or pattern")
    return info


def _list(place: Place) -> list[pafs.FileInfo]:
    try:
        found: list[pafs.FileInfo] = place.filesystem.get_file_info(pafs.FileSelector(place.path, recursive=True))
    except OSError as error:
        raise InputError(f"cannot list {place.uri}: {error}") from error
    return found


def _relative(place: Place, info: pafs.FileInfo) -> str:
    path: str = info.path
    return path[len(place.path) :].lstrip("/")


def _name(uri: str, root: Place, *, parent: bool = False) -> str:
    """The name of a file: its path below the root; `parent` takes the folder that the root lies in."""
    base = root.uri.partition("?")[0].rstrip("/")
    if parent:
        base = base.rpartition("/")[0]
    plain = uri.partition("?")[0] if "://" in uri else uri
    if not plain.startswith(base + "/"):
        raise InputError(f"{plain} does not lie below the root {root.uri}: give a root that holds all inputs")
    return plain[len(base) + 1 :]


def _split_ending(name: str) -> tuple[str, str, str]:
    """A file's name without its known endings, its format ending, and its packing ending."""
    stem, packed = name, ""
    for ending in _PACKINGS:
        if stem.lower().endswith(ending):
            stem, packed = stem[: -len(ending)], ending
            break
    for ending in _FORMATS:
        if stem.lower().endswith(ending):
            return stem[: -len(ending)], ending, packed
    return stem, "", packed


def _source_file(place: Place, info: pafs.FileInfo, name: str, config: Ingest) -> SourceFile | None:
    _, ending, packed = _split_ending(PurePosixPath(name).name)
    chosen = config.format if config.format is not None and config.format != "delta" else _FORMATS.get(ending)
    if chosen is None:
        return None
    return SourceFile(
        name=name,
        uri=place.uri_of(info.path),
        size=int(info.size),
        modified=int(info.mtime_ns or 0),
        format=chosen,
        packing=_PACKINGS[packed] if packed and chosen != "parquet" else "plain",
    )


def _add(files: dict[str, SourceFile], found: Iterable[SourceFile]) -> None:
    names = {file.uri: name for name, file in files.items()}
    for file in found:
        other = files.get(file.name)
        if other is not None and other.uri != file.uri:
            raise InputError(
                f"{other.uri} and {file.uri} would both be called {file.name}: "
                "give the folder that they share as the root"
            )
        if names.get(file.uri, file.name) != file.name:
            raise InputError(
                f"{file.uri} is named by two inputs, as {names[file.uri]} and as {file.name}: "
                "give one of them, or the folder that they share as the root"
            )
        files[file.name] = file


def _few(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (", ..." if len(ordered) > 3 else "")
