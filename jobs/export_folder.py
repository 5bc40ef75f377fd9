"""The folder that an export goes to: one export at a time, nobody else's files touched, leftovers cleared."""

import fcntl
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson

from curation.export.manifest import CHAT_TEMPLATE, CONVERSATIONS, NAME, REPORT, TOKENIZER, from_bytes
from curation.export.settings import ExportError
from curation.export.storage import Storage, final_name

JOURNAL = ".winnow-export"
"""File that names the folders an unfinished export writes to and that carries the lock; empty when all is done."""

_SHARD = re.compile(r"(?:train|eval)-\d{5,}\.arrow")
_BESIDE = (NAME, TOKENIZER, REPORT, CONVERSATIONS, CHAT_TEMPLATE)


class ExportFolder:
    """A folder, local or remote, that holds one export or none."""

    def __init__(self, path: str) -> None:
        self.storage = Storage.at(path)
        self.location = self.storage.location
        self._held: IO[bytes] | None = None

    def manifest(self) -> dict[str, Any] | None:
        """The manifest of the export that is there, None where there is none.

        Raises:
            ExportError: there is a file of that name that is no manifest.
        """
        content = self.storage.read(NAME)
        return None if content is None else from_bytes(content, f"{self.location}/{NAME}")

    def is_done(self, key: str, *, overwrite: bool) -> bool:
        """Whether the export of that key stands there already; otherwise there is place for it.

        Raises:
            ExportError: the folder holds another export, or files that are none of an export's.
        """
        there = self.manifest()
        if there is not None and there.get("key") == key and not overwrite:
            return True
        if there is not None and not overwrite:
            raise ExportError(
                f"{self.location} holds a complete export of other tables, settings, tokenizer or code (made from "
                f"{there.get('lake')} at {there.get('tables')}): give another folder with --to, or --overwrite to "
                "replace it"
            )
        files = self.storage.files()
        foreign = sorted(set(files) - self._own(files, there) - {JOURNAL})
        if foreign and there is None:
            more = ", ..." if len(foreign) > 3 else ""
            raise ExportError(
                f"{self.location} holds files that are no export's ({', '.join(foreign[:3])}{more}): give a folder of "
                "its own with --to"
            )
        return False

    def _own(self, files: Iterable[str], manifest: dict[str, Any] | None) -> set[str]:
        """Of some files those that the export of this manifest, or one that did not come to its end, has written."""
        folders = self._journalled() | {domain["folder"] for domain in (manifest or {}).get("domains", ())}
        found = set()
        for file in files if folders else ():
            folder, _, last = final_name(file).rpartition("/")
            if last in _BESIDE if not folder else folder in folders and _SHARD.fullmatch(last):
                found.add(file)
        return found

    def _journalled(self) -> set[str]:
        content = self.storage.read(JOURNAL)
        try:
            return set(orjson.loads(content)) if content else set()
        except orjson.JSONDecodeError as error:
            raise ExportError(
                f"{self.location}/{JOURNAL} is no journal of an export ({error}): give another folder with --to"
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for the length of a `with` block, against a second export; a local one only.

        Raises:
            ExportError: it cannot be written, or another export holds it.
        """
        if not self.storage.is_local:
            yield
            return
        try:
            Path(self.location).mkdir(parents=True, exist_ok=True)
            file = (Path(self.location) / JOURNAL).open("a+b")
        except OSError as error:
            raise ExportError(
                f"cannot write to {self.location}: {error.strerror or error}. Give a folder that you may write to "
                "with --to."
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ExportError(
                    f"another export is writing to {self.location}: wait until it ends, then run again"
                ) from error
            self._held = file
            try:
                yield
            finally:
                self._held = None

    def begin(self, folders: Iterable[str]) -> None:
        """Clear what stands here of an export, the manifest first, and note which folders are written from now on."""
        there = self.manifest()
        own = self._own(self.storage.files(), there)
        self._note(
            sorted({*folders, *self._journalled(), *(part["folder"] for part in (there or {}).get("domains", ()))})
        )
        self.storage.delete([NAME] if there is not None else [])
        self.storage.delete(sorted(own - {NAME}))

    def finish(self, manifest: bytes, page: str, files: Iterable[str]) -> None:
        """Clear what is none of `files`, write the page and then the manifest: from now on this is an export."""
        own = self._own(self.storage.files(), None)
        self.storage.delete(sorted(own - {TOKENIZER, *files}))
        self.write_page(page)
        self.storage.write(NAME, manifest)
        self._note([])

    def write_page(self, page: str) -> None:
        """Write the report's page."""
        self.storage.write(REPORT, page.encode())

    def _note(self, folders: list[str]) -> None:
        content = orjson.dumps(folders) if folders else b""
        if self._held is None:
            self.storage.write(JOURNAL, content) if content else self.storage.delete([JOURNAL])
            return
        self._held.seek(0)  # the file is the lock, so it is written in place
        self._held.truncate()
        self._held.write(content)
        self._held.flush()
