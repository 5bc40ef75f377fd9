"""Texts in pieces without gaps: lines, paragraphs, sentences; and what two pieces are compared by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.dedup.shingles import hash_shingles
from curation.edits.splice import gathered
from curation.text.batch import TextBatch
from curation.text.kernel import kernel, loop
from curation.text.plain_words import plain_words
from curation.text.sentences import ends_sentence, may_end_sentence, packed_abbreviations
from curation.text.split import describe_pieces
from curation.text.unicode import character_classes


@dataclass(frozen=True)
class Pieces:
    """Pieces of the texts of a batch, in order.

    Attributes:
        offsets: int64[n + 1]; the pieces of document i are `offsets[i]:offsets[i + 1]`.
        start: int64[m]; first byte in `TextBatch.data`.
        end: int64[m]; byte after the last.
    """

    offsets: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    @property
    def document(self) -> NDArray[np.int64]:
        """Of which text each piece is, int64[m]."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @property
    def number(self) -> NDArray[np.int64]:
        """Which of its text's pieces each one is, int64[m], from 0."""
        return np.arange(len(self.start)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))


def lines(batch: TextBatch) -> Pieces:
    """Lines with the newline after them."""
    found = batch.lines
    after = np.minimum(found.end + 1, np.repeat(batch.offsets[1:], found.counts))
    return Pieces(found.offsets, found.start, after)


def paragraphs(batch: TextBatch) -> Pieces:
    """Lines between blank ones, with the blank ones after them; the first has those before it too."""
    found = batch.lines
    offsets = np.empty(len(found.offsets), np.int64)
    start = np.empty(len(found), np.int64)
    count = _paragraph_starts(batch.data, found.offsets, found.start, found.end, offsets, start)
    return _up_to_the_next(batch, offsets, start[:count])


def sentences(batch: TextBatch) -> Pieces:
    """Sentences by `curation.text.sentences`, with the white space before them; the last has that after it too.

    A line ends a sentence. In scripts without spaces that is all that does.
    """
    words = batch.words
    offsets = np.empty(len(words.offsets), np.int64)
    start = np.empty(len(words) + len(batch), np.int64)
    count = _sentence_starts(
        batch.data,
        batch.offsets,
        words.offsets,
        words.start,
        words.end,
        character_classes(),
        packed_abbreviations(),
        offsets,
        start,
    )
    return _up_to_the_next(batch, offsets, start[:count])


def _up_to_the_next(batch: TextBatch, offsets: NDArray[np.int64], start: NDArray[np.int64]) -> Pieces:
    """Each piece ends where the next one of its text begins, the last one with the text."""
    end = np.append(start[1:], 0)
    lasts = offsets[1:][np.diff(offsets) > 0] - 1
    end[lasts] = batch.offsets[1:][np.diff(offsets) > 0]
    return Pieces(offsets, start, end[: len(start)])


@loop
def _paragraph_starts(
    data: NDArray[np.uint8],
    line_offsets: NDArray[np.int64],
    line_start: NDArray[np.int64],
    line_end: NDArray[np.int64],
    offsets: NDArray[np.int64],
    start: NDArray[np.int64],
) -> int:
    count = 0
    offsets[0] = 0
    for doc in range(len(line_offsets) - 1):
        begun = False  # a paragraph of this text
        after_blank = True
        for line in range(line_offsets[doc], line_offsets[doc + 1]):
            blank = True
            for i in range(line_start[line], line_end[line]):
                blank &= data[i] in (9, 11, 12, 13, 32)
            if not blank and after_blank:
                start[count] = line_start[line] if begun else line_start[line_offsets[doc]]
                begun = True
                count += 1
            after_blank = blank
        offsets[doc + 1] = count
    return count


@loop
def _sentence_starts(
    data: NDArray[np.uint8],
    text_offsets: NDArray[np.int64],
    word_offsets: NDArray[np.int64],
    word_start: NDArray[np.int64],
    word_end: NDArray[np.int64],
    flags: NDArray[np.uint16],
    abbreviations: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    start: NDArray[np.int64],
) -> int:
    count = 0
    offsets[0] = 0
    for doc in range(len(word_offsets) - 1):
        begins = True
        place = text_offsets[doc]
        for word in range(word_offsets[doc], word_offsets[doc + 1]):
            if begins:
                start[count] = place
                count += 1
            begins = False
            place = word_end[word]
            if word + 1 == word_offsets[doc + 1]:
                break
            following = word_start[word + 1]
            for i in range(word_end[word], following):
                begins |= data[i] == 10
            if not begins and may_end_sentence(data[word_end[word] - 1]):
                begins = ends_sentence(data, word_start[word], word_end[word], following, flags, abbreviations)
        offsets[doc + 1] = count
    return count


def compared(batch: TextBatch, pieces: Pieces, *, normalize: bool) -> TextBatch:
    """What two pieces are compared by: the pieces as texts, without the white space around them.

    Args:
        batch: the texts.
        pieces: theirs.
        normalize: compare their plain form (`curation.text.plain_words`) with 0 for every ASCII digit.
    """
    data, offsets = gathered(batch.data, pieces.start, pieces.end)
    texts = TextBatch(data, offsets, np.ones(len(pieces.start), np.bool_))
    if normalize:
        plain = plain_words(texts)
        digits = (plain.data >= 0x30) & (plain.data <= 0x39)
        return TextBatch(np.where(digits, np.uint8(0x30), plain.data), plain.offsets, plain.valid)
    words = texts.words
    start, end = offsets[:-1].copy(), offsets[:-1].copy()
    filled = words.counts > 0
    start[filled], end[filled] = words.start[words.offsets[:-1][filled]], words.end[words.offsets[1:][filled] - 1]
    data, offsets = gathered(data, start, end)
    return TextBatch(data, offsets, texts.valid)


def hashes_of(texts: TextBatch) -> NDArray[np.uint64]:
    """64-bit hashes of whole texts, uint64[n]."""
    num_chars, hashes = np.empty(len(texts), np.int32), np.empty(len(texts), np.uint64)
    describe_pieces(texts.data, texts.offsets[:-1], texts.offsets[1:], num_chars, hashes)
    return hashes


@kernel
def _runs(hashes: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    runs = np.empty(len(hashes), np.uint64)
    return runs[: hash_shingles(hashes, len(hashes), size, runs)]


def runs_of(hashes: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """Hashes of runs of `size` hashes, uint64[n - size + 1]; the caller leaves those over the end of a text."""
    return _runs(hashes, size) if len(hashes) >= size else np.empty(0, np.uint64)
