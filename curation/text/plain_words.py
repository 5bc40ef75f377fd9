"""Texts as RedPajama-V2 compares them: no ASCII punctuation, lower case, one space between words, NFD.

It is `normalize("NFD", " ".join(text.translate(without_punctuation).lower().split()))` with Python's own case mapping,
by the Unicode of `curation.text.unicode`. What punctuation stands between without a space becomes one word: `don't` is
`dont`.

Reference: togethercomputer/RedPajama-Data `app/src/utilities/text/normalization.py`; NFD by Unicode Standard Annex #15.
"""

import string
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.text.ascii_blocks import punctuation_mask, run_ends, space_mask
from curation.text.batch import TextBatch
from curation.text.blocks import BLOCK, range_mask
from curation.text.kernel import inlined, kernel, leaf
from curation.text.unicode import (
    NUM_CODE_POINTS,
    code_point_width,
    decode,
    encode,
    lower_case,
    space_width,
    stored_tables,
)

PUNCTUATION = string.punctuation
"""The ASCII punctuation that is taken out."""

# NFD makes at most three bytes of one (UAX #15, section 12), lower case one and a half.
_GROWTH = 5
_NOTHING = 0xFF
_SIGMA = 0x3A3
_I_WITH_DOT = 0x130
_DOT_ABOVE = 0x307
_HANGUL, _NUM_HANGUL = 0xAC00, 11172
_LEADING, _VOWEL, _TRAILING = 0x1100, 0x1161, 0x11A7
_NUM_PAIRS, _NUM_TRAILING = 588, 28


@dataclass(frozen=True)
class Decompositions:
    """What NFD needs to know.

    Attributes:
        where: int32[0x110000]; k + 1 for the k-th character that NFD changes, 0 for all others and Hangul syllables.
        offsets: int32[n + 1]; the k-th one becomes `to[offsets[k]:offsets[k + 1]]`.
        to: int32; code points, each of which NFD leaves as it is.
        order: uint8[0x110000]; combining classes.
    """

    where: NDArray[np.int32]
    offsets: NDArray[np.int32]
    to: NDArray[np.int32]
    order: NDArray[np.uint8]


@cache
def decompositions() -> Decompositions:
    """The tables, loaded once per process."""
    with stored_tables() as stored:
        where = np.zeros(NUM_CODE_POINTS, np.int32)
        where[stored["nfd_from"]] = np.arange(1, len(stored["nfd_from"]) + 1)
        order = np.zeros(NUM_CODE_POINTS, np.uint8)
        order[stored["marks"]] = stored["mark_classes"]
        return Decompositions(where, stored["nfd_offsets"], stored["nfd_to"], order)


@inlined
def _order_marks(out: NDArray[np.uint8], start: int, end: int, order: NDArray[np.uint8]) -> None:
    """Sort the marks in `out[start:end]` by their classes, those of one class staying in order."""
    before = out[start:end].copy()
    starts = np.zeros(257, np.int64)
    i = 0
    while i < len(before):
        width = code_point_width(before[i])
        starts[np.int64(order[decode(before, i)]) + 1] += width
        i += width
    for k in range(256):
        starts[k + 1] += starts[k]
    i = 0
    while i < len(before):
        width = code_point_width(before[i])
        mark_class = order[decode(before, i)]
        at = start + starts[mark_class]
        out[at : at + width] = before[i : i + width]
        starts[mark_class] += width
        i += width


@leaf
def decomposed_size(code_point: int, where: NDArray[np.int32], offsets: NDArray[np.int32]) -> int:
    """How many code points NFD makes of one."""
    if where[code_point]:
        k = where[code_point] - 1
        return int(offsets[k + 1] - offsets[k])
    syllable = code_point - _HANGUL
    if 0 <= syllable < _NUM_HANGUL:
        return 2 if syllable % _NUM_TRAILING == 0 else 3
    return 1


@leaf
def decomposed_part(
    code_point: int, part: int, where: NDArray[np.int32], offsets: NDArray[np.int32], to: NDArray[np.int32]
) -> int:
    """Code point number `part` of what NFD makes of one."""
    if where[code_point]:
        return int(to[offsets[where[code_point] - 1] + part])
    syllable = code_point - _HANGUL
    if 0 <= syllable < _NUM_HANGUL:
        if part == 0:
            return _LEADING + syllable // _NUM_PAIRS
        if part == 1:
            return _VOWEL + syllable % _NUM_PAIRS // _NUM_TRAILING
        return _TRAILING + syllable % _NUM_TRAILING
    return code_point


@leaf
def lower_size(code_point: int) -> int:
    """How many code points `str.lower` makes of one."""
    return 2 if code_point == _I_WITH_DOT else 1


@leaf
def lower_part(code_point: int, part: int, lower: NDArray[np.int32]) -> int:
    """Code point number `part` of what `str.lower` makes of one, a final sigma apart."""
    return _DOT_ABOVE if part else int(lower[code_point])


@leaf
def _fold_block(
    data: NDArray[np.uint8], i: int, end: int, folded: NDArray[np.uint8], out: NDArray[np.uint8], n: int, begin: int
) -> int:
    """Write what is left of 64 ASCII characters from byte `i` on; gives the new `n`."""
    filled = ~space_mask(data, i, end)
    marks = filled & ~punctuation_mask(data, i, end)
    # What is kept: all but punctuation, and the space after each word.
    kept = marks | run_ends(filled, marks, n > begin and out[n - 1] != 32)[0]
    for at in range(i, i + BLOCK, 8):
        if kept & np.uint64(0xFF) == np.uint64(0xFF):
            for k in range(8):
                out[n + k] = folded[data[at + k]]
            n += 8
        else:
            for k in range(8):
                out[n] = folded[data[at + k]]
                n += int((kept >> np.uint64(k)) & np.uint64(1))
        kept >>= np.uint64(8)
    return n


