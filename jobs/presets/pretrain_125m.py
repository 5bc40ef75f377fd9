"""A new Llama of 125 million parameters (85 without embeddings) on 2.5 billion tokens, for one GPU or more."""

from training.config import CheckpointConfig, DataConfig, EvaluationConfig, ModelConfig, OptimizerConfig, TrainConfig
from training.schedules import Schedule

CONFIG = TrainConfig(
    name="pretrain-125m",
    model=ModelConfig(
        config={
            "model_type": "llama",
            "hidden_size": 768,
            "intermediate_size": 2048,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "num_key_value_heads": 12,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
            "tie_word_embeddings": True,
        }
    ),
    data=DataConfig(shards="shards", num_workers=2),
    tokens=2_500_000_000,
    batch_size=256,
    micro_batch_size=16,
    optimizer=OptimizerConfig(lr=1e-3),
    schedule=Schedule(kind="linear", warmup_share=0.02),
    evaluation=EvaluationConfig(every_steps=500),
    checkpoint=CheckpointConfig(every_steps=500),
)
