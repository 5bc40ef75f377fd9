"""Edits of a whole corpus in plain Python: documents one after the other, what was seen in a set."""

import re
import string
from collections.abc import Mapping

from references.word_break import words


def plain(text: str) -> str:
    """What lines and sentences are compared by."""
    lowered = "".join("i" if char == "\u0130" else "0" if char.isdecimal() else char.lower() for char in text)
    kept = "".join(char for char in lowered if char not in string.punctuation)
    return " ".join(kept.replace("ς", "σ").split())


def duplicate_lines(
    corpus: Mapping[str, str | None], *, paragraphs: bool = False, min_chars: int = 1, normalize: bool = True
) -> dict[str, str | None]:
    """`DuplicateLines` and `DuplicateParagraphs`: the texts that stay."""
    seen: set[str] = set()
    left = {}
    for doc_id in sorted(corpus):
        text = corpus[doc_id]
        left[doc_id] = text if text is None else _without_seen(text, seen, paragraphs, min_chars, normalize)
    return left


def _without_seen(text: str, seen: set[str], paragraphs: bool, min_chars: int, normalize: bool) -> str:
    segments: list[str] = []  # in turn what is between, a segment, what is between, ...
    between = ""
    for number, line in enumerate(text.split("\n")):
        newline = "\n" if number else ""
        if not line.strip():
            between += newline + line
        elif paragraphs and segments and not between:
            segments[-1] += newline + line
        else:
            segments += [between + newline, line]
            between = ""
    segments.append(between)
    gaps, pieces = segments[::2], segments[1::2]
    stays = []
    for piece in pieces:
        key = plain(piece) if normalize else piece
        stays.append(len(key) < min_chars or key not in seen)
        if len(key) >= min_chars:
            seen.add(key)
    if all(stays):
        return text
    if not any(stays):
        return ""
    out, last = "", None
    for k, piece in enumerate(pieces):
        if not stays[k]:
            continue
        if last is None:
            out += gaps[0]
        elif last == k - 1:
            out += gaps[k]
        else:
            before, behind = gaps[last + 1], gaps[k]
            out += before if before.count("\n") >= behind.count("\n") else behind
        out += piece
        last = k
    return out + gaps[-1] if stays[-1] else out


def repeated_paragraphs(
    corpus: Mapping[str, str | None], *, threshold: float = 0.8, fewest: int = 13, most: int = 13
) -> dict[str, str | None]:
    """`RepeatedParagraphs`: the texts that stay."""
    seen: set[tuple[str, ...]] = set()
    left: dict[str, str | None] = {}
    for doc_id in sorted(corpus):
        text = corpus[doc_id]
        if text is None:
            left[doc_id] = None
            continue
        out, contained, total = "", 0, 0
        for number, paragraph in enumerate(text.split("\n")):
            tokens = [word for word in words(paragraph) if word.strip()]
            grams = [tuple(tokens[k : k + most]) for k in range(len(tokens) - most + 1)]
            if not grams and len(tokens) >= fewest:
                grams = [tuple(tokens)]
            old = sum(gram in seen for gram in grams)
            contained, total = contained + old, total + len(grams)
            seen.update(grams)
            if not grams or not old / len(grams) > threshold:
                out += ("\n" if number else "") + paragraph
        left[doc_id] = "" if total and contained / total > threshold else out
    return left


def repeated_sentences(
    corpus: Mapping[str, str | None], split: Mapping[str, list[tuple[int, int]]], *, n: int = 3, min_doc_words: int = 50
) -> dict[str, str | None]:
    """`RepeatedSentences`: the texts that stay. `split` gives each document's sentences, first character and end."""
    seen: set[str] = set()
    left: dict[str, str | None] = {}
    for doc_id in sorted(corpus):
        text, sentences = corpus[doc_id], split[doc_id]
        gone: set[int] = set()
        for k in range(len(sentences) - n + 1):
            key = " ".join(plain(text[first:last]) for first, last in sentences[k : k + n])
            gone.update(range(k, k + n) if key in seen else ())
            seen.add(key)
        if gone:
            ends = [0, *(last for _, last in sentences)]
            kept = "".join(text[ends[k] : ends[k + 1]] for k in range(len(sentences)) if k not in gone)
            text = kept if len(kept.split()) > min_doc_words else ""
            text = re.sub(r"^\s+", "", text)
        left[doc_id] = text
    return left
