"""A checkpoint trained on, with domain weights that follow the losses, as in the second stage of Sheared LLaMA.

Give the checkpoint with --model, and reference losses with --set reference=FILE (`winnow evaluate` measures those of a
model, `winnow fit-reference` those of a size); `initial` weighs domains by what each has learnt since the beginning.
"""

from training.config import CheckpointConfig, DataConfig, EvaluationConfig, ModelConfig, OptimizerConfig, TrainConfig
from training.data.dynamic_batch_loading import DynamicBatchLoading
from training.schedules import Schedule

CONFIG = TrainConfig(
    name="continue-dynamic",
    model=ModelConfig(checkpoint="give --model", activation_checkpointing=True),
    data=DataConfig(shards="shards", num_workers=2),
    tokens=5_000_000_000,
    batch_size=256,
    micro_batch_size=4,
    optimizer=OptimizerConfig(lr=1e-4, weight_decay=0.0),
    schedule=Schedule(kind="cosine", warmup_share=0.03),
    evaluation=EvaluationConfig(every_steps=400, max_tokens_per_domain=2_000_000),
    checkpoint=CheckpointConfig(every_steps=400),
    mixing=DynamicBatchLoading(every_steps=400, clip_negative=False),
    reference="initial",
)
