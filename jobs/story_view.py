"""A document's story on a terminal."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from curation.printable import one_line
from curation.rules import Scalar
from curation.story import ClusterPlace, CutPiece, QuarantinedRecord, SourceRecord, Story, Verdict
from curation.word_diff import WordDiff

_MOST_MEMBERS = 8
_MOST_CUTS = 12
_MOST_FIELDS = 20
_MOST_OF_LIST = 5


def story_view(story: Story) -> RenderableType:
    """A document's whole story."""
    parts: list[RenderableType] = [_headline(story), *_record(story.record)]
    if story.rules:
        parts += [_title(_rules_title(story)), _rules(story)]
    if story.cluster is not None:
        parts += [_title("Duplicates"), *_cluster(story.cluster)]
    elif "clusters" in story.versions:
        parts += [_title("Duplicates"), _indented("none")]
    if story.verdict is not None and story.verdict.draw is not None:
        parts += [_title("Sampling"), _sampling(story.verdict)]
    if story.signals:
        parts += [_title("Signals"), *_signals(story.signals)]
    parts += [_title("Lineage"), _lineage(story)]
    parts += [Text(f"Note: {note}", style="yellow") for note in story.notes]
    return Group(*parts)


def quarantined_view(record: QuarantinedRecord) -> RenderableType:
    """A quarantined record: where it stood, why it is no document, and how it begins."""
    where = f"{record.file}:{record.record}" if record.record is not None else f"{record.file}, the whole file"
    title = Text.assemble(("QUARANTINED  ", "bold red"), (one_line(where, 300), "bold"))
    lines = [title, _indented(f"{record.reason}: {record.detail or ''}", style="red")]
    body: list[RenderableType] = [*lines]
    if record.num_raw_bytes:
        size = f"{record.num_raw_bytes:,} bytes are stored"
        body.append(Panel(Text(record.raw_head), title=size, title_align="left", box=box.ROUNDED, border_style="dim"))
    return Group(*body)


def list_view(wanted: str, documents: Sequence[Mapping[str, Any]], most: int) -> RenderableType:
    """Documents that one name stands for."""
    table = Table(title=f"{len(documents):,} documents are called {one_line(wanted)}", title_justify="left")
    for name in ("doc_id", "record_id", "source", "origin"):
        table.add_column(name, overflow="fold")
    for row in documents[:most]:
        origin = f"{row['origin']['file']}:{row['origin']['record']}"
        table.add_row(
            *(one_line(str(text or ""), 200) for text in (row["doc_id"], row["record_id"], row["source"])), origin
        )
    more = f" ({most} are shown)" if len(documents) > most else ""
    return Group(table, Text(f"Show one of them by its doc_id{more}."))


def diff_view(diff: WordDiff) -> RenderableType:
    """The differences of two texts, a line per place: the left one's words in red, the right one's in green."""
    if not diff.num_changes:
        return _indented("word for word the same: only white space differs, if anything")
    lines = [Text(f"  {_diff_counts(diff)}")]
    for change in diff.changes:
        line = Text(f"    {change.before} ")
        if change.left:
            line.append(f"[-{change.left}-]", style="red")
        if change.right:
            line.append(f"{{+{change.right}+}}", style="green")
        line.append(f" {change.after}")
        lines.append(line)
    hidden = diff.num_changes - len(diff.changes)
    if hidden:
        lines.append(Text(f"    and {_many(hidden, 'more place')}", style="dim"))
    return Group(*lines)


def value_text(value: Scalar | list[Scalar] | None) -> str:
    """A measurement for people; of a list its length and how it begins."""
    if value is None:
        return "undefined"
    if isinstance(value, list):
        rest = ", ..." if len(value) > _MOST_OF_LIST else ""
        return f"{len(value):,} values: {', '.join(map(value_text, value[:_MOST_OF_LIST]))}{rest}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else one_line(value, 60)


def _headline(story: Story) -> Text:
    verdict = story.verdict
    if verdict is None:
        return Text.assemble(("NOT DECIDED YET  ", "bold yellow"), (story.record.doc_id, "bold"))
    if verdict.kept:
        return Text.assemble(("KEPT  ", "bold green"), (story.record.doc_id, "bold"), f"  weight {verdict.weight:g}")
    reasons = ", ".join(verdict.reasons)
    return Text.assemble(("DROPPED  ", "bold red"), (story.record.doc_id, "bold"), f"  for {reasons}")


def _record(record: SourceRecord) -> list[RenderableType]:
    grid = _grid()
    rows = [
        ("record id", record.record_id),
        ("source", record.source),
        ("origin", f"{record.file}:{record.record}"),
        ("url", record.url),
        ("text", f"{record.num_chars:,} characters, hash {record.content_hash}"),
    ]
    for name, value in rows:
        if value is not None:
            grid.add_row(name, one_line(value, 300))
    fields = record.metadata.items() if isinstance(record.metadata, Mapping) else [("metadata", record.metadata)]
    for number, (name, value) in enumerate(fields):
        if number == _MOST_FIELDS:
            grid.add_row("…", "further fields: see --json")
            break
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        grid.add_row(f"metadata.{one_line(str(name), 60)}", one_line(text, 200))
    text_panel = Panel(Text(record.text_head), box=box.ROUNDED, border_style="dim", title="text", title_align="left")
    return [grid, text_panel, *_cuts(record.cuts)]


