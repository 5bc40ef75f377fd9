"""KenLM's binary language models, as its `build_binary` writes them by default: hash tables, mapped into memory.

The other layout (`build_binary trie`) is refused, and so is the text from which both are built (ARPA).

Reference: Heafield 2011, KenLM: Faster and Smaller Language Model Queries, section 2.1; kpu/kenlm `lm/binary_format.cc`
(version 5), `lm/vocab.hh`, `lm/search_hashed.hh`, `util/probing_hash_table.hh`.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curation.errors import WinnowError

_MAGIC = b"mmap lm http://kheafield.com/code format version 5\n\0"
_ANY_VERSION = b"mmap lm http://kheafield.com/code "
_SANITY = struct.Struct("<56s3f3IQ")  # the magic, then numbers that are read right only on a machine like the writer's
_NUMBERS = (0.0, 1.0, -0.5, 1, 0xFFFFFFFF, 0, 1)
_FIXED = struct.Struct("<BxxxfI?xxxI")
_LAYOUTS = {1: "with rest costs", 2: "trie", 3: "trie", 4: "trie", 5: "trie"}
_MOST_WORDS = 16  # of an n-gram: KenLM is built for 6, and a broken header says anything

WORD, MIDDLE, LONGEST = 3, 4, 3
"""How many uint32 an entry has: a key of two; then a word's number, a probability and a backoff, a probability."""


class LanguageModelError(WinnowError):
    """The file is not there, is no binary model of KenLM's, or is broken."""


@dataclass(frozen=True, kw_only=True)
class LanguageModelFile:
    """An n-gram model.

    Attributes:
        memory: uint32; the whole file, read-only and mapped: processes share it.
        order: longest n-gram, in words; at least 2.
        unigrams: where in `memory` the first word's probability stands; its backoff is next, then the second word's.
        tables: int64[order, 2]; where a hash table begins and how many entries it has room for. Row 0 is that of words,
            row k that of (k + 1)-grams.
        num_words: with `<unk>`, which is 0.
    """

    memory: NDArray[np.uint32]
    order: int
    unigrams: int
    tables: NDArray[np.int64]
    num_words: int


def read_language_model(path: str | Path) -> LanguageModelFile:
    """Map the model that stands at `path`.

    Raises:
        LanguageModelError: there is none that can be used, with what it is instead.
    """
    path = Path(path)
    if not path.is_file():
        raise LanguageModelError(f"no language model at {path}: give the path of a binary that build_binary has made")
    with path.open("rb") as file:
        head = file.read(_SANITY.size + _FIXED.size + 8 * _MOST_WORDS)
    order, multiplier = _check_head(path, head)
    counts = struct.unpack_from(f"<{order}Q", head, _SANITY.size + _FIXED.size)
    at = -(-(_SANITY.size + _FIXED.size + 8 * order) // 8) * 2  # in uint32, after padding to eight bytes
    at_words = at
    at += 2
    tables = np.empty((order, 2), np.int64)
    widths = [WORD, *[MIDDLE] * (order - 2), LONGEST]
    unigrams = 0
    for k, (count, width) in enumerate(zip(counts, widths, strict=True)):
        tables[k] = at, _num_buckets(count, multiplier)
        at += int(tables[k, 1]) * width
        if k == 0:
            unigrams = at
            at += 2 * (count + 1)
    if path.stat().st_size < 4 * at:
        raise LanguageModelError(
            f"{path} is cut off: it has {path.stat().st_size:,} bytes, and its header asks for {4 * at:,}; copy it anew"
        )
    memory = np.memmap(path, np.uint32, "r", shape=(at,)).view(np.ndarray)
    num_words = int(memory[at_words + 1])
    known = memory[tables[0, 0] :][: WORD * tables[0, 1]].reshape(-1, WORD)[:, 2]
    if memory[at_words] or not 1 <= num_words <= counts[0] + 1 or known.max() >= num_words:
        raise LanguageModelError(f"{path} is broken: its table of words is not where its header says")
    return LanguageModelFile(memory=memory, order=order, unigrams=unigrams, tables=tables, num_words=num_words)


def _check_head(path: Path, head: bytes) -> tuple[int, float]:
    """The order, and how much more room than entries a table has."""
    if head.lstrip()[:6] == b"\\data\\" or head[:2] == b"\x1f\x8b":
        raise LanguageModelError(
            f"{path} is no binary, but looks like an ARPA file: KenLM's `build_binary {path.name} model.bin` makes one"
        )
    if not head.startswith(_ANY_VERSION) or len(head) < _SANITY.size + _FIXED.size:
        raise LanguageModelError(f"{path} is no binary of KenLM's: it begins with {head[:20]!r}")
    magic, *numbers = _SANITY.unpack_from(head)
    if not magic.startswith(_MAGIC) or tuple(numbers) != _NUMBERS:
        raise LanguageModelError(
            f"{path} was not finished, or is of another version or machine: it begins with {head[:60]!r}; build it anew"
        )
    order, multiplier, layout, _, version = _FIXED.unpack_from(head, _SANITY.size)
    if layout in _LAYOUTS:
        raise LanguageModelError(
            f"{path} has the layout {_LAYOUTS[layout]!r}, which is not read here: build it anew from its ARPA file by "
            "`build_binary probing model.arpa model.bin`"
        )
    usual = 2 <= order <= _MOST_WORDS and len(head) >= _SANITY.size + _FIXED.size + 8 * order
    if layout or version or not usual or not 1 <= multiplier < math.inf:
        raise LanguageModelError(f"{path} is broken: n-grams of {order} words, layout {layout}, version {version}")
    return order, multiplier


def _num_buckets(count: int, multiplier: float) -> int:
    """As KenLM reckons, in single precision."""
    return max(count + 1, int(np.float32(multiplier) * np.float32(count)))