@inlined
def _plain(  # noqa: PLR0912 - one pass over the bytes
    data: NDArray[np.uint8],
    start: int,
    end: int,
    folded: NDArray[np.uint8],
    lower: NDArray[np.int32],
    where: NDArray[np.int32],
    offsets: NDArray[np.int32],
    to: NDArray[np.int32],
    order: NDArray[np.uint8],
    out: NDArray[np.uint8],
    begin: int,
) -> int:
    """Write the plain form of `data[start:end]` to `out[begin:]`; gives where it ends, -1 if it has a capital sigma."""
    n = begin
    marks_from = begin  # marks since the last other character
    last_class = np.uint8(0)
    unordered = False
    slow_until = start
    i = start
    while i < end:
        byte = data[i]
        if byte < 0x80 or space_width(data, i, end):
            if i >= slow_until:
                if i + BLOCK <= end and not unordered and not range_mask(data, i, end, 0x80, 0xFF):
                    before, n = n, _fold_block(data, i, end, folded, out, n, begin)
                    i += BLOCK
                    if n > before:
                        marks_from, last_class = n, np.uint8(0)
                    continue
                slow_until = i + BLOCK
            made = folded[byte] if byte < 0x80 else 32
            i += code_point_width(byte)
            if made == _NOTHING:  # so that marks before and after it come together
                continue
            if unordered:
                _order_marks(out, marks_from, n, order)
                unordered = False
            if made != 32 or (n > begin and out[n - 1] != 32):
                out[n] = made
                n += 1
            marks_from, last_class = n, np.uint8(0)
            continue
        read = decode(data, i)
        i += code_point_width(byte)
        if read == _SIGMA:
            return -1
        for k in range(lower_size(read)):
            small = lower_part(read, k, lower)
            for part in range(decomposed_size(small, where, offsets)):
                code_point = decomposed_part(small, part, where, offsets, to)
                mark_class = order[code_point]
                if mark_class == 0 and unordered:
                    _order_marks(out, marks_from, n, order)
                    unordered = False
                unordered |= 0 < mark_class < last_class
                last_class = mark_class
                n += encode(code_point, out, n)
                if mark_class == 0:
                    marks_from = n
    if unordered:
        _order_marks(out, marks_from, n, order)
    return n - 1 if n > begin and out[n - 1] == 32 else n


@kernel
def _plain_texts(
    data: NDArray[np.uint8],
    doc_offsets: NDArray[np.int64],
    folded: NDArray[np.uint8],
    lower: NDArray[np.int32],
    where: NDArray[np.int32],
    offsets: NDArray[np.int32],
    to: NDArray[np.int32],
    order: NDArray[np.uint8],
    out_offsets: NDArray[np.int64],
    by_python: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    out = np.empty(len(data) + 64, np.uint8)
    out_offsets[0] = 0
    for doc in range(len(doc_offsets) - 1):
        at = out_offsets[doc]
        start, end = doc_offsets[doc], doc_offsets[doc + 1]
        if len(out) - at < _GROWTH * (end - start) + 64:
            plain_ascii = True
            for i in range(start, end):
                plain_ascii &= data[i] < 0x80
            needed = (end - start if plain_ascii else _GROWTH * (end - start)) + 64
            if len(out) - at < needed:
                larger = np.empty(2 * len(out) + needed, np.uint8)
                larger[:at] = out[:at]
                out = larger
        reached = _plain(data, start, end, folded, lower, where, offsets, to, order, out, at)
        by_python[doc] = reached < 0
        out_offsets[doc + 1] = at if reached < 0 else reached
    return out[: out_offsets[-1]]


@cache
def _folded() -> NDArray[np.uint8]:
    """What becomes of each ASCII character: itself, its small letter, a space, or nothing."""
    folded = np.arange(128, dtype=np.uint8)
    folded[65:91] += 32
    folded[list(PUNCTUATION.encode())] = _NOTHING
    folded[[code for code in range(128) if chr(code).isspace()]] = 32
    return folded


def plain_words(batch: TextBatch) -> TextBatch:
    """The plain form of each text, as said above; its words are between the spaces."""
    tables = decompositions()
    offsets = np.empty(len(batch) + 1, np.int64)
    by_python = np.zeros(len(batch), np.bool_)
    data = _plain_texts(
        batch.data,
        batch.offsets,
        _folded(),
        lower_case(),
        tables.where,
        tables.offsets,
        tables.to,
        tables.order,
        offsets,
        by_python,
    )
    if by_python.any():
        data, offsets = _with_sigmas(batch, data, offsets, np.flatnonzero(by_python))
    return TextBatch(data, offsets, batch.valid)


def _with_sigmas(batch: TextBatch, data: Any, offsets: Any, chosen: Any) -> tuple[Any, Any]:
    """Put in the texts that have a capital sigma, whose lower case depends on what stands around it, by Python."""
    sizes = np.diff(offsets)
    pieces: list[bytes | memoryview] = []
    done = 0
    for i in chosen:
        plain = (batch.text(int(i)) or "").encode().translate(None, PUNCTUATION.encode()).decode().lower()
        made = unicodedata.normalize("NFD", " ".join(plain.split())).encode()
        pieces += [data[done : offsets[i]].data, made]
        sizes[i], done = len(made), int(offsets[i])
    pieces.append(data[done:].data)
    return np.frombuffer(b"".join(pieces), np.uint8), np.concatenate([[0], np.cumsum(sizes)])
