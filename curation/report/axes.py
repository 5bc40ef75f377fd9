"""Where the bars of a histogram begin and end: chosen from a few exact counts, so that every engine draws the same.

The edges are compared with values exactly, and every threshold is an edge: a bar is kept or dropped as a whole.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from curation.rules import Rule

_BARS = 36
_NUM_RUNGS = 14
_TAIL = 0.01  # share of documents that may lie beyond the axis, in the last bar
_SQUEEZED = 16.0  # an axis that is longer than this many times its smallest threshold is logarithmic
_MARGIN = 0.05


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far the values of a measurement reach.

    Attributes:
        counts: values between the rungs of `ladder`: one more than there are rungs.
        lowest: the smallest finite value.
        highest: the largest finite value.
    """

    counts: tuple[int, ...]
    lowest: float
    highest: float


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Bars of one histogram.

    Attributes:
        edges: value v lies in bar i where edges[i] <= v < edges[i + 1]; the first and the last bar take the rest too.
        places: where the edges are drawn; decimal logarithms where the axis is logarithmic.
        dropped: per bar, whether the rules drop it.
        thresholds: places of the bounds, and the bounds in words.
        ticks: places with labels.
        is_log: whether the axis is logarithmic.
        open_left: whether values lie below the first edge.
        open_right: whether values lie above the last edge.
        whole: whether values are whole numbers.
    """

    edges: tuple[float, ...]
    places: tuple[float, ...]
    dropped: tuple[bool, ...]
    thresholds: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    is_log: bool
    open_left: bool
    open_right: bool
    whole: bool

    def says(self, number: int) -> str:
        """The values of a bar in words."""
        low, high = self.edges[number], self.edges[number + 1]
        last = number == len(self.edges) - 2
        if number == 0 and self.open_left:
            return f"below {plain(high)}"
        if last and self.open_right:
            return f"{plain(low)} and more"
        if self.whole:
            return plain(low) if high - low <= 1 else f"{plain(low)} to {plain(high - 1)}"
        return f"{plain(low)} to {plain(high)}"


def plain(number: float) -> str:
    """A number for people: thousands separated, four significant digits where it is a fraction."""
    if math.isfinite(number) and (number == int(number) or abs(number) >= 10_000):
        return f"{number:,.0f}"
    if abs(number) >= 1:
        return f"{number:,.4g}"
    return f"{number:.3g}"


def duration(seconds: float) -> str:
    """A length of time for people: `2.5 s`, `42 s`, `3 min 20 s`, `2 h 05 min`, `3 d 04 h`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02d} h"


def in_words(rule: Rule) -> str:
    """What a rule keeps, without the name of the measurement: `≥ 50 and ≤ 100,000`."""
    if rule.one_of is not None:
        return "= " + " or ".join(str(value) for value in rule.one_of)
    signs = (("≥", rule.min), (">", rule.above), ("≤", rule.max), ("<", rule.below))
    return " and ".join(f"{sign} {plain(bound)}" for sign, bound in signs if bound is not None)


def bounds_of(rules: Sequence[Rule]) -> list[float]:
    """Every finite number that the rules compare with, smallest first."""
    numbers = (bound for rule in rules for bound in (rule.min, rule.max, rule.above, rule.below))
    return sorted({float(bound) for bound in numbers if bound is not None and math.isfinite(bound)})


def ladder(rules: Sequence[Rule]) -> list[float]:
    """Rungs to count values between before an axis is chosen: doublings of the largest bound, to both sides."""
    unit = max((abs(bound) for bound in bounds_of(rules)), default=0.0) or 1.0
    ups = [unit * 2.0**step for step in range(1, _NUM_RUNGS + 1)]
    return [*(-rung for rung in reversed(ups)), *ups]


def axis_for(rules: Sequence[Rule], reach: Reach, *, whole: bool) -> Axis:
    """The axis of a measurement: all its thresholds, at least 99 % of its values, logarithmic where it is long."""
    bounds = bounds_of(rules)
    low, high = _span(bounds, reach, ladder(rules))
    least = min((abs(bound) for bound in bounds if bound > 0), default=max(high, 1.0))
    smallest = min(bounds, default=1.0)
    is_log = min(reach.lowest, low) >= 0 and (smallest > 0 or (whole and smallest == 0)) and high / least > _SQUEEZED
    if is_log:
        low = max(low, 1.0) if whole else max(low, least / 100)
        low = min([low, *(bound * 0.9 for bound in bounds if bound > 0)])
        low = max(low, 1.0) if whole else low
    elif 0 <= low < high / 4:
        low = 0.0
    cuts = _cuts(rules, whole=whole)
    low, high = _with_margins(low, high, [place for _, place, _ in cuts], is_log=is_log)
    edges = _edges(low, high, [cut for cut, _, _ in cuts], whole=whole, is_log=is_log)
    exact = {cut: place for cut, place, _ in cuts}
    places = [_place(edge, exact, whole=whole, is_log=is_log) for edge in edges]
    shown = [(math.log10(place) if is_log and place > 0 else place, text) for _, place, text in cuts]
    return Axis(
        edges=tuple(edges),
        places=tuple(places),
        dropped=tuple(_is_dropped(edge, rules) for edge in _inside(edges)),
        thresholds=tuple((min(max(place, places[0]), places[-1]), text) for place, text in shown),
        ticks=_ticks(places[0], places[-1], is_log=is_log, whole=whole),
        is_log=is_log,
        open_left=reach.lowest < edges[0],
        open_right=reach.highest >= edges[-1] if whole else reach.highest > edges[-1],
        whole=whole,
    )


