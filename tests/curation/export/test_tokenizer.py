"""Tokenizers: found by file and folder, told apart from broken ones, and the ids that the library itself gives."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from references.tokenizers_made import bpe, changed, saved, words
from tokenizers import Tokenizer

from curation.export.find_tokenizer import find_tokenizer
from curation.export.settings import ExportError, ExportSettingsError
from curation.export.tokenizer import ExportTokenizer

BPE = bpe()
OURS = ExportTokenizer(content=BPE, name="small", eos="<|endoftext|>")
PLAIN = Tokenizer.from_str(BPE.decode())
SPELT = Tokenizer.from_str(BPE.decode())  # to which what looks like a special token is plain text
SPELT.encode_special_tokens = True


def split(tokenizer: ExportTokenizer, texts: list[str]) -> list[list[int]]:
    found = tokenizer.encode(pa.array(texts, pa.string()))
    assert found.ids.dtype == np.uint32
    ends = np.cumsum(found.lengths)
    return [found.ids[end - length : end].tolist() for length, end in zip(found.lengths, ends, strict=True)]


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=80), max_size=12))
@example(texts=["<|endoftext|>"])
@settings(max_examples=100, deadline=None)
def test_the_ids_are_the_librarys(texts: list[str]) -> None:
    assert split(OURS, texts) == [SPELT.encode(text).ids for text in texts]


def test_large_batches_are_cut_and_nothing_moves() -> None:
    texts = ["x " * 700_000, "", "a", "y " * 1_500_000, "b", "c " * 500_000] + ["some words"] * 3000
    found = split(OURS, texts)
    assert len(found) == len(texts)
    for number in (1, 2, 4, 10, -1):
        assert found[number] == PLAIN.encode(texts[number]).ids
    assert len(found[3]) == len(PLAIN.encode(texts[3]).ids)
    assert split(OURS, []) == []


def test_a_special_token_in_a_text_is_plain_text() -> None:
    (ids,) = split(OURS, ["before <|endoftext|> behind"])
    assert OURS.special_ids["eos"] not in ids
    assert OURS.library.decode(ids) == "before <|endoftext|> behind"
    assert OURS.special_ids["eos"] in PLAIN.encode("before <|endoftext|> behind").ids


def test_truncation_padding_and_templates_of_the_file_are_left_out() -> None:
    plain = Tokenizer.from_str(BPE.decode())
    plain.enable_truncation(4)
    plain.enable_padding(length=64)
    assert split(
        ExportTokenizer(content=plain.to_str().encode(), name="x", eos="<|endoftext|>"), ["the lazy dog " * 9]
    ) == [PLAIN.encode("the lazy dog " * 9).ids]


def test_a_text_that_fails_is_named_and_the_others_are_not() -> None:
    tokenizer = ExportTokenizer(content=words("a", "b"), name="words", eos="<eos>")
    found = tokenizer.encode(pa.array(["a b", "a nobody b", "b", "", "nothing"]))
    assert found.lengths.tolist() == [2, 0, 1, 0, 0]
    assert sorted(found.failed) == [1, 4]
    assert all(found.failed.values())


def test_special_ids_and_width() -> None:
    assert OURS.special_ids == {"bos": None, "eos": 0, "pad": 0, "unk": None}
    assert OURS.vocab_size == PLAIN.get_vocab_size()
    assert (OURS.token_dtype(None), OURS.token_dtype("uint32")) == ("uint16", "uint32")
    two = ExportTokenizer(content=bpe(special=("<s>", "</s>", "<pad>")), name="x", eos="</s>", bos="<s>", pad="<pad>")
    assert two.special_ids == {"bos": 0, "eos": 1, "pad": 2, "unk": None}
    unk = ExportTokenizer(content=words("a", unk="<unk>"), name="x", eos="<eos>")
    assert unk.special_ids["unk"] == 1


def test_a_vocabulary_that_needs_32_bits() -> None:
    wide = json.loads(BPE)
    wide["added_tokens"].append({**wide["added_tokens"][0], "content": "<far>", "id": len(wide["model"]["vocab"])})
    for number in range(70_000):
        wide["model"]["vocab"][f"w{number}"] = len(wide["model"]["vocab"]) + 1
    tokenizer = ExportTokenizer(content=json.dumps(wide).encode(), name="wide", eos="<|endoftext|>")
    assert tokenizer.token_dtype(None) == "uint32"
    with pytest.raises(ExportSettingsError, match=r"wide has ids up to 70,\d+, and uint16 holds"):
        tokenizer.token_dtype("uint16")


@pytest.mark.parametrize(
    ("files", "eos"),
    [
        ({}, "<|endoftext|>"),
        ({"tokenizer_config.json": {"eos_token": "</s>"}}, "</s>"),
        ({"tokenizer_config.json": {"eos_token": {"content": "</s>", "lstrip": False}}}, "</s>"),
        ({"special_tokens_map.json": {"eos_token": "</s>"}}, "</s>"),
        ({"tokenizer_config.json": {"eos_token": None}, "special_tokens_map.json": {"eos_token": "</s>"}}, "</s>"),
        ({"tokenizer_config.json": {"eos_token": "<unknown>"}}, "<|endoftext|>"),
    ],
)
def test_the_end_of_text_is_what_stands_beside(tmp_path: Path, files: dict[str, Any], eos: str) -> None:
    special = ("<|endoftext|>",) if not files or "<unknown>" in str(files) else ("<|endoftext|>", "</s>")
    saved(bpe(special=special), tmp_path / "tokenizer.json")
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert find_tokenizer(str(tmp_path)).eos == eos
    assert find_tokenizer(str(tmp_path / "tokenizer.json")).eos == eos
    assert find_tokenizer(str(tmp_path), eos="<|endoftext|>").eos == "<|endoftext|>"


def test_padding_is_what_stands_beside(tmp_path: Path) -> None:
    saved(bpe(special=("<|endoftext|>", "<pad>")), tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer_config.json").write_text('{"pad_token": "<pad>"}')
    assert find_tokenizer(str(tmp_path)).special_ids["pad"] == 1
    assert find_tokenizer(str(tmp_path), pad="<|endoftext|>").special_ids["pad"] == 0


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (b"not json", {}, "is no tokenizer"),
        (b"{}", {}, "is no tokenizer"),
        (b"", {}, "is no tokenizer"),
        (b"[1]", {}, "is no tokenizer"),
        (b"\xff\xfe", {}, "is no tokenizer"),
        (BPE[: len(BPE) // 2], {}, "is no tokenizer"),
        (changed(BPE, model_dropout=0.1), {}, "at random"),
        (bpe(special=("<one>", "<two>")), {}, r"name one with --eos; its special tokens are <one>, <two>"),
        (bpe(special=("</s>", "<eos>")), {}, r"--eos"),
        (BPE, {"eos": "</s>"}, r"has no token '</s>'; its special tokens are <\|endoftext\|>"),
        (BPE, {"bos": "<s>"}, r"has no token '<s>'"),
        (BPE, {"pad": "<pad>"}, r"has no token '<pad>'"),
    ],
)
def test_tokenizers_that_cannot_be_used(tmp_path: Path, content: bytes, options: dict[str, str], says: str) -> None:
    path = saved(content, tmp_path / "tokenizer.json")
    with pytest.raises(ExportError, match=says):
        find_tokenizer(str(path), **options)


def test_names_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no tokenizer"):
        find_tokenizer(str(tmp_path / "none.json"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "vocab.json").write_text("{}")
    with pytest.raises(ExportError, match=r"holds no tokenizer.json \(it holds vocab.json\)"):
        find_tokenizer(str(tmp_path / "folder"))
    saved(BPE, tmp_path / "t" / "tokenizer.json")
    (tmp_path / "t" / "tokenizer_config.json").write_text("{")
    with pytest.raises(ExportError, match="is not JSON"):
        find_tokenizer(str(tmp_path / "t"))
