"""The page of an export in a real browser: nothing runs, nothing leaves it, all is drawn, wide, narrow and printed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from end_to_end.chromium import Browser, browser, executable
from end_to_end.contrast import WEAKEST_CONTRAST
from references.read_export import manifest
from references.small_lake import Doc, write
from references.tokenizers_made import bpe

from curation.export.settings import Export
from curation.export.tokenizer import ExportTokenizer
from curation.session import Session
from jobs.display import Silent
from jobs.export_shards import export
from jobs.lake import Lake

EVIL = '<script>alert(1)</script><img src="https://example.invalid/x.png" onerror="alert(2)">'
DOMAINS = ("wiki", "books", "an-unusually-long-name-of-a-domain-that-has-to-go-somewhere", EVIL)

pytestmark = pytest.mark.parametrize("session", ["sail"], indirect=True)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = executable()
    if program is None:
        pytest.skip("neither chromium nor google-chrome is on the path")
    with browser(program) as running:
        yield running


@pytest.fixture(scope="module")
def exported(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export whose domains, sources, tokenizer and lake try to break out of its page."""
    base = tmp_path_factory.mktemp("export")
    docs = [
        Doc(
            doc_id=f"{number:032x}",
            text="the quick brown fox " * (1 + number * 7 % 90),
            source=("web", EVIL)[number // 4 % 2],
            weight=(1.0, 2.0, 3.0)[number // 8 % 3],
            metadata=json.dumps({"domain": DOMAINS[number % 4]}),
        )
        for number in range(160)
    ]
    write(Lake(session, str(base / "lake")), docs)
    tokenizer = ExportTokenizer(content=bpe(), name=EVIL, eos="<|endoftext|>")
    settings = Export(row_length=64, eval_share=0.2, shard_bytes=4096, domain="metadata.domain")
    export(Lake(session, str(base / "lake")), tokenizer, settings, str(base / "out"), Silent(), lake_name=EVIL)
    return base / "out"


@pytest.fixture
def page(exported: Path) -> Path:
    return exported / "report.html"


def test_it_is_quiet_and_what_tries_to_run_stays_text(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    assert chromium.complaints == []
    assert [url for url in chromium.requests if not url.startswith("data:")] == [page.as_uri()]
    assert chromium.ask("document.scripts.length + document.images.length") == 0
    assert chromium.ask("document.body.textContent.split('<script>alert(1)</script>').length - 1") >= 5
    assert chromium.ask("[...document.links].every(a => a.getAttribute('href').startsWith('#'))")
    anchors = chromium.ask(
        "[...document.querySelectorAll('nav a')].map(a => !!document.querySelector(a.getAttribute('href')))"
    )
    assert anchors == [True] * 7


@pytest.mark.parametrize("width", [1400, 420])
def test_every_picture_is_drawn_and_nothing_sticks_out(chromium: Browser, page: Path, width: int) -> None:
    chromium.open(page, width=width)
    pictures = chromium.ask(
        """[...document.querySelectorAll('svg.picture')].map(picture => {
            const box = picture.getBoundingClientRect();
            const free = getComputedStyle(picture).overflow === 'visible' ? 8 : 0;  // of a name's first letter
            const within = node => { const own = node.getBoundingClientRect();
                return own.left >= box.left - free && own.right <= box.right + 1 &&
                    own.top >= box.top - 1 && own.bottom <= box.bottom + 1; };
            const bars = [...picture.querySelectorAll('rect')];
            return [picture.getAttribute('aria-label'), box.width, box.height, bars.length,
                bars.every(bar => bar.getBoundingClientRect().width > 0 && bar.getBoundingClientRect().height > 0),
                [...bars, ...picture.querySelectorAll('text')].every(within),
                bars.every(bar => !['none', 'rgb(0, 0, 0)'].includes(getComputedStyle(bar).fill))];
        })"""
    )
    labels = [picture[0] for picture in pictures]
    assert "Tokens of each domain" in labels
    assert len(labels) >= 2
    for label, wide, high, bars, drawn, inside, filled in pictures:
        assert min(wide, high) >= 80, label
        assert bars >= 4, label
        assert all((drawn, inside, filled)), (label, drawn, inside, filled)
    assert chromium.ask("document.documentElement.scrollWidth") <= width
    sizes = chromium.ask("[...document.querySelectorAll('main > section')].map(s => s.getBoundingClientRect().height)")
    assert len(sizes) == 7
    assert min(sizes) > 50


def test_the_first_screen_tells_the_story(chromium: Browser, exported: Path, page: Path) -> None:
    chromium.open(page)
    counts = manifest(exported)["counts"]
    seen = chromium.ask("document.querySelector('header').innerText")
    assert chromium.ask("document.querySelector('header').getBoundingClientRect().bottom") < 900
    told = [f"{counts[name]:,}" for name in ("num_documents", "num_repeats", "num_tokens", "num_rows", "num_padding")]
    for figure in (*told, "special tokens", EVIL):
        assert figure in seen, figure
    shares = chromium.ask("[...document.querySelectorAll('.funnel i')].map(i => i.getBoundingClientRect().width)")
    room = counts["num_tokens"] + counts["num_padding"]
    text = counts["num_tokens"] - counts["num_special_tokens"]
    expected = [text / room, counts["num_special_tokens"] / room, counts["num_padding"] / room]
    assert [share / sum(shares) for share in shares] == pytest.approx(expected, abs=0.01)


def test_text_is_dark_on_light_and_it_prints(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    weakest = chromium.ask(WEAKEST_CONTRAST)
    assert weakest[0] >= 4.5, weakest  # WCAG 2 level AA
    answer = chromium.call("Page.printToPDF", printBackground=True)
    assert len(answer["data"]) > 50_000
