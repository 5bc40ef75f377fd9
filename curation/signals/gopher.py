"""Gopher quality: is this text made of words, lines and sentences?

The same named rules give different numbers in the paper and in each implementation; a dialect names one of them:

| | paper | dolma | dclm |
|---|---|---|---|
| words that are counted | between whitespace | between whitespace | fastText's, first sign a letter or digit |
| word length | mean | median | mean |
| signs per word | `#`; apart from it `...` with `…` | words that hold `#` or `…` | `#` `...` `. . .` `…` together |
| lines | stripped, blank ones left out | as they are | stripped, blank ones left out |
| bullets | `•` `‣` `⁃` `●` `○` `◦` `▪` `■` `*` `-` | `*` `-` | `●` `•` `*` `-` |
| ellipsis at the end of a line | `...` `…` | `…` | `...` `. . .` `…` |
| stop words | distinct ones | occurrences | occurrences, any case |

| | datatrove | curator |
|---|---|---|
| words that are counted | spaCy's, those of punctuation alone apart | between whitespace |
| word length | mean | mean |
| signs per word | as paper, per word or punctuation | words that are an ellipsis or mostly runs of `#` |
| lines | of `str.splitlines`, stripped, blank ones counted | stripped, blank ones left out |
| bullets | `•` `-` | `•` `‣` `⁃` `⁌` `⁍` `∙` `○` `●` `◘` `◦` `⦾` `⦿` |
| ellipsis at the end of a line | `...` `…` | also `[...]` `(...)` `[…]` `-»` `read more` `read more..` |
| stop words | distinct ones | occurrences |

Where the paper leaves a choice, this is how `paper` takes it. All bounds are inclusive. "A symbol-to-word ratio greater
than 0.1 for either the hash symbol or the ellipsis": two ratios. "Contain at least two of the following words": two
different ones, written as the paper prints them. Which signs are bullets is not said: the round and square ones, and
the two that plain text uses. Blank lines are not lines: they neither help nor harm. A word is what stands between
whitespace, with its punctuation.

Reference: Rae et al. 2021, Scaling Language Models, appendix A.1.1; allenai/dolma python/dolma/taggers/gopher.py
(`gopher_v1`) with configs/dolma-v1_6/mixing/cc-head.yaml; mlfoundations/dclm
baselines/mappers/filters/content_filters.py with baselines_configs/dclm_baseline_refinedweb.yaml; huggingface/datatrove
`pipeline/filters/gopher_quality_filter.py` (0.10.1); NVIDIA-NeMo/Curator `stages/text/filters/heuristic/string.py` with
`config/text/heuristic_filter_english_pipeline.yaml` (1.4.0).
"""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.rules import Rule
from curation.text import curator_marks, symbols, word_shapes
from curation.text.batch import TextBatch
from curation.text.batch import Words as WordSpans
from curation.text.columns import divide, to_arrow
from curation.text.spacy_english import load_spacy
from curation.text.splitlines import all_lines
from curation.text.unicode import character_classes

DIALECTS = ("paper", "dolma", "dclm", "datatrove", "curator")
"""The dialects that are reproduced exactly, `datatrove` with `words="spacy"`."""

Words = Literal["fast", "spacy"]

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


@dataclass(frozen=True, kw_only=True)
class _Choices:
    """What a dialect decides."""

    strip_lines: bool
    bullets: str
    dots: bool
    spaced_dots: bool
    ignore_case: bool
    english: bool = False
    all_lines: bool = False


_CHOICES = {
    "paper": _Choices(strip_lines=True, bullets="•‣⁃●○◦▪■*-", dots=True, spaced_dots=False, ignore_case=False),
    "dolma": _Choices(strip_lines=False, bullets="*-", dots=False, spaced_dots=False, ignore_case=False),
    "dclm": _Choices(strip_lines=True, bullets="●•*-", dots=True, spaced_dots=True, ignore_case=True),
    "datatrove": _Choices(
        strip_lines=True, bullets="•-", dots=True, spaced_dots=False, ignore_case=False, english=True, all_lines=True
    ),
    "curator": _Choices(strip_lines=True, bullets="•‣⁃⁌⁍∙○●◘◦⦾⦿", dots=True, spaced_dots=False, ignore_case=False),
}

