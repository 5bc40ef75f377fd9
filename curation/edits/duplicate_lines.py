"""Lines and paragraphs that stand in the corpus before are cut, as CCNet does it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from curation.dedup.exact import hash128
from curation.dedup.normalize import room_for
from curation.edits.plain_words import plain_into
from curation.edits.repeats import Found, Pieces, repeats
from curation.text.batch import TextBatch
from curation.text.kernel import kernel, leaf
from curation.text.unicode import character_classes, count_code_points, lower_case, strip_end

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True, kw_only=True)
class DuplicateLines:
    """Cut every line that stands in the corpus before: in a document of a smaller `doc_id`, or earlier in its own.

    Lines are compared in lower case, with digits as 0, without ASCII punctuation, white space collapsed. White space
    between lines: of that before and that behind a run of cut lines the one with more newlines stays, of equals the
    first; nothing stays after the last line that stays when lines behind it are cut, and of a text all of whose lines
    are cut nothing stays. Blank lines and those of which nothing is left to compare are never cut for themselves.

    Attributes:
        min_chars: fewest characters, as compared, of a line that may be cut; 1 or more.
        normalize: False compares lines byte by byte.

    Departures: CCNet also drops punctuation beyond ASCII and accents, and looks for copies within a shard only; hashes
    have 128 bits, not 64.

    Reference: Wenzek et al. 2020, CCNet, section 3.1; facebookresearch/cc_net `dedup.py`, `text_normalizer.py`.
    """

    min_chars: int = 1
    normalize: bool = True

    def __post_init__(self) -> None:
        """Check the setting.

        Raises:
            ValueError: `min_chars` is not at least 1.
        """
        _check_min_chars("DuplicateLines", self.min_chars)

    @property
    def name(self) -> str:
        """`duplicate_lines`."""
        return "duplicate_lines"

    def spans(self, documents: "DataFrame", checkpoint: "Callable[[DataFrame, str], DataFrame]") -> "DataFrame":
        """Lines that stand before, see `CorpusEdit.spans`."""
        look = _Look(paragraphs=False, min_chars=self.min_chars, normalize=self.normalize)
        return repeats(documents, self.name, checkpoint, look.pieces, look.found)


@dataclass(frozen=True, kw_only=True)
class DuplicateParagraphs:
    """Cut every paragraph, a run of lines between blank ones, that stands in the corpus before.

    Settings, comparison, order and white space are those of `DuplicateLines`.
    """

    min_chars: int = 1
    normalize: bool = True

    def __post_init__(self) -> None:
        """Check the setting.

        Raises:
            ValueError: `min_chars` is not at least 1.
        """
        _check_min_chars("DuplicateParagraphs", self.min_chars)

    @property
    def name(self) -> str:
        """`duplicate_paragraphs`."""
        return "duplicate_paragraphs"

    def spans(self, documents: "DataFrame", checkpoint: "Callable[[DataFrame, str], DataFrame]") -> "DataFrame":
        """Paragraphs that stand before, see `CorpusEdit.spans`."""
        look = _Look(paragraphs=True, min_chars=self.min_chars, normalize=self.normalize)
        return repeats(documents, self.name, checkpoint, look.pieces, look.found)


def _check_min_chars(name: str, min_chars: int) -> None:
    if min_chars < 1:
        raise ValueError(f"{name}: expected min_chars to be 1 or more, got {min_chars}")


@dataclass(frozen=True)
class _Look:
    paragraphs: bool
    min_chars: int
    normalize: bool

    def _segments(self, batch: TextBatch) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        lines = batch.lines
        offsets, start, end = _segments(batch.data, lines.offsets, lines.start, lines.end, self.paragraphs)
        return offsets, start, end

    def pieces(self, batch: TextBatch) -> Pieces:
        offsets, start, end = self._segments(batch)
        high, low, chars = _hashes(batch.data, start, end, lower_case(), character_classes(), self.normalize)
        document = np.repeat(np.arange(len(batch)), np.diff(offsets))
        chosen = np.flatnonzero(chars >= self.min_chars)
        place = np.arange(len(start)) - offsets[document]
        return Pieces(document[chosen], place[chosen], high[chosen], low[chosen])

    def found(self, batch: TextBatch, pieces: Pieces, repeated: NDArray[np.bool_]) -> Found:
        offsets, start, end = self._segments(batch)
        cut = np.zeros(len(start), np.bool_)
        cut[(offsets[pieces.document] + pieces.place)[repeated]] = True
        rows = _runs(batch.data, batch.offsets, offsets, start, end, cut)
        return Found(rows[:, 0], rows[:, 1], rows[:, 2])


@kernel
def _segments(
    data: NDArray[np.uint8],
    line_offsets: NDArray[np.int64],
    line_start: NDArray[np.int64],
    line_end: NDArray[np.int64],
    paragraphs: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Lines that are not blank, or the paragraphs that they make: offsets by document, first bytes, ends."""
    offsets = np.zeros(len(line_offsets), np.int64)
    start, end = np.empty(len(line_start), np.int64), np.empty(len(line_start), np.int64)
    count = 0
    for doc in range(len(line_offsets) - 1):
        goes_on = False
        for n in range(line_offsets[doc], line_offsets[doc + 1]):
            is_blank = strip_end(data, line_start[n], line_end[n]) == line_start[n]
            if not is_blank and goes_on:
                end[count - 1] = line_end[n]
            elif not is_blank:
                start[count], end[count] = line_start[n], line_end[n]
                count += 1
            goes_on = paragraphs and not is_blank
        offsets[doc + 1] = count
    return offsets, start[:count].copy(), end[:count].copy()


