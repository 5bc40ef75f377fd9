"""Curves over steps as inline SVG, thinned out so that a page of a long run stays small and hides no extreme."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from curation.report.axes import plain, round_numbers, short
from curation.report.pictures import settings, svg_of

MOST_POINTS = 500
_MOST_DOTS = 60
_UNEVEN = 15  # a highest value more than this many times the middle one is drawn on a logarithmic scale
_MARGIN = 0.04

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A line of a picture.

    Attributes:
        kind: its colour and stroke, as the style sheet names them: `raw`, `smooth`, `held`, `bound`, `c0` to `c15`.
        says: what it is, for the tooltips of its dots.
        points: (step, value), by step; those that are not finite are left out.
        dots: draw each point too, where there are few.
    """

    kind: str
    says: str
    points: Points
    dots: bool = False


def thinned(points: Points, most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """At most `most` of the points: the first, the last, and the lowest and highest of each of equal parts between."""
    if len(points) <= most:
        return list(points)
    inner = points[1:-1]
    num_parts = (most - 2) // 2
    kept = [points[0]]
    for part in range(num_parts):
        first, last = len(inner) * part // num_parts, len(inner) * (part + 1) // num_parts
        places = range(first, last)
        ends = {min(places, key=lambda at: inner[at][1]), max(places, key=lambda at: inner[at][1])}
        kept += [inner[at] for at in sorted(ends)]
    return [*kept, points[-1]]


def smoothed(points: Points, span: int) -> list[tuple[float, float]]:
    """The exponential mean with the weight 1 / `span` of the newest, without the pull of the first value."""
    found: list[tuple[float, float]] = []
    total = weight = 0.0
    for at, value in points:
        if math.isfinite(value):
            total += (value - total) / span
            weight += (1 - weight) / span
            found.append((at, total / weight))
    return found


def stairs(points: Points) -> list[tuple[float, float]]:
    """The corners of a value that stays until it changes: two points for each change, and both ends."""
    found: list[tuple[float, float]] = []
    last: tuple[float, float] | None = None
    for at, value in points:
        if last is None or value != last[1]:
            found += [(at, last[1])] if last is not None else []
            found.append((at, value))
        last = (at, value)
    if last is not None and found[-1] != last:
        found.append(last)
    return found


def within_reach(points: Points) -> list[tuple[float, float]]:
    """The points, with the highest and the lowest hundredth of the values brought to the edge of the others."""
    values = sorted(value for _, value in points if math.isfinite(value))
    if not values:
        return []
    beyond = len(values) // 100
    low, high = values[beyond], values[-1 - beyond]
    return [(at, min(max(value, low), high)) for at, value in points if math.isfinite(value)]


def curves(
    lines: Sequence[Curve],
    title: str,
    *,
    marks: Sequence[float] = (),
    from_zero: bool = False,
    may_be_log: bool = False,
) -> str:
    """A picture of lines over steps; empty where no value is finite.

    Args:
        lines: the later ones are drawn above the earlier.
        title: what the picture shows.
        marks: steps at which the run was resumed, each a vertical line.
        from_zero: let the scale begin at 0.
        may_be_log: use a logarithmic scale where the highest value would flatten all the others.
    """
    import pygal

    steps = [at for line in lines for at, _ in line.points]
    drawn = [(line, thinned([(at, value) for at, value in line.points if math.isfinite(value)])) for line in lines]
    drawn = [(line, points) for line, points in drawn if points]
    if not drawn:
        return ""
    values = [value for _, points in drawn for _, value in points]
    scale = _Scale(values, from_zero=from_zero, may_be_log=may_be_log)
    left, right = min(steps), max(steps)
    right = right if right > left else left + 1
    chart = pygal.XY(**settings(height=220, right=16), range=(scale.low, scale.high), xrange=(left, right))
    chart.x_labels = [{"label": short(at), "value": at} for at in round_numbers(left, right, 6, whole=True)]
    chart.y_labels = [{"label": says, "value": place} for place, says in scale.ticks()]
    for at in marks:
        if left <= at <= right:
            chart.add("resumed", [(at, scale.low), (at, scale.high)], show_dots=False)
    names = ["curve resumed"] * sum(left <= at <= right for at in marks)
    for line, points in drawn:
        dots = len(points) == 1 or (line.dots and len(points) <= _MOST_DOTS)
        shown = [
            {"value": (at, scale.place(value)), "label": f"{line.says}, step {at:,.0f}: {plain(value)}"}
            for at, value in points
        ]
        chart.add(line.says, shown, show_dots=dots, dots_size=2.2)
        names.append(f"curve {line.kind}")
    return svg_of(chart, names, title, rounded=True)


class _Scale:
    """Where values are drawn: as they are, or by their logarithms."""

    def __init__(self, values: Sequence[float], *, from_zero: bool, may_be_log: bool) -> None:
        lowest, highest = min(values), max(values)
        middle = sorted(values)[len(values) // 2]
        self._is_log = may_be_log and lowest > 0 and highest > _UNEVEN * middle
        lowest = min(lowest, 0.0) if from_zero and not self._is_log else lowest
        low, high = self.place(lowest), self.place(highest)
        room = _MARGIN * ((high - low) or abs(high) or 1.0)
        self.low, self.high = low if low == 0 and from_zero else low - room, high + room

    def place(self, value: float) -> float:
        return math.log10(value) if self._is_log else value

    def ticks(self) -> list[tuple[float, str]]:
        """Places with labels."""
        if not self._is_log:
            return [(at, short(at)) for at in round_numbers(self.low, self.high, 6)]
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        factors = (1,) if len(powers) > 4 else (1, 3)
        values = [factor * 10.0**power for power in powers for factor in factors]
        return [(math.log10(value), short(value)) for value in values if self.low <= math.log10(value) <= self.high]
