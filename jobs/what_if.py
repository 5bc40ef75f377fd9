"""Job: what would change under other rules, counted and sampled from the stored numbers. Nothing is written."""

import json
from collections.abc import Sequence

from pyspark.sql import DataFrame
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from curation.decide import FEWEST_REASONS, NOT_REPRESENTATIVE, decided, without_sampling
from curation.errors import LakeError
from curation.printable import one_line
from curation.recipe import Recipe
from curation.rules import Rule
from curation.what_changes import (
    ChangeCount,
    Sample,
    WhatChanges,
    compared,
    count_changes,
    count_reasons,
    sample_changes,
    total_of,
)
from curation.what_if import Altered, altered
from jobs.decide_documents import decide_key
from jobs.lake import Lake
from jobs.lake_figures import num_rows
from jobs.stage import up_to_date
from jobs.story_view import value_text


def show_what_if(
    lake: Lake,
    assignments: Sequence[str],
    console: Console,
    *,
    recipe: Recipe | None = None,
    num_samples: int = 2,
    as_json: bool = False,
) -> None:
    """Print what would change; see `what_if`."""
    found = what_if(lake, assignments, recipe=recipe, num_samples=num_samples)
    if as_json:
        body = json.dumps(found.as_json(), indent=2, ensure_ascii=False)
        console.print(body, markup=False, highlight=False, soft_wrap=True)
    else:
        console.print(what_if_view(found))


def what_if(
    lake: Lake, assignments: Sequence[str], *, recipe: Recipe | None = None, num_samples: int = 2
) -> WhatChanges:
    """What would change if rules had other bounds. Reads stored signals and clusters, and writes nothing.

    Rules and deduplication are decided anew under both sets of rules; both sides are compared before the draw.

    Args:
        lake: the lake; it need not be held.
        assignments: `NAME=VALUE`, see `curation.what_if`.
        recipe: where the changes start; None: the recipe of the newest decisions.
        num_samples: documents to show for each reason, each way.

    Raises:
        WinnowError: an assignment means no rule, or the lake lacks what the rules need.
    """
    base = recorded(lake) if recipe is None else recipe
    changed = altered(base, assignments)
    signals, documents = lake.read("signals"), lake.read("documents").select("doc_id", "source", "text")
    every_rule = _check_measured(lake, signals.columns, [*base.rules, *changed.rules])
    clusters = lake.read("clusters") if changed.drops_duplicates else None
    after = decided(changed.rules, clusters, base.hash)(signals)
    verdicts = compared(signals, documents, _verdicts_now(lake, base, signals), after).persist()
    try:
        sources = count_changes(verdicts)
        dropped_by, kept_from = count_reasons(verdicts, [rule.name for rule in every_rule])
        dropped, kept = sample_changes(verdicts, signals, documents, every_rule, num_samples)
    finally:
        verdicts.unpersist()
    total = total_of(sources)
    return WhatChanges(
        recipe_name=base.name,
        alterations=changed.alterations,
        total=total,
        sources=sources,
        dropped_by=dropped_by,
        kept_from=kept_from,
        dropped_samples=dropped,
        kept_samples=kept,
        notes=tuple(_notes(lake, base, changed, total, kept_from)),
    )


def recorded(lake: Lake) -> Recipe:
    """The recipe of the newest decisions.

    Raises:
        LakeError: nothing is decided yet.
    """
    info = lake.info("decisions")
    if info is None or "recipe" not in info:
        raise LakeError(f"{lake.location('decisions')} does not exist: run `winnow decide` first, or give --recipe")
    return Recipe.from_json(json.dumps(info["recipe"]))


