"""Working tables that a server wrote for this run, in a folder that this machine may see as well."""

import json
import shutil
from pathlib import Path


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
    """Read from the log itself: a server may write types that no other reader of Delta tables understands."""
    newest = max(folder.glob("_delta_log/*.json"), default=None)
    if newest is None:
        return None
    with newest.open(encoding="utf-8") as lines:
        actions = [json.loads(line) for line in lines if line.strip()]
    marks = [action["commitInfo"].get("userMetadata") for action in actions if "commitInfo" in action]
    return marks[0] if marks else None
