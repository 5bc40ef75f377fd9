"""The page of a training run in a real browser: nothing runs, nothing leaves it, each line is drawn, wide or narrow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from end_to_end.chromium import Browser, browser, executable
from end_to_end.contrast import WEAKEST_CONTRAST
from references.training_runs import failed_run, plain_run, whole_run

from jobs.write_training_report import write_training_report
from training.logs import RunLog

EVIL = '<script>alert(1)</script><img src="https://example.invalid/x.png" onerror="alert(2)">'


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = executable()
    if program is None:
        pytest.skip("neither chromium nor google-chrome is on the path")
    with browser(program) as running:
        yield running


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with everything in it, and with words that try to break out."""
    folder = whole_run(tmp_path_factory.mktemp("run") / "pages & <b>runs", device=EVIL)
    with RunLog(folder) as log:
        log.write("warning", step=600, message=EVIL)
        log.write("end", step=600, reason="failed", message=EVIL, seconds=1.0)
    return write_training_report(folder)


def test_it_is_quiet_and_asks_for_nothing(chromium: Browser, report: Path) -> None:
    chromium.open(report)
    assert chromium.complaints == []
    assert [url for url in chromium.requests if not url.startswith("data:")] == [report.as_uri()]
    assert report.stat().st_size < 300_000
    assert chromium.ask("document.scripts.length + document.images.length") == 0
    assert chromium.ask("document.body.textContent.split('<script>alert(1)</script>').length - 1") >= 4
    assert chromium.ask("[...document.links].every(a => a.getAttribute('href').startsWith('#'))")
    anchors = chromium.ask(
        "[...document.querySelectorAll('nav a')].map(a => !!document.querySelector(a.getAttribute('href')))"
    )
    assert anchors == [True] * 7


@pytest.mark.parametrize("width", [1400, 420])
def test_every_line_is_drawn_and_nothing_sticks_out(chromium: Browser, report: Path, width: int) -> None:
    chromium.open(report, width=width)
    pictures = chromium.ask(
        """[...document.querySelectorAll('svg.picture')].map(picture => {
            const box = picture.getBoundingClientRect();
            const within = node => { const own = node.getBoundingClientRect();
                return own.left >= box.left - 2 && own.right <= box.right + 2 &&
                    own.top >= box.top - 2 && own.bottom <= box.bottom + 2; };
            const lines = [...picture.querySelectorAll('.curve path')];
            const stroked = lines.every(
                line => !['none', 'rgb(227, 227, 227)'].includes(getComputedStyle(line).stroke));
            const dots = [...picture.querySelectorAll('circle')];
            const filled = dots.every(dot => !['none', 'rgb(0, 0, 0)'].includes(getComputedStyle(dot).fill));
            const parts = [...lines, ...dots, ...picture.querySelectorAll('text')];
            return [picture.getAttribute('aria-label'), box.width, box.height, lines.length, dots.length,
                parts.every(within), stroked, filled];
        })"""
    )
    found = {label: (lines, dots) for label, _, _, lines, dots, _, _, _ in pictures}
    assert found == {
        "Training and evaluation loss over all steps": (5, 12),
        "Training and evaluation loss over the second half of the steps": (3, 7),
        "Evaluation loss of each domain": (5, 48),
        "Smoothed training loss of each domain": (5, 0),
        "Evaluation loss of each domain above its reference": (4, 48),
        "Domain weights over steps": (5, 0),
        "Learning rate over steps": (1, 0),
        "Gradient norm over steps": (2, 0),
        "Tokens a second over steps": (2, 0),
    }
    for label, wide, high, _, _, inside, stroked, filled in pictures:
        assert min(wide, high) >= 80, label
        assert all((inside, stroked, filled)), (label, inside, stroked, filled)
    swatches = chromium.ask(
        "[...document.querySelectorAll('.legend .stroke')].map(i => [i.getBoundingClientRect().width, "
        "getComputedStyle(i).backgroundColor, getComputedStyle(i).backgroundImage])"
    )
    assert len(swatches) == 14
    assert all(wide > 8 and (colour != "rgba(0, 0, 0, 0)" or image != "none") for wide, colour, image in swatches)
    assert chromium.ask("document.documentElement.scrollWidth") <= width
    sizes = chromium.ask("[...document.querySelectorAll('main > section')].map(s => s.getBoundingClientRect().height)")
    assert len(sizes) == 7
    assert min(sizes) > 50


def test_the_first_screen_tells_the_story(chromium: Browser, report: Path) -> None:
    chromium.open(report)
    seen = chromium.ask("document.querySelector('header').innerText")
    assert chromium.ask("document.querySelector('header').getBoundingClientRect().bottom") < 900
    for told in ("evaluation loss", "tokens trained on", "tokens/s", "MFU", "failed at step 600", "4 warnings", EVIL):
        assert told in seen


def test_text_is_dark_on_light_and_it_prints(chromium: Browser, report: Path) -> None:
    chromium.open(report)
    weakest = chromium.ask(WEAKEST_CONTRAST)
    assert weakest[0] >= 4.5, weakest  # WCAG 2 level AA
    answer = chromium.call("Page.printToPDF", printBackground=True)
    assert len(answer["data"]) > 50_000


def test_pages_of_runs_that_hardly_began(chromium: Browser, tmp_path: Path) -> None:
    for folder in (failed_run(tmp_path / "failed"), plain_run(tmp_path / "going")):
        page = write_training_report(folder)
        chromium.open(page, width=420)
        assert chromium.complaints == []
        assert chromium.ask("document.documentElement.scrollWidth") <= 420
        assert chromium.ask("document.querySelectorAll('svg.picture').length") >= 4
