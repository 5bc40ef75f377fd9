"""A1 at the smallest scale, trained here, and the figures of the README's tables, which `make reproductions` made."""

from pathlib import Path

import pytest
from reproductions import corpus, equalisation, schedules
from reproductions.equalisation import START, Scale, outcomes, pairs
from reproductions.runs import bench, recorded

SMALL = Scale(row_length=64, megabytes=0.5, layers=1, steps=200, every=20, eval_tokens=4096)
README = Path(__file__).with_name("README.md")


def test_dynamic_loading_evens_out_the_excess_of_four_kinds_of_text(tmp_path: Path, sample_corpus: Path) -> None:
    # With the seeds 1 and 2 the spread was 0.51 and 0.33 of the static run's, the largest excess 0.62 and 0.19 of it.
    export = tmp_path / "export"
    corpus.write(export, sample_corpus, row_length=SMALL.row_length, megabytes=SMALL.megabytes)
    with bench(export, tmp_path) as here:
        ((static, dynamic),) = pairs(outcomes(SMALL, here, [1], source=False))
    assert static.weights == START
    assert dynamic.spread <= 0.75 * static.spread
    assert dynamic.largest <= 0.8 * static.largest
    # Code and books began with too little, and the two that began with more than an even share had too much.
    assert static.excess["code"] > 0.1
    assert dynamic.weights["code"] > 1.5 * START["code"]
    assert dynamic.weights["arxiv"] < START["arxiv"]
    assert abs(sum(dynamic.weights.values()) - 1) < 1e-9


@pytest.mark.parametrize("module", [equalisation, schedules], ids=["A1", "D2Z"])
def test_the_readme_has_the_figures_that_were_made(module: object) -> None:
    figures = recorded()[module.NAME]  # type: ignore[attr-defined]
    rows = module.table(figures)  # type: ignore[attr-defined]
    text = README.read_text()
    assert rows
    assert [row for row in rows if row not in text] == []
    assert figures["date"] in text
    assert figures["machine"]["processor"] in text


def test_every_recorded_pair_of_runs_reaches_the_marks_of_a1() -> None:
    found = [equalisation.Outcome(**one) for one in recorded()[equalisation.NAME]["outcomes"]]
    assert {one.seed for one in found} == {1, 2, 3}
    assert all(equalisation.holds(found))
