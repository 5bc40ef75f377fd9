"""Tokenizers by their name on the hub: the hub's own client, and a hub of this test's own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from references.hub import COMMITS, TOKEN, hub
from references.tokenizers_made import bpe
from references.web_server import WebServer, serving

REPOSITORY = Path(__file__).parents[3]
CONTENT = bpe(special=("<|endoftext|>", "<pad>"))
OTHER = bpe(special=("</s>",))
BESIDE = b'{"eos_token": "<|endoftext|>", "pad_token": {"content": "<pad>"}}'
WHOLE = {"tokenizer.json": CONTENT, "tokenizer_config.json": BESIDE}
REPOSITORIES = {
    "some/small": WHOLE,
    "some/large": WHOLE,
    "new/moved": WHOLE,
    "private/mine": {"tokenizer.json": OTHER, "special_tokens_map.json": b'{"eos_token": "</s>"}'},
    "some/slow": {"vocab.json": b"{}"},
}

PROGRAM = """
import json, sys, time
from curation.export.find_tokenizer import find_tokenizer
from curation.export.settings import ExportError

time.sleep = lambda seconds: None  # the client waits half a minute in all before it gives up
for name in sys.argv[1:]:
    try:
        found = find_tokenizer(name)
        said = {"content": found.content.decode(), "eos": found.eos, "pad": found.pad, "name": found.name}
    except ExportError as error:
        said = {"error": str(error)}
    print(json.dumps(said))
"""


def told(home: Path, address: str, *names: str, **more: str) -> list[dict[str, Any]]:
    """What a process finds under these names; it keeps in `home` what it fetched. It may say nothing besides."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": address, "HF_HOME": str(home), "NO_PROXY": "*", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", PROGRAM, *names]
    done = subprocess.run(command, env=environment | more, capture_output=True, text=True, check=True)
    assert not done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serving(hub(REPOSITORIES)) as running:
        yield running


def test_fetched_and_kept(server: WebServer, tmp_path: Path) -> None:
    names = ["some/small", "some/small@v2", "some/large", "old/moved"]
    found = told(tmp_path, server.address, *names)
    assert found == [
        {"content": CONTENT.decode(), "eos": "<|endoftext|>", "pad": "<pad>", "name": name} for name in names
    ]
    fetched = [request.path for request in server.requests if request.method == "GET" and "resolve" in request.path]
    assert len(fetched) == len(set(fetched))
    small = [request.path for request in server.requests if request.path.startswith("/some/small/")]
    for revision in ("main", "v2"):  # a branch may move on: what stands beside the file is asked for by its commit
        assert f"/some/small/resolve/{revision}/tokenizer.json" in small
        assert f"/some/small/resolve/{COMMITS[revision]}/tokenizer_config.json" in small
    elsewhere = [request for request in server.requests if request.path.startswith("/elsewhere/some/large/")]
    assert {request.path.rpartition("/")[2] for request in elsewhere} == {"tokenizer.json", "tokenizer_config.json"}

    before = len(server.requests)
    assert told(tmp_path, server.address, *names, HF_HUB_OFFLINE="1") == found
    assert len(server.requests) == before


def test_a_private_one_with_its_token(server: WebServer, tmp_path: Path) -> None:
    (found,) = told(tmp_path, server.address, "private/mine", HF_TOKEN=TOKEN)
    assert (found["content"], found["eos"]) == (OTHER.decode(), "</s>")


def test_what_the_hub_refuses(server: WebServer, tmp_path: Path) -> None:
    says = {
        "some/nothing": "no tokenizer some/nothing: there is no such file or folder here, and the hub has no some/nothi"
        "ng or keeps it private: check the name; if it is private, log in with `hf auth login` or set HF_TOKEN",
        "private/mine": "the hub has no private/mine or keeps it private",
        "gated/one": "the hub gives gated/one only to those who have accepted its terms: accept them on its page",
        "some/small@v9": "some/small on the hub has no revision 'v9'; give a branch, a tag or a commit",
        "some/slow": "some/slow on the hub holds no tokenizer.json, which a fast tokenizer has",
        "a folder/not here": "nothing on the hub can have that name",
        "broken/one": r"the hub cannot be asked for tokenizer.json (Server error '500 Internal Server Error'",
    }
    for found, said in zip(told(tmp_path, server.address, *says), says.values(), strict=True):
        assert said in found["error"]


def test_a_machine_without_a_network(tmp_path: Path) -> None:
    with serving(hub(REPOSITORIES)) as gone:
        (before,) = told(tmp_path, gone.address, "some/small")
    kept, missing = told(tmp_path, gone.address, "some/small", "some/large")
    assert kept == before
    assert missing["error"] == (
        "no tokenizer some/large: there is no such file or folder here, and the hub cannot be asked for tokenizer.json "
        "([Errno 111] Connection refused): go online, or give a tokenizer.json or the folder that holds it"
    )


def test_what_stands_beside_is_never_guessed(tmp_path: Path) -> None:
    """A cache with the tokenizer alone does not say which token ends a text: that is an error, not another token."""
    with serving(hub(REPOSITORIES)) as gone:
        told(tmp_path, gone.address, "some/small")
    (config,) = (tmp_path / "hub").rglob("tokenizer_config.json")
    config.unlink()
    (found,) = told(tmp_path, gone.address, "some/small", HF_HUB_OFFLINE="1")
    assert "the hub cannot be asked for tokenizer_config.json" in found["error"]
