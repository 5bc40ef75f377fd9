"""A trained model as Hugging Face files: it opens with transformers, computes the same, and is trained further."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from references.training_setups import LLAMA, VOCAB, losses, run_here, small_config
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.config import CheckpointConfig, ModelConfig
from training.engine import Training
from training.errors import CheckpointError
from training.model_files import same_tokens
from training.parallel import running
from training.setup import prepare

SAVING = CheckpointConfig(save_model=True, at_end=False, model_dtype="float32")


@pytest.mark.parametrize(("stage", "tied"), [(0, True), (3, True), (2, False)])
def test_opens_with_transformers_and_computes_the_same(corpus: Path, tmp_path: Path, stage: Any, tied: bool) -> None:
    model = ModelConfig(config={**LLAMA, "tie_word_embeddings": tied})
    config = small_config(corpus, steps=3, zero_stage=stage, checkpoint=SAVING, model=model)
    tokens = torch.randint(3, VOCAB, (2, 12), generator=torch.Generator().manual_seed(0))
    with running(device="cpu") as ranks:
        parts = prepare(config, tmp_path, ranks)
        done = Training(parts, lambda event, **fields: None).run()
        parts.zero.engine.eval()
        with torch.no_grad():
            expected, _ = parts.zero.engine(tokens, tokens)
        parts.zero.close()
    assert done.model == tmp_path / "model"
    opened = AutoModelForCausalLM.from_pretrained(done.model)
    assert opened.config.tie_word_embeddings is tied
    with torch.no_grad():
        logits = opened(input_ids=tokens).logits
    found = (
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none").view(2, 12).sum(1)
    )
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-4)
    assert sorted(path.suffix for path in done.model.iterdir()) == [".json"] * 4 + [".safetensors"]
    tokenizer = AutoTokenizer.from_pretrained(done.model)
    assert tokenizer.encode("w3 w7 w63") == [3, 7, 63]
    assert tokenizer.eos_token == "</s>"


def test_in_bf16_by_default(corpus: Path, tmp_path: Path) -> None:
    saving = CheckpointConfig(save_model=True, at_end=False)
    run_here(small_config(corpus, steps=1, checkpoint=saving), tmp_path)
    opened = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert opened.dtype == torch.bfloat16


@pytest.mark.parametrize("stage", [0, 3])
def test_is_trained_further(corpus: Path, tmp_path: Path, stage: Any) -> None:
    first = run_here(small_config(corpus, steps=4, checkpoint=SAVING), tmp_path / "first")
    further = small_config(
        corpus, steps=2, zero_stage=stage, model=ModelConfig(checkpoint=str(tmp_path / "first" / "model"))
    )
    second = run_here(further, tmp_path / "second")
    last = [event["loss"] for event in first if event["event"] == "eval"][-1]
    begun = next(event["loss"] for event in second if event["event"] == "eval")
    assert begun == pytest.approx(last, abs=1e-5)
    assert len(losses(second)) == 2


def test_with_another_tokenizer_is_refused(corpus: Path, tmp_path: Path) -> None:
    run_here(small_config(corpus, steps=1, checkpoint=SAVING), tmp_path / "first")
    model = tmp_path / "first" / "model"
    other = Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2, "other": 3}, unk_token="<unk>"))
    other.save(str(model / "tokenizer.json"))
    further = small_config(corpus, steps=1, model=ModelConfig(checkpoint=str(model)))
    with pytest.raises(CheckpointError, match="another tokenizer than the shards"):
        run_here(further, tmp_path / "second")
    allowed = replace(further, model=replace(further.model, any_tokenizer=True))
    assert run_here(allowed, tmp_path / "second")[-1]["reason"] == "done"


def test_tokenizers_are_compared_by_what_they_do(corpus: Path, tmp_path: Path) -> None:
    spelt_otherwise = tmp_path / "tokenizer.json"
    Tokenizer.from_file(str(corpus / "tokenizer.json")).save(str(spelt_otherwise), pretty=True)
    assert spelt_otherwise.read_bytes() != (corpus / "tokenizer.json").read_bytes()
    assert same_tokens(corpus / "tokenizer.json", spelt_otherwise)
