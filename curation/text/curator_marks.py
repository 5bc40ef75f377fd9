"""Kernels that look for the marks by which NeMo Curator tells ellipses, symbols and ends of sentences.

Reference: NVIDIA-NeMo/Curator `stages/text/utils/constants.py` and `stages/text/filters/heuristic/string.py` (1.4.0).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.text.batch import TextBatch
from curation.text.kernel import leaf, loop
from curation.text.unicode import strip_end, strip_start

ELLIPSES = ("...", "[...]", "…", "(...)", "[…]", "-»", "read more..", "read more")
"""What is an ellipsis as a word, and at the end of a line in any case."""

LINES, ELLIPSIS_ENDS, NO_END_MARK = range(3)
"""Columns of what `line_ends` gives: lines that are not blank; those that end in an ellipsis; those that end in none of
`.` `?` `!` `"` `'`."""

_BYTES = np.frombuffer("".join(ELLIPSES).encode(), np.uint8)
_ENDS = np.cumsum([0, *(len(mark.encode()) for mark in ELLIPSES)]).astype(np.int64)


@leaf
def _ends_in_ellipsis(data: Any, start: int, end: int, whole: bool) -> bool:
    """Whether `data[start:end]` ends in one, letters in any case; with `whole`, whether it is one as it stands."""
    for mark in range(len(_ENDS) - 1):
        length = _ENDS[mark + 1] - _ENDS[mark]
        if length > end - start or (whole and length != end - start):
            continue
        same = 0
        while same < length:
            byte = data[end - length + same]
            if not whole and 65 <= byte <= 90:
                byte += 32
            if byte != _BYTES[_ENDS[mark] + same]:
                break
            same += 1
        if same == length:
            return True
    return False


@loop
def count_symbol_words(data: Any, word_offsets: Any, start: Any, end: Any, num_chars: Any, out: Any) -> None:
    """Count into `out`, int64[d], the words that are an ellipsis or have more runs of `#` than half their characters.

    So `#` is one, `##` is none (one run of two characters), `#a#` is one.
    """
    for doc in range(len(word_offsets) - 1):
        count = 0
        for word in range(word_offsets[doc], word_offsets[doc + 1]):
            first, last = start[word], end[word]
            if 97 <= data[first] | 0x20 <= 122 and 97 <= data[last - 1] | 0x20 <= 122 and last - first < 3:
                continue
            runs = 0
            for i in range(first, last):
                runs += data[i] == 35 and (i == first or data[i - 1] != 35)
            count += 2 * runs > num_chars[word] or _ends_in_ellipsis(data, first, last, True)
        out[doc] = count


@loop
def _measure_line_ends(data: Any, line_offsets: Any, start: Any, end: Any, out: Any) -> None:
    for doc in range(len(line_offsets) - 1):
        for line in range(line_offsets[doc], line_offsets[doc + 1]):
            first = strip_start(data, start[line], end[line])
            last = strip_end(data, first, end[line])
            if first == last:
                continue
            out[doc, LINES] += 1
            out[doc, ELLIPSIS_ENDS] += _ends_in_ellipsis(data, first, last, False)
            out[doc, NO_END_MARK] += data[last - 1] not in (46, 63, 33, 34, 39)


def line_ends(batch: TextBatch) -> NDArray[np.int64]:
    """How the lines of each text end, int64[n, 3], columns as named in this module."""
    out = np.zeros((len(batch), 3), np.int64)
    lines = batch.lines
    _measure_line_ends(batch.data, lines.offsets, lines.start, lines.end, out)
    return out
