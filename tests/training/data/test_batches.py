"""What batches hold, against plain Python."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from references import token_batches
from references.token_shards import Row, random_rows, write_export

from training.data import Content, DataError, Loader

EVERYTHING = Content(labels="aligned", position_ids=True, document_ids=True, cu_seqlens=True, loss_weights=True)
Rows = dict[str, dict[str, list[Row]]]


def same(batch: dict[str, Any], expected: dict[str, Any], names: Any) -> None:
    for name in names:
        found = batch[name] if name == "max_seqlen" else batch[name].tolist()
        assert found == expected[name], name


@pytest.mark.parametrize("labels", ["aligned", "shifted"])
@pytest.mark.parametrize("predict_first", [False, True])
def test_agrees_with_plain_python(export: Path, rows: Rows, labels: Any, predict_first: bool) -> None:
    content = Content(
        labels=labels,
        predict_first_tokens=predict_first,
        position_ids=True,
        document_ids=True,
        cu_seqlens=True,
        loss_weights=True,
    )
    loader = Loader(export, seed=2, batch_size=8, content=content)
    for batch in itertools.islice(loader, 30):
        chosen = [
            rows[loader.domains[domain]]["train"][row]
            for domain, row in zip(batch["domain"], batch["row"], strict=True)
        ]
        expected = token_batches.batch(chosen, 32, labels=labels, predict_first=predict_first)
        same(batch, expected, expected)
        assert batch["cu_seqlens"][-1] == batch["tokens"].size
        assert np.diff(batch["cu_seqlens"]).min() > 0


@pytest.mark.parametrize(
    "content",
    [
        Content(),
        Content(labels="shifted"),
        Content(position_ids=True),
        Content(document_ids=True),
        Content(cu_seqlens=True),
        Content(tokens="stored", labels="aligned", cu_seqlens=True),
        Content(labels="aligned", loss_weights=True),
    ],
)
def test_only_what_is_asked_for(export: Path, content: Content) -> None:
    loader = Loader(export, seed=2, batch_size=8, content=content)
    whole = Loader(export, seed=2, batch_size=8, content=EVERYTHING)
    batch, all_of_it = loader.next_batch(), whole.next_batch()
    asked = {"tokens", "sample", "domain", "epoch", "row", "next"}
    asked |= {
        name
        for name in ("labels", "position_ids", "document_ids", "cu_seqlens", "loss_weights")
        if getattr(content, name)
    }
    assert set(batch) == asked | ({"max_seqlen"} if content.cu_seqlens else set())
    for name in asked - {"labels"}:
        assert np.array_equal(batch[name], all_of_it[name])


def test_types(export: Path) -> None:
    batch = Loader(export, content=EVERYTHING).next_batch()
    kinds = {name: str(value.dtype) for name, value in batch.items() if isinstance(value, np.ndarray)}
    assert kinds == {
        "tokens": "int64",
        "labels": "int64",
        "loss_weights": "float32",
        "position_ids": "int64",
        "document_ids": "int32",
        "cu_seqlens": "int32",
        "sample": "int64",
        "domain": "int32",
        "epoch": "int32",
        "row": "int64",
    }
    assert Loader(export, content=Content(tokens="stored")).next_batch()["tokens"].dtype == np.uint16


def test_wide_ids(tmp_path: Path) -> None:
    rows = random_rows(5, 12, 16, 2**32, "a")
    write_export(tmp_path / "e", {"a": {"train": rows}}, row_length=16, dtype="uint32", vocab_size=2**32)
    for content in (EVERYTHING, Content(tokens="stored")):
        batch = Loader(tmp_path / "e", batch_size=12, content=content).next_batch()
        assert sorted(batch["row"].tolist()) == list(range(12))
        expected = token_batches.batch([rows[row] for row in batch["row"]], 16)
        assert batch["tokens"].tolist() == expected["tokens"]


def test_a_row_without_tokens_is_all_padding(tmp_path: Path) -> None:
    rows = [Row([], [], [], [], []), *random_rows(5, 3, 16, 100, "a")]
    write_export(tmp_path / "e", {"a": {"train": rows}}, row_length=16)
    batch = Loader(tmp_path / "e", batch_size=4, content=EVERYTHING).next_batch()
    expected = token_batches.batch([rows[row] for row in batch["row"]], 16, labels="aligned")
    same(batch, expected, expected)
    loader = Loader(tmp_path / "e", batch_size=4)
    assert [len(loader.provenance(n)["segments"]) == 0 for n in range(4)] == [row == 0 for row in batch["row"]]


def test_one_sample(export: Path) -> None:
    loader = Loader(export, seed=2, batch_size=8, content=EVERYTHING)
    batch = loader.batch_at(16)
    one = loader[18]
    assert loader.n == 0
    assert one["sample"] == 18
    for name in ("tokens", "labels", "position_ids", "document_ids", "loss_weights"):
        assert one[name].shape == (32,)
        assert np.array_equal(one[name], batch[name][2])
    assert one["cu_seqlens"][-1] == 32
    with pytest.raises(IndexError, match="sample -1"):
        loader[-1]


def test_provenance(export: Path, rows: Rows) -> None:
    loader = Loader(export, seed=2)
    for number in range(0, 200, 7):
        found, one = loader.provenance(number), loader[number]
        row = rows[found["domain"]]["train"][int(one["row"])]
        assert found["sample"] == number
        assert loader.domains[int(one["domain"])] == found["domain"]
        assert found["shard"].endswith(f"train-{int(one['row']) // 50:05d}.arrow")
        assert found["row"] == int(one["row"]) % 50
        assert [part.doc_id for part in found["segments"]] == row.doc_ids
        assert [part.start for part in found["segments"]] == row.starts
        assert sum(part.num_tokens for part in found["segments"]) == len(row.tokens)
        assert [(part.offset, part.repeat) for part in found["segments"]] == list(
            zip(row.offsets, row.repeats, strict=True)
        )


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_evaluation_reads_what_was_set_aside_in_order(export: Path, rows: Rows, world_size: int) -> None:
    seen: dict[int, list[int]] = {}
    for rank in range(world_size):
        loader = Loader(export, batch_size=6, rank=rank, world_size=world_size, content=EVERYTHING)
        for _ in range(2):
            batches = list(loader.evaluation("ärzte/..", 4))
        assert {len(batch["row"]) for batch in batches[:-1]} <= {4}
        for batch in batches:
            chosen = [rows["ärzte/.."]["eval"][row] for row in batch["row"]]
            expected = token_batches.batch(chosen, 32, labels="aligned")
            same(batch, expected, expected)
            seen |= dict(zip(batch["row"].tolist(), batch["tokens"].tolist(), strict=True))
        numbers = [row for batch in batches for row in batch["row"].tolist()]
        assert numbers == list(range(rank, 11, world_size))
    assert sorted(seen) == list(range(11))


def test_evaluation_of_a_domain_that_is_only_evaluated(export: Path, rows: Rows) -> None:
    (batch,) = Loader(export).evaluation("held", 8)
    assert batch["tokens"].tolist() == token_batches.batch(rows["held"]["eval"], 32)["tokens"]


def test_evaluation_of_nothing(export: Path, own_export: Path) -> None:
    with pytest.raises(DataError, match="no domain is called 'book'; there are books, held, web pages"):
        Loader(export).evaluation("book", 4)
    with pytest.raises(DataError, match="no rows of 'a' were set aside"):
        Loader(own_export).evaluation("a", 4)


def test_unknown_content() -> None:
    with pytest.raises(ValueError, match="labels is 'next': expected one of"):
        Content(labels="next")  # type: ignore[arg-type]


def test_batches_own_their_memory(export: Path) -> None:
    loader = Loader(export, seed=1, batch_size=8, content=EVERYTHING)
    expected = {name: np.copy(value) for name, value in loader.batch_at(0).items()}
    for value in loader.batch_at(0).values():
        if isinstance(value, np.ndarray):
            value[...] = 0
    again = loader.batch_at(0)
    assert all(np.array_equal(again[name], value) for name, value in expected.items())
