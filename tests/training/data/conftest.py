"""A small export that the tests of the loader read."""

from pathlib import Path

import pytest
from references.token_shards import Row, random_rows, write_export

ROW_LENGTH = 32
ROWS = {"books": 130, "web pages": 77, "ärzte/..": 300}


@pytest.fixture(scope="session")
def rows() -> dict[str, dict[str, list[Row]]]:
    """The rows of the export, by domain and split; one domain has rows for evaluation only."""
    made = {
        name: {
            "train": random_rows(0, num, ROW_LENGTH, 1000, name),
            "eval": random_rows(1, 11, ROW_LENGTH, 1000, f"{name} eval"),
        }
        for name, num in ROWS.items()
    }
    return made | {"held": {"eval": random_rows(1, 5, ROW_LENGTH, 1000, "held")}}


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory, rows: dict[str, dict[str, list[Row]]]) -> Path:
    """An export of these rows. Not to be changed."""
    folder = tmp_path_factory.mktemp("data") / "export"
    write_export(folder, rows, row_length=ROW_LENGTH)
    return folder


@pytest.fixture
def own_export(tmp_path: Path) -> Path:
    """An export of two domains that a test may damage."""
    folder = tmp_path / "export"
    domains = {name: {"train": random_rows(0, 20, 16, 1000, name)} for name in ("a", "b")}
    write_export(folder, domains, row_length=16, rows_per_shard=10)
    return folder
