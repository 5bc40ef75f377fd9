"""`winnow preview-pages` on real pages: which lines are marked as kept, by whom."""

import re
from html import unescape
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.report.extraction import extraction_page, view_page
from curation.sources.extraction import extract_page
from jobs.cli import app

HTML = """<!DOCTYPE html><html><head><title>A page</title></head><body>
<nav><ul><li><a href="/">Home page of it</a></li><li><a href="/a">All our articles</a></li></ul></nav>
<main><article><h1>How rivers grow</h1><p>{long}</p><p>The second paragraph says that a river &amp; its <b>valley</b>
belong together, whatever the season may be, and that nobody has ever seen one without the other.</p></article></main>
<footer><p>Copyright notice &lt;b&gt;</p></footer></body></html>""".replace(
    "{long}", "Rivers grow where rain falls on high ground and runs down into the plain, year after year. " * 4
)


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["preview-pages", *arguments], env={"COLUMNS": "160"})
    assert done.exit_code == code, done.output
    return done.output


def test_lines_are_marked_by_who_keeps_them() -> None:
    view = view_page(HTML, "http://a.example/", "made")
    kept = {line.text: line.kept for line in view.lines}
    assert kept["How rivers grow"]
    second = next(text for text in kept if text.startswith("The second paragraph"))
    assert "river & its valley belong" in second
    assert kept[second] == ("resiliparse", "trafilatura")
    assert kept["All our articles"] == ()
    assert kept["Copyright notice <b>"] == ()
    for extractor, one in view.found.items():
        assert one.text == extract_page(HTML, extractor)[0]
        assert one.num_words == len(one.text.split())
        assert one.milliseconds > 0
    assert view.agreement is not None
    assert view.agreement > 0.9
    page = extraction_page([view])
    assert "Copyright notice &lt;b&gt;" in page
    assert "<b>valley" not in page  # no markup of theirs


def test_a_page_without_text_says_why() -> None:
    view = view_page("<html><body><script>1</script></body></html>", "http://b.example/", "made")
    assert view.lines == ()
    assert view.agreement is None
    assert all("text.empty" in (one.fault or "") for one in view.found.values())
    assert "gives no text: text.empty" in extraction_page([view])


def test_real_pages_of_a_warc_file(shared: Path, tmp_path: Path) -> None:
    target = tmp_path / "pages.html"
    source = str(shared / "data/warc/commoncrawl_2020-34_sample.warc.gz")
    said = run("-i", source, "--to", str(target), "--limit", "5", "--skip", "2")
    text = target.read_text()
    names = [
        unescape(re.sub("<wbr>", "", name)) for name in re.findall(r'<section class="page".*?<h2>(.*?)</h2>', text)
    ]
    assert len(names) == 5
    assert all(name.startswith("http") for name in names)
    assert f"Preview: {target}" in said
    for kind in ("both", "none"):
        assert f'<p class="{kind}"' in text
    assert "<script" not in text
    other = tmp_path / "first.html"
    run("-i", source, "--to", str(other), "--limit", "3")
    first = re.findall(r'<section class="page".*?<h2>(.*?)</h2>', other.read_text())
    assert re.sub("<wbr>", "", first[2]) == re.sub("<wbr>", "", re.findall(r"<h2>(.*?)</h2>", text)[0])


def test_pages_of_a_column(shared: Path, tmp_path: Path) -> None:
    target = tmp_path / "pages.html"
    source = str(shared / "data/html/trafilatura_eval.parquet")
    run("-i", source, "--html-field", "html", "--to", str(target), "--limit", "2")
    assert target.read_text().count('<section class="page"') == 2


@pytest.mark.parametrize("skip", [[], ["--skip", "9"]])
def test_files_without_pages_are_refused(shared: Path, tmp_path: Path, skip: list[str]) -> None:
    wet = str(shared / "data/warc/commoncrawl_2024-22_one_page.warc.wet.gz")
    said = " ".join(run("-i", wet, "--to", str(tmp_path / "x.html"), *skip, code=1).split())
    assert "no page was found in" in said
    assert not (tmp_path / "x.html").exists()
