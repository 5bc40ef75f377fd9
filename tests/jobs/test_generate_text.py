"""Texts written by a model: the same as transformers' own, the same for a seed, and never longer than it has room."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from references.tokenizers_made import bpe
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from jobs.generate_text import Generation, generate
from training.errors import CheckpointError, ConfigError

POSITIONS = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new model of random weights and its tokenizer, as `winnow train` leaves them."""
    place = tmp_path_factory.mktemp("model")
    library = Tokenizer.from_str(bpe().decode())
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=library, eos_token="<|endoftext|>")
    tokenizer.save_pretrained(place)
    config = AutoConfig.for_model(
        "llama",
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=POSITIONS,
        initializer_range=0.3,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(config).save_pretrained(place)
    return place


def test_greedy_is_the_likeliest_token_each_time(folder: Path) -> None:
    (written,) = generate(str(folder), ["The first"], Generation(max_new_tokens=6, temperature=0.0), device="cpu")
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokens = tokenizer("The first", return_tensors="pt")["input_ids"]
    begun = tokens.shape[1]
    for _ in range(6):
        with torch.no_grad():
            following = model(tokens).logits[0, -1].argmax()
        tokens = torch.cat([tokens, following.view(1, 1)], dim=1)
    assert written.text == tokenizer.decode(tokens[0, begun:], skip_special_tokens=True)
    assert (written.prompt, written.num_tokens) == ("The first", 6)


def test_what_is_drawn_is_the_seeds_and_leaves_random_numbers_alone(folder: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    how = Generation(max_new_tokens=12, temperature=1.0)
    first, again = (generate(str(folder), ["We", "We"], how, device="cpu") for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert first == again
    assert first[0].text != first[1].text
    other = generate(str(folder), ["We"], Generation(max_new_tokens=12, temperature=1.0, seed=2), device="cpu")
    assert other == [first[1]]


def test_it_does_not_end_before_the_fewest_tokens(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "ends")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(folder)(tokenizer("The", return_tensors="pt")["input_ids"]).logits
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(int(logits[0, -1].argmax()))
    tokenizer.save_pretrained(tmp_path / "ends")
    likeliest = Generation(max_new_tokens=8, temperature=0.0)
    (one,) = generate(str(tmp_path / "ends"), ["The"], likeliest, device="cpu")
    assert (one.num_tokens, one.ended) == (1, True)
    (one,) = generate(str(tmp_path / "ends"), ["The"], replace(likeliest, min_new_tokens=8), device="cpu")
    assert (one.num_tokens, one.ended) == (8, False)


def test_it_stops_where_the_model_has_no_further_position(folder: Path) -> None:
    how = Generation(max_new_tokens=1000, temperature=0.0)
    (written,) = generate(str(folder), ["The first"], how, device="cpu")
    prompt = len(PreTrainedTokenizerFast.from_pretrained(folder)("The first")["input_ids"])
    assert written.ended or written.num_tokens == POSITIONS - prompt


def test_what_cannot_work_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a prompt is empty"):
        generate(str(folder), [""], device="cpu")
    with pytest.raises(ConfigError, match="tokens and the model 32 positions: give a shorter one"):
        generate(str(folder), ["one two three " * 40], device="cpu")
    with pytest.raises(CheckpointError, match="cannot be opened as a causal language model"):
        generate(str(tmp_path), ["The"], device="cpu")
    numbers = ({"max_new_tokens": 0}, {"min_new_tokens": 101}, {"min_new_tokens": -1}, {"top_k": -1})
    for wrong in (*numbers, {"temperature": -1.0}, {"temperature": float("nan")}):
        with pytest.raises(ConfigError, match=f"{next(iter(wrong))} is "):
            Generation(**wrong)  # type: ignore[arg-type]
