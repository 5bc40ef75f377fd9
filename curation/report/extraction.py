"""Pages beside the text that each extractor makes of them: what stays and what is left out, line by line."""

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curation.report.page import rendered
from curation.sources.extraction import extract_page, visible_text
from curation.sources.record import RecordFault
from curation.sources.settings import Extractor

EXTRACTORS: tuple[Extractor, ...] = ("resiliparse", "trafilatura")
_MOST_LINES = 400
_LINE_CHARS = 600
_BULLET = re.compile(r"^[-*\u2022\u25e6\u2023]\s+")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line that a page shows.

    Attributes:
        text: its words.
        kept: the extractors whose text has these words in a row.
    """

    text: str
    kept: tuple[Extractor, ...]


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """What one extractor made of a page.

    Attributes:
        text: the text, empty where there is none.
        fault: why there is none, in words.
        milliseconds: how long it took.
    """

    text: str = ""
    fault: str | None = None
    milliseconds: float = 0.0

    @property
    def num_words(self) -> int:
        """Words between white space."""
        return len(self.text.split())


@dataclass(frozen=True, kw_only=True)
class PageView:
    """A page and what became of it.

    Attributes:
        name: its address, else where it stands.
        origin: file and record.
        num_chars: characters of its HTML.
        lines: what it shows, from the top.
        found: by extractor.
    """

    name: str
    origin: str
    num_chars: int
    lines: tuple[Line, ...]
    found: Mapping[Extractor, Extracted]

    @property
    def shown(self) -> tuple[Line, ...]:
        """The lines, as many as are shown."""
        return self.lines[:_MOST_LINES]

    @property
    def agreement(self) -> float | None:
        """F1 of the words of both texts, in [0, 1]; None where neither has any."""
        one, other = (Counter(self.found[name].text.split()) for name in EXTRACTORS)
        total = one.total() + other.total()
        return 2 * (one & other).total() / total if total else None


def view_page(html: str, name: str, origin: str) -> PageView:
    """Extract the text of a page by every extractor.

    Args:
        html: the page.
        name: its address.
        origin: where it stands.
    """
    found = {extractor: _extracted(html, extractor) for extractor in EXTRACTORS}
    # As words between single blanks, so that it does not matter where an extractor breaks its lines.
    texts = {extractor: f" {' '.join(one.text.split())} " for extractor, one in found.items()}
    lines = []
    for line in visible_text(html).splitlines():
        words = " ".join(_BULLET.sub("", line.strip()).split())
        if words:
            kept = tuple(extractor for extractor in EXTRACTORS if f" {words} " in texts[extractor])
            lines.append(Line(text=words[:_LINE_CHARS], kept=kept))
    return PageView(name=name, origin=origin, num_chars=len(html), lines=tuple(lines), found=found)


def _extracted(html: str, extractor: Extractor) -> Extracted:
    start = time.perf_counter()
    try:
        text, fault = extract_page(html, extractor)[0], None
    except RecordFault as caught:
        text, fault = "", f"{caught.reason}: {caught.detail}"
    return Extracted(text=text, fault=fault, milliseconds=1000 * (time.perf_counter() - start))


def extraction_page(views: Sequence[PageView]) -> str:
    """The pages as one HTML page of the report's kind: no script, no request."""
    return rendered("extraction.html.j2", views=views, extractors=EXTRACTORS)
