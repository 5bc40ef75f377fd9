"""The lake: a folder of Delta tables. The only place that touches storage."""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal
from uuid import uuid4

import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame

from curation.errors import LakeError
from curation.history import winnow_record
from curation.session import ENGINE_FAILURES, Session
from curation.tables import TABLES
from jobs.lake_leftovers import clear_leftovers, process_mark, wait_for_end
from jobs.lake_scratch import drop_marked
from jobs.plain_path import plain_path

_SCRATCH = "_scratch"
_LOCK = ".winnow.lock"
_BY_NAME = {table.name: table for table in TABLES}
# What Sail 0.7.2 says where a file has rows to keep beside rows to replace: it names the elements of their lists in two
# ways. Then the whole table is written anew, in one commit all the same.
_UNLIKE_LISTS = "requires all inputs to have the same data type per column"
_ODD = frozenset("#?%[]")
_FULL = ("No space left on device", "Disk quota exceeded", "File too large", "Not enough space")


class Lake:
    """A folder that holds one Delta table per noun, read and written through one engine.

    Every write is one atomic commit that carries Winnow's record of it as Delta's `userMetadata`: the stage, its key,
    the recipe, the versions of the tables it read and the version of the code.
    """

    def __init__(self, session: Session, path: str) -> None:
        self.session = session
        self.spark = session.spark
        self.path = path.rstrip("/") if "://" in path else str(Path(path).absolute())
        self._local = "://" not in path and not session.is_remote
        self._engine_path = plain_path(self.path) if session.engine == "sail" and self._local else self.path
        odd = sorted(set(self.path) & _ODD)
        if self._local and odd:
            raise LakeError(f"{self.path} has {' '.join(odd)} in its name, which Delta readers mistake: rename it")
        self._journal: IO[str] | None = None
        self._scratch_mark = f"scratch of {uuid4()}"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lake for writing for the length of a `with` block; what a killed run left behind is cleared.

        Only a lake in a local folder can be held; elsewhere a second writer is noticed when it has committed (see
        `write`). The lock belongs to this process and ends with it, however it ends. The file that carries it names
        the tables that are being written, so that the run after a killed one knows whose leftovers it may clear; and
        the process of Spark, which outlives a killed driver for a moment and has to be gone before.

        Raises:
            LakeError: the folder cannot be written, or another run holds it.
        """
        if not self._local:
            yield
            self.drop_scratch()
            return
        with self._locked() as journal:
            writer = self._writer_process()
            cleared = self._clear(journal, writer)
            self._journal = journal
            try:
                if writer is not None:
                    self._note(writer)
                yield
            except BaseException:
                with suppress(OSError):  # the engine may still be writing there; the next run clears the rest
                    self.drop_scratch()
                raise
            finally:
                self._journal = None
            self.drop_scratch()
            if cleared:
                journal.truncate(0)

    @contextmanager
    def _locked(self) -> Iterator[IO[str]]:
        with self._opened() as journal:
            try:
                fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LakeError(f"another run is writing to {self.path}: wait until it ends, then run again") from error
            except OSError as error:
                raise LakeError(f"{self.path} cannot be locked: {error.strerror or error}") from error
            yield journal

    def _clear(self, journal: IO[str], writer: str | None) -> bool:
        """Clear what a killed run left; False where its Spark goes on and on, which leaves that to a later run."""
        journal.seek(0)
        words = set(journal.read().split())
        marks = {word for word in words if "@" in word}
        if not wait_for_end(marks - {writer}):
            return False
        clear_leftovers(Path(self.path), words - marks)
        self.drop_scratch()
        journal.truncate(0)
        return True

    def _writer_process(self) -> str | None:
        """The mark of Spark's process, where that writes the lake and is another one than this."""
        if self.session.engine == "sail" or self.session.is_remote:
            return None
        jvm: Any = self.spark.sparkContext._jvm
        return process_mark(int(jvm.java.lang.ProcessHandle.current().pid()))

    def _note(self, word: str) -> None:
        """Write a word into the journal, past Python's buffer, which a kill would lose."""
        if self._journal is not None:
            with self._storing(self.path):
                os.write(self._journal.fileno(), f"{word}\n".encode())

    def _opened(self) -> IO[str]:
        try:
            Path(self.path).mkdir(parents=True, exist_ok=True)
            return (Path(self.path) / _LOCK).open("a+")
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise LakeError(self._full(self.path)) from error
            raise LakeError(
                f"cannot write to {self.path}: {error.strerror or error}. "
                "Give a folder that you may write to with --out."
            ) from error

    @property
    def is_local(self) -> bool:
        """Whether its files stand in a folder of this machine."""
        return self._local

    def location(self, table: str) -> str:
        """Path or URI of a table."""
        return f"{self.path}/{table}"

    def version(self, table: str) -> int | None:
        """Newest version of a table, None where the table does not exist."""
        commit = self._last_commit(table)
        return None if commit is None else commit[0]

    def info(self, table: str) -> dict[str, Any] | None:
        """Winnow's record of a table's newest commit, None where there is no table or the commit is not Winnow's."""
        commit = self._last_commit(table)
        return None if commit is None else commit[1]

    def read(self, table: str, version: int | None = None) -> DataFrame:
        """A table, as it is now or as it was at `version`.

        Raises:
            LakeError: there is no such table; the message names the stage that makes it.
        """
        if self.version(table) is None:
            stage = _BY_NAME[table].stage if table in _BY_NAME else "run"
            raise LakeError(f"{self.location(table)} does not exist: run `winnow {stage.split(',')[0]}` first")
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(f"{self._engine_path}/{table}")

    def write(
        self,
        table: str,
        frame: DataFrame,
        *,
        info: dict[str, Any],
        mode: Literal["append", "overwrite"] = "overwrite",
        replace_where: str | None = None,
    ) -> int:
        """Commit `frame` to a table in one atomic step and give the new version.

        Args:
            table: the table's name.
            frame: the rows.
            info: Winnow's record of the commit, plain JSON.
            mode: `append`, or `overwrite` the whole table or, with `replace_where`, the rows that fulfil it.
            replace_where: SQL predicate; the new rows have to fulfil it.

        Raises:
            LakeError: the folder holds a table that Winnow did not make, or one with other columns; or something else
                wrote to the table meanwhile, which can be where the lake cannot be held.
        """
        before = self._check_ours(table, frame, whole=mode == "overwrite" and replace_where is None)
        if self.session.is_remote:
            frame = _with_plain_strings(frame)
        self._note(table)
        with self._storing(self.location(table)):
            try:
                self._save(table, frame, info, mode, replace_where)
            except AnalysisException as error:
                if replace_where is None or _UNLIKE_LISTS not in str(error):
                    raise
                kept = self.read(table).where(f"NOT ({replace_where})")
                kept = kept.mapInArrow(lambda batches: batches, kept.schema)
                self._save(table, kept.unionByName(frame), info, "overwrite", None)
        version = self.version(table)
        assert version is not None
        if version != before + 1:
            raise LakeError(
                f"another run wrote to {self.location(table)} at the same time: versions {before + 1} to {version} are "
                "by both. Run again, one at a time: that puts right what is there twice."
            )
        return version

    def _save(self, table: str, frame: DataFrame, info: dict[str, Any], mode: str, replace_where: str | None) -> None:
        writer = frame.write.format("delta").mode(mode).option("userMetadata", json.dumps(info, sort_keys=True))
        if replace_where is not None:
            writer = writer.option("replaceWhere", replace_where)
        elif mode == "overwrite":
            writer = writer.option("overwriteSchema", "true")
        writer.save(f"{self._engine_path}/{table}")

    def checkpoint(self, frame: DataFrame, name: str) -> DataFrame:
        """Write `frame` to a scratch table and give a frame that reads it: lineage ends here, on both engines."""
        location = f"{self._engine_path}/{_SCRATCH}/{name}"
        with self._storing(f"{self.path}/{_SCRATCH}/{name}"):
            if self.session.engine == "spark" and not self.session.is_remote:
                # Delta's log costs Spark more than most of these tables do; Sail writes no file for no rows
                frame.write.mode("overwrite").parquet(location)
                return self.spark.read.schema(frame.schema).parquet(location)
            writer = frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
            writer.option("userMetadata", self._scratch_mark).save(location)
        return self.spark.read.format("delta").load(location)

    def drop_scratch(self) -> None:
        """Delete all scratch tables; of a server's folder, those of this run, where this machine sees them as well."""
        if "://" not in self.path and not self._local:
            drop_marked(Path(self.path) / _SCRATCH, self._scratch_mark)
            return
        filesystem, path = _filesystem(self.path)
        scratch = f"{path}/{_SCRATCH}"
        if filesystem.get_file_info(scratch).type != pafs.FileType.NotFound:
            filesystem.delete_dir(scratch)

    @contextmanager
    def _storing(self, location: str) -> Iterator[None]:
        """Say plainly that a disk is full, which the engines bury in a page of their own names."""
        try:
            yield
        except (*ENGINE_FAILURES, OSError) as error:
            if not any(text in str(error) for text in _FULL):
                raise
            raise LakeError(self._full(location)) from error

    def _full(self, location: str) -> str:
        place = Path(location) if self._local else Path.cwd()
        while not place.exists():
            place = place.parent
        space = shutil.disk_usage(place) if self._local else None
        free = f" ({space.free / 1e6:,.0f} of {space.total / 1e6:,.0f} MB are free)" if space else ""
        return (
            f"the disk is full{free}: {location} could not be written. The lake is as the last complete step left it: "
            "make room and run the same command again to go on."
        )

    def _last_commit(self, table: str) -> tuple[int, dict[str, Any] | None] | None:
        location = self.location(table)
        if self.session.engine == "spark" and not self._local:
            return _last_commit_by_sql(self, location)
        try:
            newest = DeltaTable(location).history(1)[0]
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise LakeError(f"{location} cannot be read as a Delta table: {error}") from error
        return int(newest["version"]), winnow_record(newest.get("userMetadata"))

    def _check_ours(self, table: str, frame: DataFrame, *, whole: bool) -> int:
        """The newest version of a table that may be written to, -1 where there is none."""
        commit = self._last_commit(table)
        if commit is None:
            folder = Path(self.location(table))
            # What a killed run left in a held lake is gone by now; what is there is someone's, and stays.
            is_taken = _holds_foreign_files if self._journal is None else _holds_files
            if self._local and is_taken(folder):
                raise LakeError(
                    f"{self.location(table)} exists and is no Delta table: move it away, or choose another --out"
                )
            return -1
        if commit[1] is None:
            raise LakeError(
                f"{self.location(table)} is a Delta table that Winnow did not write: its newest commit carries no "
                "record of Winnow. Choose another --out, or move the table away."
            )
        if whole:
            return commit[0]
        there = {field.name: field.dataType.simpleString() for field in self.read(table).schema.fields}
        new = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
        if there != new:
            differing = sorted(set(there.items()) ^ set(new.items()))
            raise LakeError(
                f"{self.location(table)} has other columns than the rows to be added: "
                + ", ".join(f"{name} {kind}" for name, kind in differing)
                + ". It was written by another version or with other settings; choose another --out."
            )
        return commit[0]


