"""Shards whose tokens have weights in the loss, as the loader gives them."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from references import token_batches
from references.token_shards import Row, random_rows, write_export, write_manifest

from training.data import Content, Loader, ManifestError, ShardError, read_manifest

WEIGHTS = (0.0, 0.0, 1.0, 1.0, 0.5, 0.25, 2.0, 0.125, 3.0)


@pytest.fixture(scope="module")
def weighted() -> list[Row]:
    dice, rows = random.Random(3), random_rows(4, 90, 32, 1000, "chat")
    for row in rows:
        row.loss_weights = [dice.choice(WEIGHTS) for _ in row.tokens]
    return rows


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory, weighted: list[Row]) -> Path:
    folder = tmp_path_factory.mktemp("chats") / "export"
    write_export(folder, {"chat": {"train": weighted[:80], "eval": weighted[80:]}}, row_length=32, rows_per_shard=30)
    return folder


@pytest.mark.parametrize("labels", ["aligned", "shifted"])
@pytest.mark.parametrize("predict_first", [False, True])
def test_agrees_with_plain_python(chats: Path, weighted: list[Row], labels: Any, predict_first: bool) -> None:
    assert read_manifest(chats).loss_weights
    content = Content(labels=labels, predict_first_tokens=predict_first, loss_weights=True)
    for batch in Loader(chats, seed=2, batch_size=8, content=content, until=160):
        chosen = [weighted[row] for row in batch["row"]]
        expected = token_batches.batch(chosen, 32, labels=labels, predict_first=predict_first)
        assert batch["loss_weights"].dtype == np.float32
        assert batch["loss_weights"].tolist() == expected["loss_weights"]
        assert batch["labels"].tolist() == expected["labels"]
        assert ((batch["labels"] == -100) == (batch["loss_weights"] == 0)).all()


def test_what_counts_nothing_is_no_label_even_for_those_who_do_not_ask(chats: Path) -> None:
    for labels in ("aligned", "shifted"):
        asked = Loader(chats, seed=2, content=Content(labels=labels, loss_weights=True)).next_batch()
        plain = Loader(chats, seed=2, content=Content(labels=labels)).next_batch()
        assert np.array_equal(asked["labels"], plain["labels"])
        assert "loss_weights" not in plain


def test_one_by_hand(tmp_path: Path) -> None:
    """Two conversations in a row of eight, and a token of padding."""
    row = Row([11, 12, 13, 21, 22, 23, 24], [0, 3], ["a", "b"], [0, 0], [0, 0], [0, 0.5, 1, 1, 0, 2, 1])
    write_export(tmp_path / "e", {"a": {"train": [row]}}, row_length=8)
    expected = {
        "aligned": ([-100, 12, 13, -100, -100, 23, 24, -100], [0, 0.5, 1, 0, 0, 2, 1, 0]),
        "shifted": ([12, 13, -100, -100, 23, 24, -100, -100], [0.5, 1, 0, 0, 2, 1, 0, 0]),
    }
    for labels, (tokens, weights) in expected.items():
        content = Content(labels=labels, loss_weights=True)  # type: ignore[arg-type]
        batch = Loader(tmp_path / "e", batch_size=1, content=content).next_batch()
        assert batch["labels"][0].tolist() == tokens
        assert batch["loss_weights"][0].tolist() == weights


def test_evaluation_and_workers(chats: Path, weighted: list[Row]) -> None:
    content = Content(labels="shifted", loss_weights=True)
    loader = Loader(chats, batch_size=4, content=content, until=64)
    (held,) = loader.evaluation("chat", 16)
    expected = token_batches.batch(weighted[80:], 32, labels="shifted")
    assert held["loss_weights"].tolist() == expected["loss_weights"]
    plain = list(Loader(chats, batch_size=4, content=content, until=64))
    for tensors, arrays in zip(loader.dataloader(num_workers=2), plain, strict=True):
        assert np.array_equal(tensors["loss_weights"].numpy(), arrays["loss_weights"])


def test_shards_that_are_closed_meanwhile(chats: Path) -> None:
    content = Content(labels="aligned", loss_weights=True)
    few = Loader(chats, seed=5, batch_size=2, content=content, max_open=1, until=80)
    for one, other in zip(few, Loader(chats, seed=5, batch_size=2, content=content, until=80), strict=True):
        assert np.array_equal(one["loss_weights"], other["loss_weights"])


def test_weights_without_labels() -> None:
    with pytest.raises(ValueError, match="loss_weights are those of labels: ask for labels too"):
        Content(loss_weights=True)


def test_manifest_and_shards_have_to_agree(tmp_path: Path, weighted: list[Row]) -> None:
    manifest = write_export(tmp_path / "e", {"a": {"train": weighted[:5]}}, row_length=32)
    write_manifest(tmp_path / "e", {name: value for name, value in manifest.items() if name != "loss_weights"})
    with pytest.raises(
        ShardError, match="loss_weights; expected one of tokens, num_tokens, starts, doc_ids, offsets, rep"
    ):
        Loader(tmp_path / "e", batch_size=1).next_batch()
    write_manifest(tmp_path / "e", manifest | {"loss_weights": "float8"})
    with pytest.raises(ManifestError, match="field loss_weights is 'float8', expected one of float16"):
        Loader(tmp_path / "e")
    plain = write_export(tmp_path / "p", {"a": {"train": random_rows(1, 5, 32, 100, "a")}}, row_length=32)
    write_manifest(tmp_path / "p", plain | {"loss_weights": "float16"})
    with pytest.raises(ShardError, match=r"expected one of tokens, .*, repeats, loss_weights"):
        Loader(tmp_path / "p", batch_size=1).next_batch()


def test_weights_of_another_type_are_refused(tmp_path: Path, weighted: list[Row]) -> None:
    manifest = write_export(tmp_path / "e", {"a": {"train": weighted[:5]}}, row_length=32)
    (entry,) = manifest["shards"]
    path = tmp_path / "e" / entry["path"]
    batch = pa.ipc.open_file(path.read_bytes()).get_batch(0)
    wide = pa.FixedSizeListArray.from_arrays(batch["loss_weights"].values.cast(pa.float32()), 32)
    changed = batch.set_column(6, "loss_weights", wide)
    with pa.ipc.new_file(str(path), changed.schema) as writer:
        writer.write_batch(changed)
    write_manifest(tmp_path / "e", manifest | {"shards": [entry | {"num_bytes": path.stat().st_size}]})
    with pytest.raises(ShardError, match=r"loss weights of the type .*float.*, expected 32 of float16"):
        Loader(tmp_path / "e", batch_size=1, verify="size").next_batch()
