"""RedPajama-V2's signals in plain Python, straight from what its code says of each."""

import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from curation.signals.stop_words import ENGLISH

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_BULLETS = ("•", "‣", "▶", "◀", "◦", "■", "□", "▪", "▫", "–")

Scores = dict[str, float | None]


def plain(text: str) -> str:
    """No ASCII punctuation, lower case, single spaces, NFD."""
    text = text.translate(_PUNCTUATION).lower()
    return unicodedata.normalize("NFD", re.sub(r"\s+", " ", text.strip()))


def lines_of(text: str) -> list[str]:
    """The lines with their newlines."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _quotient(above: float, below: float) -> float | None:
    return above / below if below else None


def of_document(text: str, stop_words: Sequence[str] = ENGLISH, bad_words: Sequence[str] = ()) -> Scores:
    """Every `rps_doc_*` that needs no model, and the counts of cc_net."""
    tokens = re.findall(r"\w+|[^\w\s]+", text)
    words = plain(text).split()
    lines = lines_of(text)
    counts = Counter(words)
    found: Scores = {
        "ccnet_length": len(text),
        "ccnet_nlines": len(lines),
        "rps_doc_curly_bracket": (_quotient(text.count("{") + text.count("}"), len(text)) or 0.0),
        "rps_doc_frac_all_caps_words": _quotient(sum(token.isupper() for token in tokens), len(tokens)),
        "rps_doc_frac_lines_end_with_ellipsis": _quotient(
            sum(line.rstrip().endswith(("...", "…")) for line in lines), len(lines)
        ),
        "rps_doc_frac_no_alph_words": _quotient(sum(not re.search("[a-zA-Z]", token) for token in tokens), len(tokens)),
        "rps_doc_frac_unique_words": _quotient(len(counts), len(words)),
        "rps_doc_ldnoobw_words": _bad_words(words, bad_words),
        "rps_doc_lorem_ipsum": _quotient(len(re.findall("lorem ipsum", plain(text))), len(plain(text))) or 0.0,
        "rps_doc_mean_word_length": _quotient(sum(map(len, words)), len(words)),
        "rps_doc_num_sentences": len(re.findall(r"\b[^.!?]+[.!?]*", text)),
        "rps_doc_stop_word_fraction": _quotient(sum(token in set(stop_words) for token in tokens), len(tokens))
        if words
        else 0.0,
        "rps_doc_symbol_to_word_ratio": _quotient(text.count("#") + text.count("...") + text.count("…"), len(tokens)),
        "rps_doc_unigram_entropy": -sum(n / len(words) * math.log(n / len(words)) for n in counts.values())
        if words
        else None,
        "rps_doc_word_count": len(words),
    }
    found |= {f"rps_doc_frac_chars_top_{n}gram": _top(words, n) for n in (2, 3, 4)}
    return found | {f"rps_doc_frac_chars_dupe_{n}grams": _duplicate(words, n) for n in range(5, 11)}


def _grams(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def _bad_words(words: list[str], bad_words: Sequence[str]) -> float:
    listed = set(bad_words)
    sizes = {word.count(" ") + 1 for word in listed}
    return sum(" ".join(gram) in listed for n in sizes for gram in _grams(words, n))


def _top(words: list[str], n: int) -> float:
    (gram, count), *_ = Counter(_grams(words, n)).most_common(1) or [((), 0)]
    return sum(map(len, gram)) * count / sum(map(len, words)) if count > 1 else 0.0


def _duplicate(words: list[str], n: int) -> float:
    grams = _grams(words, n)
    counts = Counter(grams)
    within = {i + k for i, gram in enumerate(grams) if counts[gram] > 1 for k in range(n)}
    return sum(len(words[i]) for i in within) / sum(map(len, words)) if within else 0.0


def of_lines(text: str) -> dict[str, list[float]]:
    """Every `rps_lines_*`, a number for each line."""
    raw = lines_of(text)
    clean = [plain(line) for line in raw]
    return {
        "rps_lines_ending_with_terminal_punctution_mark": [
            float(line.rstrip().endswith((".", "!", "?", "”"))) for line in raw
        ],
        "rps_lines_javascript_counts": [float(line.split().count("javascript")) for line in clean],
        "rps_lines_num_words": [float(len(line.split())) for line in clean],
        "rps_lines_numerical_chars_fraction": [
            sum(map(str.isnumeric, line)) / len(line) if line else 0.0 for line in clean
        ],
        "rps_lines_start_with_bulletpoint": [float(line.lstrip().startswith(_BULLETS)) for line in raw],
        "rps_lines_uppercase_letter_fraction": [sum(map(str.isupper, line)) / len(line) for line in raw],
    }
