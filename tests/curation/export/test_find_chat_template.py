"""The chat template beside a tokenizer, in every place that it may stand in."""

import json
from pathlib import Path
from typing import Any

import pytest
from references.tokenizers_made import bpe, saved
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from curation.export.find_chat_template import find_chat_template
from curation.export.settings import ExportError


def beside(folder: Path, config: Any = None, **files: str) -> Path:
    saved(bpe(), folder / "tokenizer.json")
    if config is not None:
        (folder / "tokenizer_config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_in_its_own_file(tmp_path: Path) -> None:
    config = {"chat_template": "old", "bos_token": {"content": "<s>", "special": True}, "eos_token": "</s>"}
    folder = beside(
        tmp_path, config, chat_template__jinja="{{ new }}\n", special_tokens_map__json='{"pad_token": "<p>"}'
    )
    for name in (folder, folder / "tokenizer.json"):
        found = find_chat_template(str(name))
        assert found.template == "{{ new }}\n"
        assert found.special_tokens == {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<p>"}


def test_in_the_configuration(tmp_path: Path) -> None:
    assert find_chat_template(str(beside(tmp_path / "a", {"chat_template": "one"}))).template == "one"
    many = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": "y"}]
    assert find_chat_template(str(beside(tmp_path / "b", {"chat_template": many}))).template == "y"


def test_nowhere(tmp_path: Path) -> None:
    found = find_chat_template(str(beside(tmp_path / "a")))
    assert (found.template, found.special_tokens) == (None, {})
    folder = beside(tmp_path / "b", {"chat_template": "another's"})
    saved(bpe(), folder / "mine.json")
    assert find_chat_template(str(folder / "mine.json")).template is None, "the configuration is another tokenizer's"


def test_as_transformers_saves_it(tmp_path: Path) -> None:
    library = Tokenizer.from_str(bpe(special=("</s>", "<s>")).decode())
    theirs = PreTrainedTokenizerFast(
        tokenizer_object=library, chat_template="{{ bos_token }}", bos_token="<s>", eos_token="</s>"
    )
    theirs.save_pretrained(tmp_path)
    found = find_chat_template(str(tmp_path))
    assert found.template == "{{ bos_token }}"
    assert found.special_tokens == {"bos_token": "<s>", "eos_token": "</s>"}


def test_broken(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is not JSON"):
        find_chat_template(str(beside(tmp_path / "a", "{")))
    with pytest.raises(ExportError, match=r"neither a template nor a list .* called 'default'"):
        find_chat_template(str(beside(tmp_path / "b", {"chat_template": [{"name": "x", "template": "y"}]})))
    folder = beside(tmp_path / "c")
    (folder / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(ExportError, match="cannot be read as text"):
        find_chat_template(str(folder))
