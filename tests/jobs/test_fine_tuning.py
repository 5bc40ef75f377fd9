"""Conversations to a fine-tuned model, by the commands: only replies are learnt, and the model gives them back."""

import json
from pathlib import Path

import pytest
import torch
from references import chat_templates_made as made
from references.training_setups import LLAMA
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from jobs.cli import app
from training.config import CheckpointConfig, DataConfig, EvaluationConfig, ModelConfig, OptimizerConfig, TrainConfig
from training.config import to_json as as_json
from training.logs import read_records

ANSWERS = {"who is there": "a dog", "what is it": "the time", "is a dog it": "it is a dog"}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "tokenizer.json").write_bytes(made.chatml_tokenizer())
    records = [{"prompt": asked, "completion": said} for asked, said in ANSWERS.items()] * 40
    (folder / "talk.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    chat = [
        "export-chat",
        str(folder / "talk.jsonl"),
        "-t",
        str(folder / "tokenizer.json"),
        "--to",
        str(folder / "sft"),
    ]
    result = CliRunner().invoke(app, [*chat, "--row-length", "96", "--eval-share", "0.0", "--eos", "<|endoftext|>"])
    assert result.exit_code == 0, result.output
    config = TrainConfig(
        model=ModelConfig(config={**LLAMA, "hidden_size": 64, "intermediate_size": 128}),
        data=DataConfig(shards=str(folder / "sft"), max_epochs_per_domain=100),
        steps=150,
        batch_size=4,
        precision="fp32",
        zero_stage=0,
        optimizer=OptimizerConfig(lr=1e-2),
        evaluation=EvaluationConfig(every_steps=None),
        checkpoint=CheckpointConfig(at_end=False, model_dtype="float32"),
    )
    (folder / "mine.json").write_text(as_json(config))
    result = CliRunner().invoke(app, ["train", str(folder / "mine.json"), "-o", str(folder / "run"), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    return folder


def test_only_replies_are_learnt(tuned: Path) -> None:
    steps = [record for record in read_records(tuned / "run" / "metrics.jsonl") if record["event"] == "step"]
    assert steps[0]["loss"] > 3
    assert steps[-1]["loss"] < 0.2
    manifest = json.loads((tuned / "sft" / "manifest.json").read_text())
    places = 4 * manifest["row_length"]
    assert 0 < steps[0]["tokens"] < 0.6 * places  # the rest is prompts and headers


def test_the_model_answers(tuned: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tuned / "run" / "model")
    tokenizer = AutoTokenizer.from_pretrained(tuned / "run" / "model")
    for asked, said in ANSWERS.items():
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": asked}],
            add_generation_prompt=True,
            tokenize=False,
        )
        ids = torch.tensor([tokenizer.encode(prompt, add_special_tokens=False)])
        given = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False)
        reply = tokenizer.decode(given[0, ids.shape[1] :], skip_special_tokens=False)
        assert reply.split("<|im_end|>")[0].strip() == said
