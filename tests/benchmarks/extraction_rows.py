"""Rows of extraction: what Winnow adds to the libraries that unpack, decode and extract pages."""

from pathlib import Path
from typing import Any

from measured import Bench

PAGES = Path(__file__).resolve().parents[3] / "shared" / "data" / "html" / "trafilatura_eval.parquet"
MOST_ADDED = 10.0
"""Per cent of the libraries' time."""
MOST_PAGES = {"resiliparse": 588, "trafilatura": 60}


def extraction(bench: Bench) -> None:
    """Real pages from a column and from a WARC file, by each extractor, on one core."""
    if not PAGES.is_file():
        bench.console.print(f"  extraction: the pages are not there ({PAGES}): no rows", style="yellow")
        return
    for extractor, most in MOST_PAGES.items():
        flags: list[Any] = ["--extractor", extractor, "--most", most, "--core", bench.cores[-1]]
        found, _ = bench.worker("extraction_here.py", PAGES, *flags, "--repeat", 2 * bench.repeat + 1)
        speed = found["megabytes"] / found["warc"]
        theirs = found["megabytes"] / found["zlib and extractor"]
        name = f"WARC to text, {extractor}, one core"
        bench.details[name] = found
        bench.compare(name, speed, f"zlib and {extractor}", theirs, None)
        for side, ours, theirs in (
            ("a column of HTML", "column", "extractor"),
            ("a WARC file", "warc", "zlib and extractor"),
        ):
            added = 100 * (found[ours] / found[theirs] - 1)
            bench.bound(f"added to the libraries, {side}, {extractor}", added, "% of their time", most=MOST_ADDED)
