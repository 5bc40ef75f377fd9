"""What an export of conversations holds, told in one screen."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from curation.export.manifest import SUPERVISED
from jobs.conversation_mix import NOT_DRAWN
from jobs.export_shards import Exported
from jobs.export_summary import tell

Counts = Mapping[str, Any]


def show(done: Exported, to: str, console: Console) -> None:
    """Print what was exported, by dataset, and why conversations were left out; or that it was there already."""
    tell(done, to, console, _table(done.manifest), _lines(done))


def _table(manifest: Counts) -> Table:
    table = Table(title="Exported conversations", title_justify="left", title_style="bold", show_footer=True)
    told = manifest["conversations"]["datasets"]
    total = manifest["counts"]
    table.add_column("dataset", "all")
    for name, number in (
        ("read", sum(one["num_read"] for one in told.values())),
        ("kept", sum(one["num_kept"] for one in told.values())),
        ("tokens", total["num_tokens"]),
    ):
        table.add_column(name, f"{number:,}", justify="right")
    table.add_column("learnt", _share(total.get(SUPERVISED, 0), total["num_tokens"]), justify="right")
    table.add_column("rows", f"{total['num_rows']:,}", justify="right")
    room = total["num_tokens"] + total["num_padding"]
    table.add_column("padding", _share(total["num_padding"], room), justify="right")
    for domain in manifest["domains"]:
        one, both = told[domain["name"]], (domain["train"], domain["eval"])
        sums = {
            name: sum(part.get(name, 0) for part in both)
            for name in ("num_tokens", SUPERVISED, "num_rows", "num_padding")
        }
        table.add_row(
            domain["name"],
            f"{one['num_read']:,}",
            f"{one['num_kept']:,}",
            f"{sums['num_tokens']:,}",
            _share(sums[SUPERVISED], sums["num_tokens"]),
            f"{sums['num_rows']:,}",
            _share(sums["num_padding"], sums["num_tokens"] + sums["num_padding"]),
        )
    return table


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _lines(done: Exported) -> list[str]:
    manifest, counts = done.manifest, done.manifest["counts"]
    size = sum(shard["num_bytes"] for shard in manifest["shards"])
    lines = [
        f"{counts['num_tokens']:,} tokens in {counts['num_rows']:,} rows of {manifest['row_length']:,}, "
        f"{len(manifest['shards']):,} shards, {size / 1e6:,.1f} MB ({manifest['token_dtype']}); template "
        f"{manifest['chat']['template']['name']}, trained on: {manifest['chat']['train_on'].replace('_', ' ')}."
    ]
    if not done.skipped:
        num_read = sum(one["num_read"] for one in manifest["conversations"]["datasets"].values())
        rate = num_read / max(done.seconds, 1e-9)
        lines.append(f"{num_read:,} conversations read in {done.seconds:.1f} s, {rate:,.0f} per second.")
    reasons: Counter[str] = Counter()
    for one in manifest["conversations"]["datasets"].values():
        reasons.update(one["dropped"])
    held = sum(domain["eval"]["num_documents"] for domain in manifest["domains"])
    lines.append(f"{held:,} conversations are held out, {reasons.pop(NOT_DRAWN, 0):,} are not drawn.")
    if reasons:
        named = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
        lines.append(f"Dropped: {named} ({manifest['conversations']['file']} names each).")
    return lines + done.notes
