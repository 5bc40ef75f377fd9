"""Reading the page of an export: its tables as text."""

from html.parser import HTMLParser


class _Cells(HTMLParser):
    """Rows of the tables that have an id, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self._open: str | None = None
        self._in_cell = self._in_body = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._open = dict(attrs).get("id")
            if self._open:
                self.tables[self._open] = []
        elif tag == "tbody":
            self._in_body = True
        elif tag == "tr" and self._open and self._in_body:
            self.tables[self._open].append([])
        elif tag in ("td", "th") and self._open and self._in_body:
            self._in_cell = True
            self.tables[self._open][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False
        elif tag == "tbody":
            self._in_body = False
        elif tag == "table":
            self._open = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open and self._in_cell:
            self.tables[self._open][-1][-1] += data


def tables(html: str, *, strip: bool = True) -> dict[str, dict[str, list[str]]]:
    """By the table's id, the cells of each row by its first one."""
    found = _Cells(html).tables
    return {
        name: {(row[0].strip() if strip else row[0]): [cell.strip() for cell in row[1:]] for row in rows}
        for name, rows in found.items()
    }


def text_of(html: str) -> str:
    """All text of a page."""
    return _Cells(html).text
