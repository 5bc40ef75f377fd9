"""Megatron's indexed dataset: documents one after the other in `.bin`, and where each begins in `.idx`.

Reference:
    NVIDIA Megatron-LM, megatron/core/datasets/indexed_dataset.py: the layout of both files, format version 1.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = b"MMIDIDX\x00\x00"
_CODES = {"int32": 4, "uint16": 8}


def token_type(token_dtype: str) -> str:
    """The width in which Megatron holds such tokens: it knows no uint32."""
    return "uint16" if token_dtype == "uint16" else "int32"


def index_of(lengths: NDArray[np.int64], kind: str) -> bytes:
    """The `.idx` file of documents of so many tokens: one sequence each.

    Args:
        lengths: tokens of each document, in the order of the `.bin` file.
        kind: `uint16` or `int32`.
    """
    size = np.dtype(kind).itemsize
    pointers = (np.cumsum(lengths) - lengths) * size
    head = _MAGIC + struct.pack("<QBQQ", 1, _CODES[kind], len(lengths), len(lengths) + 1)
    parts: list[NDArray[Any]] = [
        lengths.astype("<i4"),
        pointers.astype("<i8"),
        np.arange(len(lengths) + 1, dtype="<i8"),
    ]
    return head + b"".join(part.tobytes() for part in parts)
