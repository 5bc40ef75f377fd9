"""A batch of texts as bytes, and its words and lines, split once and shared by every signal."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.text import english_words, spacy_english, split, word_break
from curation.text.unicode import character_classes

_MAX_INT32 = 2**31 - 1


@dataclass(frozen=True)
class Spans:
    """Pieces of the texts of a batch, in order of the documents and of their place.

    Attributes:
        offsets: int64[n + 1]; the pieces of document i are `offsets[i]:offsets[i + 1]`.
        start: int64[m]; first byte in `TextBatch.data`.
        end: int64[m]; byte after the last.
        num_chars: int32[m]; code points.
    """

    offsets: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    num_chars: NDArray[np.int32]

    def __len__(self) -> int:
        """Number of pieces in the whole batch."""
        return len(self.start)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pieces per document, int64[n]."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class Words(Spans):
    """Words, each with `hash`, uint64[m]: `curation.text.blocks.hash_bytes` of the word's bytes."""

    hash: NDArray[np.uint64]

    def where(self, keep: NDArray[np.bool_]) -> "Words":
        """Those of the words for which `keep`, bool[m], is true."""
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(keep, dtype=np.int64)])
        kept = np.flatnonzero(keep)
        return Words(before[self.offsets], self.start[kept], self.end[kept], self.num_chars[kept], self.hash[kept])


