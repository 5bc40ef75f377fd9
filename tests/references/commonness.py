"""Commonness in plain Python: interpolated Kneser-Ney over dictionaries, as the textbook has it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

START = ""
"""Stands before a text as often as a context is long; no word is empty."""


def windows(words: Sequence[str], order: int) -> list[tuple[str, ...]]:
    """The n-gram that ends at each word."""
    padded = [START] * (order - 1) + list(words)
    return [tuple(padded[i : i + order]) for i in range(len(words))]


@dataclass
class KneserNey:
    """The model of a corpus, each text a list of words."""

    texts: Sequence[Sequence[str]]
    order: int = 4
    min_count: int = 1
    counts: dict[int, Counter[tuple[str, ...]]] = field(default_factory=dict)
    adjusted: dict[int, Counter[tuple[str, ...]]] = field(default_factory=dict)
    contexts: dict[int, dict[tuple[str, ...], list[tuple[str, ...]]]] = field(default_factory=dict)
    discounts: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        whole = Counter(gram for words in self.texts for gram in windows(words, self.order))
        self.counts[self.order], self.adjusted[self.order] = whole, whole
        for k in range(self.order - 1, 0, -1):
            self.counts[k], self.adjusted[k] = Counter(), Counter()
            for gram, count in self.counts[k + 1].items():
                self.counts[k][gram[1:]] += count
                self.adjusted[k][gram[1:]] += 1  # how many different words stand before it
        for k in range(1, self.order + 1):
            self.contexts[k] = {}
            for gram in self.adjusted[k]:
                self.contexts[k].setdefault(gram[:-1], []).append(gram)
            once, twice = (sum(value == many for value in self.adjusted[k].values()) for many in (1, 2))
            self.discounts[k] = once / (once + 2 * twice) if once and twice else 0.75

    def probability(self, gram: tuple[str, ...]) -> float:
        """P(last word | the words before it)."""
        k = len(gram)
        among = self.contexts[k][gram[:-1]]
        total = sum(self.adjusted[k][one] for one in among)
        if k == 1:
            return self.adjusted[1][gram] / total
        seen = [one for one in among if self.counts[k][one] >= self.min_count]
        own = {one: self.adjusted[k][one] - self.discounts[k] for one in seen}
        left = total - math.fsum(own.values())
        return (own.get(gram, 0.0) + left * self.probability(gram[1:])) / total

    def commonness(self, words: Sequence[str]) -> float | None:
        """The geometric mean of the probabilities of a text's words; None where there is none."""
        if not words:
            return None
        return math.exp(math.fsum(math.log(self.probability(gram)) for gram in windows(words, self.order)) / len(words))


def segments_of(commonness: Sequence[float | None], segments: int) -> list[int | None]:
    """Segment of each document, 0 for the rarest: equally many in each as far as ties allow, ties by their middle."""
    cells = [None if value is None else math.floor(-math.log(value) * 4096) for value in commonness]
    there = [cell for cell in cells if cell is not None]
    found: list[int | None] = []
    for cell in cells:
        if cell is None:
            found.append(None)
            continue
        rarer, same = sum(other > cell for other in there), there.count(cell)
        found.append(math.floor(Fraction(segments * (2 * rarer + same), 2 * len(there))))
    return found


def weights_of(segment: Sequence[int | None], segments: int, ratio: float) -> list[float]:
    """Weights that fall by the same factor from segment to segment, from `ratio` to 1 in all; their mean is 1."""
    raw = [None if one is None else ratio ** (-one / max(segments - 1, 1)) for one in segment]
    there = [value for value in raw if value is not None]
    return [1.0 if value is None else value * len(there) / math.fsum(there) for value in raw]
