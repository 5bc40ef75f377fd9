"""Pictures of the report outside of it: several beside each other, as one SVG that carries its own style."""

import math
import re
from collections.abc import Sequence
from importlib.resources import files
from xml.etree import ElementTree

_GAP = 24
_CAPTION = 22
_LEGEND = 20
_SVG = "http://www.w3.org/2000/svg"


def sheet(pictures: Sequence[tuple[str, str]], *, num_columns: int = 2, legend: Sequence[tuple[str, str]] = ()) -> str:
    """Pictures with captions as one SVG; what draws nothing (an empty string) is left out.

    Args:
        pictures: (caption, picture) as `curation.report.pictures` makes them.
        num_columns: pictures in one row.
        legend: (colour, words); a colour is named as in the pictures: `kept`, `not-drawn`, `duplicate`, `ruled-out`,
            `shared`, `c0` to `c7` for curves.

    Raises:
        ValueError: nothing is to be drawn.
    """
    drawn = [(caption, ElementTree.fromstring(svg)) for caption, svg in pictures if svg]
    if not drawn:
        raise ValueError("expected at least one picture that is not empty, got none")
    sizes = [_size(picture) for _, picture in drawn]
    num_columns = min(num_columns, len(drawn))
    width = max(size[0] for size in sizes)
    rows = [range(first, min(first + num_columns, len(drawn))) for first in range(0, len(drawn), num_columns)]
    root = ElementTree.Element(f"{{{_SVG}}}svg")
    ElementTree.SubElement(root, f"{{{_SVG}}}style").text = _style()
    top = 0.0
    for row in rows:
        for column, number in enumerate(row):
            _place(root, *drawn[number], sizes[number], column * (width + _GAP), top)
        top += _CAPTION + max(sizes[number][1] for number in row) + _GAP
    if legend:
        _explain(root, legend, top - _GAP)
        top += _LEGEND
    whole = (math.ceil(num_columns * (width + _GAP) - _GAP), math.ceil(top - _GAP))
    root.set("viewBox", f"0 0 {whole[0]} {whole[1]}")
    root.set("width", str(whole[0]))
    root.set("height", str(whole[1]))
    root.set("class", "sheet")
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _place(
    root: ElementTree.Element,
    caption: str,
    picture: ElementTree.Element,
    size: tuple[float, float],
    left: float,
    top: float,
) -> None:
    place = {"x": f"{left + 4:g}", "y": f"{top + 14:g}", "class": "caption"}
    ElementTree.SubElement(root, f"{{{_SVG}}}text", place).text = caption
    for name, value in (("x", left), ("y", top + _CAPTION), ("width", size[0]), ("height", size[1])):
        picture.set(name, f"{value:g}")
    for node in picture.iter():
        if not node.tag.startswith("{"):
            node.tag = f"{{{_SVG}}}{node.tag}"
    root.append(picture)


def _explain(root: ElementTree.Element, legend: Sequence[tuple[str, str]], top: float) -> None:
    group = ElementTree.SubElement(root, f"{{{_SVG}}}g", {"class": "picture"})
    left = 4.0
    for colour, words in legend:
        box = ElementTree.SubElement(group, f"{{{_SVG}}}g", {"class": colour})
        place = {"x": f"{left:g}", "y": f"{top + 4:g}", "width": "11", "height": "11"}
        if re.fullmatch(r"c\d+", colour):  # the colour of a curve
            place["style"] = "fill:var(--line)"
        ElementTree.SubElement(box, f"{{{_SVG}}}rect", place)
        ElementTree.SubElement(group, f"{{{_SVG}}}text", {"x": f"{left + 16:g}", "y": f"{top + 13:g}"}).text = words
        left += 30 + 6.5 * len(words)


def _size(picture: ElementTree.Element) -> tuple[float, float]:
    _, _, width, height = picture.get("viewBox", "0 0 0 0").split()
    return float(width), float(height)


def _style() -> str:
    """What the report's style sheet says of pictures and colours, for pictures that stand alone."""
    sheet_text = files("curation.report").joinpath("report.css").read_text(encoding="utf-8")
    plain = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", sheet_text)
    rules = re.findall(r"[^{}]+\{[^{}]*\}", plain)
    colours = next(rule for rule in rules if rule.strip().startswith(":root"))
    wanted = (".picture", ".histogram-graph", ".xy-graph", "--line:", "--heat:")
    about = [rule.strip() for rule in rules if any(part in rule for part in wanted)]
    own = (
        ".sheet{background:#fff;overflow:visible;font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}",
        ".sheet .caption{font-size:12px;font-weight:600;fill:#1a1a1a}",
    )
    return "\n".join([colours.strip().replace(":root", ".sheet"), *about, *own])
