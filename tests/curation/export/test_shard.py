"""One shard: its file, column by column, and what is counted of it."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from references import pack as plain

from curation.export.settings import Export, ExportSettingsError, Packing
from curation.export.shard import Copies, RowFormat, folder_of, shard_file, shard_path, surrounded

PLAIN: dict[Packing, Callable[[list[int], int], list[list[plain.Piece]]]] = {
    "best_fit": plain.best_fit,
    "concat": plain.concat,
    "none": plain.none,
}


def rows_like(**fields: Any) -> RowFormat:
    usual = {"row_length": 32, "packing": "best_fit", "token_dtype": "uint16", "eos": 1, "bos": None, "pad": 0}
    return RowFormat(**{**usual, "vocab_size": 1000, **fields})


def copies_like(lengths: list[int], dtype: str = "uint16") -> Copies:
    dice = np.random.default_rng(sum(lengths))
    ends = np.cumsum(lengths)
    return Copies(
        tokens=dice.integers(2, 1000, sum(lengths)).astype(dtype),
        starts=ends - lengths,
        lengths=np.array(lengths, np.int64),
        doc_ids=pa.array([f"doc-{number}" for number in range(len(lengths))]),
        repeats=np.arange(len(lengths)) % 3,
        sources=pa.array([f"source-{number % 2}" for number in range(len(lengths))]),
        num_bytes=np.array(lengths, np.int64) * 4,
    )


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
@pytest.mark.parametrize("packing", PLAIN)
def test_the_file_column_by_column(packing: Packing, dtype: str) -> None:
    lengths = [5, 32, 100, 1, 20, 12, 31, 64, 2, 7]
    copies, rows = copies_like(lengths, dtype), rows_like(packing=packing, token_dtype=dtype)
    content, counts = shard_file(copies, rows)
    reader = pa.ipc.open_file(content)
    assert reader.num_record_batches == 1
    batch = reader.get_batch(0)
    assert batch.schema.equals(rows.schema, check_metadata=True)
    assert batch.schema.metadata == {b"winnow.format": b"tokens", b"winnow.version": b"1"}
    assert str(batch.schema.field("tokens").type) == f"fixed_size_list<item: {dtype}>[32]"
    assert not batch.schema.field("tokens").nullable
    expected = PLAIN[packing](lengths, 32)
    assert batch.num_rows == len(expected) == counts["num_rows"]
    for row, pieces in zip(batch.to_pylist(), expected, strict=True):
        tokens = [
            token
            for number, offset, length in pieces
            for token in copies.tokens[copies.starts[number] + offset :][:length].tolist()
        ]
        assert row["tokens"] == tokens + [0] * (32 - len(tokens))
        assert row["num_tokens"] == len(tokens)
        assert row["starts"] == [sum(piece[2] for piece in pieces[:place]) for place in range(len(pieces))]
        assert row["doc_ids"] == [f"doc-{number}" for number, _, _ in pieces]
        assert row["offsets"] == [offset for _, offset, _ in pieces]
        assert row["repeats"] == [number % 3 for number, _, _ in pieces]


@pytest.mark.parametrize("packing", PLAIN)
def test_what_is_counted(packing: Packing) -> None:
    lengths = [5, 32, 100, 1, 20, 12, 31, 64, 2, 7]
    content, counts = shard_file(copies_like(lengths), rows_like(packing=packing))
    rows = PLAIN[packing](lengths, 32)
    pieces = [sum(piece[0] == number for row in rows for piece in row) for number in range(10)]
    assert counts["num_tokens"] == sum(lengths)
    assert counts["num_padding"] == 32 * len(rows) - sum(lengths)
    assert counts["num_truncations"] == sum(pieces) - 10
    assert counts["num_truncated_documents"] == sum(number > 1 for number in pieces)
    assert counts["num_special_tokens"] == 10
    assert counts["num_repeats"] == 10
    assert counts["num_documents"] == 4
    assert counts["num_text_bytes"] == 4 * sum(lengths)
    assert counts["length_histogram"] == [1, 1, 2, 1, 2, 1, 2]
    assert counts["sources"]["source-0"] == {"num_documents": 2, "num_tokens": 5 + 100 + 20 + 31 + 2}
    assert counts["num_bytes"] == content.size
    assert counts["sha256"] == hashlib.sha256(content).hexdigest()
    assert counts["xxh3"] == xxhash.xxh3_64_hexdigest(bytes(content))


def test_special_tokens_stand_around_documents() -> None:
    ids, lengths = np.array([5, 6, 7, 8], np.uint32), np.array([2, 0, 1, 1], np.int64)
    assert surrounded(ids, lengths, rows_like()).tolist() == [5, 6, 1, 7, 1, 8, 1]
    found = surrounded(ids, lengths, rows_like(bos=2, token_dtype="uint32"))
    assert found.tolist() == [2, 5, 6, 1, 2, 7, 1, 2, 8, 1]
    assert found.dtype == np.uint32
    with pytest.raises(AssertionError, match="token 8 of a vocabulary of 8"):
        surrounded(ids, lengths, rows_like(vocab_size=8))


@pytest.mark.parametrize("name", ["qa", "a.b-c_D", "x" * 64])
def test_plain_domains_are_folders_of_that_name(name: str) -> None:
    assert folder_of(name) == name
    assert shard_path(name, "eval", 7) == f"{name}/eval-00007.arrow"


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "a/b", "a b", "../../etc", "x" * 65, "ü", "C:\\x", "manifest.json", "(none)", "\0"],
)
def test_odd_domains_get_a_safe_folder(name: str) -> None:
    found = folder_of(name)
    assert folder_of(found) == found
    assert not found.startswith((".", "-"))
    assert len(found) <= 64
    assert found != folder_of(name + "x")


@pytest.mark.parametrize(
    "wrong",
    [
        {"row_length": 15},
        {"row_length": (1 << 20) + 1},
        {"packing": "best"},
        {"eval_share": 1.0},
        {"eval_share": -0.1},
        {"eval_share": float("nan")},
        {"domain": "host"},
        {"domain": "metadata."},
        {"seed": -1},
        {"seed": 1 << 63},
        {"shard_bytes": 0},
        {"token_dtype": "int64"},
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ExportSettingsError):
        Export(**wrong)
