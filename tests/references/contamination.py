"""Contamination as plainly as it can be written: every n-gram of every item looked for among those of the text."""

import re
from collections.abc import Sequence


def words_of(text: str) -> list[str]:
    """Runs of letters, digits and underscores, lower case a character at a time (so that none becomes two)."""
    lower = "".join(low if len(low := char.lower()) == 1 else low[0] for char in text).replace("ς", "σ")
    return re.findall(r"\w+", lower)


def contamination(
    text: str, items: Sequence[str], size: int, least_words: int
) -> tuple[set[int], dict[int, tuple[int, int]]]:
    """Words of the text at which an n-gram of any item begins; by item how many n-grams it holds, and of how many."""
    words = words_of(text)
    places: set[int] = set()
    held: dict[int, tuple[int, int]] = {}
    for number, item in enumerate(items):
        own = words_of(item)
        if len(own) < least_words:
            continue
        length = min(size, len(own))
        ngrams = [own[i : i + length] for i in range(len(own) - length + 1)]
        at = {tuple(ngram): [w for w in range(len(words)) if words[w : w + length] == ngram] for ngram in ngrams}
        found = [ngram for ngram in ngrams if at[tuple(ngram)]]
        if found:
            held[number] = (len(found), len(ngrams))
            places |= {word for ngram in found for word in at[tuple(ngram)]}
    return places, held
