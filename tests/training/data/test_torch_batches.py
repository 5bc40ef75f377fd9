"""Batches as tensors, with and without worker processes."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler

from training.data import Content, DataError, ExhaustedError, Loader, ShardError, WeightsError

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores

WEIGHTS = {"books": 0.3, "web pages": 0.2, "ärzte/..": 0.5, "held": 0.0}
OTHER = {"books": 0.1, "web pages": 0.8, "ärzte/..": 0.1, "held": 0.0}
EVERYTHING = Content(labels="shifted", position_ids=True, document_ids=True, cu_seqlens=True)
WORKERS = [(0, None), (1, "fork"), (4, "fork"), (1, "forkserver"), (4, "spawn")]


def made(export: Path, **arguments: Any) -> Loader:
    return Loader(export, **({"weights": WEIGHTS, "seed": 7, "batch_size": 8, "content": EVERYTHING} | arguments))


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert isinstance(value, torch.Tensor) == isinstance(expected[name], np.ndarray), name
        assert np.array_equal(np.asarray(value), expected[name]), name


@pytest.mark.parametrize(("num_workers", "start_method"), WORKERS)
def test_the_same_batches_for_any_number_of_workers(export: Path, num_workers: int, start_method: str | None) -> None:
    expected = list(made(export, until=300))
    loader = made(export, until=300)
    found = list(loader.dataloader(num_workers=num_workers, start_method=start_method))
    assert len(found) == len(expected) == 37
    for one, other in zip(found, expected, strict=True):
        same(one, other)
    assert loader.n == 296
    assert [found[0][name].dtype for name in ("tokens", "labels", "position_ids")] == [torch.int64] * 3


@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
@pytest.mark.parametrize("num_workers", [0, 1, 4])
def test_ranks_and_workers_read_the_same_sequence(export: Path, world_size: int, num_workers: int) -> None:
    whole = next(iter(made(export, batch_size=240)))
    found: dict[int, list[int]] = {}
    for rank in range(world_size):
        loader = made(
            export, batch_size=4 * world_size, rank=rank, world_size=world_size, until=240, micro_batch_size=2
        )
        for batch in loader.dataloader(num_workers=num_workers):
            found |= dict(zip(batch["sample"].tolist(), batch["tokens"].tolist(), strict=True))
    assert sorted(found) == list(range(240))
    assert [found[n] for n in range(240)] == whole["tokens"].tolist()


@pytest.mark.parametrize("num_workers", [0, 3])
def test_the_place_is_that_of_the_batches_handed_out(export: Path, num_workers: int) -> None:
    expected = list(made(export, until=400))
    loader = made(export)
    found, states = [], []
    for batch in itertools.islice(loader.dataloader(num_workers=num_workers), 11):
        found.append(batch)
        states.append(loader.state())
    assert [state["n"] for state in states] == [8 * (i + 1) for i in range(11)]
    # Prefetched batches are forgotten: an iteration that follows goes on with the next.
    found += itertools.islice(loader.dataloader(num_workers=num_workers), 5)
    resumed = made(export, batch_size=24)
    resumed.load_state(states[7])
    assert resumed.next_batch()["sample"].tolist() == list(range(64, 88))
    for one, other in zip(found, expected, strict=False):
        same(one, other)


@pytest.mark.parametrize(("num_workers", "start_method"), [(0, None), (1, "fork"), (4, "fork"), (2, "spawn")])
def test_weights_change_while_workers_read_ahead(export: Path, num_workers: int, start_method: str | None) -> None:
    expected_loader, expected = made(export, until=600), []
    ahead = num_workers * 2 * 8
    for batch in expected_loader:
        expected.append(batch)
        if expected_loader.n == 80:
            expected_loader.set_weights(OTHER, at=80 + ahead)
        if expected_loader.n == 240:
            expected_loader.set_weights(WEIGHTS, at=240 + ahead + 3)
    loader, found = made(export, until=600), []
    for batch in loader.dataloader(num_workers=num_workers, start_method=start_method):
        found.append(batch)
        if loader.n == 80:
            assert loader.earliest_change == 80 + ahead
            with pytest.raises(WeightsError, match=rf"The earliest is {80 + ahead}"):
                loader.set_weights(OTHER, at=80 + ahead - 1)
            assert loader.set_weights(OTHER) == 80 + ahead
        if loader.n == 240:
            loader.set_weights(WEIGHTS, at=240 + ahead + 3)
    assert loader.earliest_change == loader.n == 600
    for one, other in zip(found, expected, strict=True):
        same(one, other)
    assert loader.state() == expected_loader.state()
    assert [start for start, _ in loader.weight_log] == [0, 80 + ahead, 243 + ahead]


def test_the_earliest_change_is_as_early_as_it_can_be(export: Path) -> None:
    """Workers do read as far ahead as is said: if this fails, changes could take effect earlier than they do."""
    loader = made(export)
    batches = iter(loader.dataloader(num_workers=2, prefetch_factor=3))
    next(batches)
    assert loader.earliest_change == 8 + 2 * 3 * 8
    batches.close()  # type: ignore[attr-defined]
    assert loader.earliest_change == 8


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_end_of_the_corpus_reaches_the_caller(own_export: Path, num_workers: int) -> None:
    loader = Loader(own_export, batch_size=16)
    with pytest.raises(ExhaustedError, match="the corpus is exhausted at sample 160"):
        for _ in loader.dataloader(num_workers=num_workers):
            pass
    assert loader.n == 160
    assert len(loader.exhausted()) == 2


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_damaged_shard_reaches_the_caller(own_export: Path, num_workers: int) -> None:
    path = own_export / "b" / "train-00001.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(ShardError, match=r"b/train-00001.arrow is damaged"):
        list(Loader(own_export, batch_size=8, until=80).dataloader(num_workers=num_workers))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("num_workers", [0, 1])
def test_pinned_where_there_is_what_pins(export: Path, num_workers: int) -> None:
    found = list(made(export, until=40).dataloader(num_workers=num_workers, pin_memory=True))
    for one, other in zip(found, made(export, until=40), strict=True):
        same(one, other)
        assert one["tokens"].is_pinned() == torch.accelerator.is_available()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"num_workers": -1}, "num_workers of at least 0 and a prefetch_factor of at least 1, got -1 and 2"),
        ({"num_workers": 1, "prefetch_factor": 0}, "got 1 and 0"),
        (
            {"num_workers": 1, "start_method": "thread"},
            "start_method is 'thread', and this machine starts processes by",
        ),
    ],
)
def test_workers_that_cannot_be(export: Path, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        made(export).dataloader(**settings)


def test_one_iteration_at_a_time(export: Path) -> None:
    loader = made(export)
    batches = iter(loader.dataloader(num_workers=1))
    next(batches)
    with pytest.raises(DataError, match="is being iterated already"):
        next(iter(loader.dataloader()))
    with pytest.raises(DataError, match="a state was loaded while workers are reading"):
        loader.load_state(loader.state())
    batches.close()  # type: ignore[attr-defined]
    next(iter(loader.dataloader()))


def test_nothing_is_left_in_memory(export: Path) -> None:
    def left() -> list[Path]:
        return list(Path("/dev/shm").glob("winnow-weights-*"))

    before = left()
    list(made(export, until=80).dataloader(num_workers=2))
    assert left() == before


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_plain_dataset(export: Path, num_workers: int) -> None:
    content = Content(labels="aligned", document_ids=True)
    expected = made(export, batch_size=40, content=content).next_batch()
    dataset = made(export, until=40, content=content).dataset()
    assert len(dataset) == 40
    found = list(DataLoader(dataset, batch_size=10, num_workers=num_workers))
    for name in ("tokens", "labels", "document_ids", "sample", "domain", "row"):
        assert np.array_equal(torch.cat([batch[name] for batch in found]), expected[name])
    assert isinstance(dataset[3]["domain"], int)
    with pytest.raises(IndexError, match="sample 40: the loader ends at 40"):
        dataset[40]
    sampler: Any = DistributedSampler(dataset, num_replicas=2, rank=1, shuffle=False)
    assert next(iter(DataLoader(dataset, batch_size=4, sampler=sampler)))["sample"].tolist() == [1, 3, 5, 7]
    with pytest.raises(TypeError, match="has no end: give the loader an `until`"):
        len(made(export).dataset())
