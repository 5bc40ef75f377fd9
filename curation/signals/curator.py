"""NeMo Curator's own quality filters for English: characters, addresses, boilerplate, ends of lines, long words.

What Curator has of Gopher's rules is the dialect `curator` of `curation.signals.gopher` and
`curation.signals.repetition`; the rules of the three together are those of its English pipeline.

Reference: NVIDIA-NeMo/Curator `stages/text/filters/heuristic/string.py`, `stages/text/utils/constants.py` and
`config/text/heuristic_filter_english_pipeline.yaml` (1.4.0).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.rules import Rule
from curation.signals import curator_chars
from curation.text import curator_marks
from curation.text.batch import TextBatch, Words
from curation.text.columns import divide, to_arrow

_COUNTS = ("num_words", "num_lines")
_SHARES = (
    "frac_chars_not_alphanumeric",
    "frac_chars_digit",
    "frac_chars_url",
    "frac_chars_white_space",
    "frac_chars_bracket",
    "frac_paragraphs_boilerplate",
    "frac_lines_no_end_mark",
)


@dataclass(frozen=True, kw_only=True)
class Curator:
    """Shares of the characters, paragraphs and lines of each text.

    - `num_words`, `num_lines`: words between white space; lines that are not blank.
    - `max_word_chars`: code points of the longest word.
    - `frac_chars_not_alphanumeric`: of characters that are no ASCII letter or digit, no newline and none of `?` `!` `,`
      `.`; a space is not.
    - `frac_chars_digit`: of ASCII digits.
    - `frac_chars_url`: of addresses, from `http://` or `https://` up to the first sign that Curator's expression does
      not have. A full stop, a comma or a bracket behind an address belongs to it; a semicolon and letters beyond ASCII
      do not.
    - `frac_chars_white_space`: of spaces, tabs, newlines, carriage returns and backspaces; other white space is none.
    - `frac_chars_bracket`: of `(` `)` `[` `]` `{` `}` `⟨` `⟩` themselves; what they enclose does not count.
    - `frac_paragraphs_boilerplate`: of paragraphs (between pairs of newlines, empty ones too) with one of
      `curator_chars.PHRASES` in any case; 1 where any has lorem ipsum.
    - `frac_lines_no_end_mark`: of lines that are not blank and end in none of `.` `?` `!` `"` `'`.

    What has nothing to divide by, or no word to measure, is null; of such a text `num_words` is 0.

    Departures: Curator scores most of an empty text 1, so that it is dropped, and fails where it wants the longest word
    of a text without words: here that is one rule, `curator.no_words`. The Kelvin sign is no k in boilerplate. All else
    is equal (`tests/conformance` compares with Curator's own filters).
    """

    @property
    def name(self) -> str:
        """`curator`."""
        return "curator"

    @property
    def schema(self) -> pa.Schema:
        """Counts and lengths are int64, shares float64."""
        counts = [(name, pa.int64()) for name in (*_COUNTS, "max_word_chars")]
        return pa.schema(counts + [(name, pa.float64()) for name in _SHARES])

    def open(self) -> None:
        """There is nothing to load."""

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """Shares of each text; null for a null text."""
        columns = self._measure_chars(batch) | self._measure_lines(batch) | {"num_words": batch.words.counts}
        longest = _longest(batch.words)
        arrays = {name: to_arrow(columns[name], batch.valid, pa.int64()) for name in _COUNTS}
        arrays["max_word_chars"] = pa.array(longest, pa.int64(), mask=longest == 0)
        arrays |= {name: to_arrow(columns[name], batch.valid, pa.float64()) for name in _SHARES}
        return pa.RecordBatch.from_arrays(list(arrays.values()), schema=self.schema)

    def _measure_chars(self, batch: TextBatch) -> dict[str, NDArray[Any]]:
        chars = np.zeros((len(batch), 5), np.int64)
        curator_chars.count_chars(batch.data, batch.offsets, chars)
        num_chars = batch.num_chars
        return {
            "frac_chars_not_alphanumeric": divide(num_chars - chars[:, curator_chars.ALPHANUMERIC], num_chars),
            "frac_chars_digit": divide(chars[:, curator_chars.DIGITS], num_chars),
            "frac_chars_url": divide(chars[:, curator_chars.URL_CHARS], num_chars),
            "frac_chars_white_space": divide(chars[:, curator_chars.WHITE_SPACE], num_chars),
            "frac_chars_bracket": divide(chars[:, curator_chars.PARENTHESES], num_chars),
        }

    def _measure_lines(self, batch: TextBatch) -> dict[str, NDArray[Any]]:
        paragraphs = np.zeros((len(batch), 2), np.int64)
        curator_chars.count_boilerplate(batch.data, batch.offsets, paragraphs)
        ends = curator_marks.line_ends(batch)
        num_lines = ends[:, curator_marks.LINES]
        return {
            "num_lines": num_lines,
            "frac_paragraphs_boilerplate": divide(
                paragraphs[:, curator_chars.BOILERPLATE], paragraphs[:, curator_chars.PARAGRAPHS]
            ),
            "frac_lines_no_end_mark": divide(ends[:, curator_marks.NO_END_MARK], num_lines),
        }


def _longest(words: Words) -> NDArray[np.int64]:
    """Code points of the longest word of each text, int64[n]; 0 where there is none."""
    longest = np.zeros(len(words.counts), np.int64)
    some = words.counts > 0
    if some.any():
        longest[some] = np.maximum.reduceat(words.num_chars, words.offsets[:-1][some])
    return longest


def rules() -> tuple[Rule, ...]:
    """The limits of Curator's English pipeline that are not Gopher's, in its order; all inclusive."""
    return (
        Rule("curator.no_words", on="curator.num_words", min=1),
        Rule("curator.too_few_alphanumeric", on="curator.frac_chars_not_alphanumeric", max=0.25),
        Rule("curator.too_many_digits", on="curator.frac_chars_digit", max=0.15),
        Rule("curator.too_many_urls", on="curator.frac_chars_url", max=0.2),
        Rule("curator.too_much_white_space", on="curator.frac_chars_white_space", max=0.25),
        Rule("curator.too_many_brackets", on="curator.frac_chars_bracket", max=0.1),
        Rule("curator.boilerplate", on="curator.frac_paragraphs_boilerplate", max=0.4),
        Rule("curator.few_lines_end_mark", on="curator.frac_lines_no_end_mark", max=0.85),
        Rule("curator.word_too_long", on="curator.max_word_chars", max=1000),
    )
