"""What the edits that depend on the corpus leave, in plain Python: one pass over documents in order."""

import re
from collections.abc import Callable, Mapping

from references.redpajama import plain
from references.word_break import words as unicode_pieces

Corpus = Mapping[str, str]


def compared(piece: str, *, normalize: bool) -> str:
    """What two pieces are compared by."""
    if not normalize:
        return piece.strip()
    return re.sub("[0-9]", "0", plain(piece))


def lines(text: str) -> list[str]:
    """Lines with their newlines."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def paragraphs(text: str) -> list[str]:
    """Lines between blank ones with the blank ones behind them, the first with those before it too."""
    found: list[str] = []
    after_blank = True
    for line in lines(text):
        blank = not line.strip("\t\x0b\x0c\r\n ")
        if found and not (after_blank and not blank and found[-1].strip("\t\x0b\x0c\r\n ")):
            found[-1] += line
        else:
            found.append(line)
        after_blank = blank
    return found


def without_copies(
    corpus: Corpus, pieces_of: Callable[[str], list[str]], *, normalize: bool = True, min_chars: int = 1
) -> dict[str, str]:
    """All but the first copy of every piece."""
    seen: set[str] = set()
    left = {}
    for doc_id in sorted(corpus):
        stay = []
        for piece in pieces_of(corpus[doc_id]):
            key = compared(piece, normalize=normalize)
            copy = key in seen and len(key) >= min_chars
            seen.add(key)
            stay += [] if copy else [piece]
        left[doc_id] = "".join(stay)
    return left


def without_repeated_runs(corpus: Corpus, pieces_of: Callable[[str], list[str]], size: int) -> dict[str, str]:
    """All pieces but those of a run that stood there before."""
    seen: set[tuple[str, ...]] = set()
    left = {}
    for doc_id in sorted(corpus):
        pieces = pieces_of(corpus[doc_id])
        keys = [compared(piece, normalize=True) for piece in pieces]
        gone: set[int] = set()
        for k in range(len(pieces) - size + 1):
            run = tuple(keys[k : k + size])
            gone |= set(range(k, k + size)) if run in seen else set()
            seen.add(run)
        left[doc_id] = "".join(piece for k, piece in enumerate(pieces) if k not in gone)
    return left


def without_seen_ngrams(corpus: Corpus, size: int, min_ngram: int, threshold: float) -> dict[str, str]:
    """All lines but those most of whose n-grams a line before them has; nothing of texts of which most are seen."""
    seen: set[tuple[str, ...]] = set()
    left = {}
    for doc_id in sorted(corpus):
        stay, num_seen, num_all = [], 0, 0
        for line in lines(corpus[doc_id]):
            grams = ngrams(line, size, min_ngram)
            again = sum(gram in seen for gram in grams)
            num_seen, num_all = num_seen + again, num_all + len(grams)
            stay += [] if again > threshold * len(grams) else [line]
            seen |= set(grams)
        left[doc_id] = "" if num_seen > threshold * num_all else "".join(stay)
    return left


def ngrams(line: str, size: int, min_ngram: int) -> list[tuple[str, ...]]:
    """N-grams of a line's tokens; a line of fewer tokens than `size`, but `min_ngram`, is one."""
    tokens = [piece for piece in unicode_pieces(line) if not piece[0].isspace()]
    if len(tokens) < size:
        return [tuple(tokens)] if len(tokens) >= min_ngram else []
    return [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
