"""Shards as memory: opened when first touched, verified once, mapped and never copied."""

import resource
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from training.data import row_kernels
from training.data.errors import DataError, ShardError
from training.data.files import CachedFiles, NoRoomError, ShardFiles, sha256_of, wrong_size
from training.data.manifest import SPLITS, Manifest, ShardEntry, Split

Verify = Literal["first_touch", "sha256", "size"]
VERIFY: tuple[Verify, ...] = ("first_touch", "sha256", "size")

Integers = npt.NDArray[np.int64]
Rows = npt.NDArray[Any]

_COLUMNS = ("tokens", "num_tokens", "starts", "doc_ids", "offsets", "repeats")
_WEIGHTS = "loss_weights"
"""The column more that shards of conversations have: float16, as long as `tokens`."""


class Segment(NamedTuple):
    """Where some of a row's tokens come from.

    Attributes:
        doc_id: the document.
        start: where the segment begins in the row.
        num_tokens: its tokens.
        offset: place of its first token among the document's.
        repeat: which repeat of the document this is.
    """

    doc_id: str
    start: int
    num_tokens: int
    offset: int
    repeat: int


@dataclass(frozen=True)
class Shard:
    """A mapped shard.

    Attributes:
        path: the file.
        tokens: [num_rows, row_length], a view of the file.
        fields: its line for `row_kernels`.
        batch: all columns, as views of the file.
    """

    path: Path
    tokens: Rows
    fields: Integers
    batch: pa.RecordBatch

    def segments(self, row: int) -> list[Segment]:
        """The pieces of documents that a row is made of."""
        starts = self.batch["starts"][row].as_py()
        ends = [*starts[1:], self.batch["num_tokens"][row].as_py()][: len(starts)]  # a row may be all padding
        ids, offsets, repeats = (self.batch[name][row].as_py() for name in ("doc_ids", "offsets", "repeats"))
        lengths = [end - start for start, end in zip(starts, ends, strict=True)]
        return [Segment(*values) for values in zip(ids, starts, lengths, offsets, repeats, strict=True)]


def open_shard(path: Path, entry: ShardEntry, manifest: Manifest, verify: Verify) -> Shard:
    """Map a shard, after making sure that it is what the manifest says.

    Raises:
        ShardError: it is missing, damaged, or something else.
    """
    try:
        with pa.memory_map(str(path)) as source:
            content = source.read_buffer()
    except FileNotFoundError:
        raise ShardError(f"{path} is missing, though {manifest.where} lists it: copy the export again") from None
    if content.size != entry.num_bytes:
        raise ShardError(wrong_size(str(path), content.size, entry))
    if verify != "size":
        _verify(path, content, entry, verify)
    try:
        reader = pa.ipc.open_file(content)
        schema, num_batches = reader.schema, reader.num_record_batches
        names = tuple(schema.names)
        batch = reader.get_batch(0) if num_batches == 1 else None
        if batch is not None:
            batch.validate()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ShardError(f"{path} is not an Arrow file: {error}. Copy it again, or run the export again") from error
    expected = pa.list_(pa.type_for_alias(manifest.token_dtype), manifest.row_length)
    columns = (*_COLUMNS, _WEIGHTS) if manifest.loss_weights else _COLUMNS
    if names != columns or batch is None:
        raise ShardError(
            f"{path} has {num_batches} record batches of the columns {', '.join(names)}; expected one of "
            f"{', '.join(columns)}"
        )
    kind = schema.field("tokens").type
    if not (
        pa.types.is_fixed_size_list(kind)
        and (kind.list_size, kind.value_type) == (expected.list_size, expected.value_type)
    ):
        raise ShardError(
            f"{path} has rows of {kind}, but {manifest.where} says {manifest.row_length:,} tokens of "
            f"{manifest.token_dtype} each: shards and manifest are of different exports"
        )
    if batch.num_rows != entry.num_rows:
        raise ShardError(
            f"{path} has {batch.num_rows:,} rows, but {manifest.where} says {entry.num_rows:,}: shards and manifest "
            "are of different exports"
        )
    return _mapped(path, content, batch, manifest)


def _verify(path: Path, content: pa.Buffer, entry: ShardEntry, verify: Verify) -> None:
    view = memoryview(content)
    name, expected = ("xxh3", entry.xxh3) if verify == "first_touch" else ("sha256", entry.sha256)
    found = xxhash.xxh3_64_hexdigest(view) if verify == "first_touch" else sha256_of(view)
    if found != expected:
        raise ShardError(
            f"{path} is damaged: the {name} of its content is {found}, but its manifest says {expected}. Copy it "
            "again from where the export was written, or run the export again"
        )


