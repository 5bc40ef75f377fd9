"""Python itself and the packages that executors need, as one archive for Spark to unpack beside them."""

import re
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from curation.errors import EngineError

REQUIREMENTS = ("numba", "numpy", "orjson", "pyarrow", "tokenizers", "xxhash", "zstandard")
"""What the functions that run on executors import. Spark brings PySpark along by itself."""

_LEFT_OUT = {"__pycache__", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "include"}
_LEFT_OUT_ENDINGS = (".a", ".pyc", ".h", ".pxd", ".pyi")


def pack_environment(target: Path, requirements: tuple[str, ...] = REQUIREMENTS) -> Path:
    """Write this interpreter, its standard library and `requirements` with all that they need into `target`.

    The archive (.tar.gz) holds `bin/python` and may be unpacked anywhere on a machine with the same system libraries.
    A virtual environment would not do: its interpreter is a link to a path of the machine that made it.

    Raises:
        EngineError: a requirement is not installed here, or this interpreter cannot be moved.
    """
    base, name = Path(sys.base_prefix), f"python{sys.version_info.major}.{sys.version_info.minor}"
    interpreter, library = base / "bin" / name, Path(sysconfig.get_path("stdlib", vars={"base": sys.base_prefix}))
    if not interpreter.is_file() or library != base / "lib" / name:
        raise EngineError(
            f"the interpreter at {base} is not laid out as bin/{name} and lib/{name}: pack an environment made with "
            "conda-pack instead"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:gz", compresslevel=1, dereference=True) as archive:
        archive.add(interpreter.resolve(), "bin/python")
        for path in _shared_libraries(base):
            archive.add(path, f"lib/{path.name}")
        _add_tree(archive, library, f"lib/{name}", skip="site-packages")
        for path, inside in _files(requirements):
            archive.add(path, f"lib/{name}/site-packages/{inside}", recursive=False)
    return target


def _shared_libraries(base: Path) -> Iterator[Path]:
    """The interpreter's own shared library, where it was built with one."""
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        yield from (path for path in (base / "lib").glob("libpython*.so*") if path.is_file())


def _add_tree(archive: tarfile.TarFile, folder: Path, inside: str, skip: str) -> None:
    def wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        name = entry.name.rsplit("/", 1)[-1]
        unwanted = name in _LEFT_OUT or name == skip or name.startswith("config-") or name.endswith(_LEFT_OUT_ENDINGS)
        return None if unwanted else entry

    archive.add(folder, inside, filter=wanted)


def _files(requirements: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """Files of the distributions and of what they require, with their paths inside site-packages."""
    waiting, seen = list(requirements), set[str]()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError as error:
            raise EngineError(f"{name} is not installed here: install Winnow with its requirements") from error
        # A requirement with a condition (an extra, an older Python) is left to those who list it themselves.
        waiting += [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in found.requires or [] if ";" not in line]
        for file in found.files or []:
            if _is_wanted(file.parts, file.name):
                yield Path(str(file.locate())), file.as_posix()


def _is_wanted(parts: tuple[str, ...], name: str) -> bool:
    return ".." not in parts and not _LEFT_OUT & set(parts) and not name.endswith(_LEFT_OUT_ENDINGS)
