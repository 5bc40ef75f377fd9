"""Pictures as inline SVG: drawn by pygal, then stripped of all that is not shape or text.

What pygal adds for its own script and style is taken out (a page of the report runs no script and has one style sheet),
as are its random identifiers, so that the same numbers give the same bytes.
"""

import math
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from curation.report.axes import round_numbers, short
from curation.report.findings import Bin, Histogram
from curation.report.groups import Group

_LINE = 0.004  # width of a threshold's line as a share of the axis
_LOG_FOOT = 0.3  # height of a bar that holds one document, on a logarithmic scale
_UNEVEN = 15  # a tallest bar more than this many times the middle one is drawn on a logarithmic scale
_NAME_CHARS = 24
_SLOT = 26  # height of one horizontal bar with the gap to the next


def histogram(drawn: Histogram) -> str:
    """A measurement's distribution with its thresholds, the dropped side shaded; empty where nothing is defined."""
    if not drawn.bins:
        return ""
    if drawn.categories:
        return _labels(drawn)
    left, right = drawn.bins[0].left, drawn.bins[-1].right
    height = _Height([bar.count for bar in drawn.bins])
    half = (right - left) * _LINE / 2
    shade = [_bar(height.top, a, b, "dropped by the rules") for a, b in drawn.shades]
    lines = [_bar(height.top, at - half, at + half, says) for at, says in drawn.thresholds]
    series = [("shade", shade), *_kept_and_dropped(drawn.bins, height), ("threshold", lines)]
    return _columns(series, height, (left, right), drawn.ticks, f"Distribution of {drawn.column}")


def similarities(bins: Sequence[Bin]) -> str:
    """How similar near duplicates are to the document that stands for them."""
    height = _Height([bar.count for bar in bins])
    left, right = bins[0].left, bins[-1].right
    ticks = [(place, short(place)) for place in round_numbers(left, right, 5)]
    series = _kept_and_dropped(bins, height)
    return _columns(series, height, (left, right), ticks, "Similarity of near duplicates", width=460)


def columns(counts: Sequence[tuple[str, int]], title: str) -> str:
    """One column for each name."""
    bins = [Bin(left=i, right=i + 0.8, count=n, dropped=False, says=name) for i, (name, n) in enumerate(counts)]
    height = _Height([bar.count for bar in bins])
    ticks = [(bar.left + 0.4, bar.says) for bar in bins]
    return _columns(_kept_and_dropped(bins, height), height, (-0.2, len(bins)), ticks, title, width=460)


def lengths(counts: Sequence[int], row_length: int, title: str) -> str:
    """How long documents are; empty where there are none.

    Args:
        counts: place i counts the documents of 2**i to 2**(i + 1) - 1 tokens.
        row_length: tokens of a row, drawn as a line.
        title: what the picture shows.
    """
    filled = [place for place, count in enumerate(counts) if count]
    if not filled:
        return ""
    row = math.log2(row_length)
    left, right = min(filled[0], math.floor(row)), max(filled[-1] + 1, math.ceil(row))
    bins = [
        Bin(left=place, right=place + 0.94, count=counts[place], dropped=False, says=tokens_of(place))
        for place in filled
    ]
    height = _Height([bar.count for bar in bins])
    step = max(1, math.ceil((right - left) / 6))
    ticks = [(float(place), f"{2**place:,}") for place in range(left, right + 1, step)]
    half = (right - left) * _LINE / 2
    line = [_bar(height.top, row - half, row + half, f"a row has {row_length:,} tokens")]
    series = [*_kept_and_dropped(bins, height), ("threshold", line)]
    return _columns(series, height, (left, right), ticks, title)


def tokens_of(place: int) -> str:
    """The lengths that a place of a length histogram counts, in words."""
    return "1 token" if place == 0 else f"{2**place:,} to {2 ** (place + 1) - 1:,} tokens"