def _span(bounds: list[float], reach: Reach, rungs: list[float]) -> tuple[float, float]:
    """Lowest and highest value to draw: long tails are cut at the first rung that leaves at most 1 % outside."""
    total = sum(reach.counts)
    allowed = total * _TAIL
    high, beyond = reach.highest, 0
    for number in range(len(rungs) - 1, len(rungs) // 2 - 1, -1):
        beyond += reach.counts[number + 1]
        if beyond > allowed:
            break
        high = min(high, rungs[number])
    low, beyond = reach.lowest, 0
    for number in range(len(rungs) // 2):
        beyond += reach.counts[number]
        if beyond > allowed:
            break
        low = max(low, rungs[number])
    return min([low, *bounds]), max([high, *bounds])


def _cuts(rules: Sequence[Rule], *, whole: bool) -> list[tuple[float, float, str]]:
    """(smallest value right of the bound, where it is drawn, the bound in words), one for each bound, in order."""
    found = []
    for rule in rules:
        for bound, keeps_equal_left, sign in (
            (rule.min, False, "≥"),
            (rule.above, True, ">"),
            (rule.max, True, "≤"),
            (rule.below, False, "<"),
        ):
            if bound is None or not math.isfinite(bound):
                continue
            if whole:
                cut = float(math.floor(bound) + 1 if keeps_equal_left else math.ceil(bound))
                place = cut - 0.5
            else:
                cut = math.nextafter(bound, math.inf) if keeps_equal_left else float(bound)
                place = float(bound)
            found.append((cut, place, f"{sign} {plain(bound)}"))
    return sorted(found)


def _with_margins(low: float, high: float, places: list[float], *, is_log: bool) -> tuple[float, float]:
    """Room beside the outermost thresholds, so that both their sides are seen."""
    if is_log:
        high = max([high, *(place * 1.3 for place in places)])
        return low, high if high > low else low * 10
    room = _MARGIN * ((high - low) or abs(high) or 1.0)
    low = min([low, *(place - room for place in places)])
    high = max([high, *(place + room for place in places)])
    return low, high if high > low else low + 1.0


def _edges(low: float, high: float, cuts: list[float], *, whole: bool, is_log: bool) -> list[float]:
    """Edges of about equal bars between the ends and the cuts; whole numbers where values are."""
    if whole:
        low, high = float(math.floor(low)), float(math.floor(high) + 1)
    inner = sorted({cut for cut in cuts if low < cut < high})
    anchors = [low, *inner, high]
    scale = math.log if is_log else float
    step = (scale(high) - scale(low)) / _BARS
    if whole and not is_log:
        step = max(1.0, step)
    edges = {low, high, *inner}
    for left, right in pairwise(anchors):
        number = max(1, round((scale(right) - scale(left)) / step))
        for part in range(1, number):
            at = scale(left) + (scale(right) - scale(left)) * part / number
            edge = math.exp(at) if is_log else at
            edges.add(float(round(edge)) if whole else float(f"{edge:.4g}") if is_log else _short(edge, step))
    if is_log and whole:
        edges.add(0.0)
    return sorted(edge for edge in edges if edge <= high)


def _short(edge: float, step: float) -> float:
    """The edge without digits that say nothing."""
    digits = max(0, 3 - math.floor(math.log10(step)))
    return round(edge, digits)


def _place(edge: float, exact: dict[float, float], *, whole: bool, is_log: bool) -> float:
    place = exact.get(edge, edge - 0.5 if whole else edge)
    if not is_log:
        return place
    return math.log10(place) if place > 0 else math.log10(0.25)


def _inside(edges: Sequence[float]) -> list[float]:
    """A value of each bar: its left edge."""
    return list(edges[:-1])


def _is_dropped(value: float, rules: Sequence[Rule]) -> bool:
    return any(
        (rule.min is not None and value < rule.min)
        or (rule.max is not None and value > rule.max)
        or (rule.above is not None and value <= rule.above)
        or (rule.below is not None and value >= rule.below)
        for rule in rules
    )


def _ticks(left: float, right: float, *, is_log: bool, whole: bool) -> tuple[tuple[float, str], ...]:
    if is_log:
        powers = range(math.ceil(left), math.floor(right) + 1)
        step = max(1, math.ceil(len(powers) / 6))
        marks = [(float(power), short(10.0**power)) for power in powers if power % step == 0]
        return ((math.log10(0.35), "0"), *marks) if whole and left < 0 else tuple(marks)
    return tuple((place, short(place)) for place in round_numbers(left, right, 5, whole=whole))


def short(number: float) -> str:
    """A number for an axis: 20,000 is 20k, 3,000,000 is 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.4g}{letter}"
    return f"{number:.4g}"


def round_numbers(left: float, right: float, most: int, *, whole: bool = False) -> list[float]:
    """At most `most` + 1 multiples of 1, 2 or 5 times a power of ten between two numbers."""
    if not right > left:
        return [left]
    rough = (right - left) / most
    power = 10.0 ** math.floor(math.log10(rough))
    steps = [factor * power for factor in (1.0, 2.0, 5.0, 10.0)]
    step = steps[min(bisect.bisect_left(steps, rough), 3)]
    if whole:
        step = max(1.0, step)
    first, last = math.ceil(left / step - 1e-9), math.floor(right / step + 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]
