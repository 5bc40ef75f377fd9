"""Every notebook runs in a kernel of its own and prints what is kept in the repository."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_BYTES = 300_000
AGAIN = "if this change is meant, run `python notebooks/execute.py` and look at the outputs"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the notebooks, run afresh."""
    target = tmp_path_factory.mktemp("notebooks")
    environment = {name: value for name, value in os.environ.items() if name not in ("LAKE", "RUN")}
    command = [sys.executable, str(FOLDER / "execute.py"), "--to", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def outputs(path: Path) -> list[Any]:
    """The outputs of all code cells."""
    cells = nbformat.read(path, as_version=4).cells
    return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]


def printed(path: Path) -> str:
    """All that the cells print or show as text."""
    # a cell that prints twice may have one stream or two, as time has it
    streams = [o.text if o.output_type == "stream" else o.data.get("text/plain", "") + "\n" for o in outputs(path)]
    return "".join(streams)


def pictures(path: Path) -> list[str]:
    """The pictures, as SVG."""
    return [o.data["image/svg+xml"] for o in outputs(path) if "image/svg+xml" in o.get("data", {})]


def bars(picture: str) -> int:
    """Bars of a picture that have a length."""
    found = ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}rect")
    return sum(float(rect.get("width", "0")) > 0 and float(rect.get("height", "0")) > 0 for rect in found)


def lines(picture: str) -> int:
    """Curves of a picture."""
    found = ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}path")
    return sum("line" in path.get("class", "").split() and path.get("d", "").count(" ") > 2 for path in found)


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "01_why_was_this_dropped",
        "02_near_duplicates",
        "03_shards",
        "04_training",
        "05_from_the_crawl",
    ]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_prints_and_draws_what_is_kept(notebook: Path, executed: Path) -> None:
    again = executed / notebook.name
    assert printed(again) == printed(notebook), AGAIN
    assert [bars(picture) for picture in pictures(again)] == [bars(picture) for picture in pictures(notebook)], AGAIN
    assert [lines(picture) for picture in pictures(again)] == [lines(picture) for picture in pictures(notebook)], AGAIN
    sources = [[cell.source for cell in nbformat.read(path, as_version=4).cells] for path in (again, notebook)]
    assert sources[0] == sources[1]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_kept_outputs_are_small_and_say_nothing_of_a_machine(notebook: Path) -> None:
    text = notebook.read_text(encoding="utf-8")
    assert len(text) < MOST_BYTES
    assert not re.search(r"(?<![\w.:/])/(home|root|tmp|work|Users|private|var)/|file://|0x[0-9a-f]{9,}", text)
    assert not re.search(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d", text)
    kinds = {(o.output_type, o.get("name")) for o in outputs(notebook)}
    assert kinds <= {("stream", "stdout"), ("display_data", None), ("execute_result", None)}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_picture_is_drawn(notebook: Path) -> None:
    drawn = pictures(notebook)
    assert len(drawn) >= 2
    assert all(bars(picture) >= 4 for picture in drawn)
    assert all("<script" not in picture for picture in drawn)


def test_documents_of_a_row_are_coloured_and_stay_text(executed: Path) -> None:
    kept, again = (
        [o.data["text/html"] for o in outputs(folder / "03_shards.ipynb") if "text/html" in o.get("data", {})]
        for folder in (FOLDER, executed)
    )
    assert kept == again, AGAIN
    (shown,) = kept
    assert shown.count("<span") == 2 + 4
    assert set(re.findall(r"</?([a-z]+)", shown)) == {"p", "span", "i"}
    assert "&lt;|endoftext|&gt;" in shown


def test_the_run_of_the_fourth_is_drawn_whole() -> None:
    # four losses and one for each of four domains; excess, weights, rate and norm; weights under two etas
    assert [lines(picture) for picture in pictures(FOLDER / "04_training.ipynb")] == [8, 10, 8]
    assert "the same weights again: True" in printed(FOLDER / "04_training.ipynb")
    assert "below the entropy of single tokens: True" in printed(FOLDER / "04_training.ipynb")


def test_the_crawl_is_told_from_its_pages_to_the_verdicts_of_others() -> None:
    told = printed(FOLDER / "05_from_the_crawl.ipynb")
    for line in (
        "crawl.warc      warc    1,454 records,  1,451 documents",
        "http.status, such as record 1452 of crawl.warc",
        "Key Points                                                                        resiliparse  trafilatura",
        "its text is what was kept by resiliparse",
        "documents are kept by paper and dropped by datatrove, because of gopher.too_few_words_with_letter",
        "datatrove drops it: num_sentences is 4, c4.too_few_sentences asks for ≥ 5",
    ):
        assert line in told
    assert max(map(len, told.splitlines())) <= 115
    drawn = pictures(FOLDER / "05_from_the_crawl.ipynb")
    assert sum('class="cell h9"' in picture for picture in drawn) == 1  # the heat map
