"""Run the notebooks here, each in a kernel of its own, and keep the outputs: `python notebooks/execute.py`."""

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

_HERE = Path(__file__).parent
_TIMEOUT_S = 600


def execute(source: Path, target: Path, work: Path) -> None:
    """Run the notebook `source` in the folder `work` and write it with its outputs to `target`.

    What differs from run to run without meaning anything (times, identifiers, version numbers) is not written.
    """
    notebook = nbformat.read(source, as_version=4)
    NotebookClient(
        notebook,
        timeout=_TIMEOUT_S,
        kernel_name="python3",
        record_timing=False,
        config=Config({"KernelManager": {"transport_encryption": "auto"}}),  # other users may read the loopback
        resources={"metadata": {"path": str(work)}},
    ).execute()
    _settle(notebook)
    nbformat.write(notebook, target)


def _settle(notebook: Any) -> None:
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}


def main(arguments: list[str] | None = None) -> None:
    """Run the notebooks one after the other; they share the lake that the first one makes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="how the names begin, for instance 05; all where none is given")
    parser.add_argument("--to", type=Path, default=_HERE, help="folder for the notebooks with outputs")
    chosen = parser.parse_args(arguments)
    chosen.to.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="winnow-notebooks-") as folder:
        work = Path(folder) / "work"
        work.mkdir()
        for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            os.environ[name] = str(Path(folder) / name.lower())
        for source in sorted(_HERE.glob("*.ipynb")):
            if not source.name.startswith(tuple(chosen.names or [""])):
                continue
            execute(source, chosen.to / source.name, work)
            sys.stdout.write(f"{source.name}\n")


if __name__ == "__main__":
    main()
