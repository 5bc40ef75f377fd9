"""Gopher repetition in plain Python, one function per dialect, written from the sources and not from the kernels."""

import re
from collections import Counter

from references.curator import lines_of
from references.english_words import english_words


def paper(text: str) -> dict[str, float | None]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    paragraphs: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip():
            paragraphs[-1].append(line)
        else:
            paragraphs.append([])
    joined = ["\n".join(paragraph).strip() for paragraph in paragraphs if paragraph]
    values = _segments("line", lines) | _segments("paragraph", joined)
    return values | _covered_ngrams(text.split(), top_once=True)


def dclm(text: str) -> dict[str, float | None]:
    lines = [line.strip() for line in re.split("\n", text) if line.strip()]
    paragraphs = [paragraph.strip() for paragraph in re.split("\n\n", text) if paragraph.strip()]
    values = _segments("line", lines) | _segments("paragraph", paragraphs)
    from references.word_break import words

    return values | _covered_ngrams([word for word in words(text) if word[0].isalnum()], top_once=False)


def dolma(text: str) -> dict[str, float | None]:
    words = text.split()
    lines = text.split("\n")
    copies = Counter(lines)
    chars = sum(map(len, words))
    values: dict[str, float | None] = {
        "num_lines": len(lines),
        "frac_duplicate_lines": sum(k for k in copies.values() if k > 1) / len(lines),
        "ratio_chars_duplicate_lines": _over(sum(len(line) * k for line, k in copies.items() if k > 1), chars),
    }
    for n in range(2, 11):
        counts = Counter(zip(*[words[i:] for i in range(n)], strict=False))
        if n <= 4:
            value = None
            if counts:
                ngram, k = counts.most_common(1)[0]
                value = k * sum(map(len, ngram)) / chars
            values[f"ratio_chars_top_{n}gram"] = value
        else:
            mass = sum(k * sum(map(len, ngram)) for ngram, k in counts.items() if k > 1)
            whole = sum(k * sum(map(len, ngram)) for ngram, k in counts.items())
            values[f"frac_chars_duplicate_{n}gram"] = _over(mass, whole)
    return values


def datatrove(text: str, tokens: list[str] | None = None) -> dict[str, float | None]:
    tokens = english_words(text) if tokens is None else tokens
    values: dict[str, float | None] = {"num_chars": len(text)}
    values |= _later_copies("line", re.split("\n+", text), len(text))
    values |= _later_copies("paragraph", re.split("\n{2,}", text.strip()), len(text))
    for n in range(2, 5):
        counts = Counter(" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1))
        ngram, count = counts.most_common(1)[0] if counts else ("", 0)
        values[f"ratio_chars_top_{n}gram"] = len(ngram) * count / len(text) if counts else None
    for n in range(5, 11):
        met, taken, i = set(), 0, 0
        while i + n <= len(tokens):
            ngram = "".join(tokens[i : i + n])
            taken += len(ngram) if ngram in met else 0
            i += n if ngram in met else 1
            met.add(ngram)
        values[f"frac_chars_duplicate_{n}gram"] = _over(taken, len(text))
    return values


def curator(text: str) -> dict[str, float | None]:
    words = text.split()
    lines = lines_of(text)
    paragraphs = text.split("\n\n")
    values = _later_copies("line", lines, len("".join(lines)))
    values |= _later_copies("paragraph", paragraphs, len("".join(paragraphs)))
    if not words:
        values["frac_duplicate_paragraphs"] = 1.0
    for n in range(2, 11):
        ngrams = list(zip(*[words[i:] for i in range(n)], strict=False))
        column = f"frac_chars_top_{n}gram" if n < 5 else f"frac_chars_duplicate_{n}gram"
        if not ngrams:
            values[column] = 1.0
        elif n < 5:
            ngram = " ".join(Counter(ngrams).most_common(1)[0][0])
            values[column] = (len(text) - len(text.replace(ngram, ""))) / len(text)
        else:
            values[column] = _shrinkage(ngrams, n) / len(text)
    return values


def _shrinkage(ngrams: list[tuple[str, ...]], n: int) -> int:
    """Characters of words in second and later copies, each once, and a space for each but the first of a run."""
    first: dict[tuple[str, ...], int] = {}
    chars, reached = 0, 0
    for i in (i for i, ngram in enumerate(ngrams) if first.setdefault(ngram, i) != i):
        for k in range(max(i, reached), i + n):
            chars += len(ngrams[i][k - i]) + (k > i or i < reached)
        reached = i + n
    return chars


def _later_copies(kind: str, parts: list[str], whole: int) -> dict[str, float | None]:
    chars = sum(map(len, parts)) - sum(map(len, set(parts)))
    return {
        f"num_{kind}s": len(parts),
        f"frac_duplicate_{kind}s": _over(len(parts) - len(set(parts)), len(parts)),
        f"frac_chars_duplicate_{kind}s": _over(chars, whole),
    }


def _segments(kind: str, segments: list[str]) -> dict[str, float | None]:
    copies = Counter(segments)
    duplicates = [segment for segment in segments if copies[segment] > 1]
    return {
        f"num_{kind}s": len(segments),
        f"frac_duplicate_{kind}s": _over(len(duplicates), len(segments)),
        f"frac_chars_duplicate_{kind}s": _over(sum(map(len, duplicates)), sum(map(len, segments))),
    }


def _covered_ngrams(words: list[str], *, top_once: bool) -> dict[str, float | None]:
    chars = sum(map(len, words))
    values: dict[str, float | None] = {}
    for n in range(2, 11):
        ngrams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        counts = Counter(ngrams)
        if n <= 4:
            prefix = "frac" if top_once else "ratio"
            values[f"{prefix}_chars_top_{n}gram"] = _top(words, ngrams, counts, n, chars, top_once)
            continue
        places = {i + k for i, ngram in enumerate(ngrams) if counts[ngram] > 1 for k in range(n)}
        value = sum(len(words[i]) for i in places) / chars if ngrams else None
        values[f"frac_chars_duplicate_{n}gram"] = value
    return values


def _top(
    words: list[str], ngrams: list[tuple[str, ...]], counts: Counter[tuple[str, ...]], n: int, chars: int, once: bool
) -> float | None:
    if not ngrams:
        return None
    most = max(counts.values())
    if most == 1:
        return 0.0
    best = max((ngram for ngram in counts if counts[ngram] == most), key=lambda ngram: sum(map(len, ngram)))
    if not once:
        return most * sum(map(len, best)) / chars
    places = {i + k for i, ngram in enumerate(ngrams) if ngram == best for k in range(n)}
    return sum(len(words[i]) for i in places) / chars


def _over(above: float, below: float) -> float | None:
    return above / below if below else None
