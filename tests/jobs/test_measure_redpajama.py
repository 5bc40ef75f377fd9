"""RedPajama-V2's signals in the tables of both engines: numbers, lists per line, and how `winnow show` has them."""

from pathlib import Path

import pytest
from deltalake import DeltaTable
from references import redpajama as reference
from references.small_lake import Doc, write

from curation.session import Session
from curation.signals.redpajama import LINES, published
from jobs.display import Silent
from jobs.lake import Lake
from jobs.measure_signals import measure
from jobs.recipe_file import load_recipe
from jobs.stage import Work
from jobs.story_view import value_text

TEXTS = ["One line.\n• Another, of javascript\n", "", "Ein Satz über Ärger. Noch einer!"]


def test_in_the_tables(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path / "lake"))
    write(lake, [Doc(f"d{k}", text) for k, text in enumerate(TEXTS)], partitions=2)
    measure(Work(lake, load_recipe("redpajama_v2_signals"), Silent()))
    rows = DeltaTable(lake.location("signals")).to_pyarrow_table().to_pylist()
    found = {row["doc_id"]: row["redpajama"] for row in rows}
    for k, text in enumerate(TEXTS):
        row = found[f"d{k}"]
        assert {name: row[name] for name in LINES} == reference.of_lines(text)
        assert row["rps_doc_word_count"] == reference.of_document(text)["rps_doc_word_count"]
        assert published(row)["ccnet_original_length"] == [[0, len(text), len(text)]]


@pytest.mark.parametrize(
    ("value", "text"),
    [([1.0, 2.5], "2 values: 1, 2.5"), ([], "0 values: "), (list(range(9)), "9 values: 0, 1, 2, 3, 4, ...")],
)
def test_lists_for_people(value: list[float], text: str) -> None:
    assert value_text(value) == text