def amounts(parts: Sequence[tuple[str, Sequence[int]]], series: Sequence[tuple[str, str]], title: str) -> str:
    """For each name one bar of several amounts beside each other.

    Args:
        parts: name and amounts, one for each of `series`; drawn from the top.
        series: colour (`kept`, `not-drawn`, `duplicate`, `ruled-out`, `shared`) and words of each amount.
        title: what the picture shows.
    """
    import pygal

    most = max((sum(numbers) for _, numbers in parts), default=0) or 1
    chart = pygal.HorizontalStackedBar(**settings(height=_SLOT * len(parts) + 34, right=22), range=(0, most))
    chart.x_labels = [_shortened(name) for name, _ in reversed(parts)]
    chart.y_labels = [{"label": short(place), "value": place} for place in round_numbers(0, most, 4, whole=True)]
    for number, (_, says) in enumerate(series):
        shown = [(name, numbers[number]) for name, numbers in reversed(parts)]
        chart.add(
            says, [{"value": count, "label": f"{name}: {count:,} {says}"} if count else None for name, count in shown]
        )
    return svg_of(chart, [colour for colour, _ in series], title)


def steps(groups: Sequence[Group], title: str) -> str:
    """For each group one bar of what became of its documents, in shares."""
    import pygal

    parts = (
        ("kept", "kept", [group.kept for group in groups]),
        ("not-drawn", "not drawn", [group.by_sampling for group in groups]),
        ("duplicate", "duplicates", [group.by_dedup for group in groups]),
        ("ruled-out", "dropped by rules", [group.by_rules for group in groups]),
    )
    chart = pygal.HorizontalStackedBar(**settings(height=_SLOT * len(groups) + 34, right=22), range=(0, 100))
    chart.x_labels = [f"{_shortened(group.name)} · {group.documents:,}" for group in reversed(groups)]
    chart.y_labels = [{"label": f"{share} %", "value": share} for share in (0, 25, 50, 75, 100)]
    for _, says, counts in parts:
        values = []
        for group, count in zip(reversed(groups), reversed(counts), strict=True):
            share = 100 * count / max(group.documents, 1)
            label = f"{group.name or 'none'}: {count:,} {says} ({share:.1f} %)"
            values.append({"value": share, "label": label} if count else None)
        chart.add(says, values)
    return svg_of(chart, [name for name, _, _ in parts], title)


def _labels(drawn: Histogram) -> str:
    """Horizontal bars, one for each label."""
    import pygal

    bars = list(reversed(drawn.bins))
    height = _Height([bar.count for bar in bars])
    chart = pygal.HorizontalStackedBar(
        **settings(width=360, height=max(110, 22 * len(bars) + 30)), range=(0, height.top)
    )
    chart.x_labels = [_shortened(bar.says) for bar in bars]
    chart.y_labels = height.labels()
    for dropped in (False, True):
        values = [{"value": height.of(bar.count), "label": f"{bar.says}: {bar.count:,}"} for bar in bars]
        chart.add("", [value if bar.dropped == dropped else None for value, bar in zip(values, bars, strict=True)])
    return svg_of(chart, ["kept", "ruled-out"], f"Distribution of {drawn.column}")


