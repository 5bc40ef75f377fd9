"""Job: a few pages of WARC files or of a column, with the text that each extractor makes of them, as one HTML page."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from curation.printable import one_line
from curation.report.extraction import EXTRACTORS, PageView, extraction_page, view_page
from curation.sources.extraction import check_extractor
from curation.sources.listing import find_files
from curation.sources.settings import Ingest, InputError
from curation.sources.work import is_extracted, scan_unit, units_of
from jobs.page_file import write_page

_NUMBERS_WIDTH = 60


def preview_pages(config: Ingest, to: str, console: Console, *, limit: int, skip: int = 0) -> list[PageView]:
    """Write the preview of some pages, in the order of the files, and print a line for each.

    Args:
        config: which files, and for JSONL and Parquet the field with the HTML.
        to: the file to write.
        console: where to print.
        limit: pages to show.
        skip: pages to pass over before.

    Raises:
        InputError: an input is not there, holds no pages, or an extractor is not installed.
    """
    for extractor in EXTRACTORS:
        check_extractor(extractor)
    chosen = list(islice(_pages(replace(config, extractor="none")), skip, skip + limit))
    if not chosen:
        raise InputError(
            f"no page was found in {', '.join(config.inputs)}"
            + (f" after the first {skip}" if skip else "")
            + ": expected WARC files, or JSONL or Parquet with --html-field"
        )
    view_page("<html><p>loads the libraries</p></html>", "", "")  # or the first page would be charged for it
    shown = track(chosen, "Extracting", console=console, transient=True)
    views = [view_page(html, name, origin) for html, name, origin in shown]
    target = write_page(extraction_page(views), Path(to), InputError)
    console.print(_table(views, console.width))
    console.print(f"Preview: {target}", soft_wrap=True)
    return views


def _pages(config: Ingest) -> Iterator[tuple[str, str, str]]:
    """HTML, name and origin of every page that can be read, in the order of the files."""
    for unit in units_of(find_files(config).files):
        if not is_extracted(unit.file, config) or ".wet" in unit.file.name.lower():
            continue
        for batch in scan_unit(unit, config):
            yield from _of_batch(batch.column("document"))


def _of_batch(documents: pa.StructArray) -> Iterator[tuple[str, str, str]]:
    for row in documents:
        document = row.as_py()
        if document is not None:
            origin = f"{document['origin']['file']}, record {document['origin']['record']}"
            yield document["text"], document["url"] or document["record_id"] or origin, origin


def _table(views: Sequence[PageView], width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=False)
    table.add_column("page", no_wrap=True)
    headings = ["HTML", *(heading for name in EXTRACTORS for heading in (f"{name}\nwords", "\nms")), "agree\nF1"]
    for heading in headings:
        table.add_column(heading, justify="right", min_width=max(map(len, heading.split())))
    for view in views:
        cells = []
        for name in EXTRACTORS:
            one = view.found[name]
            cells += ["none" if one.fault else f"{one.num_words:,}", f"{one.milliseconds:.1f}"]
        agreement = "" if view.agreement is None else f"{view.agreement:.2f}"
        table.add_row(
            Text(one_line(view.name, max(20, width - _NUMBERS_WIDTH))), f"{view.num_chars:,}", *cells, agreement
        )
    return table


if __name__ == "__main__":
    from jobs.cli import main

    main(["preview-pages", *sys.argv[1:]])
