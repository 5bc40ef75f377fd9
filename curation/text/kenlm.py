"""KenLM's language models without the KenLM library: how likely a text is, word after word.

The numbers are KenLM's to the last bit: it adds in single precision, in an order that is kept here.

Reference: Heafield 2011, KenLM: Faster and Smaller Language Model Queries; kpu/kenlm `lm/model.cc`,
`python/score_sentence.cc`.
"""

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curation.text.batch import TextBatch
from curation.text.kenlm_file import LanguageModelFile, read_language_model
from curation.text.kenlm_kernels import AHEAD, find_word, score_sentences

_BEGIN, _END = b"<s>", b"</s>"


class LanguageModel:
    """An n-gram model in memory, which several threads may use at once.

    Attributes:
        order: longest n-gram, in words.
        num_words: how many words it knows.
    """

    def __init__(self, file: LanguageModelFile) -> None:
        """Prepare a file for scoring."""
        self.order, self.num_words = file.order, file.num_words
        self._memory, self._tables, self._unigrams = file.memory, file.tables, file.unigrams
        self._numbers = file.memory.view(np.float32)
        self._begin, self._end = map(self._number_of, (_BEGIN, _END))

    def score(self, batch: TextBatch) -> NDArray[np.float32]:
        """How likely each text is as one sentence, its end with it.

        Words stand between white space of ASCII; a word that the model does not know counts as `<unk>`.

        Returns:
            float32[n], the logarithm to base 10 of the probability, which is KenLM's `Model.score`. A null text counts
            as an empty one.
        """
        scores = np.empty(len(batch), np.float32)
        score_sentences(
            batch.data,
            batch.offsets,
            self._memory,
            self._numbers,
            self._tables,
            self._unigrams,
            self._begin,
            self._end,
            np.empty(int(batch.num_bytes.max(initial=0)) // 2 + 3, np.uint32),
            np.empty((AHEAD, self.order), np.uint64),
            np.empty((AHEAD, self.order), np.int64),
            np.empty((2, self.order), np.float32),
            scores,
        )
        return scores

    def _number_of(self, word: bytes) -> int:
        data = np.frombuffer(word, np.uint8)
        return int(find_word(self._memory, self._tables, data, 0, len(data)))


_loaded: dict[tuple[str, int, int], LanguageModel] = {}
_loading = threading.Lock()


def load_language_model(path: str | Path) -> LanguageModel:
    """The model of the file `path`, mapped once per process as long as the file does not change.

    Raises:
        LanguageModelError: there is none that can be used.
    """
    path = Path(path)
    with _loading:
        if not path.is_file():
            return LanguageModel(read_language_model(path))  # which says so
        status = path.stat()
        key = (str(path.resolve()), status.st_size, status.st_mtime_ns)
        if key not in _loaded:
            _loaded[key] = LanguageModel(read_language_model(path))
        return _loaded[key]
