"""What an export holds, told in one screen."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.export.manifest import NAME, REPORT
from jobs.export_shards import Exported
from jobs.flags import show_warnings


def show(done: Exported, to: str, console: Console) -> None:
    """Print what was exported, by domain; or that it was there already."""
    tell(done, to, console, _table(done.manifest), _lines(done))


def tell(done: Exported, to: str, console: Console, table: Table, lines: Iterable[str]) -> None:
    """Print a table and lines of an export, its warnings, and where its files are."""
    if done.skipped:
        console.print(f"Nothing to do: {to} holds this export already.", soft_wrap=True)
    console.print(table)
    for line in lines:
        console.print(Text(line))
    show_warnings(done.warnings, console)
    console.print(f"Report: {to.rstrip('/')}/{REPORT}", soft_wrap=True)
    console.print(f"Manifest: {to.rstrip('/')}/{NAME}", soft_wrap=True)


def _table(manifest: Mapping[str, Any]) -> Table:
    table = Table(title="Exported", title_justify="left", title_style="bold", show_footer=True)
    total = manifest["counts"]
    table.add_column("domain", "all")
    table.add_column("documents", f"{total['num_documents']:,}", justify="right")
    table.add_column("copies", f"{total['num_repeats']:,}", justify="right")
    table.add_column("tokens", f"{total['num_tokens']:,}", justify="right")
    table.add_column("rows", f"{total['num_rows']:,}", justify="right")
    table.add_column("padding", _share(total), justify="right")
    table.add_column("cut", f"{total['num_truncated_documents']:,}", justify="right")
    for domain in manifest["domains"]:
        for name, part in ((domain["name"], domain["train"]), (f"{domain['name']}, held out", domain["eval"])):
            if part["num_rows"]:
                counts = [part[key] for key in ("num_documents", "num_repeats", "num_tokens", "num_rows")]
                cut = f"{part['num_truncated_documents']:,}"
                table.add_row(name, *(f"{number:,}" for number in counts), _share(part), cut)
    return table


def _share(counts: Mapping[str, int]) -> str:
    room = counts["num_tokens"] + counts["num_padding"]
    return f"{counts['num_padding'] / room:.2%}" if room else ""


def _lines(done: Exported) -> list[str]:
    counts, manifest = done.manifest["counts"], done.manifest
    size = sum(shard["num_bytes"] for shard in manifest["shards"])
    lines = [
        f"{counts['num_tokens']:,} tokens in {counts['num_rows']:,} rows of {manifest['row_length']:,}, "
        f"{len(manifest['shards']):,} shards, {size / 1e6:,.1f} MB ({manifest['token_dtype']}, {manifest['packing']}).",
    ]
    if not done.skipped:
        left_out = done.num_kept - counts["num_documents"] - counts["num_empty"] - counts["num_failed"]
        rate = counts["num_text_bytes"] / 1e6 / max(done.seconds, 1e-9)
        lines.append(f"{done.seconds:.1f} s, {rate:,.1f} MB/s of text.")
        if left_out > 0:
            lines.append(f"{left_out:,} kept documents have a weight below one and were not drawn.")
    if counts["num_truncations"]:
        lines.append(
            f"{counts['num_truncated_documents']:,} documents are cut, in {counts['num_truncations']:,} places."
        )
    return lines + done.notes
