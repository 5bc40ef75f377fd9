"""Model families: documents of a row do not see each other, first weights follow the stated rule, counts add up."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from references.training_setups import LLAMA

from training.config import ModelConfig
from training.errors import CheckpointError, ConfigError
from training.models import flops_per_token, named_groups, num_embedding_parameters, num_parameters, open_model
from training.objectives import LanguageModel, weight_of

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {"head_dim": 8},
    "mistral": {"sliding_window": 8},
    "gemma2": {"sliding_window": 8, "head_dim": 8},
    "gemma3_text": {"sliding_window": 8, "head_dim": 8},
}
IDS = {"bos": None, "eos": 2, "pad": 2}


def opened(config: dict[str, Any], **changes: Any) -> Any:
    return open_model(ModelConfig(config=config, **changes), vocab_size=64, special_ids=IDS, row_length=24, seed=3)


@pytest.mark.parametrize(
    ("family", "attention"),
    # Gemma 2 caps its attention scores, for which sdpa has no place: transformers refuses the pair.
    [(family, kind) for family in FAMILIES for kind in ("sdpa", "eager") if (family, kind) != ("gemma2", "sdpa")],
)
def test_documents_of_a_row_do_not_see_each_other(family: str, attention: str) -> None:
    model = opened({"model_type": family, **SMALL, **FAMILIES[family]}, attention=attention)
    objective = LanguageModel(model)
    draw = torch.Generator().manual_seed(0)
    first, second, other = (torch.randint(3, 64, (1, size), generator=draw) for size in (9, 15, 9))
    positions = torch.cat([torch.arange(9), torch.arange(15)]).unsqueeze(0)

    def losses(tokens: torch.Tensor, labels: torch.Tensor, position_ids: torch.Tensor) -> float:
        return float(objective(tokens, labels, position_ids)[0].detach())

    packed = torch.cat([first, second], dim=1)
    only_second = torch.cat([torch.full((1, 9), -100), second], dim=1)
    with torch.no_grad():
        alone = losses(second, second, torch.arange(15).unsqueeze(0))
        beside = losses(packed, only_second, positions)
        beside_another = losses(torch.cat([other, second], dim=1), only_second, positions)
        running_on = losses(packed, only_second, torch.arange(24).unsqueeze(0))
    assert beside == pytest.approx(alone, abs=1e-4)
    assert beside_another == pytest.approx(beside, abs=1e-5)
    assert abs(running_on - alone) > 1e-4  # the test can tell


def test_rows_of_a_batch_keep_their_own_documents() -> None:
    objective = LanguageModel(opened(LLAMA))
    tokens = torch.randint(3, 64, (2, 24), generator=torch.Generator().manual_seed(1))
    positions = torch.stack([torch.cat([torch.arange(5), torch.arange(19)]), torch.arange(24)])
    with torch.no_grad():
        both, _ = objective(tokens, tokens, positions)
        each = [objective(tokens[n : n + 1], tokens[n : n + 1], positions[n : n + 1])[0] for n in (0, 1)]
    assert both.tolist() == pytest.approx([float(one) for one in each], abs=1e-3)


def test_loss_weights_weigh_tokens() -> None:
    objective = LanguageModel(opened(LLAMA))
    tokens = torch.randint(3, 64, (1, 24), generator=torch.Generator().manual_seed(1))
    labels = tokens.clone()
    labels[0, :10] = -100
    weights = torch.zeros(1, 24)
    weights[0, 12], weights[0, 15], weights[0, 3] = 1.0, 0.5, 9.0
    single = {}
    for place in (12, 15):
        only = torch.full_like(labels, -100)
        only[0, place] = labels[0, place]
        single[place] = float(objective(tokens, only)[0].detach())
    loss, weight = objective(tokens, labels, None, weights)
    assert float(loss.detach()) == pytest.approx(single[12] + 0.5 * single[15], abs=1e-4)
    assert float(weight) == weight_of({"labels": labels, "loss_weights": weights}) == 1.5


def test_first_weights_follow_the_rule_and_the_seed() -> None:
    wide = {**LLAMA, "hidden_size": 128, "intermediate_size": 256}
    model = opened(wide, init_std=0.05)
    state = dict(model.named_parameters())
    assert state["model.layers.1.mlp.gate_proj.weight"].std().item() == pytest.approx(0.05, rel=0.02)
    assert state["model.layers.1.mlp.down_proj.weight"].std().item() == pytest.approx(0.05 / math.sqrt(4), rel=0.02)
    assert state["model.layers.0.self_attn.o_proj.weight"].std().item() == pytest.approx(0.05 / math.sqrt(4), rel=0.02)
    assert bool((state["model.norm.weight"] == 1).all())
    again = dict(opened(wide, init_std=0.05).named_parameters())
    assert all(torch.equal(state[name], again[name]) for name in state)
    deeper = dict(opened({**wide, "num_hidden_layers": 3}, init_std=0.05).named_parameters())
    name = "model.layers.1.mlp.gate_proj.weight"
    assert torch.equal(deeper[name], state[name])  # a stream of its own for each name


def test_making_a_model_leaves_torchs_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    opened(LLAMA)
    assert torch.equal(torch.rand(3), expected)


def test_counts() -> None:
    tied, untied = opened(LLAMA), opened({**LLAMA, "tie_word_embeddings": False})
    table = 64 * 32
    layer = 32 * 32 + 2 * 32 * 16 + 32 * 32 + 3 * 32 * 48 + 2 * 32
    assert num_parameters(tied) == table + 2 * layer + 32
    assert num_parameters(untied) == num_parameters(tied) + table
    assert num_embedding_parameters(tied) == table
    assert num_embedding_parameters(untied) == 2 * table
    expected = 6 * (2 * layer + 32 + table) + 6 * 2 * 32 * 24
    assert flops_per_token(tied, 24) == flops_per_token(untied, 24) == expected


def test_norms_and_embeddings_do_not_decay() -> None:
    model = opened({"model_type": "qwen2", **SMALL})  # with biases
    decaying, others = named_groups(model, decay_embeddings=False)
    assert all(name.endswith("_proj.weight") or name == "lm_head.weight" for name in decaying)
    assert {name.rpartition(".")[2] for name in others} == {"weight", "bias"}
    assert "model.embed_tokens.weight" in others
    assert sorted(decaying + others) == sorted(name for name, _ in model.named_parameters())
    assert "model.embed_tokens.weight" in named_groups(model, decay_embeddings=True)[0]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "lama"}, "lama"),
        ({**LLAMA, "hiden_size": 3}, "hiden_size is no field of a llama configuration"),
        ({**LLAMA, "vocab_size": 50}, "the model has 50 tokens and the shards' tokenizer 64"),
        ({**LLAMA, "max_position_embeddings": 16}, "16 positions and a row 24 tokens"),
    ],
)
def test_configurations_that_do_not_fit(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        opened(config)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        open_model(ModelConfig(checkpoint=str(tmp_path)), vocab_size=64, special_ids=IDS, row_length=24, seed=0)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match="cannot be opened as a causal language model"):
        open_model(ModelConfig(checkpoint=str(tmp_path)), vocab_size=64, special_ids=IDS, row_length=24, seed=0)
