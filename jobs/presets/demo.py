"""A small Llama on two CPU cores, in minutes; domain weights follow the losses of an earlier, shorter run.

That run is `winnow train demo --set mixing=null --set steps=300`, its losses are measured by `winnow evaluate`; `make
demo-train` does all of it. On the way losses fall below the shorter run's: what is below counts too
(`clip_negative=False`), so that the domain that gains least gets more of the batch.
"""

from training.config import (
    CheckpointConfig,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)
from training.data.dynamic_batch_loading import DynamicBatchLoading
from training.schedules import Schedule

CONFIG = TrainConfig(
    name="demo",
    model=ModelConfig(
        config={
            "model_type": "llama",
            "hidden_size": 128,
            "intermediate_size": 352,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
        },
        init_std=0.05,  # the usual 0.02 is for wider models, and this one would idle at the unigram entropy
    ),
    data=DataConfig(shards="shards"),
    steps=1000,
    batch_size=8,
    precision="fp32",
    zero_stage=0,
    optimizer=OptimizerConfig(lr=4e-3),
    schedule=Schedule(kind="linear", warmup_share=0.05),
    evaluation=EvaluationConfig(every_steps=100, max_tokens_per_domain=20_000),
    checkpoint=CheckpointConfig(every_steps=250, model_dtype="float32"),
    mixing=DynamicBatchLoading(every_steps=100, clip_negative=False, min_weight=0.05, loss_ema=0.5),
    reference="demo-reference.json",
)
