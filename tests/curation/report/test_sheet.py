"""Pictures beside each other in one SVG that carries its own style."""

from itertools import combinations
from xml.etree import ElementTree

import pytest

from curation.report.curves import Curve, curves
from curation.report.groups import Group
from curation.report.pictures import columns, steps
from curation.report.sheet import sheet

SVG = "{http://www.w3.org/2000/svg}"
COUNTS = [("2", 30), ("3", 4)]


def places(svg: str) -> list[tuple[float, float, float, float]]:
    inner = ElementTree.fromstring(svg).findall(f"{SVG}svg")
    return [tuple(float(one.get(name, "0")) for name in ("x", "y", "width", "height")) for one in inner]  # type: ignore[misc]


def test_pictures_stand_beside_and_below_each_other_inside_the_sheet() -> None:
    groups = [Group(name=name, documents=10, after_rules=8, after_dedup=7, kept=5) for name in ("a", "b", "c")]
    pictures = [("one", columns(COUNTS, "one")), ("two", steps(groups, "two")), ("three", columns(COUNTS, "three"))]
    made = sheet(pictures)
    root = ElementTree.fromstring(made)
    assert [text.text for text in root.findall(f"{SVG}text")] == ["one", "two", "three"]
    width, height = (float(root.get(name, "0")) for name in ("width", "height"))
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
    found = places(made)
    assert len(found) == 3
    assert all(x >= 0 and y > 0 and x + w <= width and y + h <= height for x, y, w, h in found)
    for a, b in combinations(found, 2):
        apart = a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]
        assert apart
    assert places(sheet(pictures, num_columns=1))[1][0] == 0


def test_a_sheet_carries_its_colours_and_nothing_else_of_the_page() -> None:
    made = sheet([("one", columns(COUNTS, "one"))], legend=[("kept", "kept <b>"), ("ruled-out", "dropped")])
    style = ElementTree.fromstring(made).findtext(f"{SVG}style") or ""
    assert "--ruled-out:" in style
    assert ".picture .kept rect" in style
    assert "body" not in style
    assert "@media" not in style
    assert ":root" not in style
    texts = [text.text for text in ElementTree.fromstring(made).iter(f"{SVG}text")]
    assert texts[-2:] == ["kept <b>", "dropped"]
    assert made.count("xmlns=") == 1


def test_curves_keep_their_colours() -> None:
    drawn = curves([Curve(kind="c1", says="a", points=[(1, 2.0), (2, 1.0)])], "Loss")
    made = sheet([("loss", drawn)], legend=[("curve c1", "a")])
    style = ElementTree.fromstring(made).findtext(f"{SVG}style") or ""
    for rule in (".c1,.c9{--line:", ".picture .curve path{stroke:var(--line)", ".picture .curve rect{fill:var(--line)"):
        assert rule in style
    assert made.count('class="curve c1"') == 2  # the line, and its box in the legend


def test_what_draws_nothing_is_left_out() -> None:
    picture = columns(COUNTS, "one")
    assert sheet([("one", picture), ("none", "")]) == sheet([("one", picture)])
    with pytest.raises(ValueError, match="at least one picture"):
        sheet([("none", "")])


def test_the_same_pictures_give_the_same_bytes() -> None:
    assert sheet([("one", columns(COUNTS, "one"))]) == sheet([("one", columns(COUNTS, "one"))])