_COUNTS = ("num_chars", "num_words", "num_lines", "num_stop_words", "num_distinct_stop_words")
_MEASURES = (
    "mean_word_length",
    "median_word_length",
    "frac_words_with_letter",
    "frac_lines_bullet",
    "frac_lines_ellipsis",
)
_OWN_COUNTS: dict[str, tuple[str, ...]] = {
    "paper": (),
    "dolma": (),
    "dclm": ("num_fasttext_words",),
    "datatrove": ("num_words_and_symbols",),
    "curator": (),
}
_OWN_MEASURES = {
    "paper": ("ratio_hashes_to_words", "ratio_ellipses_to_words"),
    "dolma": ("frac_words_with_symbol",),
    "dclm": ("ratio_symbols_to_words", "frac_words_without_letter"),
    "datatrove": ("ratio_hashes_to_words", "ratio_ellipses_to_words"),
    "curator": ("frac_symbol_words",),
}


def _check_dialect(dialect: str) -> None:
    if dialect not in DIALECTS:
        raise ValueError(
            f"gopher: dialect {dialect!r} is not reproduced exactly; choose one of {', '.join(map(repr, DIALECTS))}"
        )


def _signal_name(dialect: str) -> str:
    return "gopher" if dialect == "paper" else f"gopher_{dialect}"


