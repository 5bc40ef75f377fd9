"""Job: which documents other implementations of the recipe's rules would keep or drop, and why. Nothing is written."""

import dataclasses
import json
import sys

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from curation.errors import WinnowError
from curation.printable import one_line
from curation.recipe import Recipe
from curation.report.dialects import compare_dialects, families_of, sampled
from curation.report.findings import Comparison, OneWay
from jobs.display import Silent
from jobs.lake import Lake
from jobs.lake_figures import num_rows
from jobs.stage import Display

_LINE_CHARS = 100


class DialectError(WinnowError):
    """A recipe of which no dialects can be compared."""


def dialects_of_lake(lake: Lake, recipe: Recipe, about: int, display: Display | None = None) -> tuple[Comparison, ...]:
    """Measure a sample of a lake's documents in every dialect of the recipe's families, and compare the verdicts.

    Args:
        lake: the lake.
        recipe: whose families and dialects.
        about: how many documents, chosen by their keys; what is measured of them is held in memory.
        display: shows how far it has come.

    Raises:
        DialectError: no signal of the recipe has dialects.
        LakeError: there are no documents.
    """
    families = families_of(recipe)
    if not families:
        raise DialectError(
            f"no signal of the recipe {recipe.name!r} has dialects: gopher, repetition, c4 and fineweb have; "
            "give a recipe with one of them by --recipe"
        )
    documents = lake.read("documents")
    there = num_rows(lake, "documents")
    with (display or Silent()).stage("dialects", min(about, there)):
        return compare_dialects(families, sampled(documents, there, about))


def show_dialects(found: tuple[Comparison, ...], console: Console, *, as_json: bool = False) -> None:
    """Print where dialects differ: a table for each family, then who is kept by one and dropped by another."""
    if as_json:
        body = json.dumps([_plain(one) for one in found], indent=2, ensure_ascii=False)
        console.print(body, markup=False, highlight=False, soft_wrap=True)
        return
    for comparison in found:
        console.print(_table(comparison))
        for way in comparison.ways:
            console.print(Text(f"\n{way.said}:"))
            for one in way.examples:
                line = Text(f"{one.excerpt.doc_id}  ", style="dim")
                line.append(one_line(one.excerpt.first_line, _LINE_CHARS), style="default")
                why = ", ".join(f"{reason} ({one.values[reason]})" for reason in one.reasons)
                console.print(Padding(line, (0, 0, 0, 2)))
                console.print(Padding(Text(why, style="dim"), (0, 0, 0, 4)))
        if not comparison.ways:
            console.print("Every dialect keeps the same documents.")
        console.print()


def _table(comparison: Comparison) -> Table:
    title = f"{comparison.family}: {comparison.documents:,} documents by each dialect's published rules"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("dialect")
    for heading in ("kept", "share", f"kept by {comparison.yours}, dropped by it", "the other way round"):
        table.add_column(heading, justify="right")
    ways = {(way.keeps, way.drops): way.documents for way in comparison.ways}
    for dialect, kept in comparison.kept.items():
        mine = dialect == comparison.yours
        table.add_row(
            f"{dialect} (yours)" if mine else dialect,
            f"{kept:,}",
            f"{kept / max(comparison.documents, 1):.1%}",
            "" if mine else f"{ways.get((comparison.yours, dialect), 0):,}",
            "" if mine else f"{ways.get((dialect, comparison.yours), 0):,}",
        )
    return table


def _plain(comparison: Comparison) -> dict[str, object]:
    def way(one: OneWay) -> dict[str, object]:
        body = dataclasses.asdict(one)
        body["reasons"] = [{"name": name, "documents": count} for name, count in one.reasons]
        return body

    return dataclasses.asdict(comparison) | {"ways": [way(one) for one in comparison.ways]}


if __name__ == "__main__":
    from jobs.cli import main

    main(["dialects", *sys.argv[1:]])