def what_if_view(found: WhatChanges) -> RenderableType:
    """The comparison on a terminal."""
    parts: list[RenderableType] = [Text(f"What if, compared with {found.recipe_name}; nothing is written", "bold")]
    for change in found.alterations:
        parts.append(Text(f"  {change.reason}: {change.before or '(no rule)'}  →  {change.after or 'off'}"))
    parts += [Text(""), _counts_table(found.sources, found.total)]
    if found.total.other_reasons:
        parts.append(Text(f"{found.total.other_reasons:,} stay dropped, for other reasons.", "dim"))
    for title, counts, samples in (
        ("Newly dropped, by reason", found.dropped_by, found.dropped_samples),
        ("Newly kept, by the reason that drops them now", found.kept_from, found.kept_samples),
    ):
        if counts:
            parts.append(Text(f"\n{title}", "bold"))
            parts += [Text(f"  {count:>9,}  {reason}") for reason, count in counts.items()]
            parts.append(_samples_table(samples))
    parts += [Text(f"Note: {note}", "yellow") for note in found.notes]
    return Group(*parts)


def _check_measured(lake: Lake, columns: Sequence[str], rules: Sequence[Rule]) -> list[Rule]:
    """The rules, each name once, the later bound; every signal that they are on is in the lake."""
    missing = sorted({rule.on.split(".")[0] for rule in rules} - set(columns))
    if missing:
        raise LakeError(
            f"{lake.location('signals')} does not hold {', '.join(missing)}, which the rules look at: run "
            "`winnow measure` with this recipe first"
        )
    return list({rule.name: rule for rule in rules}.values())


def _verdicts_now(lake: Lake, base: Recipe, signals: DataFrame) -> DataFrame:
    """Verdicts of rules and deduplication as they are: those that are stored where they are up to date, else anew."""
    if up_to_date(lake, "decisions", "decide", decide_key(lake, base)):
        return lake.read("decisions").select("doc_id", without_sampling().alias("reasons"))
    return decided(base.rules, None if base.dedup is None else lake.read("clusters"), base.hash)(signals)


def _notes(lake: Lake, base: Recipe, changed: Altered, total: ChangeCount, kept_from: dict[str, int]) -> list[str]:
    notes: list[str] = []
    unmeasured = num_rows(lake, "documents") - total.documents
    if unmeasured:
        notes.append(f"{unmeasured:,} documents are not measured yet and are not counted: run `winnow measure`.")
    if base.sampling is not None:
        notes.append("Kept means kept by rules and deduplication: the draw that follows is not repeated here.")
    freed = kept_from.get(NOT_REPRESENTATIVE, 0)
    if freed and changed.drops_duplicates:
        notes.append(
            f"{freed:,} are newly kept because the document that stands for them would be dropped. Among those that "
            "are alike, `winnow dedup` would choose a new one to stay."
        )
    elif base.dedup is not None and FEWEST_REASONS in base.dedup.keep and changed.drops_duplicates:
        notes.append("Clusters are as stored: `winnow dedup` under the new rules may choose other representatives.")
    return notes


def _counts_table(sources: Sequence[ChangeCount], total: ChangeCount) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("source", overflow="fold")
    for name in ("documents", "kept now", "kept then", "newly dropped", "newly kept", "MB now", "MB then"):
        table.add_column(name, justify="right")
    for count in (*sources, total):
        table.add_row(
            "all" if count.source is None else one_line(count.source, 60),
            *(f"{number:,}" for number in (count.documents, count.kept_before, count.kept_after)),
            f"{count.newly_dropped:,}" if count.newly_dropped else "",
            f"{count.newly_kept:,}" if count.newly_kept else "",
            f"{count.bytes_before / 1e6:,.1f}",
            f"{count.bytes_after / 1e6:,.1f}",
            style="bold" if count.source is None else "",
        )
    return table


def _samples_table(samples: Sequence[Sample]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 0, 0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for sample in samples:
        values = ", ".join(f"{column} {value_text(value)}" for column, value in sample.measured.items())
        line = Text(sample.first_line)
        line.append(f"\n{', '.join(sample.reasons)}{': ' + values if values else ''}", style="dim")
        table.add_row(sample.doc_id, line)
    return table
