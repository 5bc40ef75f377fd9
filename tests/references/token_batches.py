"""What a batch holds, from plain rows, token by token."""

from typing import Any

from references.token_shards import Row, segments


def batch(
    rows: list[Row], row_length: int, *, pad: int = 2, labels: str | None = None, predict_first: bool = False
) -> dict[str, Any]:
    """Every output that a batch may have, as lists; loss weights where there are labels."""
    out: dict[str, Any] = {"tokens": [], "labels": [], "position_ids": [], "document_ids": [], "cu_seqlens": [0]}
    if labels:
        out["loss_weights"] = []
    longest = 0
    for number, row in enumerate(rows):
        tokens = row.tokens + [pad] * (row_length - len(row.tokens))
        label, position, document = [-100] * row_length, [0] * row_length, [-1] * row_length
        for k, (begin, end, padding) in enumerate(segments(row, row_length)):
            out["cu_seqlens"].append(number * row_length + end)
            longest = max(longest, end - begin)
            for t in range(begin, end):
                position[t] = t - begin
                document[t] = -1 if padding else k
                if labels == "aligned" and not padding and (t > begin or predict_first):
                    label[t] = tokens[t]
                if labels == "shifted" and t + 1 < len(row.tokens) and (t + 1 < end or predict_first):
                    label[t] = tokens[t + 1]
        if labels:
            stored = row.loss_weights or [1.0] * len(row.tokens)
            step = 1 if labels == "shifted" else 0
            weights = [0.0 if label[t] == -100 else stored[t + step] for t in range(row_length)]
            label = [-100 if weight == 0 else one for one, weight in zip(label, weights, strict=True)]
            out["loss_weights"].append(weights)
        out["tokens"].append(tokens)
        out["labels"].append(label)
        out["position_ids"].append(position)
        out["document_ids"].append(document)
    out["max_seqlen"] = longest
    return out
