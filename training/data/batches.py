"""Batches: rows as arrays, with what attention and loss need to stay inside documents."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from training.data import row_kernels
from training.data.errors import ShardError
from training.data.manifest import Split
from training.data.order import Samples
from training.data.shards import ShardStore

Batch = dict[str, Any]
"""Arrays by name; see `Content`."""

_NONE = np.empty((0, 0), dtype=np.int32)
_NO_SEQLENS = np.empty(0, dtype=np.int32)


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a batch holds beside `tokens`, `sample`, `domain`, `epoch` and `row`.

    A segment is a piece of one document; a row's padding is a segment of its own at the end.

    Attributes:
        tokens: `int64`, or `stored` for the type that the shards have.
        labels: `aligned`: each token itself, for models that shift (Hugging Face's). `shifted`: the next token. -100
            where there is nothing to learn: padding, what `predict_first_tokens` leaves out, and tokens whose stored
            loss weight is 0. None: no labels.
        predict_first_tokens: whether the first token of a segment is to be predicted from the segment before it. The
            first of a row never is, as nothing stands before it.
        position_ids: int64 [n, row_length], which begin at 0 in each segment.
        document_ids: int32 [n, row_length], the number of the segment in its row, -1 on padding; tokens attend to
            each other where these are equal.
        cu_seqlens: int32, where segments begin in the batch laid out as one row, and its length at the end;
            `max_seqlen` comes with it, the longest segment.
        loss_weights: float32 [n, row_length], how much each of the labels counts in the loss: what the shards say, 1
            where they say nothing, 0 where a label is -100.
    """

    tokens: Literal["int64", "stored"] = "int64"
    labels: Literal["aligned", "shifted"] | None = None
    predict_first_tokens: bool = False
    position_ids: bool = False
    document_ids: bool = False
    cu_seqlens: bool = False
    loss_weights: bool = False

    def __post_init__(self) -> None:
        for name, choices in (("tokens", ("int64", "stored")), ("labels", ("aligned", "shifted", None))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}: expected one of {choices}")
        if self.loss_weights and self.labels is None:
            raise ValueError("loss_weights are those of labels: ask for labels too, `aligned` or `shifted`")

    @property
    def segments(self) -> bool:
        """Whether anything is asked for that depends on segments."""
        return self.labels is not None or self.position_ids or self.document_ids or self.cu_seqlens


def read_rows(
    store: ShardStore, split: Split, domains: npt.NDArray[Any], rows: npt.NDArray[np.int64], content: Content
) -> Batch:
    """The rows of a split, by domain and number, and what `content` asks for.

    Raises:
        ShardError: a shard is missing, damaged or contradicts itself.
    """
    lines, held = store.lines(split, domains, rows)
    length, stored = store.manifest.row_length, np.dtype(store.manifest.token_dtype)
    tokens = np.empty((rows.size, length), dtype=np.int64 if content.tokens == "int64" else stored)
    row_kernels.copy_rows(lines, np.empty(0, dtype=stored), tokens)
    batch: Batch = {"tokens": tokens}
    if content.segments:
        num = row_kernels.count_segments(lines, length)
        if num < 0:
            shard, place = lines[-1 - num, [row_kernels.SHARD, row_kernels.PLACE]].tolist()
            raise ShardError(
                f"{store.entries[shard].path} of {store.manifest.where}: row {place} has segments that do not begin at "
                "0, do not ascend, or pass the end of its tokens: run the export again"
            )
        _write_segments(batch, lines, num, content)
        if content.labels and (content.loss_weights or store.manifest.loss_weights):
            _write_loss_weights(batch, lines, content)
    del held  # until here the kernels read from what it keeps mapped
    return batch


def _write_segments(batch: Batch, lines: npt.NDArray[np.int64], num: int, content: Content) -> None:
    tokens = batch["tokens"]
    labels = np.empty(tokens.shape, np.int64) if content.labels else _NONE.astype(np.int64)
    position_ids = np.empty(tokens.shape, np.int64) if content.position_ids else _NONE.astype(np.int64)
    document_ids = np.empty(tokens.shape, np.int32) if content.document_ids else _NONE
    cu_seqlens = np.empty(num + 1, np.int32) if content.cu_seqlens else _NO_SEQLENS
    longest = row_kernels.write_segments(
        lines,
        tokens,
        content.labels == "shifted",
        content.predict_first_tokens,
        labels,
        position_ids,
        document_ids,
        cu_seqlens,
    )
    if content.labels:
        batch["labels"] = labels
    if content.position_ids:
        batch["position_ids"] = position_ids
    if content.document_ids:
        batch["document_ids"] = document_ids
    if content.cu_seqlens:
        batch["cu_seqlens"], batch["max_seqlen"] = cu_seqlens, int(longest)


def _write_loss_weights(batch: Batch, lines: npt.NDArray[np.int64], content: Content) -> None:
    """Loss weights, if asked for; where shards have them, labels of weight 0 are ignored, asked for or not."""
    labels = batch["labels"]
    weights = np.empty(labels.shape if content.loss_weights else (0, 0), np.float32)
    row_kernels.write_loss_weights(lines, content.labels == "shifted", row_kernels.HALVES, labels, weights)
    if content.loss_weights:
        batch["loss_weights"] = weights


def read_samples(store: ShardStore, samples: Samples, content: Content) -> Batch:
    """The rows of these samples for training, with the samples themselves."""
    batch = read_rows(store, "train", samples.domain, samples.row, content)
    for name, column in zip(("sample", "domain", "epoch", "row"), samples, strict=True):
        batch[name] = np.ascontiguousarray(column)
    return batch
