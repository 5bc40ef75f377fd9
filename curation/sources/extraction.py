"""HTML to main text, by a library of the user's choice; what cannot be one says why."""

import importlib
import importlib.metadata
import logging
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from curation.sources.charset import decode_page
from curation.sources.record import RecordFault
from curation.sources.settings import Extractor, InputError
from curation.text.tag_depth import tag_depth

MAX_DEPTH = 2000
"""Levels of nesting that a page may have. Extraction takes time in their square: 2,000 take 0.3 s, 8,000 five."""

_MODULES: dict[Extractor, tuple[str, ...]] = {
    "resiliparse": ("resiliparse.extract.html2text", "resiliparse.parse.encoding", "brotli"),
    "trafilatura": ("trafilatura", "resiliparse.parse.encoding", "brotli"),
    "none": ("resiliparse.parse.encoding", "brotli"),
}
_TAG = re.compile(rb"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)")
_UNCLOSED = re.compile(
    b"area|base|br|col|dd|dt|embed|hr|img|input|li|link|meta|option|p|param|source|td|th|tr|track|wbr", re.IGNORECASE
)
_BINARY = (b"%PDF", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"PK\x03\x04", b"\x1f\x8b", b"RIFF", b"\x7fELF", b"Rar!")
_ANY_TAG = re.compile(r"<(?:!doctype|[a-z][a-z0-9:-]*[\s/>])", re.IGNORECASE)


def check_extractor(name: Extractor) -> None:
    """Make sure that the libraries are there.

    Raises:
        InputError: one is not.
    """
    for module in _MODULES[name]:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise InputError(
                f"pages are to be read with extractor {name!r}, and {module.partition('.')[0]} cannot be imported "
                f"({error}): install it with pip install 'winnow[crawl]'"
            ) from error


def extractor_version(name: Extractor) -> str:
    """The extractor and the version that is installed, to be written down with what it made."""
    return name if name == "none" else f"{name} {importlib.metadata.version(name)}"


def extract_page(page: str | bytes, extractor: Extractor, content_type: str | None = None) -> tuple[str, str]:
    """The text of a page, and the character set that the page was read by.

    Args:
        page: its HTML.
        extractor: what makes the text.
        content_type: the header of that name, which may say the character set.

    Raises:
        RecordFault: it is no HTML (`html.not_html`), no character set fits (`html.undecodable`), it is nested too
            deeply (`html.too_deep`), the library fails (`html.extraction_failed`), or no text is in it (`text.empty`).
    """
    data = page if isinstance(page, bytes) else page.encode(errors="replace")
    if data.startswith(_BINARY):
        raise RecordFault("html.not_html", f"it begins with {data[:12]!r}, as no page does")
    charset = "unicode"
    if isinstance(page, bytes):
        decoded = decode_page(page, content_type)
        page, charset = decoded.text, decoded.charset
    deep, has_zero = tag_depth(np.frombuffer(data, np.uint8))
    if has_zero:
        page = page.replace("\0", "")  # as browsers do; libraries in C would stop there
    if not page or page.isspace():
        raise RecordFault("text.empty", "the page is empty")
    if _ANY_TAG.search(page) is None:
        raise RecordFault("html.not_html", f"there is no tag in it; it begins with {page[:40]!r}")
    is_wide = charset.startswith("utf-16")
    depth = nesting(page.encode() if is_wide else data) if is_wide or deep > MAX_DEPTH else 0
    if depth > MAX_DEPTH:
        raise RecordFault("html.too_deep", f"elements are nested {depth} deep, more than {MAX_DEPTH}")
    text = _text_of(page, extractor)
    if not text:
        raise RecordFault("text.empty", f"{extractor} finds no text in the page's {len(page)} characters")
    return text, charset


def nesting(page: bytes) -> int:
    """How deep elements are nested, at most; 0 where there are too few tags for `MAX_DEPTH`.

    Tags that need no end are left out. First a bound as if there were none such, which nearly every page passes.

    Args:
        page: HTML in any character set that holds ASCII as it is.
    """
    if tag_depth(np.frombuffer(page, np.uint8))[0] <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for closing, name in _TAG.findall(page):
        if not _UNCLOSED.fullmatch(name):
            depth = max(0, depth - 1) if closing else depth + 1
            deepest = max(deepest, depth)
    return deepest


def _text_of(page: str, extractor: Extractor) -> str:
    if extractor == "none":
        return page
    try:
        text = _resiliparse(page) if extractor == "resiliparse" else _trafilatura(page)
    except (ValueError, RuntimeError, TypeError, AttributeError, LookupError) as error:
        told = " ".join(str(error).split())[:200]
        raise RecordFault("html.extraction_failed", f"{extractor}: {type(error).__name__}: {told}") from error
    return text.strip()


def visible_text(page: str) -> str:
    """All text that a page shows, boilerplate included (by resiliparse)."""
    return _resiliparse(page, main_content=False)


@cache
def _extract_plain_text() -> Callable[..., str]:
    found: Callable[..., str] = importlib.import_module("resiliparse.extract.html2text").extract_plain_text
    return found


def _resiliparse(page: str, *, main_content: bool = True) -> str:
    extract = _extract_plain_text()
    return extract(page, preserve_formatting=True, main_content=main_content, alt_texts=False, comments=False)


def _trafilatura(page: str) -> str:
    library: Any = importlib.import_module("trafilatura")
    # It logs each page that it finds nothing in; here that is a row of the quarantine. The settings are FineWeb's.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    text: str | None = library.extract(page, favor_precision=True, include_comments=False, deduplicate=False)
    return text or ""
