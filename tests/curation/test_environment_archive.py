"""A packed environment runs where it is unpacked, with nothing of the machine that made it but system libraries."""

import ast
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.code_identity import sources_of
from curation.environment_archive import REQUIREMENTS, pack_environment
from curation.errors import EngineError

ROOT = Path(__file__).parents[2]


def test_it_runs_where_it_is_unpacked(tmp_path: Path) -> None:
    archive = pack_environment(tmp_path / "made" / "environment.tar.gz", ("orjson", "xxhash"))
    place = tmp_path / "some where else"
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
    code = (
        "import json, orjson, ssl, sys, xxhash; print(sys.prefix); print(*(m.__file__ for m in (json, orjson, xxhash)))"
    )
    said = subprocess.run(
        [str(place / "bin" / "python"), "-c", code], env={}, capture_output=True, text=True, check=True
    ).stdout
    prefix, files = said.splitlines()
    assert prefix == str(place)
    assert files.count(f"{place}/lib/") == 3


def test_what_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no-such-package is not installed"):
        pack_environment(tmp_path / "environment.tar.gz", ("no-such-package",))


def test_what_executors_import_is_packed() -> None:
    """Every package that a module with functions for executors imports is in the archive, or comes with Spark."""
    modules = [path for path in (ROOT / "curation").rglob("*.py") if "mapInArrow" in path.read_text(encoding="utf-8")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules]
    assert {"curation.export.stage", "curation.measure"} <= set(names)
    sources = sources_of(names)
    del sources["curation.sources.delta"]  # it lists files, which the driver does
    imported = {package for source in sources.values() for package in packages(source)}
    assert {"numba", "tokenizers"} <= imported
    needed = imported - set(sys.stdlib_module_names) - {"curation", "pyspark", "llvmlite"}  # which Numba brings
    assert needed <= set(REQUIREMENTS), needed - set(REQUIREMENTS)


def packages(source: bytes) -> Iterator[str]:
    """What a module imports when it is imported itself."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
