"""What the training benchmarks train on: the real text of the reproductions as shards, and models of two sizes."""

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path += [str(HERE.parents[1]), str(HERE.parent)]  # this is no package, and tests/ has none

from training.config import (  # noqa: E402
    CheckpointConfig,
    DataConfig,
    EvaluationConfig,
    LogConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)

SIZES: dict[str, tuple[int, int, int, int]] = {
    "14M": (384, 6, 256, 2),
    "1M": (96, 4, 128, 1),
}
"""By name: width and layers of a Llama, tokens of a row, rows of a step. The name is the number of parameters."""

GPU_SIZES: dict[str, tuple[int, int, int, int]] = {
    "110M": (768, 12, 1024, 256),
    "370M": (1024, 24, 1024, 256),
}
"""The same for a GPU."""

VOCAB_SIZE, GPU_VOCAB_SIZE = 8192, 32_000
LR = 1e-3


def write_exports(folder: Path, *, gpu: bool = False) -> None:
    """An export for each length of row."""
    from reproductions import corpus  # needs the half that curates, which a machine with a GPU may be without

    texts = corpus.folder_of_texts(HERE.parents[1])
    sizes, vocab_size, megabytes = (GPU_SIZES, GPU_VOCAB_SIZE, 3.0) if gpu else (SIZES, VOCAB_SIZE, 1.5)
    for row_length in sorted({length for _, _, length, _ in sizes.values()}):
        place = folder / f"rows-{row_length}"
        corpus.write(place, texts, row_length=row_length, megabytes=megabytes, vocab_size=vocab_size)


def config_of(size: str, folder: Path, steps: int, **changed: Any) -> TrainConfig:
    """A run of a size, in fp32 and on one process if nothing else is said, which neither evaluates nor saves."""
    width, layers, row_length, rows = (SIZES | GPU_SIZES)[size]
    fields: dict[str, Any] = {
        "precision": "fp32",
        "zero_stage": 0,
        "batch_size": rows,
        "optimizer": OptimizerConfig(lr=LR, decay_embeddings=True),
    }
    head = 64 if size in GPU_SIZES else 32
    model = {
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": 8 * width // 3 // 8 * 8,
        "num_hidden_layers": layers,
        "num_attention_heads": width // head,
        "num_key_value_heads": width // head,
        "tie_word_embeddings": True,
    }
    return TrainConfig(
        model=ModelConfig(config=model),
        data=DataConfig(shards=str(folder / f"rows-{row_length}")),
        steps=steps,
        evaluation=EvaluationConfig(every_steps=None),
        checkpoint=CheckpointConfig(at_end=False, save_model=False),
        log=LogConfig(peak_tflops=None if size in GPU_SIZES else 1.0),
        **(fields | changed),
    )
