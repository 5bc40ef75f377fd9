"""`winnow export-chat`, `trace` and `convert` on conversations as a person types them, and what cannot work."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from references import chat_templates_made as made
from references.read_export import files, manifest
from references.tokenizers_made import bpe, saved
from rich.console import Console

from curation.export.settings import ExportError
from jobs.cli import app
from jobs.convert_shards import convert
from jobs.trace_conversation import show_conversations, trace_conversations
from jobs.trace_row import open_place


def winnow(*arguments: str, code: int = 0) -> str:
    """Run the command, check its exit code and give what it printed."""
    command = [str(Path(sys.executable).parent / "winnow"), *arguments]
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    printed = done.stdout + done.stderr
    assert done.returncode == code, printed
    assert "Traceback" not in printed, printed
    return printed


def inside(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """The same in this process, which need not be started; lines are joined."""
    with pytest.raises(SystemExit) as caught:
        app(list(arguments), prog_name="winnow")
    printed = " ".join("".join(capsys.readouterr()).split())
    assert (caught.value.code or 0) == code, printed
    return printed


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer with ChatML's tokens, one without, templates, and a file of conversations."""
    folder = tmp_path_factory.mktemp("chats")
    saved(made.chatml_tokenizer(), folder / "T" / "tokenizer.json")
    saved(bpe(), folder / "PLAIN")
    (folder / "TULU").write_text(made.TULU_LIKE)
    (folder / "HEADLESS").write_text(made.HEADLESS)
    lines = [{"id": f"q{number}", "prompt": f"who {number}", "completion": "a dog"} for number in range(50)]
    (folder / "ASKS.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"prompt": "who"}]))
    return folder


def test_from_conversations_to_a_token_and_back(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["export-chat", str(base / "ASKS.jsonl"), "-t", str(base / "T"), "--to", str(base / "sft")]
    flags += ["--row-length", "256", "--mix", "ASKS=40", "--eval-share", "0.1"]
    printed = winnow(*flags)
    assert "template chatml, trained on: assistant" in printed
    assert "Dropped: chat.no_messages 1 (conversations.parquet names each)" in printed
    found = manifest(base / "sft")
    assert found["counts"]["num_documents"] == 40
    assert re.search(r"ASKS +│ +51 │ +40 │", printed), printed
    before = files(base / "sft")
    assert "Nothing to do" in inside(capsys, *flags)
    assert files(base / "sft") == before
    assert "holds a complete export of other" in inside(capsys, *flags, "--train-on", "all", code=1)
    shard = str(base / "sft" / found["shards"][-1]["path"])
    told = json.loads(winnow("trace", f"{shard}:0:3", "--json"))
    (segment,) = told["segments"]
    assert segment["path"] == str(base / "ASKS.jsonl")
    number = segment["record"] - 1
    assert segment["record_id"] == f"q{number}"
    assert segment["text"].startswith(f"<|im_start|>user\nwho {number}<|im_end|>")
    console = Console(width=200, record=True, file=io.StringIO())
    show_conversations(trace_conversations(open_place(f"{shard}:0")), console)
    assert f"ASKS.jsonl:{segment['record']}, dataset ASKS" in console.export_text()
    assert convert(str(base / "sft"), str(base / "pq"), "parquet")
    assert "loss_weights" in pq.read_schema(next((base / "pq").rglob("*.parquet"))).names
    for kind in ("mds", "memmap", "megatron"):
        with pytest.raises(ExportError, match=f"{kind} has no place for the loss weights"):
            convert(str(base / "sft"), str(base / kind), kind)
        assert not (base / kind).exists()


def test_a_template_whose_markers_are_plain_text(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["export-chat", str(base / "ASKS.jsonl"), "-t", str(base / "PLAIN"), "--to", str(base / "tulu")]
    inside(capsys, *flags, "--chat-template", str(base / "TULU"), "--row-length", "256", "--plain-markers")
    assert manifest(base / "tulu")["chat"]["template"]["name"] == str(base / "TULU")
    assert (base / "tulu" / "chat_template.jinja").read_text() == made.TULU_LIKE


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["NOTHING*.jsonl", "-t", "T"], 1, "no input file matches"),
        (["ASKS.jsonl"], 2, "--tokenizer"),
        (["ASKS.jsonl", "-t", "NEVER"], 1, "no tokenizer"),
        (["ASKS.jsonl", "-t", "PLAIN"], 1, r"chatml writes <\|im_end\|>, <\|im_start\|>, .* --special"),
        (["ASKS.jsonl", "-t", "T", "--chat-template", "NEVER"], 1, "Give a file of Jinja, or chatml"),
        (["ASKS.jsonl", "-t", "T", "--chat-template", "HEADLESS"], 1, "before a reply and leaves it out"),
        (["ASKS.jsonl", "-t", "T", "--mix", "ASKS=2.5"], 2, "expected a whole number"),
        (["ASKS.jsonl", "-t", "T", "--mix", "ASK=2"], 2, "did you mean ASKS"),
        (["ASKS.jsonl", "-t", "T", "--train-on", "user"], 2, "user"),
        (["ASKS.jsonl", "-t", "T", "--row-length", "8"], 2, "a row has 16 to"),
        (["ASKS.jsonl", "-t", "T", "--eval-share", "1"], 2, "held out is at least 0"),
        (["ASKS.jsonl", "-t", "T", "--row-length", "16", "--too-long", "drop"], 1, r"none of 51 .*\(chat.too_long 50"),
    ],
)
def test_what_cannot_work_says_what_to_do(
    base: Path, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], code: int, says: str
) -> None:
    names = ("NOTHING*.jsonl", "ASKS.jsonl", "T", "PLAIN", "NEVER", "HEADLESS")
    named = [str(base / word) if word in names else word for word in arguments]
    printed = inside(capsys, "export-chat", *named, "--to", str(base / "NOWHERE"), code=code)
    assert re.search(says, printed), printed
    assert not (base / "NOWHERE" / "manifest.json").exists()


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Example: winnow export-chat" in inside(capsys, "export-chat", "--help")
