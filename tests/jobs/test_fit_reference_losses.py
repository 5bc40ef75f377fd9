"""Reference losses of a size that was never trained, from tables of three that were."""

from dataclasses import replace
from pathlib import Path

import pytest

from jobs.fit_reference_losses import fit_reference_losses
from training.data.errors import ReferenceLossError
from training.data.reference_losses import ReferenceLosses, read_reference_losses, write_reference_losses

SIZES = (6_738_415_616, 13_015_864_320, 68_976_648_192)
LLAMA_2 = {"book": (1.9063, 1.8242, 1.6450), "cc": (1.7520, 1.6680, 1.4621)}


@pytest.fixture
def tables(tmp_path: Path) -> list[Path]:
    """Three tables, the largest model's first."""
    paths = []
    for place in (2, 0, 1):
        table = ReferenceLosses(
            losses={name: losses[place] for name, losses in LLAMA_2.items()},
            num_params=SIZES[place],
            tokenizer="a" * 64,
            evaluation={"book": "b" * 64, "cc": "c" * 64},
            row_length=4096,
        )
        paths.append(tmp_path / f"{SIZES[place]}.json")
        write_reference_losses(table, paths[-1])
    return paths


def test_three_tables_make_a_fourth(tables: list[Path], tmp_path: Path) -> None:
    fitted = fit_reference_losses(tables, 1_345_423_360, tmp_path / "1.3b.json")
    written = read_reference_losses(tmp_path / "1.3b.json")
    assert written == fitted.table
    assert {name: round(loss, 4) for name, loss in written.losses.items()} == {"book": 2.1393, "cc": 1.9643}
    assert written.num_params == 1_345_423_360
    assert written.evaluation == {"book": "b" * 64, "cc": "c" * 64}
    assert (written.tokenizer, written.row_length, written.tokens) == ("a" * 64, 4096, None)
    assert "6,738,415,616, 13,015,864,320, 68,976,648,192 parameters" in str(written.note)
    assert [warning.partition(":")[0] for warning in fitted.warnings] == [
        "1,345,423,360 parameters are 5.0 times beyond the models that the law was fitted to (6,738,415,616 to "
        "68,976,648,192)",
        "the losses of domain 'book' are of three sizes, and the law has three constants",
        "the losses of domain 'cc' are of three sizes, and the law has three constants",
        "the losses of domain 'cc' give a law with the floor -2.7980, below 0, which no loss can reach",
    ]


def change(path: Path, **changed: object) -> None:
    write_reference_losses(replace(read_reference_losses(path), **changed), path)  # type: ignore[arg-type]


def test_tables_that_do_not_belong_together(tables: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    with pytest.raises(ReferenceLossError, match=f"2 sizes of model.* and {tables[0]} is the largest: use its losses"):
        fit_reference_losses(tables[:2], 10**9, out)
    change(tables[1], num_params=SIZES[2])
    with pytest.raises(ReferenceLossError, match="are both of 68,976,648,192 parameters"):
        fit_reference_losses(tables, 10**9, out)
    change(tables[1], num_params=None)
    with pytest.raises(ReferenceLossError, match="does not name the size of its model: add num_params"):
        fit_reference_losses(tables, 10**9, out)
    change(tables[1], num_params=SIZES[0], row_length=2048)
    with pytest.raises(ReferenceLossError, match=f"{tables[1]} was measured with another row_length than {tables[0]}"):
        fit_reference_losses(tables, 10**9, out)
    change(tables[1], row_length=4096, losses={"book": 1.9063})
    with pytest.raises(ReferenceLossError, match=f"{tables[1]} lacks 'cc'"):
        fit_reference_losses(tables, 10**9, out)
    assert not out.exists()


def test_a_size_at_which_the_law_is_below_zero(tables: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ReferenceLossError, match="the laws of 'cc' are below 0: the size is too far"):
        fit_reference_losses(tables, 10**18, tmp_path / "out.json")
