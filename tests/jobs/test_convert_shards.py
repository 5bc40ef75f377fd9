"""Other libraries' formats: read back by plain Python after their layout, and by the library where it is installed."""

import json
import shutil
import struct
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from references.read_export import copies, manifest, rows
from references.tokenizers_made import bpe

from curation.export.settings import Export, ExportError
from curation.export.tokenizer import ExportTokenizer
from curation.session import EngineConfig, Session, open_session
from jobs.convert_shards import convert
from jobs.display import Silent
from jobs.export_shards import export
from jobs.lake import Lake

LOADERS = Path(__file__).parents[2] / ".venv-peers-loaders" / "bin" / "python"
TOKENIZER = ExportTokenizer(content=bpe(), name="small", eos="<|endoftext|>")


@pytest.fixture(scope="module")
def sail() -> Iterator[Session]:
    with open_session(EngineConfig()) as opened:
        yield opened


@pytest.fixture(scope="module", params=["uint16", "uint32", "concat"])
def exported(
    request: pytest.FixtureRequest, sail: Session, told_lake: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    to = tmp_path_factory.mktemp("converted") / "shards"
    settings: dict[str, Any] = {"packing": "concat"} if request.param == "concat" else {"token_dtype": request.param}
    chosen = Export(row_length=256, shard_bytes=200_000, eval_share=0.1, **settings)
    export(Lake(sail, str(told_lake)), TOKENIZER, chosen, str(to), Silent())
    return to


def documents(exported: Path, domain: str, split: str) -> list[list[int]]:
    """The tokens of every copy of a domain and split, sorted."""
    own = {doc_id for name, row in rows(exported, split) if name == domain for doc_id in row["doc_ids"]}
    return sorted(tokens for (doc_id, _), tokens in copies(exported, split).items() if doc_id in own)


def cut(tokens: "np.ndarray[Any, Any]", lengths: "np.ndarray[Any, Any]") -> list[list[int]]:
    ends = np.cumsum(lengths)
    return sorted(tokens[end - length : end].tolist() for end, length in zip(ends, lengths, strict=True))


def test_parquet(exported: Path, tmp_path: Path) -> None:
    convert(str(exported), str(tmp_path / "out"), "parquet")
    for domain in manifest(exported)["domains"]:
        for split in ("train", "eval"):
            paths = sorted((tmp_path / "out" / domain["folder"]).glob(f"{split}-*.parquet"))
            found = [row for path in paths for row in pq.read_table(path).to_pylist()]
            assert found == [row for name, row in rows(exported, split) if name == domain["name"]]
    assert (tmp_path / "out" / "winnow-manifest.json").read_bytes() == (exported / "manifest.json").read_bytes()


def test_memmap_and_megatron(exported: Path, tmp_path: Path) -> None:
    convert(str(exported), str(tmp_path / "raw"), "memmap")
    convert(str(exported), str(tmp_path / "megatron"), "megatron")
    wide = manifest(exported)["token_dtype"]
    for domain in manifest(exported)["domains"]:
        for split in ("train", "eval"):
            raw = np.fromfile(tmp_path / "raw" / domain["folder"] / f"{split}.npy", wide)
            base = tmp_path / "megatron" / domain["folder"]
            index = (base / f"{split}.idx").read_bytes()
            assert index[:9] == b"MMIDIDX\x00\x00"
            version, code, num_sequences, num_documents = struct.unpack("<QBQQ", index[9:34])
            assert (version, code, num_documents) == (1, 8 if wide == "uint16" else 4, num_sequences + 1)
            lengths = np.frombuffer(index, "<i4", num_sequences, 34)
            pointers = np.frombuffer(index, "<i8", num_sequences, 34 + 4 * num_sequences)
            bounds = np.frombuffer(index, "<i8", num_documents, 34 + 12 * num_sequences)
            assert len(index) == 34 + 12 * num_sequences + 8 * num_documents
            assert bounds.tolist() == list(range(num_documents))
            tokens = np.fromfile(base / f"{split}.bin", "uint16" if wide == "uint16" else "int32")
            assert pointers.tolist() == ((np.cumsum(lengths) - lengths) * tokens.itemsize).tolist()
            assert np.array_equal(tokens, raw)
            assert cut(tokens, lengths) == documents(exported, domain["name"], split)


def samples_of(folder: Path) -> Iterator[dict[str, Any]]:
    """Samples of MDS shards, after the format's layout."""
    for shard in json.loads((folder / "index.json").read_text())["shards"]:
        content = (folder / shard["raw_data"]["basename"]).read_bytes()
        assert len(content) == shard["raw_data"]["bytes"]
        (count,) = struct.unpack("<I", content[:4])
        assert count == shard["samples"]
        ends = struct.unpack(f"<{count + 1}I", content[4 : 8 + 4 * count])
        kind = shard["column_encodings"][2].split(":")[1]
        for start, end in pairwise(ends):
            sample = content[start:end]
            size = int.from_bytes(sample[:4], "little")
            yield {
                "documents": json.loads(sample[4 : 4 + size]),
                "num_tokens": int.from_bytes(sample[4 + size : 8 + size], "little"),
                "tokens": np.frombuffer(sample[8 + size :], kind).tolist(),
            }


PROGRAM = """
import json, sys
from streaming import LocalDataset
for sample in LocalDataset(sys.argv[1]):
    print(json.dumps(sample, default=lambda value: value.tolist()))
"""


def test_mds(exported: Path, tmp_path: Path) -> None:
    convert(str(exported), str(tmp_path / "out"), "mds")
    for domain in manifest(exported)["domains"]:
        found = list(samples_of(tmp_path / "out" / domain["folder"] / "train"))
        expected = [row for name, row in rows(exported, "train") if name == domain["name"]]
        assert len(found) == len(expected)
        for sample, row in zip(found, expected, strict=True):
            assert (sample["tokens"], sample["num_tokens"]) == (row["tokens"], row["num_tokens"])
            for name, column in (
                ("doc_id", "doc_ids"),
                ("start", "starts"),
                ("offset", "offsets"),
                ("repeat", "repeats"),
            ):
                assert [piece[name] for piece in sample["documents"]] == row[column]
    if LOADERS.exists():  # made by the benchmarks
        folder = tmp_path / "out" / "code" / "train"
        done = subprocess.run([str(LOADERS), "-c", PROGRAM, str(folder)], capture_output=True, text=True, check=True)
        samples = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert samples == list(samples_of(folder))


def test_what_cannot_be_converted(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="holds no manifest"):
        convert(str(tmp_path), str(tmp_path / "out"), "mds")
    with pytest.raises(ExportError, match="is there already"):
        convert(str(exported), str(tmp_path), "mds")
    shutil.copytree(exported, tmp_path / "broken")
    path = tmp_path / "broken" / "qa" / "train-00000.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"train-00000\.arrow is not what its manifest says"):
        convert(str(tmp_path / "broken"), str(tmp_path / "out"), "parquet")
    path.unlink()
    with pytest.raises(ExportError, match=r"train-00000\.arrow is gone"):
        convert(str(tmp_path / "broken"), str(tmp_path / "out"), "parquet")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".tmp*"))
