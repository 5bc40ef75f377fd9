"""FineWeb's own quality signals: lines without an end, short lines, repeated lines and lists.

Reference: Penedo et al. 2024, "The FineWeb Datasets" (NeurIPS 2024), section 3.6; huggingface/datatrove
`src/datatrove/pipeline/filters/fineweb_quality_filter.py` (0.10.1).
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.rules import Rule
from curation.text.batch import TextBatch
from curation.text.blocks import hash_bytes
from curation.text.kernel import kernel, leaf
from curation.text.spacy_english import load_spacy
from curation.text.terminal_punctuation import is_terminal
from curation.text.unicode import decode, space_width

Dialect = Literal["paper", "datatrove"]
Words = Literal["fast", "spacy"]

_MAX_SHORT_LINE_CHARS: dict[Dialect, int] = {"paper": 29, "datatrove": 30}

_NUM_LINES = 0
_ENDED_LINES = 1
_SHORT_LINES = 2
_DUPLICATE_CHARS = 3
_NUM_COUNTS = 4


@leaf
def _is_blank(data: NDArray[np.uint8], start: int, end: int) -> bool:
    i = start
    while i < end:
        width = space_width(data, i, end)
        if width == 0:
            return False
        i += width
    return True


@leaf
def _ends_in_mark(data: NDArray[np.uint8], start: int, end: int) -> bool:
    i = end - 1
    while i > start and (data[i] & 0xC0) == 0x80:
        i -= 1
    return bool(is_terminal(decode(data, i)))


@leaf
def _same_bytes(data: NDArray[np.uint8], a: int, b: int, length: int) -> bool:
    k = 0
    while k < length and data[a + k] == data[b + k]:
        k += 1
    return k == length


@kernel
def _grown(
    lines: NDArray[np.int64], hashes: NDArray[np.uint64], first: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """A table of twice the size with the entries of the document whose first line is `first`."""
    room = 2 * len(lines)
    new_lines = np.full(room, -1, np.int64)
    new_hashes = np.zeros(room, np.uint64)
    for k in range(len(lines)):
        if lines[k] >= first:
            slot = np.int64(hashes[k] & np.uint64(room - 1))
            while new_lines[slot] >= 0:
                slot = (slot + 1) & (room - 1)
            new_lines[slot] = lines[k]
            new_hashes[slot] = hashes[k]
    return new_lines, new_hashes


@kernel
def count_lines(
    data: NDArray[np.uint8],
    line_offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    num_chars: NDArray[np.int32],
    max_short: int,
    counts: NDArray[np.int64],
) -> None:
    """Write into `counts`, int64[n, 4], what is counted of each document's lines that are not blank.

    That is: all of them, those that end in a mark, the short ones, and the characters of second and later copies.
    """
    # One table for all documents: an entry belongs to the present document if its line does, so that none is cleared.
    lines = np.full(1024, -1, np.int64)
    hashes = np.zeros(1024, np.uint64)
    for doc in range(len(line_offsets) - 1):
        for column in range(_NUM_COUNTS):
            counts[doc, column] = 0
        first = line_offsets[doc]
        distinct = 0
        for n in range(first, line_offsets[doc + 1]):
            if _is_blank(data, start[n], end[n]):
                continue
            counts[doc, _NUM_LINES] += 1
            counts[doc, _ENDED_LINES] += _ends_in_mark(data, start[n], end[n])
            counts[doc, _SHORT_LINES] += num_chars[n] <= max_short
            if 2 * distinct >= len(lines):
                lines, hashes = _grown(lines, hashes, first)
            length = end[n] - start[n]
            code = hash_bytes(data, start[n], end[n])
            slot = np.int64(code & np.uint64(len(lines) - 1))
            while lines[slot] >= first:
                other = lines[slot]
                same = hashes[slot] == code and end[other] - start[other] == length
                if same and _same_bytes(data, start[other], start[n], length):
                    counts[doc, _DUPLICATE_CHARS] += num_chars[n]
                    break
                slot = (slot + 1) & (len(lines) - 1)
            else:
                lines[slot] = n
                hashes[slot] = code
                distinct += 1


@dataclass(frozen=True, kw_only=True)
class FineWeb:
    """How each text is laid out in lines. Blank lines are left out everywhere but in `newlines_per_word`.

    - `num_lines`: lines that are not blank.
    - `frac_lines_end_mark`: share of them whose last character is a sentence-ending mark of any script
      (`curation.text.terminal_punctuation`; a quote, a bracket, a space or a carriage return behind it hides it).
    - `frac_short_lines`: share of them with at most `max_short_line_chars` characters, spaces at the ends counted.
    - `frac_chars_duplicate_lines`: characters of the second and later copies of equal lines, over all characters of the
      text but newlines.
    - `newlines_per_word`: newlines, of blank lines too, over words.

    Fractions are null where there is nothing to divide by: a blank text has `num_lines` 0 and the rest null.

    Attributes:
        dialect: `paper` calls a line short that has fewer than 30 characters, `datatrove` one of 30 as well.
        max_short_line_chars: longest line that is short; None takes the dialect's.
        words: what newlines are counted per: `fast` takes the words of `str.split`, `spacy` the tokens of spaCy's
            tokenizer, as datatrove does (a hundred times slower; needs the extra `spacy`; dialect `datatrove` only).

    Departures: with `words="fast"`, `newlines_per_word` is higher than datatrove's ratio, whose words have their
    punctuation cut off and counted, and drops somewhat more; all else is equal to datatrove's, and everything is with
    `words="spacy"` (`tests/conformance` compares both with datatrove itself). The paper names no set of marks:
    both dialects use datatrove's. (Until May 2024, when FineWeb was made, datatrove's code took `.` `'` `"` `!` `?`,
    counted blank lines and dropped at the thresholds.) datatrove's option to forgive a text without any end mark is not
    here.
    """

    dialect: Dialect = "paper"
    max_short_line_chars: int | None = None
    words: Words = "fast"

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: an unknown dialect or way of counting words, or a negative length.
        """
        if self.dialect not in get_args(Dialect):
            raise ValueError(
                f"FineWeb: expected dialect to be one of {', '.join(get_args(Dialect))}, got {self.dialect!r}"
            )
        if self.max_short_line_chars is not None and self.max_short_line_chars < 0:
            raise ValueError(f"FineWeb: expected max_short_line_chars to be 0 or more, got {self.max_short_line_chars}")
        if self.words not in get_args(Words) or (self.words == "spacy" and self.dialect != "datatrove"):
            raise ValueError(
                f"FineWeb: expected words to be 'fast', or 'spacy' with dialect='datatrove', got {self.words!r} with "
                f"dialect={self.dialect!r}"
            )

    @property
    def name(self) -> str:
        """`fineweb`, or `fineweb_datatrove`."""
        return _signal_name(self.dialect)

    @property
    def schema(self) -> pa.Schema:
        """Columns of the measurements."""
        return pa.schema(
            [
                ("num_lines", pa.int32()),
                ("frac_lines_end_mark", pa.float64()),
                ("frac_short_lines", pa.float64()),
                ("frac_chars_duplicate_lines", pa.float64()),
                ("newlines_per_word", pa.float64()),
            ]
        )

    def open(self) -> None:
        """Load spaCy where its words are counted.

        Raises:
            SpacyError: it cannot be imported.
        """
        if self.words == "spacy":
            load_spacy()

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """Measurements of each text of `batch`; null for a null text."""
        lines = batch.lines
        max_short = self.max_short_line_chars
        if max_short is None:
            max_short = _MAX_SHORT_LINE_CHARS[self.dialect]
        counts = np.empty((len(batch), _NUM_COUNTS), np.int64)
        count_lines(batch.data, lines.offsets, lines.start, lines.end, lines.num_chars, max_short, counts)
        num_lines = counts[:, _NUM_LINES]
        num_newlines = np.maximum(np.diff(lines.offsets) - 1, 0)
        num_words = (batch.spacy_words[1] if self.words == "spacy" else batch.words).counts
        return pa.record_batch(
            [
                pa.array(num_lines.astype(np.int32), pa.int32(), mask=~batch.valid),
                _ratio(counts[:, _ENDED_LINES], num_lines),
                _ratio(counts[:, _SHORT_LINES], num_lines),
                _ratio(counts[:, _DUPLICATE_CHARS], np.where(num_lines > 0, batch.num_chars - num_newlines, 0)),
                _ratio(num_newlines, num_words),
            ],
            schema=self.schema,
        )


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> pa.Array:
    """`part / whole`, null where `whole` is 0 (also for a null text, which has nothing)."""
    return pa.array(part / np.maximum(whole, 1), pa.float64(), mask=whole == 0)