class _Height:
    """How tall a bar is drawn: its count, or the count's logarithm where one bar would hide all the others."""

    def __init__(self, counts: Sequence[int]) -> None:
        filled = sorted(count for count in counts if count)
        self._most = filled[-1] if filled else 1
        middle = filled[len(filled) // 2] if filled else 1
        self._is_log = self._most > _UNEVEN * middle
        self.top = self.of(self._most) * 1.04

    def of(self, count: int) -> float:
        """The height for a count."""
        if not self._is_log:
            return float(count)
        return math.log10(count) + _LOG_FOOT if count else 0.0

    def labels(self) -> list[dict[str, Any]]:
        """Counts beside the axis."""
        if self._is_log:
            powers = range(math.floor(math.log10(self._most)) + 1)
            step = max(1, math.ceil(len(powers) / 4))
            return [{"label": short(10.0**power), "value": power + _LOG_FOOT} for power in powers[::step]]
        places = round_numbers(0, self._most, 3, whole=True)
        return [{"label": short(place), "value": place} for place in places]


def _bar(height: float, left: float, right: float, says: str) -> dict[str, Any]:
    return {"value": (height, left, right), "label": says}


def _kept_and_dropped(bins: Sequence[Bin], height: _Height) -> list[tuple[str, list[dict[str, Any]]]]:
    def drawn(dropped: bool) -> list[dict[str, Any]]:
        chosen = [bar for bar in bins if bar.dropped == dropped and bar.count]
        return [_bar(height.of(bar.count), bar.left, bar.right, f"{bar.says}: {bar.count:,}") for bar in chosen]

    return [("kept", drawn(False)), ("ruled-out", drawn(True))]


def _columns(
    series: Sequence[tuple[str, list[dict[str, Any]]]],
    height: _Height,
    ends: tuple[float, float],
    ticks: Sequence[tuple[float, str]],
    title: str,
    width: int = 360,
) -> str:
    import pygal

    chart = pygal.Histogram(**settings(width=width, height=170), range=(0, height.top), xrange=ends)
    chart.x_labels = [{"label": says, "value": place} for place, says in ticks]
    chart.y_labels = height.labels()
    shown = [(name, bars) for name, bars in series if bars] or [("kept", [_bar(0, *ends, "")])]
    for name, bars in shown:
        chart.add(name, bars)
    return svg_of(chart, [name for name, _ in shown], title)


def settings(width: int = 440, height: int = 200, right: int = 4) -> dict[str, Any]:
    """What all pictures tell pygal."""
    from pygal.style import Style

    return {
        "width": width,
        "height": height,
        "margin": 4,
        "margin_right": right,
        "spacing": 6,
        "js": [],
        "css": [],
        "show_legend": False,
        "style": Style(label_font_size=11, major_label_font_size=11),
        "truncate_label": -1,
    }


def _shortened(name: str | None) -> str:
    if name is None:
        return "(none)"
    return name if len(name) <= _NAME_CHARS else f"{name[:14]}…{name[-9:]}"


def svg_of(chart: Any, names: Sequence[str], title: str, *, rounded: bool = False) -> str:
    """The chart as an SVG of shapes and text.

    Args:
        chart: as pygal makes it.
        names: the classes of its series.
        title: what it shows.
        rounded: write coordinates to a tenth of a unit, where pygal writes all the digits there are.
    """
    from pygal.etree import etree

    etree.to_etree()  # where lxml is installed pygal takes that, whose elements do not mix with the standard library's
    root = chart.render_tree()
    _strip(root)
    for number, name in enumerate(names):
        for group in root.iter("g"):
            if f"serie-{number}" in group.get("class", "").split():
                group.set("class", name)
    if rounded:
        _round(root)
    for name in ("id", "width", "height"):
        root.attrib.pop(name, None)
    root.set("class", "picture")
    root.set("role", "img")
    root.set("aria-label", title)
    return str(ElementTree.tostring(root, encoding="unicode"))


def _strip(node: Any) -> None:
    """Remove scripts, styles, comments and what only pygal's script reads; a bar's or a dot's label is its tooltip."""
    label = next((child.text for child in node if child.tag == "desc" and child.get("class") == "label"), None)
    for child in list(node):
        useless = not isinstance(child.tag, str) or child.tag in ("defs", "desc", "title", "script", "style")
        classes = set(child.get("class", "").split()) if not useless else set()
        # pygal draws a bar of no length for a missing value
        useless = useless or (child.tag == "rect" and child.get("width", "0") == "0")
        # dots lie on the overlay, where bars have nothing
        useless = useless or ("overlay" in classes and next(child.iter("circle"), None) is None)
        if useless or classes & {"text-overlay", "tooltip-overlay", "background"}:
            node.remove(child)
            continue
        _strip(child)
        if child.tag in ("rect", "circle") and label:
            ElementTree.SubElement(child, "title").text = label


def _round(root: Any) -> None:
    for node in root.iter():
        for name in ("d", "cx", "cy", "x", "y"):
            if name in node.attrib:
                node.set(name, re.sub(r"-?\d+\.\d+", lambda found: f"{float(found.group()):.1f}", node.get(name)))
