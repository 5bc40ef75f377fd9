"""Heat maps: shares of one thing in another, as the table of the report and as a picture that stands alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

_CELL = (31, 20)  # width and height
_CHAR = 6.1  # width of a letter, about
_NUMBER = 24  # room for the number of a row
_GAP = 8  # between the names and the cells
_NAME_CHARS = 40

Cell = tuple[float, int] | None
"""A share in [0, 1] and the documents that it stands for; None where there is nothing to say."""


@dataclass(frozen=True)
class Matrix:
    """A heat map: names of rows and columns, and its cells, row by row."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]


def level(share: float) -> int:
    """How dark a cell is, from 0 for nothing to 9, which are the classes `h0` to `h9` of the style sheet."""
    return min(9, math.ceil(share * 9))


def percent(share: float, documents: int) -> str:
    """A share in whole percent without the sign, `<1` for a little and empty for none."""
    return f"{100 * share:.0f}" if share >= 0.005 else "<1" if documents else ""


def heat(matrix: Matrix, title: str) -> str:
    """The heat map as SVG: a cell's percentage in it, its documents in its tooltip.

    Where rows and columns are the same, columns are named by the numbers of the rows.

    Args:
        matrix: what is drawn.
        title: what the picture shows.
    """
    numbered = matrix.rows == matrix.columns
    first = _NUMBER if numbered else 4
    left = first + _length(matrix.rows) + _GAP
    top = 20 if numbered else _length(matrix.columns) + _GAP
    width, height = left + _CELL[0] * len(matrix.columns), top + _CELL[1] * len(matrix.rows)
    about = {"viewBox": f"0 0 {width} {height}", "class": "picture", "role": "img", "aria-label": title}
    root = ElementTree.Element("svg", about)
    for number, name in enumerate(matrix.columns):
        middle = left + _CELL[0] * (number + 0.5)
        if numbered:
            _write(root, str(number + 1), middle, top - 6, anchor="middle")
        else:
            _write(root, _cut(name), middle + 4, top - 5, transform=f"rotate(-90 {middle + 4:g} {top - 5:g})")
    for number, (name, cells) in enumerate(zip(matrix.rows, matrix.cells, strict=True)):
        above = top + _CELL[1] * number
        if numbered:
            _write(root, str(number + 1), _NUMBER - 8, above + 14, anchor="end")
        _write(root, _cut(name), first, above + 14)
        _draw(root, cells, left, above)
    return ElementTree.tostring(root, encoding="unicode")


def _draw(root: ElementTree.Element, cells: Sequence[Cell], left: float, above: float) -> None:
    width, height = _CELL
    for number, cell in enumerate(cells):
        at = left + width * number
        if cell is None:
            _write(root, "·", at + width / 2, above + 14, anchor="middle")
            continue
        box = ElementTree.SubElement(root, "g", {"class": f"cell h{level(cell[0])}"})
        place = {"x": at, "y": above, "width": width - 1, "height": height - 1}
        drawn = ElementTree.SubElement(box, "rect", {name: f"{value:g}" for name, value in place.items()})
        ElementTree.SubElement(drawn, "title").text = f"{cell[1]:,} documents"
        if cell[1]:
            _write(box, percent(*cell), at + (width - 1) / 2, above + 14, anchor="middle")


def _length(names: Sequence[str]) -> int:
    return math.ceil(_CHAR * max((len(_cut(name)) for name in names), default=0))


def _cut(name: str) -> str:
    return name if len(name) <= _NAME_CHARS else f"{name[: _NAME_CHARS - 1]}…"


def _write(
    node: ElementTree.Element, text: str, x: float, y: float, anchor: str = "start", transform: str = ""
) -> None:
    place = {"x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor} | ({"transform": transform} if transform else {})
    ElementTree.SubElement(node, "text", place).text = text
