"""A trained model as Hugging Face files: safetensors, configuration and tokenizer, whole or not there."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging as library_logging

from training.errors import CheckpointError
from training.parallel import Ranks
from training.parameters import Parameters

CHAT_TEMPLATE = "chat_template.jinja"
"""Beside the shards of conversations: what made texts of them."""


def save_model(
    folder: Path,
    model: PreTrainedModel,
    parameters: Parameters,
    ranks: Ranks,
    *,
    dtype: torch.dtype,
    tokenizer: PreTrainedTokenizerFast | None,
) -> None:
    """Write a model that `AutoModelForCausalLM.from_pretrained` opens, with its tokenizer; every rank calls it.

    Raises:
        CheckpointError: it cannot be written; what was begun is removed.
    """
    state = parameters.whole_state(dtype, keep=ranks.first)
    problem = None
    if ranks.first:
        temporary = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            _write(temporary, model, state, dtype, tokenizer)
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            problem = f"the model cannot be written to {folder}: {error}. Its checkpoint is whole: make room, run again"
    problem = ranks.agreed(problem)
    if problem is not None:
        raise CheckpointError(problem)


def _write(
    folder: Path,
    model: PreTrainedModel,
    state: dict[str, torch.Tensor],
    dtype: torch.dtype,
    tokenizer: PreTrainedTokenizerFast | None,
) -> None:
    folder.mkdir(parents=True)
    library_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model.config.use_cache = True
    try:
        model.save_pretrained(folder, state_dict=state)
    finally:
        model.config.use_cache = False
    # It names the type that the model computes in; what is saved may be another.
    described = folder / "config.json"
    fields = json.loads(described.read_text()) | {"dtype": str(dtype).removeprefix("torch.")}
    described.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)


def tokenizer_of(file: Path, special_ids: Mapping[str, int | None], row_length: int) -> PreTrainedTokenizerFast:
    """The shards' tokenizer as transformers opens it, with the special tokens that the export used.

    The template of conversations comes along where there is one beside the file.
    """
    library = Tokenizer.from_file(str(file))
    named = {f"{name}_token": library.id_to_token(number) for name, number in special_ids.items() if number is not None}
    make: Any = PreTrainedTokenizerFast
    made: PreTrainedTokenizerFast = make(
        tokenizer_object=library, model_max_length=row_length, clean_up_tokenization_spaces=False, **named
    )
    template = file.with_name(CHAT_TEMPLATE)
    if template.is_file():
        made.chat_template = template.read_text(encoding="utf-8")
    return made


def same_tokens(ours: Path, theirs: Path) -> bool:
    """Whether two tokenizer files give the same tokens the same numbers; their spelling may differ."""
    first, second = (Tokenizer.from_file(str(file)) for file in (ours, theirs))
    same: bool = first.get_vocab(with_added_tokens=True) == second.get_vocab(with_added_tokens=True)
    return same


def check_tokenizer(checkpoint: str, shards_tokenizer: Path | None, *, allowed: bool) -> None:
    """Check that a checkpoint in a folder has the tokenizer that the shards were made with.

    Raises:
        CheckpointError: it has another.
    """
    theirs = Path(checkpoint) / "tokenizer.json"
    if allowed or shards_tokenizer is None or not theirs.exists() or same_tokens(shards_tokenizer, theirs):
        return
    raise CheckpointError(
        f"{checkpoint} has another tokenizer than the shards: its numbers mean other tokens. Export with "
        f"--tokenizer {theirs}, or set model.any_tokenizer=true if the difference does not matter"
    )


def config_summary(model: PreTrainedModel) -> dict[str, Any]:
    """The model's configuration as far as it differs from its kind's defaults."""
    found: dict[str, Any] = model.config.to_diff_dict()
    return found