def _mapped(path: Path, content: pa.Buffer, batch: pa.RecordBatch, manifest: Manifest) -> Shard:
    tokens, num_tokens, starts = batch["tokens"], batch["num_tokens"], batch["starts"]
    if pa.types.is_int32(num_tokens.type) is False or starts.type.value_type != pa.int32():
        raise ShardError(f"{path} has columns of other types than an export writes: {batch.schema}")
    values = tokens.values
    parts = [values.buffers()[1], num_tokens.buffers()[1], starts.buffers()[1], starts.values.buffers()[1]]
    mapped = [tokens, values, num_tokens, starts]
    if manifest.loss_weights:
        weights = batch[_WEIGHTS]
        if weights.type != pa.list_(pa.field("item", pa.float16()), manifest.row_length):
            raise ShardError(
                f"{path} has loss weights of the type {weights.type}, expected {manifest.row_length:,} of float16 in "
                "each row: run the export again"
            )
        parts.append(weights.values.buffers()[1])
        mapped += [weights, weights.values]
    inside = all(
        part is None or part.size == 0 or content.address <= part.address < content.address + content.size
        for part in parts
    )
    if not inside or any(column.null_count or column.offset for column in mapped):
        raise ShardError(f"{path} is compressed or has nulls, and cannot be mapped: run the export again")
    view = np.frombuffer(parts[0] or b"", dtype=manifest.token_dtype, count=len(values))
    addresses = [part.address if part is not None else 0 for part in parts]
    fields = [0, 0, *addresses[:4], len(starts.values), addresses[4] if manifest.loss_weights else 0]
    return Shard(path, view.reshape(-1, manifest.row_length), np.array(fields, dtype=np.int64), batch)


class ShardStore:
    """The rows of an export, by domain and number; shards are opened when they are first touched.

    Args:
        files: where shards lie.
        verify: what is checked besides the size, once per process and shard: `first_touch` xxh3 (16 GB/s),
            `sha256` sha256 (2 GB/s), `size` nothing.
        max_open: shards that are mapped at a time; None for as many as the system allows, up to 4096.
    """

    def __init__(self, files: ShardFiles, *, verify: Verify = "first_touch", max_open: int | None = None) -> None:
        if verify not in VERIFY:
            raise DataError(f"verify is {verify!r}: expected one of {', '.join(VERIFY)}")
        self.files, self.manifest, self.verify = files, files.manifest, verify
        self.max_open = max_open or min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self.entries = self.manifest.shards
        self._lines = np.zeros((len(self.entries), row_kernels.NUM_FIELDS), dtype=np.int64)
        self._used = np.zeros(len(self.entries), dtype=np.int64)
        self._open: dict[int, Shard] = {}
        self._verified: set[int] = set()
        self._clock = 0
        self._may_close = len(self.entries) > self.max_open or isinstance(files, CachedFiles)
        self._lock = threading.Lock()
        self._places = {split: self._place(split) for split in SPLITS}

    def lines(self, split: Split, domains: npt.NDArray[Any], rows: Integers) -> tuple[Integers, list[Shard]]:
        """The lines of rows (see `row_kernels`), whose shards are mapped at least as long as the list is kept.

        Args:
            split: which rows of a domain are meant.
            domains: int32[n], places in the sorted list of domains.
            rows: int64[n], numbers among the rows of each domain; not checked.

        Raises:
            ShardError: a shard is missing or damaged.
        """
        lines = np.empty((rows.size, row_kernels.NUM_FIELDS), dtype=np.int64)
        places = self._places[split]
        with self._lock:
            self._clock += 1
            while row_kernels.find(*places, self._lines, self._used, self._clock, domains, rows, lines):
                for shard in np.unique(lines[lines[:, row_kernels.TOKENS] == 0, row_kernels.SHARD]).tolist():
                    self._touch(shard)
            if not self._may_close:
                return lines, []
            while len(self._open) > self.max_open and self._close_oldest():
                pass
            return lines, [self._open[shard] for shard in set(lines[:, row_kernels.SHARD].tolist())]

    def shard(self, number: int) -> Shard:
        """One shard, mapped."""
        with self._lock:
            self._clock += 1
            self._used[number] = self._clock
            return self._open.get(number) or self._touch(number)

    def _place(self, split: Split) -> tuple[Integers, Integers, Integers]:
        """For the sequence of all rows of a split: each domain's first row, the shards, and each shard's first row."""
        chosen = [
            (i, entry.num_rows) for i, entry in enumerate(self.entries) if entry.split == split and entry.num_rows
        ]
        shards, sizes = np.ascontiguousarray(np.array(chosen, dtype=np.int64).reshape(-1, 2).T)
        rows = np.array(list(self.manifest.rows(split).values()), dtype=np.int64)
        return np.cumsum(rows) - rows, shards, np.cumsum(sizes) - sizes

    def _touch(self, number: int) -> Shard:
        entry = self.entries[number]
        verify: Verify = "size" if number in self._verified else self.verify
        path = self._path(entry)
        try:
            shard = open_shard(path, entry, self.manifest, verify)
        except ShardError:
            if not self.files.discard(entry):
                raise
            shard = open_shard(self._path(entry), entry, self.manifest, self.verify)
        self._verified.add(number)
        self._open[number] = shard
        self._lines[number] = shard.fields
        return shard

    def _path(self, entry: ShardEntry) -> Path:
        while True:
            try:
                return self.files.path(entry, {shard.path for shard in self._open.values()})
            except NoRoomError:
                if not self._close_oldest():
                    raise

    def _close_oldest(self) -> bool:
        """Unmap the shard that was used longest ago, if it is not used now."""
        numbers = np.fromiter(self._open, dtype=np.int64, count=len(self._open))
        if numbers.size == 0:
            return False
        oldest = int(numbers[np.argmin(self._used[numbers])])
        if self._used[oldest] == self._clock:
            return False
        del self._open[oldest]
        self._lines[oldest] = 0
        return True
