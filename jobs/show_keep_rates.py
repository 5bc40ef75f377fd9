"""Job: who is dropped: the share of documents kept by source, language, length and fields of the metadata."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.printable import one_line
from curation.report.collect import language_column
from curation.report.groups import Group, KeepRates
from curation.report.keep_rates import ALL, LANGUAGE, LENGTH, SOURCE, KeepRateError, facts, keep_rates
from jobs.lake import Lake
from jobs.lake_reader import EngineReader
from jobs.recorded_recipe import recipe_of

_MOST_SHOWN = 25


def count_keep_rates(lake: Lake, by: Sequence[str] = ()) -> tuple[Group, list[KeepRates]]:
    """All documents, and documents by each of some properties, as the newest decisions have them.

    Args:
        lake: the lake.
        by: `source`, `language`, `length`, `metadata.FIELD`; none: the first three, as far as they are measured.

    Raises:
        LakeError: a table is not there yet.
        KeepRateError: documents cannot be counted by one of these.
    """
    recipe = recipe_of(EngineReader(lake))
    language = language_column(recipe)
    if LANGUAGE in by and language is None:
        raise KeepRateError(
            f"the recipe {recipe.name!r} measures no language: add curation.signals.language.Language() to its "
            "signals, or leave --by language out"
        )
    asked = list(dict.fromkeys(by)) or [SOURCE, *([LANGUAGE] if language else []), LENGTH]
    counted = facts(lake.read("decisions"), lake.read("signals"), lake.read("documents"), language)
    found = keep_rates(counted, [ALL, *asked], [rule.name for rule in recipe.rules])
    total = next(iter(found.pop(ALL).groups), Group(name=None))
    return total, list(found.values())


def show_keep_rates(lake: Lake, console: Console, by: Sequence[str] = (), *, as_json: bool = False) -> None:
    """Print documents by each of some properties, and which groups lose far more than the rest.

    Args:
        lake: the lake.
        console: where to print.
        by: see `count_keep_rates`.
        as_json: print JSON: `{"lake": ..., "all": ..., "by": {property: [group, ...]}}`.
    """
    total, rates = count_keep_rates(lake, by)
    if as_json:
        body = {"lake": lake.path, "all": _plain(total), "by": {one.by: _listed(one, total) for one in rates}}
        console.print(json.dumps(body, indent=2, ensure_ascii=False), markup=False, highlight=False, soft_wrap=True)
        return
    for one in rates:
        console.print(_table(one, total))
        for group in one.uneven(total):
            console.print(Text(f"WARNING: {one.said(group, total)}", style="bold yellow"))


def _table(rates: KeepRates, total: Group) -> Table:
    table = Table(title=f"Documents by {rates.by}", title_justify="left", title_style="bold")
    table.add_column(rates.by)
    for heading in ("documents", "after rules", "kept", "share left by rules", "beside all"):
        table.add_column(heading, justify="right")
    usual = total.after_rules / total.documents if total.documents else 0.0
    for group in [*rates.groups[:_MOST_SHOWN], dataclasses.replace(total, name="all")]:
        share = group.after_rules / group.documents if group.documents else 0.0
        table.add_row(
            Text("(none)" if group.name is None else one_line(group.name)),
            *(f"{number:,}" for number in (group.documents, group.after_rules, group.kept)),
            f"{share:.1%}",
            f"{share / usual:.2f} x" if usual else "",
            end_section=group is rates.groups[:_MOST_SHOWN][-1] if rates.groups else False,
        )
    more = len(rates.groups[_MOST_SHOWN:]) + rates.others[0]
    table.caption = f"and {more:,} more" if more else None
    return table


def _plain(group: Group) -> dict[str, Any]:
    return dataclasses.asdict(group)


def _listed(rates: KeepRates, total: Group) -> list[dict[str, Any]]:
    uneven = rates.uneven(total)
    return [
        _plain(group)
        | {"uneven": group in uneven}
        | {"reasons": [{"name": n, "documents": k, "times": t} for n, k, t in rates.reasons.get(group.name, ())]}
        for group in rates.groups
    ]


if __name__ == "__main__":
    from jobs.cli import main

    main(["keep-rates", *sys.argv[1:]])
