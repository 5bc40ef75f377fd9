"""Gopher quality in plain Python, one function per dialect, written from the sources and not from the kernels."""

import re
import statistics
from functools import cache

from references.curator import lines_of
from references.english_words import english_words

from curation.text.terminal_punctuation import RANGES

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


def paper(text: str) -> dict[str, float | None]:
    words = text.split()
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return _shared(text, words) | {
        "num_lines": len(lines),
        "num_stop_words": sum(word in STOP_WORDS for word in words),
        "num_distinct_stop_words": len(set(words) & set(STOP_WORDS)),
        "frac_lines_bullet": _over(sum(line[0] in "•‣⁃●○◦▪■*-" for line in lines), len(lines)),
        "frac_lines_ellipsis": _over(sum(line.endswith(("...", "\u2026")) for line in lines), len(lines)),
        "ratio_hashes_to_words": _over(text.count("#"), len(words)),
        "ratio_ellipses_to_words": _over(text.count("...") + text.count("\u2026"), len(words)),
    }


def dolma(text: str) -> dict[str, float | None]:
    words = text.split()
    lines = text.split("\n")
    return _shared(text, words) | {
        "num_lines": len(lines),
        "num_stop_words": sum(word in STOP_WORDS for word in words),
        "num_distinct_stop_words": len(set(words) & set(STOP_WORDS)),
        "frac_lines_bullet": sum(line.startswith(("*", "-")) for line in lines) / len(lines),
        "frac_lines_ellipsis": sum(line.endswith("\u2026") for line in lines) / len(lines),
        "frac_words_with_symbol": _over(sum("#" in word or "\u2026" in word for word in words), len(words)),
    }


def dclm(text: str) -> dict[str, float | None]:
    words = text.split()
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    lower = [word.lower() for word in words]
    signs = sum(text.count(sign) for sign in ("#", "...", ". . .", "\u2026"))
    tokens = [token for token in re.split("[\0\t\n\v\f\r ]", text) if token]
    without_letter = sum(not any(char.isalpha() for char in word) for word in words)
    return _shared(text, words) | {
        "num_lines": len(lines),
        "num_stop_words": sum(word in STOP_WORDS for word in lower),
        "num_distinct_stop_words": len(set(lower) & set(STOP_WORDS)),
        "frac_lines_bullet": _over(sum(line.startswith(("●", "•", "*", "-")) for line in lines), len(lines)),
        "frac_lines_ellipsis": _over(sum(line.endswith(("...", ". . .", "\u2026")) for line in lines), len(lines)),
        "num_fasttext_words": sum(token[0].isalnum() for token in tokens),
        "ratio_symbols_to_words": _over(signs, len(words)),
        "frac_words_without_letter": _over(without_letter, len(words)),
    }


SIGNS = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"


@cache
def is_symbol(sign: str) -> bool:
    """Whether datatrove takes a character for punctuation."""
    control = ord(sign) in (*range(9), *range(11, 32), *range(127, 160))
    return control or sign in SIGNS or any(first <= ord(sign) <= last for first, last in RANGES)


def datatrove(text: str, tokens: list[str] | None = None) -> dict[str, float | None]:
    tokens = english_words(text) if tokens is None else tokens
    words = [token for token in tokens if not all(map(is_symbol, token))]
    lines = text.splitlines()
    with_letter = sum(any(char.isalpha() for char in token) for token in tokens)
    return _shared(text, words) | {
        "frac_words_with_letter": _over(with_letter, len(tokens)),
        "num_lines": len(lines),
        "num_stop_words": sum(token in STOP_WORDS for token in tokens),
        "num_distinct_stop_words": len(set(STOP_WORDS) & set(tokens)),
        "num_words_and_symbols": len(tokens),
        "frac_lines_bullet": _over(sum(line.lstrip().startswith(("•", "-")) for line in lines), len(lines)),
        "frac_lines_ellipsis": _over(sum(line.rstrip().endswith(("...", "…")) for line in lines), len(lines)),
        "ratio_hashes_to_words": _over(text.count("#"), len(tokens)),
        "ratio_ellipses_to_words": _over(text.count("...") + text.count("…"), len(tokens)),
    }


ELLIPSES = ("...", "[...]", "…", "(...)", "[…]", "-»", "read more..", "read more")


def curator(text: str) -> dict[str, float | None]:
    words = text.split()
    lines = lines_of(text)
    stripped = [line.strip() for line in lines]
    symbols = sum(word in ELLIPSES or len(re.findall("#+", word)) / len(word) > 0.5 for word in words)
    return _shared(text, words) | {
        "num_lines": len(lines),
        "num_stop_words": sum(word in STOP_WORDS for word in words),
        "num_distinct_stop_words": len(set(words) & set(STOP_WORDS)),
        "frac_symbol_words": _over(symbols, len(words)),
        "frac_lines_bullet": _over(sum(line[0] in "•‣⁃⁌⁍∙○●◘◦⦾⦿" for line in stripped), len(lines)),
        "frac_lines_ellipsis": _over(sum(line.lower().endswith(ELLIPSES) for line in stripped), len(lines)),
    }


def _shared(text: str, words: list[str]) -> dict[str, float | None]:
    return {
        "num_chars": len(text),
        "num_words": len(words),
        "mean_word_length": _over(sum(len(word) for word in words), len(words)),
        "median_word_length": float(statistics.median(len(word) for word in words)) if words else None,
        "frac_words_with_letter": _over(sum(any(char.isalpha() for char in word) for word in words), len(words)),
    }


def _over(above: float, below: float) -> float | None:
    return above / below if below else None
