"""Finding many phrases in many texts at once: Aho and Corasick's automaton over UTF-8 bytes.

Reference: Aho and Corasick 1975, Efficient string matching. Bytes that no phrase has share one class, so that a state
takes as many entries as there are bytes in use, and one.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.text.batch import TextBatch
from curation.text.kernel import leaf, loop
from curation.text.unicode import character_classes, decode, is_alnum, is_space

ANYWHERE, ALNUM_RUN, WORD_RUN, BOUNDARY, TOKEN = range(5)
"""What has to stand around a phrase.

- `ANYWHERE`: anything.
- `ALNUM_RUN`: on each side nothing, or no ASCII letter or digit.
- `WORD_RUN`: on each side nothing, or no letter, digit or underscore of any script (`\\W`).
- `BOUNDARY`: `\\b` of Python's `re` on each side, which asks for a letter beside a phrase that begins with a sign.
- `TOKEN`: on each side nothing, or white space.
"""


@dataclass(frozen=True)
class Automaton:
    """The phrases, ready to be looked for.

    Attributes:
        classes: uint8[256]; the class of each byte, 0 for bytes that no phrase has.
        moves: int32[states, classes]; the next state.
        phrase: int32[states]; the phrase that ends here, -1 for none.
        shorter: int32[states]; the next state, along the suffixes, at which a phrase ends, 0 for none.
        num_bytes: int32[phrases]; how long each phrase is.
    """

    classes: NDArray[np.uint8]
    moves: NDArray[np.int32]
    phrase: NDArray[np.int32]
    shorter: NDArray[np.int32]
    num_bytes: NDArray[np.int32]


@lru_cache(maxsize=64)
def build_automaton(phrases: tuple[str, ...]) -> Automaton:
    """The automaton of `phrases`, none of which is empty and each of which stands there once."""
    words = [phrase.encode() for phrase in phrases]
    used = sorted(set(b"".join(words)))
    classes = np.zeros(256, np.uint8)
    classes[used] = np.arange(1, len(used) + 1)
    children: list[dict[int, int]] = [{}]
    ends = [-1]
    for number, word in enumerate(words):
        state = 0
        for byte in word:
            if byte not in children[state]:
                children[state][byte] = len(children)
                children.append({})
                ends.append(-1)
            state = children[state][byte]
        ends[state] = number
    return _linked(classes, len(used) + 1, children, ends, words)


def _linked(
    classes: NDArray[np.uint8],
    num_classes: int,
    children: Sequence[dict[int, int]],
    ends: Sequence[int],
    words: Sequence[bytes],
) -> Automaton:
    """Breadth first, as the paper's algorithm 3 and 4: where a state has no move, its longest suffix has."""
    moves = np.zeros((len(children), num_classes), np.int32)
    failure = np.zeros(len(children), np.int32)
    shorter = np.zeros(len(children), np.int32)
    waiting = deque([0])
    while waiting:
        state = waiting.popleft()
        if state:
            moves[state] = moves[failure[state]]
            shorter[state] = failure[state] if ends[failure[state]] >= 0 else shorter[failure[state]]
        for byte, child in children[state].items():
            failure[child] = moves[failure[state], classes[byte]] if state else 0
            moves[state, classes[byte]] = child
            waiting.append(child)
    sizes = np.array([len(word) for word in words], np.int32)
    return Automaton(classes, moves, np.array(ends, np.int32), shorter, sizes)


@leaf
def _before(data: NDArray[np.uint8], at: int) -> int:
    """The code point that ends before byte `at`."""
    at -= 1
    while data[at] & 0xC0 == 0x80:
        at -= 1
    return int(decode(data, at))


@leaf
def _is_word(flags: NDArray[np.uint16], code_point: int) -> bool:
    return bool(is_alnum(flags, code_point) or code_point == 95)


@leaf
def _belongs(flags: NDArray[np.uint16], code_point: int, around: int) -> bool:
    """Whether a character beside a phrase would make it part of something longer."""
    if around == TOKEN:
        return not is_space(flags, code_point)
    if around == ALNUM_RUN:
        return code_point < 128 and bool(is_alnum(flags, code_point))
    return bool(_is_word(flags, code_point))


@leaf
def _stands_alone(data: Any, begin: int, end: int, low: int, high: int, flags: Any, around: int) -> bool:
    """Whether what `around` asks for is so for the phrase in bytes `low` to `high` of the text `begin` to `end`."""
    if around == ANYWHERE:
        return True
    left = low > begin and _belongs(flags, _before(data, low), around)
    right = high < end and _belongs(flags, decode(data, high), around)
    if around == BOUNDARY:
        first, last = _is_word(flags, decode(data, low)), _is_word(flags, _before(data, high))
        return bool(left != first and right != last)
    return not left and not right


@loop
def _find(
    data: Any,
    offsets: Any,
    classes: Any,
    moves: Any,
    phrase: Any,
    shorter: Any,
    num_bytes: Any,
    flags: Any,
    around: Any,
    out: Any,
) -> int:
    """Write what is found to `out` as far as it goes; gives the number of all."""
    count = 0
    for doc in range(len(offsets) - 1):
        begin, end = offsets[doc], offsets[doc + 1]
        state = np.int32(0)
        for i in range(begin, end):
            state = moves[np.uintp(state), np.uintp(classes[np.uintp(data[np.uintp(i)])])]
            at = state if phrase[np.uintp(state)] >= 0 else shorter[np.uintp(state)]
            while at:
                found = phrase[at]
                low = i + 1 - num_bytes[found]
                if _stands_alone(data, begin, end, low, i + 1, flags, around[found]):
                    if count < len(out):
                        out[count, 0] = doc
                        out[count, 1] = found
                        out[count, 2] = low
                        out[count, 3] = i + 1
                    count += 1
                at = shorter[at]
    return count


def find_phrases(batch: TextBatch, automaton: Automaton, around: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every occurrence of every phrase, overlapping ones too, as int64[m, 4]: text, phrase, first byte, byte after.

    They stand in order of the texts, then of their ends, the longest first.

    Args:
        batch: the texts, in the case of the phrases.
        automaton: the phrases.
        around: int64[phrases]; what has to stand around each.
    """
    out = np.empty((1024, 4), np.int64)
    parts = (automaton.classes, automaton.moves, automaton.phrase, automaton.shorter, automaton.num_bytes)
    count = _find(batch.data, batch.offsets, *parts, character_classes(), around, out)
    if count > len(out):
        out = np.empty((count, 4), np.int64)
        _find(batch.data, batch.offsets, *parts, character_classes(), around, out)
    return out[:count]
