"""Curves: thinned out without losing an extreme, smoothed as the formula says, drawn where they belong."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.report.curves import Curve, curves, smoothed, stairs, thinned, within_reach

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400)


def line(svg: str, kind: str) -> list[tuple[float, float]]:
    """The corners of the line of one kind, in the picture's own units."""
    root = ElementTree.fromstring(svg)
    (group,) = [one for one in root.iter() if kind in (one.get("class") or "").split() and one[0].tag.endswith("path")]
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", group[0].get("d", ""))]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


@given(VALUES, st.integers(4, 60))
def test_thinning_keeps_both_ends_and_every_extreme(values: list[float], most: int) -> None:
    points = [(float(at), value) for at, value in enumerate(values)]
    found = thinned(points, most)
    assert len(found) <= max(most, 0)
    assert found == sorted(found)
    assert set(found) <= set(points)
    assert (found[0], found[-1]) == (points[0], points[-1])
    kept = [value for _, value in found]
    assert (min(kept), max(kept)) == (min(values), max(values))


def test_thinning_keeps_a_spike_in_every_part() -> None:
    points = [(float(at), 100.0 if at in (777, 54_321) else math.sin(at)) for at in range(100_000)]
    found = thinned(points)
    assert len(found) == 500
    assert {at for at, value in found if value == 100.0} == {777, 54_321}


@given(VALUES, st.integers(1, 50))
def test_smoothing_is_the_weighted_mean_of_all_before(values: list[float], span: int) -> None:
    found = smoothed([(float(at), value) for at, value in enumerate(values)], span)
    for at, value in found[:: max(1, len(found) // 5)]:
        weights = [(1 - 1 / span) ** (at - before) for before in range(int(at) + 1)]
        mean = sum(w * v for w, v in zip(weights, values, strict=False)) / sum(weights)
        assert value == pytest.approx(mean, rel=1e-6, abs=1e-3)


def test_smoothing_leaves_out_what_is_not_finite() -> None:
    assert smoothed([(1, 2.0), (2, math.nan), (3, 2.0)], 4) == [(1, 2.0), (3, pytest.approx(2.0))]


def test_stairs_have_a_corner_below_and_above_each_change() -> None:
    assert stairs([]) == []
    assert stairs([(1, 0.5)]) == [(1, 0.5)]
    assert stairs([(1, 0.5), (2, 0.5), (3, 0.7), (4, 0.7), (5, 0.7)]) == [(1, 0.5), (3, 0.5), (3, 0.7), (5, 0.7)]


def test_a_few_outliers_do_not_set_the_scale() -> None:
    points = [(float(at), 1.0 + at / 1000) for at in range(500)]
    points[250] = (250.0, 1000.0)
    found = within_reach(points)
    assert len(found) == 500
    assert max(value for _, value in found) < 1.5
    assert within_reach([(1, math.nan)]) == []


def test_lines_are_drawn_to_scale() -> None:
    svg = curves([Curve(kind="c0", says="a", points=[(0, 0.0), (50, 1.0), (100, 4.0)])], "Title")
    (x0, y0), (x1, y1), (x2, y2) = line(svg, "c0")
    assert (x1 - x0) / (x2 - x0) == pytest.approx(0.5, abs=0.01)
    assert (y0 - y1) / (y0 - y2) == pytest.approx(0.25, abs=0.01)
    assert 'aria-label="Title"' in svg


def test_what_cannot_be_drawn() -> None:
    assert curves([], "none") == ""
    assert curves([Curve(kind="c0", says="a", points=[(1, math.nan), (2, math.inf)])], "none") == ""
    for values in ([3.0], [3.0, 3.0], [0.0], [0.0, 0.0], [-1.0, -2.0], [1e-38], [3e38, -3e38]):
        points = [(float(at), value) for at, value in enumerate(values)]
        for log in (True, False):
            drawn = curves([Curve(kind="c0", says="a", points=points)], "t", may_be_log=log, from_zero=log)
            assert "nan" not in drawn.lower()
            ElementTree.fromstring(drawn)


def test_a_gap_is_left_out_and_the_axis_reaches_as_far_as_the_run() -> None:
    points = [(1.0, 5.0), (2.0, 4.0), (3.0, math.nan)]
    svg = curves([Curve(kind="c0", says="a", points=points)], "t")
    corners = line(svg, "c0")
    assert len(corners) == 2
    whole = line(curves([Curve(kind="c0", says="a", points=[(1, 5), (2, 4), (3, 3)])], "t"), "c0")
    assert corners[1][0] == whole[1][0]


def test_a_high_beginning_makes_the_scale_logarithmic() -> None:
    points = [(float(at), 100.0 if at == 0 else 1.0 + at / 100) for at in range(100)]
    plain = line(curves([Curve(kind="c0", says="a", points=points)], "t"), "c0")
    log = line(curves([Curve(kind="c0", says="a", points=points)], "t", may_be_log=True), "c0")
    assert log[1][1] - log[-1][1] > 5 * (plain[1][1] - plain[-1][1])  # what is low spreads over more of the picture


def test_dots_say_their_numbers_and_names_are_text() -> None:
    svg = curves([Curve(kind="c1", says="<script>x</script>", points=[(5, 2.5), (6, 2.25)], dots=True)], "<b>")
    assert "&lt;script&gt;x&lt;/script&gt;, step 5: 2.5" in svg
    assert "<script" not in svg
    assert svg.count("<circle") == 2
    many = Curve(kind="c1", says="a", points=[(float(at), at % 7) for at in range(61)], dots=True)
    assert "<circle" not in curves([many], "t")
    assert "<circle" in curves([Curve(kind="c1", says="a", points=[(5, 2.5)])], "t")  # a line of one point


def test_marks_are_lines_from_bottom_to_top() -> None:
    svg = curves([Curve(kind="c0", says="a", points=[(0, 1.0), (10, 2.0)])], "t", marks=[5, 500])
    (x0, y0), (x1, y1) = line(svg, "resumed")
    assert x0 == x1
    (left, low), (right, high) = line(svg, "c0")
    assert left < x0 < right
    assert y0 > low > high > y1


def test_the_same_numbers_give_the_same_small_bytes() -> None:
    points = [(float(at), math.sin(at)) for at in range(100_000)]
    drawn = curves([Curve(kind="raw", says="a", points=points)], "t")
    assert drawn == curves([Curve(kind="raw", says="a", points=points)], "t")
    assert len(drawn) < 10_000
    assert not re.search(r"<(script|style|desc|defs)|<!--|\bid=|https?://(?!www\.w3\.org/2000/svg)", drawn)
