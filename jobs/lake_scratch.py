"""Working tables that a server wrote for this run, in a folder that this machine may see as well."""

import shutil
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError


def drop_marked(scratch: Path, mark: str) -> None:
    """Delete the tables in a folder whose newest commit carries `mark`, and the folder if nothing else is in it.

    A folder of that name on this machine is the server's own only if it holds what the server was told to write there.
    """
    if not scratch.is_dir():
        return
    for folder in scratch.iterdir():
        if _mark_of(folder) == mark:
            shutil.rmtree(folder)
    if not any(scratch.iterdir()):
        scratch.rmdir()


def _mark_of(folder: Path) -> str | None:
    try:
        found = DeltaTable(str(folder)).history(1)[0].get("userMetadata")
    except (DeltaError, OSError):
        return None
    return None if found is None else str(found)
