"""Lists of domains and URLs in the layout of the University of Toulouse's (UT1), ready for look-up.

A folder has a folder per category, each with `domains` and `urls`, either of them packed by gzip or missing; a folder
that holds these files itself is one category, and so is a single file, of domains. A line is a host
(`example.com`, which covers its subdomains) or a URL without scheme (`example.com/path`, which covers what is below).
"""

import hashlib
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curation.signals.list_files import ListError, check_sha256, content_of, sha256_of
from curation.text.byte_table import ByteTable

MAX_BAD_LINES = 0.01
"""A file of which more than this share of the lines is not what it should be is refused."""

_KINDS = ("domains", "urls")
_DOMAIN = re.compile(rb"[^\s/:?#@\\,]+")
_URL = re.compile(rb"(?:[a-z][a-z0-9+.-]*://)?(?:[^\s/?#@]*@)?([^\s/:?#@\\,]+)(?::\d+)?((?:[/?][^\s#]*)?)(?:#\S*)?")


@dataclass(frozen=True)
class UrlLists:
    """Listed domains and URLs.

    Attributes:
        categories: names, sorted.
        domains: lower case, without dots at the ends.
        domain_category: int32; the category of each domain, the first in the alphabet that lists it.
        domain_categories: int64; RedPajama's number for all categories of each domain, see `combination_number`.
        urls: lower case, host (without `www.`), path and query; without scheme, port, fragment and slash at the end.
        url_category: int32; likewise.
    """

    categories: tuple[str, ...]
    domains: ByteTable
    domain_category: NDArray[np.int32]
    domain_categories: NDArray[np.int64]
    urls: ByteTable
    url_category: NDArray[np.int32]


def files_of(path: str, categories: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Category, kind (`domains` or `urls`) and path of every file of the lists, sorted.

    Args:
        path: a folder or a file.
        categories: those that are wanted; none for all.

    Raises:
        ListError: there is no list, or a category is not there.
    """
    root = Path(path)
    if root.is_file():
        found = [(root.name.split(".")[0], "domains", str(root))]
    else:
        folders = [root] if any(_files_in(root)) else sorted(root.iterdir()) if root.is_dir() else []
        # UT1 has links from old category names to new ones: a link counts as a category of its own.
        found = [(folder.name, kind, file) for folder in folders if folder.is_dir() for kind, file in _files_in(folder)]
    there = {category for category, _, _ in found}
    if not found:
        raise ListError(f"{path} holds no lists: expected a file, or a folder per category with `domains` or `urls`")
    missing = sorted(set(categories) - there)
    if missing:
        raise ListError(f"{path} has no category {', '.join(missing)}; it has {', '.join(sorted(there))}")
    return [one for one in found if not categories or one[0] in categories]


def _files_in(folder: Path) -> Iterator[tuple[str, str]]:
    for kind in _KINDS:
        for name in (kind, f"{kind}.gz"):
            if (folder / name).is_file():
                yield kind, str(folder / name)
                break


def read_lists(path: str, categories: tuple[str, ...], *, tell: bool = True) -> tuple[UrlLists, str]:
    """The lists, and the hash of all their files. Lines that are none are skipped, and with `tell` a warning says so.

    Raises:
        ListError: a file cannot be read, or too many of its lines are not what they should be.
    """
    digest = hashlib.sha256()
    files = files_of(path, categories)
    listed: dict[str, dict[bytes, str]] = {kind: {} for kind in _KINDS}
    more: dict[bytes, set[str]] = {}  # all categories of the domains that have several
    for category, kind, file in files:
        content = content_of(file)
        digest.update(f"{category}\0{kind}\0{sha256_of(content)}\n".encode())
        for entry in parse(file, kind, content, tell=tell):
            first = listed[kind].setdefault(entry, category)
            if kind == "domains" and first != category:
                more.setdefault(entry, {first}).add(category)
    names = tuple(sorted({name for kind in _KINDS for name in listed[kind].values()}))
    number = {name: i for i, name in enumerate(names)}
    tables = {kind: ByteTable.of(list(listed[kind])) for kind in _KINDS}
    of = {kind: np.array([number[name] for name in listed[kind].values()], np.int32) for kind in _KINDS}
    there = sorted({category for category, _, _ in files})
    singly = {name: combination_number({name}, there) for name in there}
    numbers = [
        combination_number(more[entry], there) if entry in more else singly[name]
        for entry, name in listed["domains"].items()
    ]
    combined = np.array(numbers, np.int64)
    return UrlLists(names, tables["domains"], of["domains"], combined, tables["urls"], of["urls"]), digest.hexdigest()


def combination_number(chosen: set[str], categories: list[str]) -> int:
    """The place of a set of categories among all sets of them: small ones first, then by the alphabet; from 0 on.

    Reference: togethercomputer/RedPajama-Data `app/src/artifacts/update_resources.py`.

    Args:
        chosen: at least one of `categories`.
        categories: sorted.
    """
    places = [place for place, name in enumerate(categories) if name in chosen]
    size, total = len(places), len(categories)
    number = sum(math.comb(total, smaller) for smaller in range(1, size))
    after = 0
    for k, place in enumerate(places):
        number += sum(math.comb(total - 1 - passed, size - 1 - k) for passed in range(after, place))
        after = place + 1
    return number


@lru_cache(maxsize=4)
def open_lists(path: str, categories: tuple[str, ...], sha256: str, remedy: str) -> UrlLists:
    """The lists that the recipe names, read once per process.

    Raises:
        ListError: they cannot be read, or are not those that the recipe names.
    """
    lists, found = read_lists(path, categories, tell=False)  # `Url.of` has told
    check_sha256(path, found, sha256, remedy)
    return lists


def parse(file: str, kind: str, content: bytes, *, tell: bool = True) -> list[bytes]:
    """The entries of one file, as `UrlLists` has them.

    Raises:
        ListError: more than `MAX_BAD_LINES` of its lines are no entries.
    """
    found, bad, num_lines = [], [], 0
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        line = raw.strip().lower()
        if not line or line.startswith(b"#"):
            continue
        num_lines += 1
        entry = _domain(line) if kind == "domains" else _url(line)
        if entry and _is_utf8(entry):
            found.append(entry)
        else:
            bad.append((number, raw[:80]))
    if bad:
        told = "; ".join(f"line {number}: {line!r}" for number, line in bad[:3])
        says = f"{file}: {len(bad)} of {num_lines} lines are no {kind} ({told})"
        if len(bad) > MAX_BAD_LINES * num_lines:
            raise ListError(
                f"{says}; expected one a line, such as {'a.example' if kind == 'domains' else 'a.example/b'}"
            )
        if tell:
            warnings.warn(f"{says}; they are skipped", stacklevel=2)
    return found


def _domain(line: bytes) -> bytes | None:
    return line.strip(b".") if _DOMAIN.fullmatch(line) else None


def _url(line: bytes) -> bytes | None:
    match = _URL.fullmatch(line)
    if match is None:
        return None
    return (match[1].rstrip(b".").removeprefix(b"www.") + match[2]).rstrip(b"/")


def _is_utf8(entry: bytes) -> bool:
    try:
        entry.decode()
    except UnicodeDecodeError:
        return False
    return True
