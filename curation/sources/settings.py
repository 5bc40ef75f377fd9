"""What is read and how: the settings of an ingest, and the error for an input that cannot be used."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Literal, get_args

import xxhash

from curation.errors import WinnowError

Format = Literal["jsonl", "parquet", "delta", "warc"]
Extractor = Literal["resiliparse", "trafilatura", "none"]

READER_VERSION = 1
"""Raised when the readers give other rows for the same bytes: what was ingested by an older one is then read again."""


class InputError(WinnowError):
    """An input that is not there, cannot be listed, or cannot be told apart from another."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds that keep a broken or hostile file from taking the machine with it.

    Attributes:
        max_record_bytes: a longer record (a line of JSONL, the text of a Parquet row) is quarantined. Memory of a
            reader is bounded by a few times this.
        max_unpacked_bytes: a compressed file that unpacks to more is cut there (`file.bomb`).
        max_expansion: unpacked bytes per packed byte beyond which a compressed file is cut (`file.bomb`); judged once
            64 MiB have been unpacked. Text packs 3 to 50 times, gzip at most 1032 times.
        max_raw_bytes: how much of a quarantined record is kept.
    """

    max_record_bytes: int = 50_000_000
    max_unpacked_bytes: int = 256 << 30
    max_expansion: float = 250.0
    max_raw_bytes: int = 64 << 10

    def __post_init__(self) -> None:
        for name in ("max_record_bytes", "max_unpacked_bytes", "max_expansion"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}: expected a number above 0")
        if self.max_raw_bytes < 0:
            raise InputError(f"max_raw_bytes is {self.max_raw_bytes}: expected 0 or more")
        if self.max_record_bytes > 1 << 30:
            raise InputError(f"max_record_bytes is {self.max_record_bytes}: expected at most {1 << 30} (1 GiB)")


@dataclass(frozen=True, kw_only=True)
class Ingest:
    """Which files are read, and which of their fields become what.

    Attributes:
        inputs: files, folders and patterns (`*`, `?`, `[...]`, `**`), as paths or URIs (`s3://`, `gs://`, `hdfs://`). A
            folder, also one that a pattern matches, stands for all files below it whose name ends in a known format;
            names that begin with `.` or `_` are left out unless the pattern says so. A folder with a `_delta_log` is
            read as the Delta table that it is.
        root: the folder that files are named from. None takes, for each input, its longest folder without wildcards.
        text_field: the field that holds the text. Dotted names reach into nested fields; a field whose own name has
            the dots in it comes first.
        id_field: the field that holds the user's own id, kept as `record_id`.
        source_field: the field that names the source; where it is missing, the first folder below the root does, else
            the file's name without its ending.
        url_field: the field that holds the address.
        format: the format of every file, whatever its name ends in. None goes by the names. Compression (`.gz`, `.zst`)
            always goes by the name.
        html_field: the field that holds a page's HTML, as text or (in Parquet) bytes; it takes the place of the text's
            field. None: no field does.
        extractor: what makes text of HTML, in WARC files and `html_field`: `resiliparse` (fast), `trafilatura` (leaves
            out more of what is not the main text, 15 times slower) or `none` (the HTML itself becomes the text).
        limits: bounds on records and files.
    """

    inputs: tuple[str, ...]
    root: str | None = None
    text_field: str = "text"
    id_field: str = "id"
    source_field: str = "source"
    url_field: str = "url"
    format: Format | None = None
    html_field: str | None = None
    extractor: Extractor = "resiliparse"
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not isinstance(self.inputs, tuple) or not self.inputs or not all(self.inputs):
            raise InputError(f"inputs is {self.inputs!r}: expected one or more paths, folders or patterns")
        names = (self.content_field, self.id_field, self.source_field, self.url_field)
        if not all(names) or len(set(names)) < len(names):
            raise InputError(f"the fields for text, id, source and url are {names}: expected four different names")
        if self.format is not None and self.format not in get_args(Format):
            raise InputError(f"unknown format {self.format!r}: expected one of {', '.join(get_args(Format))}")
        if self.extractor not in get_args(Extractor):
            raise InputError(f"unknown extractor {self.extractor!r}: expected one of {', '.join(get_args(Extractor))}")

    @property
    def content_field(self) -> str:
        """The field that the text is read from, or the HTML that it is made of."""
        return self.text_field if self.html_field is None else self.html_field

    def reading_key(self) -> str:
        """Hash (16 hex digits) of the settings that change the rows: all but where the files are."""
        settings = dataclasses.asdict(self) | {"reader": READER_VERSION}
        del settings["inputs"], settings["root"]
        # Left out where they change nothing, so that what was ingested before they were there is not read again.
        if self.html_field is None:
            del settings["html_field"]
        if self.extractor == "resiliparse":
            del settings["extractor"]
        return xxhash.xxh3_64_hexdigest(json.dumps(settings, sort_keys=True).encode())
