"""The manifest of an export: what the shards are, read and checked before any of them is opened."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import orjson

from training.data.errors import ManifestError

FORMAT, VERSION = "winnow-shards", 1
NAME = "manifest.json"

Split = Literal["train", "eval"]
SPLITS: tuple[Split, ...] = ("train", "eval")

_NO_DEFAULT: Any = object()
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """One file of shards.

    Attributes:
        path: relative to the manifest, with forward slashes.
        domain: the domain of all its rows.
        split: what they are for.
        num_rows: rows of `row_length` tokens.
        num_tokens: tokens without padding.
        num_bytes: size of the file.
        sha256: of the file, 64 hexadecimal digits.
        xxh3: XXH3-64 of the file, 16 hexadecimal digits.
    """

    path: str
    domain: str
    split: Split
    num_rows: int
    num_tokens: int
    num_bytes: int
    sha256: str
    xxh3: str


@dataclass(frozen=True)
class SplitEntry:
    """One domain's rows of one split: `shards` in the order in which rows are numbered."""

    num_rows: int
    num_tokens: int
    shards: tuple[ShardEntry, ...]


@dataclass(frozen=True)
class DomainEntry:
    """A domain, its folder beside the manifest, and its two splits."""

    name: str
    folder: str
    train: SplitEntry
    eval: SplitEntry

    def split(self, name: Split) -> SplitEntry:
        """The split of this name."""
        return self.train if name == "train" else self.eval


@dataclass(frozen=True)
class Tokenizer:
    """What the shards were tokenized with.

    Attributes:
        file: the copy beside the manifest.
        sha256: of that file.
        vocab_size: ids are below it.
        special_ids: by use ("bos", "eos", "pad", "unk"); None where there is none.
        name: as given to the export.
    """

    file: str
    sha256: str
    vocab_size: int
    special_ids: Mapping[str, int | None]
    name: str

    @property
    def pad_id(self) -> int:
        """The id that rows are filled up with."""
        pad = self.special_ids.get("pad")
        return 0 if pad is None else pad


@dataclass(frozen=True)
class Manifest:
    """A manifest that has been checked.

    Attributes:
        where: path or address it was read from, for messages.
        sha256: of its bytes; it names the export.
        row_length: tokens of each row, padding included.
        token_dtype: how tokens are stored.
        packing: how documents were laid into rows.
        tokenizer: see there.
        domains: by name, sorted.
        record: the whole file as parsed, for what is not listed here (recipe, table versions, counts).
        loss_weights: whether each token has a weight in the loss, as in exports of conversations.
    """

    where: str
    sha256: str
    row_length: int
    token_dtype: Literal["uint16", "uint32"]
    packing: str
    tokenizer: Tokenizer
    domains: Mapping[str, DomainEntry]
    record: Mapping[str, Any]
    loss_weights: bool = False

    @cached_property
    def shards(self) -> tuple[ShardEntry, ...]:
        """All shards, sorted by domain, split and path."""
        return tuple(shard for one in self.domains.values() for split in SPLITS for shard in one.split(split).shards)

    def rows(self, split: Split = "train") -> dict[str, int]:
        """Rows of each domain, sorted by name."""
        return {name: domain.split(split).num_rows for name, domain in self.domains.items()}

    def check_tokenizer(self, path: str | Path) -> None:
        """Make sure that a tokenizer file is the one that the shards were made with.

        Raises:
            ManifestError: it is another.
        """
        found = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        if found != self.tokenizer.sha256:
            raise ManifestError(
                f"{path} is another tokenizer than the one that {self.where} was exported with "
                f"({self.tokenizer.name!r}): its sha256 is {found}, expected {self.tokenizer.sha256}. Train with the "
                f"export's own {self.tokenizer.file}, or export again with this one"
            )


def read_manifest(path: str | Path) -> Manifest:
    """The manifest of an export; `path` is the export's folder or the manifest itself, on a local disk.

    Raises:
        ManifestError: there is none, or it is not one that can be trained on.
    """
    given = Path(path)
    file = given / NAME if given.is_dir() else given
    if not file.is_file():
        raise ManifestError(
            f"no {NAME} at {given}: expected the folder of a finished export (the manifest is written last, so an "
            "export that was interrupted has none; run it again)"
        )
    return parse_manifest(file.read_bytes(), where=str(file))


def parse_manifest(content: bytes, *, where: str) -> Manifest:
    """The manifest that these bytes are.

    Raises:
        ManifestError: naming the file, the field and what was expected.
    """
    try:
        record = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ManifestError(f"{where} is not JSON: {error}. Expected a manifest as the export writes it") from None
    top = _Fields(record, where, "")
    found = top.text("format")
    if found != FORMAT:
        raise top.error("format", f"is {found!r}, expected {FORMAT!r}: this is not a manifest of shards")
    version = top.number("version")
    if version != VERSION:
        raise top.error(
            "version", f"is {version}, and this code reads version {VERSION}: export again, or update Winnow"
        )
    row_length = top.number("row_length", least=1)
    dtype = top.choice("token_dtype", ("uint16", "uint32"))
    tokenizer = _tokenizer(top)
    if dtype == "uint16" and tokenizer.vocab_size > 1 << 16:
        raise top.error(
            "token_dtype", f"is 'uint16', which cannot hold the ids of a vocabulary of {tokenizer.vocab_size:,}"
        )
    shards = list(_shards(top, row_length))
    return Manifest(
        where=where,
        sha256=hashlib.sha256(content).hexdigest(),
        row_length=row_length,
        token_dtype="uint16" if dtype == "uint16" else "uint32",
        packing=top.text("packing"),
        tokenizer=tokenizer,
        domains=_domains(top, shards),
        record=record,
        loss_weights="loss_weights" in record and bool(top.choice("loss_weights", ("float16",))),
    )


