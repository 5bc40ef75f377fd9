"""Whether a page is whole and needs nothing else."""

from html.parser import HTMLParser


class Closed(HTMLParser):
    """Complains of tags that do not match, and of whatever a page could load or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.feed(html)
        self.close()
        assert not self.open
        assert self.links <= {f"#{name}" for name in self.ids} | {"data:,"}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "iframe", "object")
        found = dict(attrs)
        assert not [name for name in found if name.startswith("on")]
        self.links |= {found[name] or "" for name in ("src", "href") if name in found}
        self.ids |= {found["id"] or ""} if "id" in found else set()
        if tag not in ("meta", "link", "wbr", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
