"""C4's line removal: what its line tests drop is cut, citation marks with it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.edits.edit import Cuts
from curation.signals.c4 import C4, Dialect
from curation.signals.c4_lines import INDEPENDENT, LINES_AS_THEY_ARE, REMOVE_CITATIONS, STRIP_AFTER
from curation.signals.c4_marks import citation_width
from curation.text.batch import TextBatch
from curation.text.kernel import kernel, leaf
from curation.text.unicode import character_classes, strip_end, strip_start

_NOTHING, _NEWLINE = 0, 1


@dataclass(frozen=True, kw_only=True)
class C4Lines:
    """Leave the lines that pass C4's line tests, as the code that the dialect names leaves them.

    The text becomes what the signal `C4` with the same settings measures as `num_kept_chars`: lines that fail are cut
    with their ends, citation marks (`[12]`, `[edit]`, `[citation needed]`) are cut out of the others, white space is
    stripped where the dialect strips it, and one newline stands between two lines. `dolma` cuts whole lines only.

    Attributes:
        dialect: whose tests; see `curation.signals.c4.DIALECTS`.
        end_marks: False leaves the end-mark test out, as FineWeb does.
        min_words_per_line: fewest words of a line that stays; None takes the dialect's.

    Reference: Raffel et al. 2020, section 2.2; the implementations named at `curation.signals.c4.DIALECTS`.
    """

    dialect: Dialect = "tfds"
    end_marks: bool = True
    min_words_per_line: int | None = None

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: see `curation.signals.c4.C4`.
        """
        self._tests()

    @property
    def name(self) -> str:
        """`c4_lines`."""
        return "c4_lines"

    def open(self) -> None:
        """Load the character classes."""
        character_classes()

    def cuts(self, batch: TextBatch) -> Cuts:
        """Lines that fail, citation marks, and white space around what stays."""
        tests = self._tests()
        (line_offsets, line_start, line_end), stays = tests.tested_lines(batch)
        lines = (line_offsets, line_start, line_end, stays)
        rows = _cuts(batch.data, batch.offsets, *lines, character_classes(), tests.switches())
        return Cuts(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3], ("", "\n"))

    def _tests(self) -> C4:
        return C4(
            dialect=self.dialect,
            end_marks=self.end_marks,
            min_words_per_line=self.min_words_per_line,
            count_sentences=False,
        )


@leaf
def _between_citations(
    data: NDArray[np.uint8],
    start: int,
    end: int,
    flags: NDArray[np.uint16],
    pieces: NDArray[np.int64],
    count: int,
) -> int:
    """Write what stands around the citation marks of `data[start:end]` behind the first `count` pieces."""
    first, i = start, start
    while i < end:
        width = citation_width(data, i, end, flags) if data[i] == 0x5B else 0
        if width == 0:
            i += 1
            continue
        pieces[count, 0], pieces[count, 1], pieces[count, 2] = first, i, _NOTHING
        count += 1
        i += width
        first = i
    pieces[count, 0], pieces[count, 1], pieces[count, 2] = first, end, _NOTHING
    return count + 1


@leaf
def _strip(data: NDArray[np.uint8], pieces: NDArray[np.int64], first: int, stop: int) -> tuple[int, int]:
    """Take white space from both ends of the pieces `first:stop`; gives those that are left."""
    while first < stop:
        pieces[first, 0] = strip_start(data, pieces[first, 0], pieces[first, 1])
        if pieces[first, 0] < pieces[first, 1]:
            break
        first += 1
    while first < stop:
        pieces[stop - 1, 1] = strip_end(data, pieces[stop - 1, 0], pieces[stop - 1, 1])
        if pieces[stop - 1, 0] < pieces[stop - 1, 1]:
            break
        stop -= 1
    return first, stop


@leaf
def _pieces_of_lines(
    data: NDArray[np.uint8],
    line_start: NDArray[np.int64],
    line_end: NDArray[np.int64],
    stays: NDArray[np.uint8],
    flags: NDArray[np.uint16],
    switches: NDArray[np.int64],
    pieces: NDArray[np.int64],
) -> tuple[int, int]:
    """Write what stays of a text: first byte, end, and what stands before it; gives the first piece and the end."""
    count = 0
    for n in range(len(line_start)):
        if not stays[n]:
            continue
        start, end = line_start[n], line_end[n]
        if not switches[LINES_AS_THEY_ARE]:
            start = strip_start(data, start, end)
            end = strip_end(data, start, end)
        first = count
        if switches[REMOVE_CITATIONS]:
            count = _between_citations(data, start, end, flags, pieces, count)
        else:
            pieces[count, 0], pieces[count, 1] = start, end
            count += 1
        if switches[STRIP_AFTER]:
            left, stop = _strip(data, pieces, first, count)
            for k in range(left, stop):
                pieces[first + k - left, 0], pieces[first + k - left, 1] = pieces[k, 0], pieces[k, 1]
                pieces[first + k - left, 2] = _NOTHING
            if left == stop:  # a line of nothing but citation marks, where no test minds
                pieces[first, 0], pieces[first, 1] = start, start
                stop = left + 1
            count = first + stop - left
        pieces[first, 2] = _NEWLINE
    left, stop = _strip(data, pieces, 0, count)
    return left, stop


@kernel
def _cuts(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    line_offsets: NDArray[np.int64],
    line_start: NDArray[np.int64],
    line_end: NDArray[np.int64],
    stays: NDArray[np.uint8],
    flags: NDArray[np.uint16],
    switches: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Rows of document, first byte, byte after the last and what is put there, int64[m, 4]."""
    brackets = 0
    for i in range(len(data)):
        brackets += data[i] == 0x5B
    room = len(line_start) + brackets + len(offsets)
    rows, pieces = np.empty((room, 4), np.int64), np.empty((room, 3), np.int64)
    total = 0
    for doc in range(len(offsets) - 1):
        low, high, reached = line_offsets[doc], line_offsets[doc + 1], offsets[doc]
        if switches[INDEPENDENT]:
            for n in range(low, high):
                end = line_start[n + 1] if n + 1 < high else offsets[doc + 1]
                if not stays[n] and end > line_start[n]:
                    rows[total, 0], rows[total, 1], rows[total, 2], rows[total, 3] = doc, line_start[n], end, _NOTHING
                    total += 1
            continue
        first, stop = _pieces_of_lines(
            data, line_start[low:high], line_end[low:high], stays[low:high], flags, switches, pieces
        )
        for k in range(first, stop):
            put = pieces[k, 2] if k > first else _NOTHING
            start = pieces[k, 0]
            is_newline = put == _NEWLINE and start - reached == 1 and data[reached] == 0x0A
            if not is_newline and (start > reached or put != _NOTHING):
                rows[total, 0], rows[total, 1], rows[total, 2], rows[total, 3] = doc, reached, start, put
                total += 1
            reached = pieces[k, 1]
        if reached < offsets[doc + 1]:
            rows[total, 0], rows[total, 1] = doc, reached
            rows[total, 2], rows[total, 3] = offsets[doc + 1], _NOTHING
            total += 1
    return rows[:total]
