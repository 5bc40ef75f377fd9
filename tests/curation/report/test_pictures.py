"""Pictures: shapes and text only, the right number of bars, and the same bytes for the same numbers."""

import re
from xml.etree import ElementTree

from curation.report.findings import Bin, Histogram
from curation.report.groups import Group
from curation.report.pictures import columns, histogram, similarities, steps

BINS = tuple(
    Bin(left=i, right=i + 1, count=count, dropped=i > 2, says=str(i)) for i, count in enumerate([9, 5, 0, 3, 1])
)
DRAWN = Histogram(
    column="a.b",
    rules=("a.c",),
    bins=BINS,
    ticks=((0.0, "0"), (4.0, "4")),
    thresholds=((3.0, "≤ 3"),),
    shades=((3.0, 5.0),),
)


def rects(svg: str, kind: str) -> list[dict[str, float]]:
    root = ElementTree.fromstring(svg)
    namespace = "{http://www.w3.org/2000/svg}"
    return [
        {name: float(rect.get(name, "nan")) for name in ("x", "y", "width", "height")}
        for group in root.iter(f"{namespace}g")
        if group.get("class") == kind
        for rect in group.iter(f"{namespace}rect")
    ]


def test_bars_stand_where_they_belong() -> None:
    svg = histogram(DRAWN)
    kept, dropped = rects(svg, "kept"), rects(svg, "ruled-out")
    assert len(kept) == 2  # an empty bar is not drawn
    assert len(dropped) == 2
    assert abs(kept[0]["height"] / kept[1]["height"] - 9 / 5) < 0.01
    assert abs(dropped[0]["height"] / kept[0]["height"] - 3 / 9) < 0.01
    (shade,) = rects(svg, "shade")
    (line,) = rects(svg, "threshold")
    assert abs(shade["x"] - dropped[0]["x"]) < 0.01
    assert abs(shade["width"] - 2 * dropped[0]["width"]) < 0.01
    assert abs(line["x"] + line["width"] / 2 - shade["x"]) < 0.01
    assert line["height"] >= kept[0]["height"]


def test_a_bar_that_towers_above_all_others_leaves_them_visible() -> None:
    bins = tuple(
        Bin(left=i, right=i + 1, count=n, dropped=False, says=str(i)) for i, n in enumerate([100_000, 3, 2, 1])
    )
    heights = [bar["height"] for bar in rects(histogram(Histogram(column="a.b", rules=(), bins=bins)), "kept")]
    assert heights == sorted(heights, reverse=True)
    assert heights[-1] > 5


def test_nothing_but_shapes_and_text() -> None:
    for svg in (
        histogram(DRAWN),
        columns([("2", 5), ("3", 1)], "sizes"),
        similarities(BINS),
        steps([Group(name="<script>alert(1)</script>", documents=3, after_rules=2, after_dedup=2, kept=1)], "a <b>"),
    ):
        ElementTree.fromstring(svg)
        assert not re.search(r"<(script|style|desc|defs)|<!--|\bid=|https?://(?!www\.w3\.org/2000/svg)", svg)


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert histogram(DRAWN) == histogram(DRAWN)


def test_names_are_text_and_bars_say_their_numbers() -> None:
    groups = [
        Group(name="<i>", documents=2000, after_rules=1500, after_dedup=1000, kept=500),
        Group(name=None, documents=1),
        Group(name="", documents=0),
        Group(name="x" * 500, documents=1, after_rules=1, after_dedup=1, kept=1),
    ]
    svg = steps(groups, "by source")
    assert "&lt;i&gt;" in svg
    assert "<i>" not in svg
    assert "500 not drawn (25.0 %)" in svg
    assert "(none)" in svg
    assert "x" * 100 not in re.sub(r"<title>.*?</title>", "", svg)
    widths = [rects(svg, kind)[-1]["width"] for kind in ("kept", "not-drawn", "duplicate", "ruled-out")]
    assert max(widths) - min(widths) < 0.1


def test_labels_are_drawn_as_bars() -> None:
    bins = (
        Bin(left=0, right=1, count=50, dropped=False, says="en"),
        Bin(left=1, right=2, count=7, dropped=True, says="de & fr"),
    )
    svg = histogram(Histogram(column="language.label", rules=("language.x",), bins=bins, categories=True))
    assert len(rects(svg, "kept")) == len(rects(svg, "ruled-out")) == 1
    assert "de &amp; fr" in svg


def test_nothing_defined_draws_nothing_and_all_zero_draws_an_axis() -> None:
    assert histogram(Histogram(column="a.b", rules=())) == ""
    zero = (Bin(left=0, right=1, count=0, dropped=False, says="0"),)
    assert histogram(Histogram(column="a.b", rules=(), bins=zero)).startswith("<svg")
