"""The report in a real browser: nothing runs, nothing leaves the page, everything is drawn, wide and narrow."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from end_to_end.chromium import Browser, browser, executable
from end_to_end.contrast import WEAKEST_CONTRAST
from rich.console import Console

from curation.session import Session
from curation.sources.settings import Ingest
from jobs.curate_corpus import curate
from jobs.display import Silent
from jobs.lake import Lake
from jobs.recipe_file import load_recipe
from jobs.stage import Work
from jobs.write_report import write_report

EVIL = '<script>alert(1)</script><img src="https://example.invalid/x.png" onerror="alert(2)">'

pytestmark = pytest.mark.parametrize("session", ["sail"], indirect=True)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = executable()
    if program is None:
        pytest.skip("neither chromium nor google-chrome is on the path")
    with browser(program) as running:
        yield running


@pytest.fixture(scope="module")
def report(session: Session, sample_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the sample corpus and of documents and records that try to break out."""
    base = tmp_path_factory.mktemp("report")
    evil = [
        json.dumps({"id": f"{EVIL}{i}", "source": EVIL, "url": f"javascript:alert({i})", "text": f"{EVIL} {i}"})
        for i in range(9)
    ]
    broken = ["not json " + EVIL, json.dumps({"id": EVIL, "text": None})]
    (base / "evil.jsonl").write_text("\n".join([*evil, *broken]) + "\n", encoding="utf-8")
    work = Work(Lake(session, str(base / "lake")), load_recipe("demo"), Silent())
    with work.lake.held():
        reading = Ingest(inputs=(str(sample_corpus / "*.jsonl.gz"), str(base / "evil.jsonl")))
        results = curate(work, reading, Console(file=StringIO()))
        return write_report(work, str(base / "report.html"), results)


def test_it_is_quiet_and_asks_for_nothing(chromium: Browser, report: Path) -> None:
    chromium.open(report)
    assert chromium.complaints == []
    assert [url for url in chromium.requests if not url.startswith("data:")] == [report.as_uri()]
    assert report.stat().st_size < 1_000_000


def test_scripts_in_documents_stay_text(chromium: Browser, report: Path) -> None:
    chromium.open(report)
    assert chromium.ask("document.scripts.length") == 0
    assert chromium.ask("document.images.length") == 0
    assert chromium.ask("document.body.textContent.split('<script>alert(1)</script>').length - 1") >= 5
    assert (
        chromium.ask(
            "[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/.test(a.name))).length"
        )
        == 0
    )
    assert chromium.ask("[...document.links].every(a => a.getAttribute('href').startsWith('#'))")


@pytest.mark.parametrize("width", [1400, 420])
def test_every_picture_is_drawn_and_nothing_sticks_out(chromium: Browser, report: Path, width: int) -> None:
    chromium.open(report, width=width)
    pictures = chromium.ask(
        """[...document.querySelectorAll('svg.picture')].map(picture => {
            const box = picture.getBoundingClientRect();
            const bars = [...picture.querySelectorAll('rect')].map(bar => bar.getBoundingClientRect());
            const inside = bars.every(bar => bar.right <= box.right + 1 && bar.left >= box.left - 1 &&
                bar.top >= box.top - 1 && bar.bottom <= box.bottom + 1);
            const filled = [...picture.querySelectorAll('rect')].every(
                bar => !['none', 'rgb(0, 0, 0)'].includes(getComputedStyle(bar).fill));
            const texts = [...picture.querySelectorAll('text')].map(text => text.getBoundingClientRect());
            const read = texts.every(text => text.left >= box.left - 2 && text.right <= box.right + 2);
            return [picture.getAttribute('aria-label'), box.width, box.height, bars.length,
                bars.every(bar => bar.width > 0 && bar.height > 0), inside, filled, read];
        })"""
    )
    labels = [picture[0] for picture in pictures]
    assert sum(label.startswith("Distribution of") for label in labels) >= 20
    assert sum(label.startswith("What became of") for label in labels) == 2
    for label, wide, high, bars, drawn, inside, filled, read in pictures:
        assert min(wide, high) >= 80, label
        assert bars >= 1, label
        assert all((drawn, inside, filled, read)), (label, drawn, inside, filled, read)
    assert chromium.ask("document.documentElement.scrollWidth") <= width
    sizes = chromium.ask("[...document.querySelectorAll('main > section')].map(s => s.getBoundingClientRect().height)")
    assert len(sizes) == 8
    assert min(sizes) > 50


def test_the_first_screen_tells_the_story(chromium: Browser, report: Path) -> None:
    chromium.open(report)
    seen = chromium.ask("document.querySelector('header').innerText")
    assert chromium.ask("document.querySelector('header').getBoundingClientRect().bottom") < 900
    for told in ("documents in", "kept", "not drawn", "duplicates", "dropped by rules", "2 records in quarantine"):
        assert told in seen
    anchors = chromium.ask(
        "[...document.querySelectorAll('nav a')].map(a => !!document.querySelector(a.getAttribute('href')))"
    )
    assert anchors == [True] * 8


def test_text_is_dark_on_light(chromium: Browser, report: Path) -> None:
    chromium.open(report)
    weakest = chromium.ask(WEAKEST_CONTRAST)
    assert weakest[0] >= 4.5, weakest  # WCAG 2 level AA


def test_it_prints(chromium: Browser, report: Path) -> None:
    chromium.open(report)
    answer = chromium.call("Page.printToPDF", printBackground=True)
    assert len(answer["data"]) > 100_000
