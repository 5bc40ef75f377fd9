"""RedPajama-V2's signals in plain Python, straight from what its code says of each."""

import itertools
import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from curation.signals.stop_words import ENGLISH
from curation.text.blocks import HASH_FINISHER, HASH_MULTIPLIER
from curation.text.word_table import hash_of

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


def tokens_of(text: str) -> list[str]:
    """Runs of letters, digits and `_`, and runs of other signs."""
    return re.findall(r"\w+|[^\w\s]+", text)


def _quotient(above: float, below: float) -> float | None:
    return above / below if below else None


def of_document(text: str, stop_words: Sequence[str] = ENGLISH, bad_words: Sequence[str] = ()) -> Scores:
    """Every `rps_doc_*` that needs no model, and the counts of cc_net."""
    tokens = tokens_of(text)
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


def buckets_of(text: str, buckets: int) -> Counter[int]:
    """How often each bucket is met by the tokens and the pairs of neighbours, as the hashes say."""
    hashes = [hash_of(token) for token in tokens_of(text)]
    found = Counter(one % buckets for one in hashes)
    for first, second in itertools.pairwise(hashes):
        state = ((first * HASH_MULTIPLIER % 2**64) ^ second) * HASH_FINISHER % 2**64
        found[(state ^ (state >> 32)) % buckets] += 1
    return found


def importance(text: str, source: Sequence[str], target: Sequence[str], buckets: int) -> tuple[float, float]:
    """Importance of a text without and with the correction for length."""
    sides = []
    for corpus in (source, target):
        counts = sum((buckets_of(one, buckets) for one in corpus), Counter[int]())
        mean = sum(len(tokens_of(one)) for one in corpus) / len(corpus)
        sides.append((counts, counts.total(), mean))
    length = len(tokens_of(text))
    logs, corrected = [], []
    for counts, total, mean in sides:
        found = buckets_of(text, buckets).items()
        logs.append(sum(n * math.log(counts[bucket] / total + 1e-8) for bucket, n in found))
        likely = math.exp(length * math.log(mean) - mean - math.lgamma(length + 1))
        corrected.append(logs[-1] + math.log(likely + 1e-8))
    return logs[1] - logs[0], corrected[1] - corrected[0]
