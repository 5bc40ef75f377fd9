"""What an ingest did, in numbers and in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """What an ingest did.

    Attributes:
        new: names of files that were read for the first time.
        changed: names of files that were read again, their old rows replaced.
        num_unchanged: files that needed nothing.
        missing: names of ingested files that the inputs no longer hold; their documents stay.
        removed: names of files that left a Delta table; their documents left too.
        ignored: names of files whose ending is of no known format.
        unreadable: names of files that could not be read now and are tried again next time.
        num_records: records read.
        num_documents: documents among them.
        quarantined: how many things were quarantined, by reason.
        skipped: records of WARC files that hold no page by their type, by type.
        num_bytes: unpacked bytes read.
        seconds: time it took.
        versions: versions of the tables afterwards.
        nothing_to_do: no table was changed.
    """

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    num_unchanged: int = 0
    missing: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    num_records: int = 0
    num_documents: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    num_bytes: int = 0
    seconds: float = 0.0
    versions: Mapping[str, int | None] = field(default_factory=dict)
    nothing_to_do: bool = False


def notes_of(done: Ingested) -> tuple[str, ...]:
    """What an ingest found, a line each, for people."""
    quarantined = sum(done.quarantined.values())
    skipped = sum(done.skipped.values())
    told = [
        (bool(done.new), f"{len(done.new)} new files"),
        (bool(done.changed), f"{len(done.changed)} changed files were read again: {_few(done.changed)}"),
        (bool(done.num_unchanged), f"{done.num_unchanged} files are unchanged"),
        (bool(done.removed), f"{len(done.removed)} files left their Delta table, with their documents"),
        (bool(done.ignored), f"{len(done.ignored)} files of other formats were passed over: {_few(done.ignored)}"),
        (bool(skipped), f"{skipped} WARC records hold no page and were passed over: {_reasons(done.skipped)}"),
        (bool(quarantined), f"{quarantined} records quarantined: {_reasons(done.quarantined)}"),
    ]
    return tuple(text for is_so, text in told if is_so)


def warnings_of(done: Ingested) -> tuple[str, ...]:
    """What of an ingest should be looked at."""
    told = [
        (done.missing, "ingested before are no longer there; their documents stay"),
        (done.unreadable, "cannot be read now and will be tried again"),
    ]
    return tuple(f"{len(names)} files {text}: {_few(names)}" for names, text in told if names)


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {num}" for reason, num in reasons.items())


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
