"""A file for the user, such as a page of a report: whole or not there."""

import os
from contextlib import suppress
from pathlib import Path

from curation.errors import WinnowError


def write_page(text: str, target: Path, failure: type[WinnowError]) -> Path:
    """Write a page of a report; gives its path.

    Raises:
        WinnowError: it cannot be written; of the type `failure`.
    """
    return write_file(text.encode(), target, failure, "the report")


def write_file(content: bytes, target: Path, failure: type[WinnowError], what: str) -> Path:
    """Write a file under a temporary name and rename it; gives its path. `what` it is, the error says.

    Raises:
        WinnowError: it cannot be written; of the type `failure`.
    """
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(target)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        reason = error.strerror or str(error)
        raise failure(f"cannot write {what} to {target}: {reason}. Give another file with --to.") from error
    return target
