"""Kernels that score sentences by a KenLM model of hash tables.

Which entries a word asks for depends on the words before it and on nothing that is found: the entries of some words are
asked for at once, so that the machine fetches them side by side, and then looked at.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from curation.text.blocks import intrinsic, up_to_eight_bytes
from curation.text.kenlm_file import LONGEST, MIDDLE, WORD
from curation.text.kernel import fused, leaf, loop

AHEAD = 8
"""Words whose entries are asked for at once."""

_MURMUR = 0xC6A4A7935BD1E995
_CONTEXT = 8978948897894561157
_NEXT = 17894857484156487943
_SIGN = 0x80000000


@intrinsic
def _fetch(typing: Any, memory: Any, i: Any) -> Any:
    """Ask the machine for the cache line of item `i`, and go on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = builder.bitcast(builder.gep(array.data, [args[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        function = builder.module.globals.get("llvm.prefetch.p0") or ir.Function(
            builder.module, kind, "llvm.prefetch.p0"
        )
        builder.call(function, [pointer, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(memory, types.int64), generate


@leaf
def hash_word(data: NDArray[np.uint8], start: int, end: int) -> np.uint64:
    """MurmurHash64A of the bytes `data[start:end]`, seed 0: by what KenLM knows a word."""
    multiplier = np.uint64(_MURMUR)
    state = np.uint64(end - start) * multiplier
    i = start
    while end - i >= 8:
        eight = up_to_eight_bytes(data, i, end) * multiplier
        eight ^= eight >> np.uint64(47)
        state = (state ^ (eight * multiplier)) * multiplier
        i += 8
    if i < end:
        state = (state ^ up_to_eight_bytes(data, i, end)) * multiplier
    state ^= state >> np.uint64(47)
    state *= multiplier
    return state ^ (state >> np.uint64(47))


@fused
def _find(
    memory: NDArray[np.uint32], table: NDArray[np.int64], row: int, width: int, key: np.uint64, bucket: int
) -> int:
    """Where in `memory` stands what belongs to `key`, which should be in `bucket` or after it; -1 for nowhere."""
    start, buckets = int(table[row, 0]), int(table[row, 1])
    for _ in range(buckets):
        at = start + bucket * width
        found = np.uint64(memory[at]) | (np.uint64(memory[at + 1]) << np.uint64(32))
        if found == key:
            return at + 2
        if found == np.uint64(0):
            break
        bucket += 1
        if bucket == buckets:
            bucket = 0
    return -1


@leaf
def find_word(
    memory: NDArray[np.uint32], tables: NDArray[np.int64], data: NDArray[np.uint8], start: int, end: int
) -> int:
    """The number of the word `data[start:end]`; 0 if it is not known."""
    key = hash_word(data, start, end)
    at = _find(memory, tables, 0, WORD, key, np.int64(key % np.uint64(tables[0, 1])))
    return int(memory[at]) if at >= 0 else 0


@leaf
def _number_words(
    data: NDArray[np.uint8],
    start: int,
    end: int,
    memory: NDArray[np.uint32],
    tables: NDArray[np.int64],
    ids: NDArray[np.uint32],
) -> int:
    """Write the numbers of the words of `data[start:end]` into `ids` from 1 on, and give how many there are."""
    count = 0
    i = start
    while i < end:
        while i < end and (data[i] == 32 or 9 <= data[i] <= 13):
            i += 1
        if i == end:
            break
        first = i
        while i < end and not (data[i] == 32 or 9 <= data[i] <= 13):
            i += 1
        count += 1
        ids[count] = np.uint32(find_word(memory, tables, data, first, i))
    return count


@leaf
def _ask(
    place: int,
    ids: NDArray[np.uint32],
    memory: NDArray[np.uint32],
    tables: NDArray[np.int64],
    unigrams: int,
    keys: NDArray[np.uint64],
    buckets: NDArray[np.int64],
    row: int,
) -> None:
    """Write the key and the bucket of every n-gram that ends with word `place`, and ask for them."""
    order = len(tables)
    key = np.uint64(ids[place])
    _fetch(memory, unigrams + 2 * np.int64(ids[place]))
    for k in range(min(order - 1, place)):
        key = (key * np.uint64(_CONTEXT)) ^ ((np.uint64(1) + np.uint64(ids[place - 1 - k])) * np.uint64(_NEXT))
        bucket = np.int64(key % np.uint64(tables[k + 1, 1]))
        _fetch(memory, tables[k + 1, 0] + bucket * (LONGEST if k == order - 2 else MIDDLE))
        keys[row, k] = key
        buckets[row, k] = bucket


@leaf
def _score_word(
    word: int,
    memory: NDArray[np.uint32],
    numbers: NDArray[np.float32],
    tables: NDArray[np.int64],
    unigrams: int,
    keys: NDArray[np.uint64],
    buckets: NDArray[np.int64],
    row: int,
    backoffs: NDArray[np.float32],
    context: int,
    length: int,
) -> tuple[np.float32, int]:
    """Logarithm of the probability of `word` after its context, and how many words of the next context count.

    Args:
        word: its number.
        memory, numbers, tables, unigrams: the model.
        keys, buckets: of the n-grams that end with it, in `row`, from two words on.
        backoffs: float32[2, order]; in row `context` what it costs that the context's last k + 1 words are not followed
            by the word; the other row is written.
        context: 0 or 1.
        length: how many words of the context count.
    """
    order = len(tables)
    other = 1 - context
    at = unigrams + 2 * word
    probability = -abs(numbers[at])
    ends = memory[at] & np.uint32(_SIGN)  # no longer n-gram ends with these words
    backoffs[other, 0] = numbers[at + 1]
    new_length = 0 if memory[at + 1] == np.uint32(_SIGN) else 1  # -0.0: no longer n-gram begins with them
    matched = 1
    k = 0
    while k < length and not ends:
        if k == order - 2:
            at = _find(memory, tables, k + 1, LONGEST, keys[row, k], buckets[row, k])
            if at >= 0:
                probability = numbers[at]
                matched = order
            break
        at = _find(memory, tables, k + 1, MIDDLE, keys[row, k], buckets[row, k])
        if at < 0:
            break
        probability = -abs(numbers[at])
        ends = memory[at] & np.uint32(_SIGN)
        backoffs[other, k + 1] = numbers[at + 1]
        matched = k + 2
        if memory[at + 1] != np.uint32(_SIGN):
            new_length = matched
        k += 1
    for i in range(matched - 1, length):
        probability = np.float32(probability + backoffs[context, i])
    return probability, new_length


@loop
def score_sentences(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    memory: NDArray[np.uint32],
    numbers: NDArray[np.float32],
    tables: NDArray[np.int64],
    unigrams: int,
    begin: int,
    end: int,
    ids: NDArray[np.uint32],
    keys: NDArray[np.uint64],
    buckets: NDArray[np.int64],
    backoffs: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> None:
    """Write the score of every text.

    Args:
        data: the bytes of the batch.
        offsets: int64[n + 1], its texts.
        memory: the model; `numbers` is the same as float32. `tables` and `unigrams` as in `LanguageModelFile`.
        begin: number of the word `<s>`; `end`: of `</s>`.
        ids: room for the words of the longest text and two more.
        keys, buckets: uint64 and int64[AHEAD, order], room for n-grams.
        backoffs: float32[2, order], room for two contexts.
        scores: out, float32[n].
    """
    ids[0] = np.uint32(begin)
    for doc in range(len(offsets) - 1):
        last = _number_words(data, offsets[doc], offsets[doc + 1], memory, tables, ids) + 1
        ids[last] = np.uint32(end)
        context, length = 0, 1
        backoffs[0, 0] = numbers[unigrams + 2 * begin + 1]
        total = np.float32(0)
        for first in range(1, last + 1, AHEAD):
            after = min(first + AHEAD, last + 1)
            for place in range(first, after):
                _ask(place, ids, memory, tables, unigrams, keys, buckets, place - first)
            for place in range(first, after):
                score, length = _score_word(
                    np.int64(ids[place]),
                    memory,
                    numbers,
                    tables,
                    unigrams,
                    keys,
                    buckets,
                    place - first,
                    backoffs,
                    context,
                    length,
                )
                total = np.float32(total + score)
                context = 1 - context
        scores[doc] = total
