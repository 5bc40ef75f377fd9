"""Training a tokenizer: loses nothing, and depends on the texts alone."""

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from references.tokenizers_made import bpe
from tokenizers import Tokenizer

from curation.export.settings import ExportSettingsError
from curation.export.train_bpe import TokenizerTraining, train_bpe

LIBRARY = Tokenizer.from_str(bpe().decode())


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back(text: str) -> None:
    assert LIBRARY.decode(LIBRARY.encode(text).ids, skip_special_tokens=False) == text


def test_order_batches_and_threads_change_nothing(sample_corpus: Path) -> None:
    with gzip.open(sample_corpus / "qa.jsonl.gz") as file:
        texts = [json.loads(line)["text"] for line in file][:400]
    training = TokenizerTraining(vocab_size=3000)
    expected = train_bpe([texts], training)
    dice = random.Random(3)
    for _ in range(3):
        dice.shuffle(texts)
        size = dice.randint(1, 200)
        assert train_bpe((texts[i : i + size] for i in range(0, len(texts), size)), training) == expected
    program = (
        "import gzip, json, sys; from curation.export.train_bpe import TokenizerTraining, train_bpe;"
        f"texts = [json.loads(line)['text'] for line in gzip.open({str(sample_corpus / 'qa.jsonl.gz')!r})][:400];"
        "sys.stdout.buffer.write(train_bpe([texts], TokenizerTraining(vocab_size=3000)))"
    )
    for threads in ("1", "5"):
        environment = os.environ | {"RAYON_NUM_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=environment)
        assert done.stdout == expected


def test_what_it_holds() -> None:
    library = Tokenizer.from_str(bpe(vocab_size=300, special=("<end>", "<user>")).decode())
    assert library.get_vocab_size() == 300
    assert [library.token_to_id(token) for token in ("<end>", "<user>")] == [0, 1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"vocab_size": 256},
        {"vocab_size": 1 << 25},
        {"special_tokens": ()},
        {"special_tokens": ("",)},
        {"special_tokens": ("<a>", "<a>")},
        {"min_frequency": 0},
        {"max_bytes": 0},
        {"seed": -1},
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ExportSettingsError):
        TokenizerTraining(**wrong)  # type: ignore[arg-type]
