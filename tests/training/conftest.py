"""A corpus that small models learn something of."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from references.training_setups import write_corpus


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small gain nothing from a second thread, and lose much where other processes want the core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of three domains. Not to be changed."""
    return write_corpus(tmp_path_factory.mktemp("corpus") / "shards")
