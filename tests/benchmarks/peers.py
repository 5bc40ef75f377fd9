"""The environments that the peers live in, apart from the project's: made when first needed, anew where pins change."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
SIZES = {
    "": "150 MB",
    "dolma": "130 MB",
    "curator": "2 MB",
    "kenlm": "1 MB of source",
    "loaders": "3 GB, most of it torch,",
}

WITHOUT_DEPENDENCIES = ("curator",)
"""Of these only what the pins name is installed."""


def peers_python(kind: str, tell: Callable[[str], object]) -> Path:
    """The interpreter of `.venv-peers`, or of `.venv-peers-<kind>`; `tell` is told where one has to be made.

    Raises:
        subprocess.CalledProcessError: the environment cannot be made, for instance without a network.
    """
    suffix = f"-{kind}" if kind else ""
    alone = ["--no-deps"] if kind in WITHOUT_DEPENDENCIES else []
    folder, pins = REPOSITORY / f".venv-peers{suffix}", HERE / f"constraints-peers{suffix}.txt"
    python, stamp = folder / "bin" / "python", folder / ".installed"
    if not (stamp.exists() and stamp.read_bytes() == pins.read_bytes()):
        tell(f"Making {folder.name} with the peers (once; about {SIZES[kind]} to fetch) ...")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        subprocess.run([*pip, *alone, "--requirement", str(pins)], check=True)
        stamp.write_bytes(pins.read_bytes())
    return python