def _cuts(cuts: Sequence[CutPiece]) -> list[RenderableType]:
    """What edits cut: the first few pieces that are more than white space, and how many there are."""
    lines: list[RenderableType] = [_title(f"Cut out of it: {_many(len(cuts), 'piece')}")] if cuts else []
    words = [cut for cut in cuts if cut.text.strip() or cut.put.strip()]
    for cut in words[:_MOST_CUTS]:
        line = Text(f"{cut.edit}  ", style="dim")
        line.append(one_line(cut.text.strip(), 160), style="red")
        if cut.put.strip():
            line.append(f" → {one_line(cut.put, 60)}", style="green")
        lines.append(Padding(line, (0, 0, 0, 2)))
    others = len(cuts) - min(len(words), _MOST_CUTS)
    if others:
        lines.append(
            _indented(f"… and {others:,} more, {len(cuts) - len(words):,} of them white space: see --json", "dim")
        )
    return lines


def _rules_title(story: Story) -> str:
    fired = sum(rule.fired for rule in story.rules)
    return f"Rules of {story.recipe_name}: {fired} of {len(story.rules)} drop it"


def _rules(story: Story) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("reason", overflow="fold")
    table.add_column("measured", justify="right")
    table.add_column("is kept where", overflow="fold")
    for rule in story.rules:
        style = "bold red" if rule.fired else "dim" if rule.value is None else ""
        table.add_row(" ✗" if rule.fired else "", rule.reason, value_text(rule.value), rule.keeps, style=style)
    return table


def _similarity(similarity: float | None) -> str:
    return "     –" if similarity is None else f"{similarity:.4f}"


def _tie(place: ClusterPlace) -> str:
    """What a document has to do with its representative."""
    if place.kind == "url":
        return f"has the URL of {place.representative}, or of a duplicate of it"
    kind = "an exact duplicate" if place.kind == "exact" else "a near duplicate"
    similarity = "" if place.similarity is None else f", Jaccard similarity {place.similarity:.4f}"
    return f"{kind} of {place.representative}{similarity}"


def _cluster(place: ClusterPlace) -> list[RenderableType]:
    lines: list[RenderableType] = []
    others = place.num_represented - 1
    if place.is_representative:
        lines.append(_indented(f"stands for itself and {_many(others, 'duplicate')}"))
    else:
        lines.append(_indented(_tie(place)))
        if place.representative_passes is False:
            lines.append(_indented("rules drop the representative, so this document is judged for itself"))
    size = f"{_many(place.num_members, 'document')} with {_many(place.num_representatives, 'representative')}"
    lines.append(_indented(f"cluster {place.cluster_id}: {size}"))
    if place.diff is not None:
        lines.append(_indented("this text [-has alone-], the representative {+has alone+}:"))
        lines.append(diff_view(place.diff))
    for member in place.members[:_MOST_MEMBERS]:
        fate = {True: "kept", False: "dropped", None: "not decided"}[member.kept]
        role = "  represents" if member.doc_id == place.representative else ""
        lines.append(_indented(f"{member.doc_id}  {_similarity(member.similarity)}  {member.kind:<7}  {fate}{role}"))
    hidden = others - min(len(place.members), _MOST_MEMBERS)
    if hidden > 0:
        lines.append(_indented(f"and {hidden:,} more", style="dim"))
    return lines


def _sampling(verdict: Verdict) -> RenderableType:
    key = "was not in the draw" if verdict.sampling_key is None else f"sampling key {verdict.sampling_key:.6g}"
    return _indented(f"{key}; {verdict.draw}")


def _signals(signals: Mapping[str, Mapping[str, Scalar | list[Scalar] | None]]) -> list[RenderableType]:
    grid = _grid()
    for name, values in signals.items():
        line = Text()
        for number, (column, value) in enumerate(values.items()):
            line.append(" · " if number else "", style="dim")
            line.append(f"{column} ", style="dim")
            line.append(value_text(value))
        grid.add_row(name, line)
    return [grid]


def _lineage(story: Story) -> Table:
    grid = _grid()
    grid.add_row("lake", story.lake)
    grid.add_row("versions", ", ".join(f"{name} {number}" for name, number in story.versions.items()))
    if story.recipe_name is not None:
        grid.add_row("recipe", f"{story.recipe_name} ({story.recipe_hash})")
    if story.record.ingest_id is not None:
        grid.add_row("ingest", story.record.ingest_id)
    return grid


def _diff_counts(diff: WordDiff) -> str:
    text = (
        f"{_many(diff.num_changes, 'place')}: {diff.only_left:,} of {diff.left_words:,} words are here alone, "
        f"{diff.only_right:,} of {diff.right_words:,} there"
    )
    return text + (" (the first part of the texts; they are long)" if diff.is_partial else "")


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _grid() -> Table:
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _title(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _indented(text: str, style: str = "") -> RenderableType:
    return Padding(Text(text, style=style), (0, 0, 0, 2))
