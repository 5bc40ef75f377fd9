"""English words and sentences as spaCy parts them: exactly what datatrove counts, at spaCy's speed.

The pipeline is datatrove's: `spacy.blank("en")` with the rule-based `sentencizer`, no model. About 0.5 MB of text per
second and core, a hundred times slower than what this project counts with otherwise; needs the package `spacy`.

Reference: huggingface/datatrove `utils/word_tokenizers.py` (`SpaCyTokenizer`) and `utils/text.py` (0.10.1).
"""

import threading
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import WinnowError


class SpacyError(WinnowError):
    """spaCy is asked for and cannot be imported."""


class _Kept(threading.local):
    """What is made once per thread: engines call from several, and a pipeline serves one at a time."""

    pipeline: Any = None


_kept = _Kept()


def load_spacy() -> Any:
    """The pipeline of this thread, made at the first call.

    Raises:
        SpacyError: spaCy cannot be imported.
    """
    if _kept.pipeline is not None:
        return _kept.pipeline
    try:
        import spacy
    except ImportError as error:
        raise SpacyError(
            f"words or sentences are to be counted as spaCy does, and it cannot be imported ({error}): install it with "
            "pip install 'winnow[spacy]', or leave the setting at 'fast'"
        ) from error
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    pipeline.max_length = 1 << 62  # its limit is for parsers, of which there is none
    _kept.pipeline = pipeline
    return pipeline


def split_words(texts: Iterable[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Tokens of the texts; those of white space alone are none.

    Returns:
        Their bytes one after the other, read-only, with eight more; where each begins, int64[m + 1]; and which are
        those of each text, int64[n + 1].
    """
    pipeline = load_spacy()
    tokens: list[bytes] = []
    counts = [0]
    for text in texts:
        with pipeline.memory_zone():
            found = (token.text.strip() for token in pipeline.make_doc(text))
            tokens += [token.encode() for token in found if token]
        counts.append(len(tokens))
    begins = np.zeros(len(tokens) + 1, np.int64)
    np.cumsum([len(token) for token in tokens], out=begins[1:])
    return np.frombuffer(b"".join(tokens) + bytes(8), np.uint8), begins, np.array(counts, np.int64)


def count_sentences(lines: Iterable[str]) -> NDArray[np.int64]:
    """Sentences of each line, int64[n]; an empty line is one, as datatrove has it."""
    pipeline = load_spacy()
    counts = []
    for line in lines:
        with pipeline.memory_zone():
            counts.append(max(1, sum(1 for _ in pipeline(line).sents)))
    return np.array(counts, np.int64)
