"""N-gram models in plain Python: counted from sentences, scored by backing off, written as ARPA and as KenLM does.

The binary is byte for byte what KenLM's `build_binary` makes of the ARPA file (the tests know the hash of one), so that
tests can make models of any size without KenLM.
"""

import math
import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

Ngram = tuple[str, ...]
Entries = dict[Ngram, tuple[np.float32, np.float32]]
DISCOUNT = 0.5
NONE = np.float32(-0.0)
WORDS_64 = (1 << 64) - 1


@dataclass
class NgramModel:
    """For each order its n-grams with logarithm of probability and of backoff, as the ARPA file has them."""

    orders: list[Entries]

    @classmethod
    def count(cls, sentences: Iterable[str], order: int) -> "NgramModel":
        """A model by absolute discounting."""
        counts: list[Counter[Ngram]] = [Counter() for _ in range(order)]
        for sentence in sentences:
            words = ["<s>", *sentence.split(), "</s>"]
            for size in range(1, order + 1):
                counts[size - 1].update(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
        total = sum(counts[0].values()) - counts[0][("<s>",)] + 1
        after: list[Counter[Ngram]] = [Counter() for _ in range(order)]
        kinds: list[Counter[Ngram]] = [Counter() for _ in range(order)]
        for size in range(2, order + 1):
            for ngram, n in counts[size - 1].items():
                after[size - 2][ngram[:-1]] += n
                kinds[size - 2][ngram[:-1]] += 1

        def backoff(ngram: Ngram) -> np.float32:
            size = len(ngram)
            if size == order or not kinds[size - 1][ngram]:
                return NONE
            return shortened(math.log10(DISCOUNT * kinds[size - 1][ngram] / after[size - 1][ngram]))

        orders: list[Entries] = [{("<unk>",): (shortened(math.log10(1 / total)), NONE)}]
        for word, n in counts[0].items():
            probability = -99.0 if word == ("<s>",) else math.log10(n / total)
            orders[0][word] = (shortened(probability), backoff(word))
        for size in range(2, order + 1):
            orders.append(
                {
                    ngram: (
                        shortened(math.log10((n - DISCOUNT) / after[size - 2][ngram[:-1]])),
                        backoff(ngram),
                    )
                    for ngram, n in counts[size - 1].items()
                }
            )
        return cls(orders)

    def arpa(self) -> str:
        """The model as a text."""
        lines = ["\\data\\", *(f"ngram {k}={len(entries)}" for k, entries in enumerate(self.orders, 1)), ""]
        for k, entries in enumerate(self.orders, 1):
            lines.append(f"\\{k}-grams:")
            for ngram, (probability, backoff) in entries.items():
                tail = f"\t{backoff:.6f}" if k < len(self.orders) and backoff != 0 else ""
                lines.append(f"{probability:.6f}\t{' '.join(ngram)}{tail}")
            lines.append("")
        return "\n".join([*lines, "\\end\\", ""])

    def score(self, sentence: str) -> float:
        """Logarithm to base 10 of the probability of a sentence and its end."""
        history: list[str] = ["<s>"]
        total = 0.0
        known = self.orders[0]
        for word in [*sentence.split(), "</s>"]:
            named = word if (word,) in known else "<unk>"
            total += self._score_word(tuple(history), named)
            history = [*history, named][-len(self.orders) + 1 :]
        return total

    def _score_word(self, history: Ngram, word: str) -> float:
        for start in range(len(history) + 1):
            ngram = (*history[start:], word)
            if ngram in self.orders[len(ngram) - 1]:
                longer = [history[k:] for k in range(start)]
                found = [self.orders[len(one) - 1].get(one, (NONE, NONE))[1] for one in longer]
                return float(self.orders[len(ngram) - 1][ngram][0]) + sum(map(float, found))
        raise AssertionError("<unk> is always there")

    def binary(self, multiplier: float = 1.5) -> bytes:
        """What `build_binary` makes of the ARPA file."""
        order = len(self.orders)
        numbers = {"<unk>": 0}
        words = [word for (word,) in self.orders[0] if word != "<unk>"]
        numbers |= {word: k for k, word in enumerate(words, 1)}
        ends = {ngram[1:] for entries in self.orders[1:] for ngram in entries}
        begins = {ngram[:-1] for entries in self.orders[1:] for ngram in entries}

        def weights(ngram: Ngram) -> bytes:
            probability, backoff = self.orders[len(ngram) - 1][ngram]
            low = abs(probability) if ngram in ends else -abs(probability)
            if backoff == 0:
                backoff = np.float32(0.0) if ngram in begins else NONE
            return struct.pack("<ff", low, backoff)

        counts = [len(entries) for entries in self.orders]
        head = struct.pack(
            "<56s3f3IQ", b"mmap lm http://kheafield.com/code format version 5\n", 0.0, 1.0, -0.5, 1, 0xFFFFFFFF, 0, 1
        ) + struct.pack(f"<BxxxfI?xxxI{order}Q", order, multiplier, 0, True, 0, *counts)
        head += bytes(-len(head) % 8)
        table = {murmur(word.encode()): struct.pack("<I", numbers[word]) for word in words}
        parts = [head, struct.pack("<II", 0, len(numbers)), hash_table(table, 4, counts[0], multiplier)]
        parts += [weights((word,)) for word in ("<unk>", *words)] + [bytes(8)]
        for size, entries in enumerate(self.orders[1:], 2):
            keyed = {key_of([numbers[word] for word in ngram]): weights(ngram) for ngram in entries}
            width = 8 if size < order else 4
            parts.append(hash_table({key: one[:width] for key, one in keyed.items()}, width, len(entries), multiplier))
        return b"".join(parts) + b"".join(word.encode() + b"\0" for word in ("<unk>", *words))


def shortened(number: float) -> np.float32:
    """What is left of a number in the ARPA file."""
    return np.float32(f"{number:.6f}")


def hash_table(entries: dict[int, bytes], width: int, count: int, multiplier: float) -> bytes:
    """Linear probing; an entry is a key of eight bytes and `width` bytes."""
    buckets = max(count + 1, int(np.float32(multiplier) * np.float32(count)))
    places: list[bytes | None] = [None] * buckets
    for key, value in entries.items():
        place = key % buckets
        while places[place] is not None:
            place = (place + 1) % buckets
        places[place] = struct.pack("<Q", key) + value
    return b"".join(one or bytes(8 + width) for one in places)


def key_of(numbers: list[int]) -> int:
    """The key of an n-gram by the numbers of its words."""
    key = numbers[-1]
    for number in reversed(numbers[:-1]):
        key = (key * 8978948897894561157 & WORDS_64) ^ ((1 + number) * 17894857484156487943 & WORDS_64)
    return key


def murmur(data: bytes) -> int:
    """MurmurHash64A, seed 0."""
    multiplier = 0xC6A4A7935BD1E995
    state = len(data) * multiplier & WORDS_64
    whole = len(data) // 8 * 8
    for i in range(0, whole, 8):
        eight = int.from_bytes(data[i : i + 8], "little") * multiplier & WORDS_64
        eight = (eight ^ (eight >> 47)) * multiplier & WORDS_64
        state = (state ^ eight) * multiplier & WORDS_64
    if rest := data[whole:]:
        state = (state ^ int.from_bytes(rest, "little")) * multiplier & WORDS_64
    state = (state ^ (state >> 47)) * multiplier & WORDS_64
    return state ^ (state >> 47)