@kernel
def _hashes(
    data: NDArray[np.uint8],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    lower: NDArray[np.int32],
    flags: NDArray[np.uint16],
    normalize: bool,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
    """Both halves of the hash of what each piece is compared by, and its characters."""
    longest = 0
    for k in range(len(start)):
        longest = max(longest, end[k] - start[k])
    buffer = np.empty(room_for(longest), np.uint8)
    high, low = np.empty(len(start), np.uint64), np.empty(len(start), np.uint64)
    chars = np.empty(len(start), np.int64)
    for k in range(len(start)):
        if normalize:
            n, chars[k] = plain_into(data, start[k], end[k], lower, flags, buffer, 0)
        else:
            n = end[k] - start[k]
            buffer[:n] = data[start[k] : end[k]]
            chars[k] = count_code_points(data, start[k], end[k])
        high[k], low[k] = hash128(buffer, n)
    return high, low, chars


@leaf
def _num_newlines(data: NDArray[np.uint8], start: int, end: int) -> int:
    count = 0
    for i in range(start, end):
        count += data[i] == 10
    return count


@kernel
def _runs(
    data: NDArray[np.uint8],
    text_offsets: NDArray[np.int64],
    offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    cut: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Rows of document, first byte and byte after the last of each run of cut pieces with its white space."""
    rows = np.empty((len(start), 3), np.int64)
    total = 0
    for doc in range(len(offsets) - 1):
        low, high = offsets[doc], offsets[doc + 1]
        k = low
        while k < high:
            first = k
            while k < high and cut[k]:
                k += 1
            if k == first:
                k += 1
                continue
            begin, stop = end[first - 1] if first > low else start[first], text_offsets[doc + 1]
            if first == low and k == high:
                begin = text_offsets[doc]
            elif first == low:
                stop = start[k]
            elif k < high:
                before = _num_newlines(data, end[first - 1], start[first])
                if before >= _num_newlines(data, end[k - 1], start[k]):
                    begin, stop = start[first], start[k]
                else:
                    stop = end[k - 1]
            rows[total, 0], rows[total, 1], rows[total, 2] = doc, begin, stop
            total += 1
    return rows[:total]
