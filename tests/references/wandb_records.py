"""What Weights & Biases keeps of a run while it is offline: protocol messages in a log of LevelDB's format.

Reference: LevelDB, doc/log_format.md; W&B puts seven bytes before the first block.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK, _HEAD = 32 << 10, 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def history(file: Path) -> list[dict[str, Any]]:
    """The numbers that were logged, one dictionary a call."""
    rows = [record.history.item for record in _messages(file) if record.WhichOneof("record_type") == "history"]
    return [{item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items} for items in rows]


def config(file: Path) -> dict[str, Any]:
    """The settings that were noted."""
    items = [item for record in _messages(file) for item in record.config.update]
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def _messages(file: Path) -> Iterator[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    for content in _records(file.read_bytes()):
        record = Record()
        record.ParseFromString(content)
        yield record


def _records(data: bytes) -> Iterator[bytes]:
    assert data.startswith(b":W&B")
    place, parts = _HEAD, b""
    while place + _HEAD <= len(data):
        if _BLOCK - place % _BLOCK < _HEAD:
            place += _BLOCK - place % _BLOCK
            continue
        size, kind = struct.unpack_from("<HB", data, place + 4)
        part = data[place + _HEAD : place + _HEAD + size]
        place += _HEAD + size
        parts = part if kind in (_FULL, _FIRST) else parts + part
        if kind in (_FULL, _LAST):
            yield parts
