"""`winnow train-tokenizer`, `export` and `trace` as a person types them, and what cannot work."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from references.read_export import copies, files, manifest
from references.tokenizers_made import bpe, saved
from tokenizers import Tokenizer

SAMPLE = Path(__file__).parents[2] / "jobs" / "sample_corpus"


def winnow(*arguments: str, code: int = 0) -> str:
    """Run the command, check its exit code and give what it printed."""
    command = [str(Path(sys.executable).parent / "winnow"), *arguments]
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    printed = done.stdout + done.stderr
    assert done.returncode == code, printed
    assert "Traceback" not in printed, printed
    return printed


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of the sample corpus, and a tokenizer of its own."""
    folder = tmp_path_factory.mktemp("handed over")
    winnow("run", "-i", str(SAMPLE / "*.jsonl.gz"), "-r", "demo", "-o", str(folder / "lake"))
    printed = winnow(
        "train-tokenizer", "-o", str(folder / "lake"), "--to", str(folder / "t.json"), "--vocab-size", "1000"
    )
    assert re.search(r"1,000 tokens from 3,\d+ documents", printed), printed
    return folder


def test_from_a_corpus_to_a_token_and_back(base: Path) -> None:
    flags = ["-o", str(base / "lake"), "--tokenizer", str(base / "t.json"), "--to", str(base / "shards")]
    printed = winnow("export", *flags, "--row-length", "512", "--eval-share", "0.05")
    assert "Manifest: " in printed
    assert f"Report: {base / 'shards'}/report.html" in printed
    found = manifest(base / "shards")
    assert f"{found['counts']['num_tokens']:,} tokens in {found['counts']['num_rows']:,} rows of 512" in printed
    assert found["lake"] == str(base / "lake")
    before = files(base / "shards")
    assert "Nothing to do" in winnow("export", *flags, "--row-length", "512", "--eval-share", "0.05")
    assert files(base / "shards") == before
    shard = found["shards"][0]["path"]
    told = json.loads(winnow("trace", f"{base / 'shards' / shard}:2:7", "--json"))
    (segment,) = told["segments"]
    assert segment["start"] <= 7 < segment["end"]


def test_every_token_of_the_sample_corpus(base: Path) -> None:
    """Counted again by the library itself, from the texts as the tables hold them."""
    from deltalake import DeltaTable

    flags = ["-o", str(base / "lake"), "--tokenizer", str(base / "t.json"), "--to", str(base / "counted")]
    winnow("export", *flags)
    decisions = DeltaTable(str(base / "lake" / "decisions")).to_pyarrow_table(columns=["doc_id", "kept", "weight"])
    kept = {row["doc_id"] for row in decisions.to_pylist() if row["kept"]}
    documents = DeltaTable(str(base / "lake" / "documents")).to_pyarrow_table(columns=["doc_id", "text"]).to_pylist()
    library = Tokenizer.from_file(str(base / "t.json"))
    library.encode_special_tokens = True
    expected = {(row["doc_id"], 0): [*library.encode(row["text"]).ids, 0] for row in documents if row["doc_id"] in kept}
    assert copies(base / "counted") == expected
    counts = manifest(base / "counted")["counts"]
    assert counts["num_tokens"] == sum(map(len, expected.values()))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["export", "--tokenizer", "NONE"], 1, "no tokenizer .*none"),
        (["export", "--tokenizer", "BROKEN"], 1, "is no tokenizer of the `tokenizers` library"),
        (["export", "--tokenizer", "NO_EOS"], 2, "name one with --eos; its special tokens are <one>, <two>"),
        (["export", "--tokenizer", "T", "--eos", "</s>"], 2, "has no token '</s>'"),
        (["export", "--tokenizer", "T", "--row-length", "8"], 2, "a row has 16 to"),
        (["export", "--tokenizer", "T", "--eval-share", "1"], 2, "held out is at least 0 and below 1"),
        (["export", "--tokenizer", "T", "--packing", "best"], 2, "best"),
        (["export", "--tokenizer", "T", "--domain", "host"], 2, "expected source, one, or metadata.FIELD"),
        (["export", "--tokenizer", "T", "--shard-mb", "0"], 2, "a shard holds"),
        (["export", "--tokenizer", "T", "--to", "FILE"], 1, "cannot"),
        (["export", "--tokenizer", "T", "-o", "EMPTY"], 1, "run `winnow run` first"),
        (["export"], 2, "--tokenizer"),
        (["train-tokenizer", "--vocab-size", "256"], 2, "a vocabulary has 257 tokens"),
        (["train-tokenizer", "--to", "FILE"], 1, "--overwrite"),
        (["train-tokenizer", "--to", "NEW", "-o", "EMPTY"], 1, "run `winnow run` first"),
        (["trace", "nonsense"], 1, "expected SHARD:ROW"),
    ],
)
def test_what_cannot_work_says_what_to_do(base: Path, arguments: Sequence[str], code: int, says: str) -> None:
    saved(bpe(), base / "T")
    saved(bpe(special=("<one>", "<two>")), base / "NO_EOS")
    saved(b"{}", base / "BROKEN")
    saved(b"a file", base / "FILE")
    named = [
        str(base / word) if word in ("T", "NO_EOS", "BROKEN", "FILE", "EMPTY", "NEW") else word for word in arguments
    ]
    named = [str(base / "none.json") if word == "NONE" else word for word in named]
    if named[0] != "trace":
        named += [] if "-o" in named else ["-o", str(base / "lake")]
        named += [] if "--to" in named else ["--to", str(base / "NEVER")]
    printed = winnow(*named, code=code)
    assert re.search(says, " ".join(printed.split())), printed
    assert not (base / "NEVER").exists()


@pytest.mark.parametrize("command", ["export", "train-tokenizer", "convert", "trace"])
def test_help_has_an_example(command: str) -> None:
    assert "Example: winnow " + command in winnow(command, "--help")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("export", "Token behind every document. [default: (what the tokenizer's folder says)]"),
        ("train-tokenizer", "the first ends a text. [default: (<|endoftext|>)]"),
        ("trace", "The lake. [default: (the one that the export was made from)]"),
    ],
)
def test_help_tells_what_holds_where_nothing_is_said(command: str, says: str) -> None:
    assert says in winnow(command, "--help")
