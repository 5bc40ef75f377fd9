"""Texts as the one line that peers hand to fastText: without newlines, in lower case, or only punctuation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.text.batch import TextBatch
from curation.text.kernel import loop


@loop
def _drop_newlines(data: Any, offsets: Any, out: Any, out_offsets: Any) -> None:
    at = 0
    out_offsets[0] = 0
    for i in range(len(offsets) - 1):
        for k in range(offsets[i], offsets[i + 1]):
            byte = data[np.uintp(k)]
            out[np.uintp(at)] = byte
            at += int(byte != 10)
        out_offsets[i + 1] = at


@loop
def _find_only_punctuation(data: Any, offsets: Any, out: Any) -> None:
    for i in range(len(offsets) - 1):
        only = True
        for k in range(offsets[i], offsets[i + 1]):
            byte = data[np.uintp(k)]
            letter = 97 <= (byte | 32) <= 122
            if byte < 32 or byte > 126 or letter or 48 <= byte <= 57:
                only = False
                break
        out[i] = only


def without_newlines(batch: TextBatch) -> TextBatch:
    """The texts with their newlines taken out, so that the words on both sides of one become one word."""
    out, offsets = np.empty(len(batch.data) + 1, np.uint8), np.empty(len(batch) + 1, np.int64)
    _drop_newlines(batch.data, batch.offsets, out, offsets)
    return TextBatch(out[: offsets[-1]], offsets, batch.valid)


def lower_stripped(batch: TextBatch) -> TextBatch:
    """The texts as `text.lower().strip()`, by Python itself: its special cases depend on the letters around."""
    texts = (batch.text(i) for i in range(len(batch)))
    return TextBatch.from_texts([None if text is None else text.lower().strip() for text in texts])


def lowered(batch: TextBatch) -> TextBatch:
    """The texts as `text.lower()`, by Python itself."""
    texts = (batch.text(i) for i in range(len(batch)))
    return TextBatch.from_texts([None if text is None else text.lower() for text in texts])


def joined_lines(batch: TextBatch) -> TextBatch:
    """The texts as `" ".join(text.splitlines()).strip()`, by Python itself."""
    texts = (batch.text(i) for i in range(len(batch)))
    return TextBatch.from_texts([None if text is None else " ".join(text.splitlines()).strip() for text in texts])


def only_punctuation(batch: TextBatch) -> NDArray[np.bool_]:
    """Whether a text holds nothing but spaces and ASCII punctuation (`string.punctuation`), bool[n]; True if empty."""
    out = np.empty(len(batch), np.bool_)
    _find_only_punctuation(batch.data, batch.offsets, out)
    return out