def _holds_files(folder: Path) -> bool:
    return any(folder.iterdir()) if folder.is_dir() else folder.exists()


def _holds_foreign_files(folder: Path) -> bool:
    """Whether a folder that is no Delta table holds anything but what a first write that was killed leaves there."""
    if not folder.is_dir():
        return folder.exists()
    left = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return any(path.parts[0] != "_delta_log" and not path.name.removeprefix(".").startswith("part-") for path in left)


def _with_plain_strings(frame: DataFrame) -> DataFrame:
    """The same rows with strings of Spark's own default type.

    What a Spark Connect client of 4.2 calls a string, for instance in the result of a Python function, is a `string
    collate UTF8_BINARY` on the server. Delta Lake would write that into the table, and no other reader understands it.
    """
    types = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    return frame.select([frame[f"`{name}`"].cast(kind).alias(name) for name, kind in types.items()])


def _last_commit_by_sql(lake: Lake, location: str) -> tuple[int, dict[str, Any] | None] | None:

    try:
        row = lake.spark.sql(f"DESCRIBE HISTORY delta.`{location}` LIMIT 1").select("version", "userMetadata").first()
    except AnalysisException:
        return None
    return None if row is None else (int(row["version"]), winnow_record(row["userMetadata"]))


def _filesystem(path: str) -> tuple[Any, str]:
    if "://" not in path:
        return pafs.LocalFileSystem(), path
    filesystem, inside = pafs.FileSystem.from_uri(path)
    return filesystem, inside
