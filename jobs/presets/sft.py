"""A checkpoint tuned on conversations (shards of `winnow export-chat`): two epochs, as Tulu 3 does it.

Give the checkpoint with --model. Reference: Lambert et al. 2024 (Tulu 3), 2 epochs, batch 128, 5e-6, linear.
"""

from training.config import CheckpointConfig, DataConfig, EvaluationConfig, ModelConfig, OptimizerConfig, TrainConfig
from training.schedules import Schedule

CONFIG = TrainConfig(
    name="sft",
    model=ModelConfig(checkpoint="give --model", activation_checkpointing=True),
    data=DataConfig(shards="shards", max_epochs_per_domain=8),
    epochs=2,
    batch_size=128,
    micro_batch_size=1,
    optimizer=OptimizerConfig(lr=5e-6, weight_decay=0.0, betas=(0.9, 0.999)),
    schedule=Schedule(kind="linear", warmup_share=0.03),
    evaluation=EvaluationConfig(every_steps=100),
    checkpoint=CheckpointConfig(every_steps=100),
)