def _signal_name(dialect: Dialect) -> str:
    return "fineweb" if dialect == "paper" else f"fineweb_{dialect}"


@cache
def rules(dialect: Dialect = "paper") -> tuple[Rule, ...]:
    """The thresholds of `dialect`, in the order in which the peer tests them.

    The paper drops at its thresholds (at most 0.12 of the lines ended, at least 0.67 short, at least 0.1 of the
    characters repeated); datatrove keeps at its own, allows only 0.01 of repeated characters and has the rule about
    newlines. That an empty text is dropped is datatrove's; the paper says nothing of it.

    Raises:
        ValueError: an unknown dialect.
    """
    if dialect not in get_args(Dialect):
        raise ValueError(
            f"fineweb rules: expected dialect to be one of {', '.join(get_args(Dialect))}, got {dialect!r}"
        )
    on = _signal_name(dialect)
    empty = Rule("fineweb.empty", on=f"{on}.num_lines", min=1)
    few_ended, short, repeated = "fineweb.few_lines_end_mark", "fineweb.short_lines", "fineweb.duplicate_lines"
    if dialect == "paper":
        return (
            empty,
            Rule(few_ended, on=f"{on}.frac_lines_end_mark", above=0.12),
            Rule(repeated, on=f"{on}.frac_chars_duplicate_lines", below=0.1),
            Rule(short, on=f"{on}.frac_short_lines", below=0.67),
        )
    return (
        empty,
        Rule(few_ended, on=f"{on}.frac_lines_end_mark", min=0.12),
        Rule(short, on=f"{on}.frac_short_lines", max=0.67),
        Rule(repeated, on=f"{on}.frac_chars_duplicate_lines", max=0.01),
        Rule("fineweb.list", on=f"{on}.newlines_per_word", max=0.3),
    )
