"""Bad words in plain Python: a regular expression at every place, as the peers' would find it there."""

import re
import string
import unicodedata


def bad_words(text: str, words: list[str], dialect: str, language: str = "en") -> tuple[int, int]:
    """Occurrences of all words, overlapping ones too, and how many of the words occur."""
    words = sorted({word.lower() for word in words})
    if dialect == "redpajama":
        table = str.maketrans("", "", string.punctuation)
        text = unicodedata.normalize("NFD", re.sub(r"\s+", " ", text.translate(table).lower().strip()))
        tokens = text.split()
        words = sorted({unicodedata.normalize("NFD", word) for word in words})
        counts = []
        for word in words:
            n = 1 + word.count(" ")
            grams = [" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
            counts.append(grams.count(word))
    else:
        text = text.lower()
        counts = [_occurrences(text, word, dialect, language) for word in words]
    return sum(counts), sum(count > 0 for count in counts)


def _occurrences(text: str, word: str, dialect: str, language: str) -> int:
    if dialect == "dolma" and " " not in word:
        return text.split().count(word)
    middle = re.escape(word)
    if dialect == "dclm":
        middle = rf"\b{middle}\b"
    elif dialect == "tfds" and language not in ("ja", "th", "zh"):
        middle = rf"(?:(?<=\W)|\A){middle}(?=\W|\Z)"
    return len(re.findall(f"(?={middle})", text))
