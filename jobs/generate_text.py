"""Job: a model and the beginnings of texts -> texts, written by transformers' own `generate`."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from training.errors import CheckpointError, ConfigError


@dataclass(frozen=True, kw_only=True)
class Generation:
    """How texts are written.

    Attributes:
        max_new_tokens: most tokens to write; fewer where the model has no further positions, or ends the text.
        min_new_tokens: fewest tokens to write before the model may end the text.
        temperature: 0 takes the likeliest token each time; above it tokens are drawn, the likelier the lower it is.
        top_k: draw among so many of the likeliest tokens; 0: among all.
        seed: of what is drawn; prompt n, counted from 0, draws with `seed + n`. Other devices may draw otherwise.
    """

    max_new_tokens: int = 100
    min_new_tokens: int = 0
    temperature: float = 0.8
    top_k: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ConfigError(f"max_new_tokens is {self.max_new_tokens}: expected at least 1")
        if not 0 <= self.min_new_tokens <= self.max_new_tokens:
            raise ConfigError(
                f"min_new_tokens is {self.min_new_tokens}: expected 0 to max_new_tokens, which is {self.max_new_tokens}"
            )
        if not 0 <= self.temperature < float("inf"):
            raise ConfigError(f"temperature is {self.temperature}: expected 0 (the likeliest tokens) or a number above")
        if self.top_k < 0:
            raise ConfigError(f"top_k is {self.top_k}: expected at least 0, which stands for all tokens")


@dataclass(frozen=True)
class Written:
    """A text that a model has written.

    Attributes:
        prompt: how it begins.
        text: how it goes on.
        num_tokens: that were written.
        ended: whether the model ended it by itself.
    """

    prompt: str
    text: str
    num_tokens: int
    ended: bool


def generate(
    model: str, prompts: Sequence[str], how: Generation | None = None, *, device: str | None = None
) -> list[Written]:
    """Let a model go on with some texts, each by itself.

    Args:
        model: folder or hub name of a Hugging Face causal language model with its tokenizer.
        prompts: how the texts begin.
        how: see there.
        device: `cpu` or `cuda`; None: what there is.

    Raises:
        CheckpointError: the model or its tokenizer cannot be opened.
        ConfigError: a prompt is empty or takes all positions that the model has.
    """
    how = how or Generation()
    opened, tokenizer = _open(model)
    placed = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    opened.to(placed)  # type: ignore[arg-type]
    return [
        _go_on(opened, tokenizer, prompt, replace(how, seed=how.seed + number)) for number, prompt in enumerate(prompts)
    ]


def _open(model: str) -> tuple[PreTrainedModel, Any]:
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        opened: PreTrainedModel = AutoModelForCausalLM.from_pretrained(model, dtype="auto", use_safetensors=True)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{model!r} cannot be opened as a causal language model with its tokenizer: {str(error).splitlines()[0]}"
        ) from error
    opened.eval()  # type: ignore[no-untyped-call]
    return opened, tokenizer


def _go_on(model: PreTrainedModel, tokenizer: Any, prompt: str, how: Generation) -> Written:
    begun = tokenizer(prompt, return_tensors="pt")["input_ids"].to(model.device)
    num_prompt = begun.shape[1]
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    room = how.max_new_tokens if positions is None else min(how.max_new_tokens, positions - num_prompt)
    if not num_prompt:
        raise ConfigError("a prompt is empty: expected at least one token to go on from")
    if room < 1:
        raise ConfigError(
            f"the prompt {prompt[:40]!r} has {num_prompt:,} tokens and the model {positions:,} positions: give a "
            "shorter one"
        )
    drawing: dict[str, Any] = {"do_sample": False}
    if how.temperature > 0:
        drawing = {"do_sample": True, "temperature": how.temperature, "top_k": how.top_k, "top_p": 1.0}
    eos = tokenizer.eos_token_id
    with _seeded(how.seed, model.device):
        found = model.generate(  # type: ignore[operator]
            input_ids=begun,
            attention_mask=torch.ones_like(begun),
            max_new_tokens=room,
            min_new_tokens=min(how.min_new_tokens, room),
            eos_token_id=eos,
            pad_token_id=eos if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
            **drawing,
        )
    new = found[0, num_prompt:].tolist()
    text = tokenizer.decode(new, skip_special_tokens=True)
    return Written(prompt, text, len(new), bool(new) and new[-1] == eos)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers from a seed for as long as the block lasts, and as they were after it."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


if __name__ == "__main__":
    from jobs.cli import main

    main(["generate", *sys.argv[1:]])
