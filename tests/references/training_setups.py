"""Small runs of the real engine for tests: an export with something to learn, a small model, runs in this process."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from references.token_shards import Row, write_export
from tokenizers import Tokenizer, models, pre_tokenizers

from training.config import (
    CheckpointConfig,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)

VOCAB, ROW_LENGTH = 64, 24
DOMAINS = {"code": 60, "news": 90, "talk": 40}
LLAMA = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}


def tokenizer_bytes() -> bytes:
    """A tokenizer of `VOCAB` words."""
    vocab = {word: number for number, word in enumerate(["<unk>", "<s>", "</s>", *(f"w{n}" for n in range(3, VOCAB))])}
    made = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    content: bytes = made.to_str().encode()
    return content


def write_corpus(folder: Path, num_rows: dict[str, int] = DOMAINS) -> Path:
    """An export of some domains; in each the next token depends on the last, by a rule of its own, with some noise."""
    domains = {
        name: {split: _rows(f"{name}/{split}", name, num) for split, num in (("train", num), ("eval", 9))}
        for name, num in num_rows.items()
    }
    write_export(
        folder, domains, row_length=ROW_LENGTH, vocab_size=VOCAB, rows_per_shard=25, tokenizer=tokenizer_bytes()
    )
    return folder


def _rows(key: str, domain: str, num: int) -> list[Row]:
    draw = random.Random(key)
    step = {"code": 5, "news": 11, "talk": 23}[domain]
    rows = []
    for number in range(num):
        length = ROW_LENGTH if draw.random() < 0.7 else draw.randint(6, ROW_LENGTH)
        starts = sorted({0, draw.randrange(length)})
        tokens, token = [], draw.randrange(3, VOCAB)
        for place in range(length):
            if place in starts or draw.random() < 0.1:
                token = draw.randrange(3, VOCAB)
            tokens.append(token)
            token = 3 + (token * 3 + step) % (VOCAB - 3)
        ids = [f"{key}-{number}-{k}" for k in range(len(starts))]
        rows.append(Row(tokens, starts, ids, [0] * len(starts), [0] * len(starts)))
    return rows


def small_config(shards: Path, **changes: Any) -> TrainConfig:
    """A run of 8 steps in fp32, without saving a model."""
    config = TrainConfig(
        model=ModelConfig(config=LLAMA),
        data=DataConfig(shards=str(shards)),
        steps=8,
        batch_size=8,
        precision="fp32",
        zero_stage=0,
        optimizer=OptimizerConfig(lr=1e-2),
        evaluation=EvaluationConfig(every_steps=0),
        checkpoint=CheckpointConfig(at_end=False, save_model=False),
    )
    return replace(config, **changes)


def run_here(config: TrainConfig, folder: Path, *, watch: Any = None, device: str = "cpu") -> list[dict[str, Any]]:
    """Train in this process, going on from a checkpoint that is there; gives the events of the log.

    `watch`, if given, is called with every event and its fields before it is written down.
    """
    from training.engine import Training
    from training.parallel import running
    from training.setup import newest, prepare

    events: list[dict[str, Any]] = []

    def write(event: str, **fields: Any) -> None:
        if watch is not None:
            watch(event, fields)
        events.append({"event": event, **fields})

    with running(device=device) as ranks:
        parts = prepare(config, folder, ranks)
        try:
            training = Training(parts, write)
            checkpoint = newest(folder)
            if checkpoint is not None:
                training.resume(checkpoint)
            training.run()
        finally:
            parts.zero.close()
    return events


def losses(events: list[dict[str, Any]]) -> dict[int, float]:
    """Training loss by step, of the last attempt at each."""
    return {event["step"]: event["loss"] for event in events if event["event"] == "step"}
