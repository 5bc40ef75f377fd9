"""DCLM's line modifiers in plain Python: one step after the other over the whole text."""

import re
from collections.abc import Callable

_COUNTER = re.compile(
    r"^\W*\d[,.\d]*[kmb]?\s+"
    r"(?:likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes|downloads|views|followers)\W*$"
)


def _lines(text: str, keep: Callable[[str], bool]) -> str:
    return "\n".join(line for line in text.split("\n") if keep(line))


def _without(text: str, pattern: str, most_words: int) -> str:
    kept = []
    for line in text.split("\n"):
        if len(line.split()) <= most_words:
            after = re.sub(pattern, "", line, flags=re.IGNORECASE)
            if line and not after.strip():
                continue
            kept.append(after)
        else:
            kept.append(line)
    return "\n".join(kept).strip()


def dclm_lines(text: str, upper: float = 0.5, digits: float = 0.999999, min_words: int = 2, most: int = 10) -> str:
    text = _lines(text, lambda line: not line or sum(map(str.isupper, line)) / len(line) <= upper).strip()
    text = _lines(text, lambda line: not line or sum(map(str.isdigit, line)) / len(line) <= digits).strip()
    text = _lines(text, lambda line: not _COUNTER.search(line.lower())).strip()
    text = _lines(text, lambda line: not line or len(line.split()) >= min_words)
    text = _without(text, r"\s?items in cart", most)
    text = _without(text, r"\s?read more...$", most)
    return _without(text, r"^sign-in\s?", most)