class TextBatch:
    """Texts of an Arrow batch.

    Attributes:
        data: uint8, the UTF-8 bytes of all texts, one after the other, read-only.
        offsets: int64[n + 1]; text i is `data[offsets[i]:offsets[i + 1]]`.
        valid: bool[n]; False where the text is null. A null text has no bytes, no words and no lines.

    The properties are computed at their first use and kept.
    """

    def __init__(self, data: NDArray[np.uint8], offsets: NDArray[np.int64], valid: NDArray[np.bool_]) -> None:
        """Wrap arrays that already have the layout above; see `from_arrow` and `from_texts`."""
        data = data.view()
        data.flags.writeable = False  # Numba compiles anew for each kind of array: texts are always of this kind
        self.data = data
        self.offsets = offsets
        self.valid = valid

    @classmethod
    def from_arrow(cls, texts: pa.Array | pa.ChunkedArray) -> "TextBatch":
        """A batch over the buffers of an Arrow string or large_string column; one chunk is not copied.

        Raises:
            TypeError: the column is of another type.
        """
        if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
            raise TypeError(f"expected a column of Arrow type string or large_string, got {texts.type}: cast it first")
        if isinstance(texts, pa.ChunkedArray):
            texts = _one_chunk(texts)
        if len(texts) == 0:
            return cls(np.empty(0, np.uint8), np.zeros(1, np.int64), np.empty(0, np.bool_))
        valid = np.ones(len(texts), np.bool_)
        if texts.null_count:
            valid = np.asarray(texts.is_valid())
            texts = pc.fill_null(texts, "")  # a null slot may cover bytes
        offset_type = np.int64 if pa.types.is_large_string(texts.type) else np.int32
        _, offset_buffer, data_buffer = texts.buffers()
        raw = np.frombuffer(offset_buffer, dtype=offset_type)[texts.offset : texts.offset + len(texts) + 1]
        offsets = raw.astype(np.int64)
        first, last = int(offsets[0]), int(offsets[-1])
        data = np.empty(0, np.uint8) if first == last else np.frombuffer(data_buffer, np.uint8)[first:last]
        return cls(data, offsets - first, valid)

    @classmethod
    def from_texts(cls, texts: Sequence[str | None]) -> "TextBatch":
        """A batch of Python strings; None is a null text."""
        return cls.from_arrow(pa.array(texts, type=pa.large_string()))

    def __len__(self) -> int:
        """Number of texts, nulls included."""
        return len(self.valid)

    def text(self, i: int) -> str | None:
        """Text `i` as a Python string, for tests and messages."""
        if not self.valid[i]:
            return None
        return self.data[self.offsets[i] : self.offsets[i + 1]].tobytes().decode()

    @property
    def num_bytes(self) -> NDArray[np.int64]:
        """UTF-8 bytes of each text, int64[n]."""
        return np.diff(self.offsets)

    @cached_property
    def num_chars(self) -> NDArray[np.int64]:
        """Code points of each text, int64[n]."""
        num_chars = np.empty(len(self), np.int64)
        split.count_characters(self.data, self.offsets, num_chars)
        return num_chars

    @cached_property
    def _separators(self) -> tuple[int, int]:
        separators, newlines = split.count_separators(self.data, 0, len(self.data))
        return int(separators), int(newlines)

    @cached_property
    def words(self) -> Words:
        """Words between whitespace, exactly those of `str.split()`."""
        room = self._separators[0] + len(self)
        offsets = np.empty(len(self) + 1, np.int64)
        start, end = np.empty(room, np.int64), np.empty(room, np.int64)
        num_chars, hashes = np.empty(room, np.int32), np.empty(room, np.uint64)
        count = split.split_words(self.data, self.offsets, offsets, start, end, num_chars, hashes)
        return Words(offsets, start[:count], end[:count], num_chars[:count], hashes[:count])

    @cached_property
    def unicode_words(self) -> Words:
        """Words by Unicode's rules (UAX #29) that begin with a letter or digit, see `curation.text.word_break`."""
        return self._unicode_pieces(int(split.count_unicode_word_starts(self.data)) + len(self), signs_too=False)

    @cached_property
    def unicode_pieces(self) -> Words:
        """All that stands between Unicode's word boundaries but whitespace, punctuation and signs too."""
        return self._unicode_pieces(int(self.num_chars.sum()), signs_too=True)

    def _unicode_pieces(self, room: int, *, signs_too: bool) -> Words:
        offsets = np.empty(len(self) + 1, np.int64)
        start, end = np.empty(room, np.int64), np.empty(room, np.int64)
        num_chars, hashes = np.empty(room, np.int32), np.empty(room, np.uint64)
        count = word_break.split_unicode_words(
            self.data,
            self.offsets,
            word_break.word_break_classes(),
            character_classes(),
            signs_too,
            offsets,
            start,
            end,
            num_chars,
            hashes,
        )
        return Words(offsets, start[:count], end[:count], num_chars[:count], hashes[:count])

    @cached_property
    def english_words(self) -> Words:
        """Words with punctuation cut off and counted, near spaCy's; see `curation.text.english_words`."""
        words = self.words
        return Words(
            *english_words.cut_words(self.data, words.offsets, words.start, words.end, words.num_chars, words.hash)
        )

    @cached_property
    def spacy_words(self) -> tuple[NDArray[np.uint8], Words]:
        """Words of spaCy's English tokenizer, and the bytes that their places are of; slow.

        Raises:
            SpacyError: spaCy cannot be imported.
        """
        data, begins, offsets = spacy_english.split_words(self.text(i) or "" for i in range(len(self)))
        num_chars, hashes = np.empty(len(begins) - 1, np.int32), np.empty(len(begins) - 1, np.uint64)
        split.describe_pieces(data, begins[:-1], begins[1:], num_chars, hashes)
        return data, Words(offsets, begins[:-1], begins[1:], num_chars, hashes)

    @cached_property
    def lines(self) -> Spans:
        """Lines without their newline, exactly those of `text.split("\\n")`; an empty text has one empty line."""
        room = self._separators[1] + len(self)
        offsets = np.empty(len(self) + 1, np.int64)
        start, end, num_chars = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int32)
        count = split.split_lines(self.data, self.offsets, self.valid, offsets, start, end, num_chars)
        return Spans(offsets, start[:count], end[:count], num_chars[:count])


def _one_chunk(texts: pa.ChunkedArray) -> pa.Array:
    if texts.num_chunks == 1:
        return texts.chunk(0)
    if pa.types.is_string(texts.type) and texts.nbytes > _MAX_INT32:
        texts = texts.cast(pa.large_string())  # the offsets of the joined column would not fit
    return texts.combine_chunks()


def compiled_before() -> bool:
    """Whether this machine has compiled the kernels already: the first batch of a machine waits for the compiler."""
    folder = Path(split.split_words.stats.cache_path)
    return any(folder.glob("split.split_words-*.nbi"))