class _Fields:
    """A JSON object whose fields are asked for by type; errors say which field of which file is wrong."""

    def __init__(self, record: Any, where: str, place: str) -> None:
        if not isinstance(record, dict):
            raise ManifestError(f"{where}: {place or 'the file'} is {_shown(record)}, expected an object")
        self.record, self.where, self.place = record, where, place

    def error(self, name: str, what: str) -> ManifestError:
        return ManifestError(f"{self.where}: field {self.place}{'.' if self.place else ''}{name} {what}")

    def value(self, name: str) -> Any:
        found = self.record.get(name, _NO_DEFAULT)
        if found is _NO_DEFAULT:
            raise self.error(name, "is missing")
        return found

    def number(self, name: str, least: int = 0) -> int:
        found = self.value(name)
        if type(found) is not int or found < least:
            raise self.error(name, f"is {_shown(found)}, expected a whole number of at least {least}")
        return found

    def text(self, name: str) -> str:
        found = self.value(name)
        if type(found) is not str or not found:
            raise self.error(name, f"is {_shown(found)}, expected text")
        return found

    def digits(self, name: str, num: int) -> str:
        found = self.value(name)
        if type(found) is not str or len(found) != num or not _HEX.issuperset(found):
            raise self.error(name, f"is {_shown(found)}, expected {num} hexadecimal digits in lower case")
        return found

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        found = self.value(name)
        if found not in choices:
            raise self.error(name, f"is {_shown(found)}, expected one of {', '.join(choices)}")
        return str(found)

    def inner(self, name: str) -> "_Fields":
        return _Fields(self.value(name), self.where, f"{self.place}{'.' if self.place else ''}{name}")

    def every(self, name: str) -> list[Any]:
        found = self.value(name)
        if not isinstance(found, list) or not found:
            raise self.error(name, f"is {_shown(found)}, expected a list that is not empty")
        return found


def _tokenizer(top: _Fields) -> Tokenizer:
    fields = top.inner("tokenizer")
    vocab_size = fields.number("vocab_size", least=1)
    special = fields.inner("special_ids")
    for name, value in special.record.items():
        if value is not None and (type(value) is not int or not 0 <= value < vocab_size):
            raise special.error(name, f"is {_shown(value)}, expected an id below the vocabulary's size {vocab_size}")
    return Tokenizer(
        file=fields.text("file"),
        sha256=fields.digits("sha256", 64),
        vocab_size=vocab_size,
        special_ids=dict(special.record),
        name=str(fields.value("name")),
    )


def _shards(top: _Fields, row_length: int) -> Iterator[ShardEntry]:
    seen: set[str] = set()
    for number, record in enumerate(top.every("shards")):
        fields = _Fields(record, top.where, f"shards[{number}]")
        path, num_rows, num_tokens = fields.text("path"), fields.number("num_rows"), fields.number("num_tokens")
        if path.startswith("/") or "\\" in path or ".." in path.split("/"):
            raise fields.error("path", f"is {path!r}, expected a path inside the export's folder")
        if path in seen:
            raise fields.error("path", f"is {path!r}, which is listed twice")
        seen.add(path)
        if num_tokens > num_rows * row_length:
            raise fields.error("num_tokens", f"is {num_tokens:,}, more than {num_rows:,} rows of {row_length:,} hold")
        yield ShardEntry(
            path,
            fields.text("domain"),
            "train" if fields.choice("split", SPLITS) == "train" else "eval",
            num_rows,
            num_tokens,
            fields.number("num_bytes"),
            fields.digits("sha256", 64),
            fields.digits("xxh3", 16),
        )


def _domains(top: _Fields, shards: list[ShardEntry]) -> dict[str, DomainEntry]:
    def place(shard: ShardEntry) -> tuple[str, str]:
        return shard.domain, shard.split

    shards.sort(key=lambda shard: (shard.domain, shard.split, shard.path))
    by_split = {key: tuple(group) for key, group in groupby(shards, key=place)}
    found: dict[str, DomainEntry] = {}
    for number, record in enumerate(top.every("domains")):
        fields = _Fields(record, top.where, f"domains[{number}]")
        name = fields.text("name")
        if name in found:
            raise fields.error("name", f"is {name!r}, which is listed twice")
        entries: dict[str, SplitEntry] = {}
        for split in SPLITS:
            own = by_split.pop((name, split), ())
            inner = fields.inner(split)
            entries[split] = SplitEntry(inner.number("num_rows"), inner.number("num_tokens"), own)
            for count in ("num_rows", "num_tokens"):
                listed, total = getattr(entries[split], count), sum(getattr(shard, count) for shard in own)
                if listed != total:
                    raise inner.error(count, f"is {listed:,}, but the shards of this split have {total:,}")
        found[name] = DomainEntry(name, fields.text("folder"), entries["train"], entries["eval"])
    if by_split:
        domain, _ = next(iter(by_split))
        raise top.error("domains", f"has no {domain!r}, to which {by_split[next(iter(by_split))][0].path} belongs")
    return {name: found[name] for name in sorted(found)}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
