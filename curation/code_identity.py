"""What code is: a hash that changes when the source of a module does, or of one that it imports."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec

_OURS = "curation"


@cache
def code_identity(*modules: str, alone: tuple[str, ...] = ()) -> str:
    """Hash of the sources of some modules and of all modules of `curation` that they import, however indirectly.

    It is the same whether they lie in a folder or in a zip. Comments count: a hash that is new without need costs a
    second look, one that is old in spite of a change would cost the truth.

    Args:
        modules: names such as `curation.export.stage`; they are not imported.
        alone: further modules, without what they import.
    """
    sources = sources_of(modules) | {name: source_of(name) for name in alone}
    digest = hashlib.sha256()
    for name, source in sorted(sources.items()):
        digest.update(f"{name}\0{len(source)}\0".encode() + source)
    return digest.hexdigest()[:16]


def sources_of(modules: Iterable[str]) -> dict[str, bytes]:
    """The sources that `code_identity` is a hash of, by the names of their modules."""
    found: dict[str, bytes] = {}
    waiting = set(modules)
    while waiting:
        name = waiting.pop()
        found[name] = source_of(name)
        waiting |= {other for other in _imported(found[name]) if other not in found}
    return found


def source_of(module: str) -> bytes:
    """The source of a module."""
    spec = find_spec(module)
    assert spec is not None, module
    assert spec.loader is not None, module
    source: str = spec.loader.get_source(module)  # type: ignore[attr-defined]  # loaders of folders and of zips have it
    return source.encode()


def _imported(source: bytes) -> Iterator[str]:
    """The modules of `curation` that a source imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == _OURS)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == _OURS:
            yield node.module
            package = find_spec(node.module)
            if package is not None and package.submodule_search_locations is not None:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name for name in names if find_spec(name) is not None)
