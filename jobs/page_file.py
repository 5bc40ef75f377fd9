"""A page of a report as a file, whole or not there."""

import os
from contextlib import suppress
from pathlib import Path

from curation.errors import WinnowError


def write_page(text: str, target: Path, failure: type[WinnowError]) -> Path:
    """Write a page under a temporary name and rename it; gives its path.

    Raises:
        WinnowError: it cannot be written; of the type `failure`.
    """
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(target)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        reason = error.strerror or str(error)
        raise failure(f"cannot write the report to {target}: {reason}. Give another file with --to.") from error
    return target
