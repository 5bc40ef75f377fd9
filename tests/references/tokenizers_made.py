"""Small tokenizers that tests make for themselves."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers

from curation.export.train_bpe import TokenizerTraining, train_bpe

TEXTS = [
    "The quick brown fox jumps over the lazy dog, and the dog is not amused.",
    "Kept documents become rows of tokens; the rows become a model, which is the point of it all.",
    "def f(x):\n    return x + 1  # ünïcödé ☃ 漢字\n",
]


def bpe(vocab_size: int = 400, special: tuple[str, ...] = ("<|endoftext|>",)) -> bytes:
    """A byte-level BPE tokenizer."""
    return train_bpe([TEXTS * 3], TokenizerTraining(vocab_size=vocab_size, special_tokens=special))


def words(*known: str, unk: str | None = None) -> bytes:
    """A tokenizer of whole words; without `unk` it fails at every other word."""
    names = ["<eos>", *([unk] if unk else []), *known]
    model = models.WordLevel({name: number for number, name in enumerate(names)}, unk_token=unk or "<missing>")
    library = Tokenizer(model)
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    library.add_special_tokens(["<eos>"])
    return library.to_str().encode()


def changed(content: bytes, **fields: Any) -> bytes:
    """A tokenizer.json with other fields; those of the model begin with `model_`."""
    found = json.loads(content)
    for name, value in fields.items():
        if name.startswith("model_"):
            found["model"][name.removeprefix("model_")] = value
        else:
            found[name] = value
    return json.dumps(found).encode()


def saved(content: bytes, path: Path) -> Path:
    """Written to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
