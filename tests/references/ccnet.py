"""cc_net's plain form and perplexity, step after step, and small models for them.

Reference: facebookresearch/cc_net `cc_net/text_normalizer.py`, `cc_net/perplexity.py`, `cc_net/mine.py`.
"""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from references.arpa import NgramModel

BEFORE = "，。、„”“«»」「《》´∶：？！（）；–．～’…━〈〉【】％►—"
AFTER = [*',.,"""""""""\':', *":?!();-", ". ", "~", "'", "...", "-", *"<>[]%-", " - "]


def plain_form(text: str) -> str:
    """One replacement after the other, each over the whole text."""
    text = text.strip()
    if not text:
        return text
    text = unicodedata.normalize("NFD", text.lower())
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Mn")
    text = re.sub(r"\d", "0", text)
    for before, after in zip(BEFORE, AFTER, strict=True):
        text = text.replace(before, after)
    return re.sub("[\x00-\x1f\x7f-\x9f]", "", text)


def perplexity(text: str, pieces: Any, model: NgramModel) -> float | None:
    """Rounded to one decimal; None where nothing is left of the text."""
    line = " ".join(pieces.encode_as_pieces(plain_form(text)))
    if not line:
        return None
    return float(round(10.0 ** (-model.score(line) / (len(line.split()) + 1)), 1))


def make_models(folder: Path, language: str, texts: Sequence[str], *, pieces: int = 400, order: int = 3) -> NgramModel:
    """Train both models of a language on `texts` and write them into `folder`; gives the n-gram model."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    plain = [found for found in map(plain_form, texts) if found]
    made = folder / f"{language}.sp"
    SentencePieceTrainer.train(
        sentence_iterator=iter(plain),
        model_prefix=str(made),
        vocab_size=pieces,
        hard_vocab_limit=False,
        max_sentence_length=1 << 20,
        num_threads=1,
        minloglevel=2,
    )
    made.with_suffix(".sp.vocab").unlink()
    loaded = SentencePieceProcessor(model_file=f"{made}.model")
    model = NgramModel.count((" ".join(found) for found in loaded.encode(plain, out_type=str)), order)
    (folder / f"{language}.arpa.bin").write_bytes(model.binary())
    return model