@dataclass(frozen=True, kw_only=True)
class Gopher:
    """Counts and shares that Gopher's quality rules test.

    Columns of every dialect: `num_chars` (code points of the text), `num_words` (between whitespace), `num_lines`
    (those that the dialect counts), `num_stop_words`, `num_distinct_stop_words` (int64); `mean_word_length`,
    `median_word_length` (code points of words between whitespace), `frac_words_with_letter`, `frac_lines_bullet`,
    `frac_lines_ellipsis` (float64). `paper` has `ratio_hashes_to_words` and `ratio_ellipses_to_words`, `dolma`
    `frac_words_with_symbol`, `dclm` `num_fasttext_words`, `ratio_symbols_to_words` and `frac_words_without_letter`,
    `datatrove` the two of `paper` and `num_words_and_symbols`, `curator` `frac_symbol_words`. In `datatrove` words are
    spaCy's or near them: `num_words`, the lengths and the stop words are of those that are not punctuation alone, and
    `frac_words_with_letter` and the ratios are shares of `num_words_and_symbols`.
    A ratio may exceed 1. Without words or lines what is divided by their number is null.

    Attributes:
        dialect: whose numbers: one of `DIALECTS`; see the tables above.
        words: in `datatrove`, `fast` cuts off punctuation by the rules of `curation.text.english_words`, `spacy` takes
            the tokens of spaCy's tokenizer, as datatrove does (a hundred times slower; needs the extra `spacy`).

    Departures: with `words="fast"` what `datatrove` counts of words is near its numbers and not equal, as
    `tests/conformance` measures; with `words="spacy"` everything is equal. In `curator` a letter is `str.isalpha`'s,
    where its `[[:alpha:]]` also takes letter numbers and vowel signs (a word `Ⅳ` has a letter there and none here), and
    `num_stop_words` goes on where it stops at two; all else is equal.

    Raises:
        ValueError: the dialect is unknown, or not reproduced exactly yet; or no such way of cutting words.
    """

    dialect: str = "paper"
    words: Words = field(default="fast", metadata={"added_later": True})

    def __post_init__(self) -> None:
        _check_dialect(self.dialect)
        if self.words not in get_args(Words) or (self.words == "spacy" and self.dialect != "datatrove"):
            raise ValueError(
                f"gopher: expected words to be 'fast', or 'spacy' with dialect='datatrove', got {self.words!r} with "
                f"dialect={self.dialect!r}"
            )

    @property
    def name(self) -> str:
        """`gopher`, or `gopher_<dialect>`."""
        return _signal_name(self.dialect)

    @property
    def schema(self) -> pa.Schema:
        """Counts are int64, everything else float64."""
        counts = _COUNTS + _OWN_COUNTS[self.dialect]
        measures = _MEASURES + _OWN_MEASURES[self.dialect]
        return pa.schema([(name, pa.int64()) for name in counts] + [(name, pa.float64()) for name in measures])

    def open(self) -> None:
        """Load the Unicode tables, and spaCy where its words are counted.

        Raises:
            SpacyError: it cannot be imported.
        """
        character_classes()
        if self.words == "spacy":
            load_spacy()

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """Counts and shares of each text."""
        columns = self._measure_words(batch) | self._measure_lines(batch) | {"num_chars": batch.num_chars}
        if self.dialect == "dclm":
            columns["num_fasttext_words"] = np.zeros(len(batch), np.int64)
            word_shapes.count_fasttext_words(
                batch.data, batch.offsets, character_classes(), columns["num_fasttext_words"]
            )
        if self.dialect == "curator":
            columns |= self._measure_marks(batch, columns)
        schema = self.schema
        arrays = [to_arrow(columns[field.name], batch.valid, field.type) for field in schema]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _measure_words(self, batch: TextBatch) -> dict[str, NDArray[Any]]:
        data, words, num_all = self._words(batch)
        shapes = np.zeros((len(batch), 4), np.int64)
        median_length = np.empty(len(batch), np.float64)
        word_shapes.measure_words(
            data,
            words.offsets,
            words.start,
            words.end,
            words.num_chars,
            character_classes(),
            word_shapes.stop_word_table(STOP_WORDS),
            _CHOICES[self.dialect].ignore_case,
            shapes,
            median_length,
        )
        signs = np.zeros((len(batch), 5), np.int64)
        word_shapes.count_signs(batch.data, batch.offsets, batch.words.offsets, batch.words.end, signs)
        hashes = signs[:, word_shapes.HASHES]
        ellipses = signs[:, word_shapes.THREE_DOTS] + signs[:, word_shapes.ELLIPSES]
        with_letter = shapes[:, word_shapes.WITH_LETTER]
        return {
            "num_words": words.counts,
            "num_words_and_symbols": num_all,
            "num_stop_words": shapes[:, word_shapes.STOP_WORDS],
            "num_distinct_stop_words": shapes[:, word_shapes.DISTINCT_STOP_WORDS],
            "mean_word_length": divide(shapes[:, word_shapes.NUM_CHARS], words.counts),
            "median_word_length": median_length,
            "frac_words_with_letter": divide(with_letter, num_all),
            "frac_words_without_letter": divide(num_all - with_letter, num_all),
            "ratio_hashes_to_words": divide(hashes, num_all),
            "ratio_ellipses_to_words": divide(ellipses, num_all),
            "ratio_symbols_to_words": divide(hashes + ellipses + signs[:, word_shapes.SPACED_DOTS], num_all),
            "frac_words_with_symbol": divide(signs[:, word_shapes.WORDS_WITH_SIGN], num_all),
        }

    def _words(self, batch: TextBatch) -> tuple[NDArray[np.uint8], WordSpans, NDArray[np.int64]]:
        """The bytes that words lie in, the words, and how many there are of each text with those of symbols alone."""
        if not _CHOICES[self.dialect].english:
            return batch.data, batch.words, batch.words.counts
        data, words = batch.spacy_words if self.words == "spacy" else (batch.data, batch.english_words)
        is_word = np.empty(len(words), np.bool_)
        symbols.find_words(data, words.start, words.end, symbols.symbol_table(), is_word)
        return data, words.where(is_word), words.counts

    def _measure_marks(self, batch: TextBatch, columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """What `curator` finds with marks of its own."""
        symbol_words = np.zeros(len(batch), np.int64)
        words = batch.words
        curator_marks.count_symbol_words(
            batch.data, words.offsets, words.start, words.end, words.num_chars, symbol_words
        )
        ends = curator_marks.line_ends(batch)
        return {
            "frac_symbol_words": divide(symbol_words, words.counts),
            "frac_lines_ellipsis": divide(ends[:, curator_marks.ELLIPSIS_ENDS], columns["num_lines"]),
        }

    def _measure_lines(self, batch: TextBatch) -> dict[str, NDArray[Any]]:
        choices = _CHOICES[self.dialect]
        lines = (batch.lines.offsets, batch.lines.start, batch.lines.end)
        if choices.all_lines:
            lines = all_lines(batch.data, batch.offsets)
        out = np.zeros((len(batch), 3), np.int64)
        bullets = np.array([ord(bullet) for bullet in choices.bullets], np.int64)
        word_shapes.measure_lines(
            batch.data,
            *lines,
            choices.strip_lines,
            choices.all_lines,
            choices.dots,
            choices.spaced_dots,
            bullets,
            out,
        )
        num_lines = out[:, word_shapes.LINES]
        return {
            "num_lines": num_lines,
            "frac_lines_bullet": divide(out[:, word_shapes.BULLETS], num_lines),
            "frac_lines_ellipsis": divide(out[:, word_shapes.ELLIPSIS_ENDS], num_lines),
        }


def rules(dialect: str = "paper") -> tuple[Rule, ...]:
    """The published limits on the numbers of `dialect`, in the order in which its source tests them; all inclusive.

    Raises:
        ValueError: the dialect is unknown, or not reproduced exactly yet.
    """
    _check_dialect(dialect)
    signal = _signal_name(dialect)
    counted = "num_fasttext_words" if dialect == "dclm" else "num_words"
    length = "median_word_length" if dialect == "dolma" else "mean_word_length"
    size = (
        Rule("gopher.too_few_words", on=f"{signal}.{counted}", min=50),
        Rule("gopher.too_many_words", on=f"{signal}.{counted}", max=100_000),
        Rule("gopher.words_too_short", on=f"{signal}.{length}", min=3),
        Rule("gopher.words_too_long", on=f"{signal}.{length}", max=10),
    )
    bullets = Rule("gopher.too_many_bullets", on=f"{signal}.frac_lines_bullet", max=0.9)
    ellipses = Rule("gopher.too_many_ellipsis_lines", on=f"{signal}.frac_lines_ellipsis", max=0.3)
    letters = Rule("gopher.too_few_words_with_letter", on=f"{signal}.frac_words_with_letter", min=0.8)
    if dialect == "dolma":
        signs = Rule("gopher.too_many_symbols", on=f"{signal}.frac_words_with_symbol", max=0.1)
        stop_words = Rule("gopher.too_few_stop_words", on=f"{signal}.num_stop_words", min=2)
        return (*size, signs, letters, stop_words, bullets, ellipses)
    if dialect == "dclm":
        signs = Rule("gopher.too_many_symbols", on=f"{signal}.ratio_symbols_to_words", max=0.1)
        letters = Rule("gopher.too_few_words_with_letter", on=f"{signal}.frac_words_without_letter", max=0.2)
        stop_words = Rule("gopher.too_few_stop_words", on=f"{signal}.num_stop_words", min=2)
        return (*size, signs, bullets, ellipses, letters, stop_words)
    if dialect == "curator":
        signs = Rule("gopher.too_many_symbols", on=f"{signal}.frac_symbol_words", max=0.1)
        stop_words = Rule("gopher.too_few_stop_words", on=f"{signal}.num_stop_words", min=2)
        return (signs, *size[:2], letters, stop_words, *size[2:], ellipses, bullets)
    return (
        *size,
        Rule("gopher.too_many_hashes", on=f"{signal}.ratio_hashes_to_words", max=0.1),
        Rule("gopher.too_many_ellipses", on=f"{signal}.ratio_ellipses_to_words", max=0.1),
        bullets,
        ellipses,
        letters,
        Rule("gopher.too_few_stop_words", on=f"{signal}.num_distinct_stop_words", min=2),
    )
