"""Where an export is written: a local folder, or a URI that Arrow reaches. Whole files or none, at any moment."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from curation.export.settings import ExportError

TEMPORARY = ".tmp-"
"""What the name of a file that is being written begins with; its final name follows, then the writer's own mark."""

_KINDS = ("file://", "s3://", "gs://", "abfs://", "hdfs://")
_OBJECT_STORES = ("s3", "gcs", "abfs")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Storage:
    """A folder, local or remote.

    Attributes:
        location: an absolute path, or a URI such as `s3://bucket/folder`.
    """

    location: str

    @classmethod
    def at(cls, path: str) -> "Storage":
        """The folder of that name.

        Raises:
            ExportError: the URI is of a kind that Arrow does not know.
        """
        if "://" not in path:
            return cls(str(Path(path).absolute()))
        found = cls(path.rstrip("/"))
        found._filesystem()
        return found

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return "://" not in self.location

    def _filesystem(self) -> tuple[Any, str]:
        if self.is_local:
            return pafs.LocalFileSystem(), self.location
        try:
            filesystem, inside = pafs.FileSystem.from_uri(self.location)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]  # without a page of places it looked in
            raise ExportError(
                f"{self.location} cannot be reached: {reason}. Give a folder, or a URI of {', '.join(_KINDS)}"
            ) from error
        return filesystem, inside.rstrip("/")

    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """Write a file under its final name, as a whole: whoever writes it twice, or at the same time, does no harm.

        Raises:
            ExportError: the disk is full, or the folder cannot be written.
        """
        try:
            if self.is_local:
                self._write_local(Path(self.location) / name, content)
            else:
                self._write_remote(name, content)
        except OSError as error:
            raise ExportError(self._said(error, name)) from error

    def _said(self, error: OSError, name: str) -> str:
        if error.errno in _FULL:
            return (
                f"the disk is full: {self.location}/{name} could not be written. Nothing there is taken for an export: "
                "make room and run the same command again."
            )
        return f"cannot write {self.location}/{name}: {error.strerror or error}. Give another folder with --to."

    def _write_local(self, path: Path, content: bytes | pa.Buffer) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{TEMPORARY}{path.name}-{secrets.token_hex(6)}")
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:  # nothing is left of it once it has its name
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _write_remote(self, name: str, content: bytes | pa.Buffer) -> None:
        filesystem, base = self._filesystem()
        folder, _, last = f"{base}/{name}".rpartition("/")
        if filesystem.type_name in _OBJECT_STORES:  # an object is there when it is complete, and not before
            with filesystem.open_output_stream(f"{folder}/{last}") as stream:
                stream.write(content)
            return
        filesystem.create_dir(folder, recursive=True)
        temporary = f"{folder}/{TEMPORARY}{last}-{secrets.token_hex(6)}"
        with filesystem.open_output_stream(temporary) as stream:
            stream.write(content)
        filesystem.move(temporary, f"{folder}/{last}")

    def read(self, name: str) -> bytes | None:
        """A file's content, None where there is no such file.

        Raises:
            ExportError: it cannot be read.
        """
        filesystem, base = self._filesystem()
        try:
            if filesystem.get_file_info(f"{base}/{name}").type == pafs.FileType.NotFound:
                return None
            with filesystem.open_input_file(f"{base}/{name}") as file:  # a stream asks a store once for each 16 kB
                return bytes(file.readall())
        except OSError as error:
            raise ExportError(f"{self.location}/{name} cannot be read: {error.strerror or error}") from error

    def files(self) -> dict[str, int]:
        """Every file below the folder: name to size in bytes; none where there is no folder.

        Raises:
            ExportError: the folder cannot be listed, or is a file.
        """
        filesystem, base = self._filesystem()
        try:
            found = filesystem.get_file_info(pafs.FileSelector(base, allow_not_found=True, recursive=True))
        except OSError as error:
            raise ExportError(f"{self.location} cannot be read as a folder: {error.strerror or error}") from error
        return {info.path[len(base) + 1 :]: info.size for info in found if info.type == pafs.FileType.File}

    def delete(self, names: Iterable[str]) -> None:
        """Delete files, and folders that are empty then."""
        filesystem, base = self._filesystem()
        folders = set()
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                filesystem.delete_file(f"{base}/{name}")
            folders |= {name.rpartition("/")[0]}
        if self.is_local:
            for folder in sorted(folders - {""}, reverse=True):
                with contextlib.suppress(OSError):  # something else is in there
                    (Path(self.location) / folder).rmdir()

    def free_bytes(self) -> int | None:
        """Room on the disk, None where that is not known."""
        if not self.is_local:
            return None
        place = Path(self.location)
        while not place.exists():
            place = place.parent
        state = os.statvfs(place)
        return state.f_bavail * state.f_frsize


def final_name(name: str) -> str:
    """The name that a file has when it is whole; `name` itself unless it is a temporary one."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + last[len(TEMPORARY) :].rpartition("-")[0] if last.startswith(TEMPORARY) else name
