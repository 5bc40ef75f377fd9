"""The heat map as a picture: the table's numbers and colours."""

from xml.etree import ElementTree

from curation.report.heat import Matrix, heat, level, percent
from curation.report.sheet import sheet

OVERLAP = Matrix(("a.few", "b.long"), ("a.few", "b.long"), ((None, (0.25, 1000)), ((1.0, 1000), None)))
BY_SOURCE = Matrix(("a.few", "b." + "x" * 90), ("web", "books", "code"), (((0.5, 5), (0.001, 1), (0.0, 0)),) * 2)


def cells(picture: str) -> list[tuple[str, str, str]]:
    """Class, text and tooltip of each cell."""
    groups = ElementTree.fromstring(picture).iter("g")
    return [(g.get("class", ""), g.findtext("text", ""), g.findtext("rect/title", "")) for g in groups]


def test_shares_in_percent_and_shades() -> None:
    assert [percent(share, 7) for share in (0.004, 0.005, 0.256, 1.0)] == ["<1", "0", "26", "100"]
    assert percent(0.0, 0) == ""
    assert [level(share) for share in (0.0, 0.001, 0.112, 0.5, 0.999, 1.0)] == [0, 1, 2, 5, 9, 9]


def test_an_overlap_numbers_its_columns() -> None:
    drawn = heat(OVERLAP, "Overlap")
    assert cells(drawn) == [("cell h3", "25", "1,000 documents"), ("cell h9", "100", "1,000 documents")]
    texts = [node.text for node in ElementTree.fromstring(drawn).findall("text")]
    assert texts == ["1", "2", "1", "a.few", "·", "2", "b.long", "·"]
    assert 'aria-label="Overlap"' in drawn


def test_other_columns_are_named_upright_and_long_names_are_cut() -> None:
    drawn = heat(BY_SOURCE, "By source")
    root = ElementTree.fromstring(drawn)
    assert [text for _, text, _ in cells(drawn)] == ["50", "<1", ""] * 2
    upright = [node.text for node in root.findall("text") if node.get("transform", "").startswith("rotate(-90 ")]
    assert upright == ["web", "books", "code"]
    assert max(len(node.text or "") for node in root.iter("text")) == 40
    _, _, width, height = map(float, root.get("viewBox", "").split())
    boxes = [{name: float(value) for name, value in box.attrib.items()} for box in root.iter("rect")]
    assert all(box["x"] + box["width"] <= width and box["y"] + box["height"] <= height for box in boxes)


def test_it_stands_alone_in_a_sheet() -> None:
    alone = sheet([("Overlap", heat(OVERLAP, "Overlap"))], legend=[("shared", "with others")])
    assert ".h9{--heat:" in alone
    assert ".picture .cell rect{fill:var(--heat" in alone
    assert ".picture .shared rect{fill:" in alone
