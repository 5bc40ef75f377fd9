"""Gopher repetition: how much of a document is copies of its own lines, paragraphs and word n-grams.

The numbers differ between the paper and each implementation; a dialect names one of them:

| | paper | dolma | dclm |
|---|---|---|---|
| lines | between newlines, stripped, blank ones left out | between newlines, as they are | as paper |
| paragraphs | runs of lines between blank lines, stripped | none | as paper, but a blank line is an empty one |
| duplicates of a line | all copies, the first too | all copies | all copies |
| share of characters in lines | of the characters of all lines | of the characters of all words | as paper |
| words | between whitespace | between whitespace | Unicode words that begin with a letter or digit |
| top n-gram, of equals | the longest, at least two copies | the first, one copy is enough | as paper |
| top n-gram, characters | each character once | length times count | length times count |
| duplicate n-grams | words in any of them, each once, all copies | sum over n-grams that repeat / over all | as paper |

| | datatrove | curator |
|---|---|---|
| lines | at runs of newlines, as they are | between newlines, as they are, blank ones left out |
| paragraphs | at runs of two newlines or more, of the stripped text | at pairs of newlines, as they are |
| duplicates of a line | second and later copies | second and later copies |
| share of characters in lines | of the characters of the text | of the characters of all lines |
| words | spaCy's, punctuation too | between whitespace |
| top n-gram, of equals | the first, one copy is enough | the first, one copy is enough |
| top n-gram, characters | length with spaces times count | where it stands in the text with single spaces |
| duplicate n-grams | one after the other, second and later copies | words and spaces in later copies, each once |
| share of characters in n-grams | of the characters of the text | of the characters of the text |

Where the paper leaves a choice, this is how `paper` takes it. "The fraction that are duplicates": a duplicate is a line
of which there is another, so all copies count; the same for "characters contained within all duplicate n-grams".
"Taking care not to count characters that occur in overlapping n-grams more than once" is applied to the most frequent
n-gram too. Whitespace between words or at the ends of lines is no content: it counts neither above nor below the bar.
A document without n words has no n-gram value (null); in `datatrove` it has no duplicate n-grams (0), in `curator` it
has 1, which its rules drop.

Reference: Rae et al. 2021, Scaling Language Models, appendix A.1.1 and Table A1; allenai/dolma
python/dolma/taggers/gopher.py (`gopher_v1`) with configs/dolma-v1_6/mixing; mlfoundations/dclm
baselines/mappers/filters/content_filters.py `massive_web_repetition_filters`; huggingface/datatrove
`pipeline/filters/gopher_repetition_filter.py` (0.10.1); NVIDIA-NeMo/Curator
`stages/text/filters/heuristic/repetition/repetition.py` (1.4.0).
"""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.rules import Rule
from curation.text import greedy_ngrams, ngrams, occurrences, segments
from curation.text.batch import TextBatch
from curation.text.batch import Words as WordSpans
from curation.text.columns import divide, to_arrow
from curation.text.spacy_english import load_spacy

DIALECTS = ("paper", "dolma", "dclm", "datatrove", "curator")
"""The dialects that are reproduced exactly, `datatrove` with `words="spacy"`."""

Words = Literal["fast", "spacy"]

TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)
TOP_LIMITS = {2: 0.20, 3: 0.18, 4: 0.16}
DUPLICATE_LIMITS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


@dataclass(frozen=True, kw_only=True)
class _Choices:
    """What a dialect decides."""

    strip_lines: bool
    paragraphs: bool
    blank_by_space: bool
    unicode_words: bool
    lines_over_words: bool
    top: int
    mass: bool
    line_parts: int | None = None
    paragraph_parts: int | None = None
    over_text: bool = False


_CHOICES = {
    "paper": _Choices(
        strip_lines=True,
        paragraphs=True,
        blank_by_space=True,
        unicode_words=False,
        lines_over_words=False,
        top=ngrams.TOP_COVERED,
        mass=False,
    ),
    "dolma": _Choices(
        strip_lines=False,
        paragraphs=False,
        blank_by_space=False,
        unicode_words=False,
        lines_over_words=True,
        top=ngrams.TOP_FIRST,
        mass=True,
    ),
    "dclm": _Choices(
        strip_lines=True,
        paragraphs=True,
        blank_by_space=False,
        unicode_words=True,
        lines_over_words=False,
        top=ngrams.TOP_LONGEST,
        mass=False,
    ),
    "datatrove": _Choices(
        strip_lines=False,
        paragraphs=True,
        blank_by_space=False,
        unicode_words=False,
        lines_over_words=False,
        top=ngrams.TOP_SPACED,
        mass=False,
        line_parts=segments.NEWLINE_RUNS,
        paragraph_parts=segments.PARAGRAPHS_STRIPPED,
        over_text=True,
    ),
    "curator": _Choices(
        strip_lines=False,
        paragraphs=True,
        blank_by_space=False,
        unicode_words=False,
        lines_over_words=False,
        top=ngrams.TOP_PLACE,
        mass=False,
        line_parts=segments.LINES_NOT_BLANK,
        paragraph_parts=segments.NEWLINE_PAIRS,
    ),
}


def _check_dialect(dialect: str) -> None:
    if dialect not in DIALECTS:
        raise ValueError(
            f"repetition: dialect {dialect!r} is not reproduced exactly; choose one of {', '.join(map(repr, DIALECTS))}"
        )


def _signal_name(dialect: str) -> str:
    return "repetition" if dialect == "paper" else f"repetition_{dialect}"


def _top_column(dialect: str, n: int) -> str:
    # Length times count exceeds the whole where an n-gram overlaps itself: then it is no fraction.
    return f"frac_chars_top_{n}gram" if dialect in ("paper", "curator") else f"ratio_chars_top_{n}gram"


def _line_chars_column(dialect: str) -> str:
    return "ratio_chars_duplicate_lines" if dialect == "dolma" else "frac_chars_duplicate_lines"


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """Repetition of lines, paragraphs and word n-grams, one number for each line of the paper's Table A1.

    Columns: `num_lines`, `num_paragraphs` (int64, those that the dialect counts), `frac_duplicate_lines`,
    `frac_duplicate_paragraphs`, `frac_chars_duplicate_lines`, `frac_chars_duplicate_paragraphs`,
    `frac_chars_top_2gram` to `4gram`, `frac_chars_duplicate_5gram` to `10gram` (float64). What can exceed 1 in a
    dialect is called `ratio_` there: the top n-grams of `dolma`, `dclm` and `datatrove`, and the line characters of
    `dolma` (which count spaces above the bar and not below). `dolma` has no paragraphs. `datatrove` has `num_chars`,
    the code points of the text.

    Attributes:
        dialect: whose numbers: one of `DIALECTS`; see the tables above.
        words: in `datatrove`, `fast` cuts off punctuation by the rules of `curation.text.english_words`, `spacy` takes
            the tokens of spaCy's tokenizer, as datatrove does (a hundred times slower; needs the extra `spacy`).

    Departures: with `words="fast"` the n-grams of `datatrove` are near its own and not equal, as `tests/conformance`
    measures; with `words="spacy"` everything is equal. Of n-grams that are equally frequent, Curator takes one by the
    order of a Python set, another in each run: here it is the first. Where Curator divides by nothing and fails (a text
    without lines), the value is null.

    Raises:
        ValueError: the dialect is unknown, or not reproduced exactly yet; or no such way of cutting words.
    """

    dialect: str = "paper"
    words: Words = field(default="fast", metadata={"added_later": True})

    def __post_init__(self) -> None:
        _check_dialect(self.dialect)
        if self.words not in get_args(Words) or (self.words == "spacy" and self.dialect != "datatrove"):
            raise ValueError(
                f"repetition: expected words to be 'fast', or 'spacy' with dialect='datatrove', got {self.words!r} "
                f"with dialect={self.dialect!r}"
            )

    @property
    def name(self) -> str:
        """`repetition`, or `repetition_<dialect>`."""
        return _signal_name(self.dialect)

    @property
    def schema(self) -> pa.Schema:
        """Counts are int64, everything else float64."""
        counts = ["num_chars", "num_lines"] if _CHOICES[self.dialect].over_text else ["num_lines"]
        shares = ["frac_duplicate_lines", _line_chars_column(self.dialect)]
        if _CHOICES[self.dialect].paragraphs:
            counts.append("num_paragraphs")
            shares += ["frac_duplicate_paragraphs", "frac_chars_duplicate_paragraphs"]
        shares += [_top_column(self.dialect, n) for n in TOP_SIZES]
        shares += [f"frac_chars_duplicate_{n}gram" for n in DUPLICATE_SIZES]
        return pa.schema([(name, pa.int64()) for name in counts] + [(name, pa.float64()) for name in shares])

    def open(self) -> None:
        """Load spaCy where its words are counted, and nothing else.

        Raises:
            SpacyError: it cannot be imported.
        """
        if self.words == "spacy":
            load_spacy()

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """The thirteen numbers of Table A1 for each text; null where there is nothing to divide by."""
        columns = self._measure_ngrams(batch)
        word_chars = columns.pop("word_chars")
        columns["num_chars"] = batch.num_chars
        columns |= self._measure_segments(batch, "lines", word_chars)
        if _CHOICES[self.dialect].paragraphs:
            columns |= self._measure_segments(batch, "paragraphs", word_chars)
        schema = self.schema
        arrays = [to_arrow(columns[field.name], batch.valid, field.type) for field in schema]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _measure_segments(self, batch: TextBatch, kind: str, word_chars: NDArray[Any]) -> dict[str, NDArray[Any]]:
        choices = _CHOICES[self.dialect]
        if choices.line_parts is not None:
            return self._measure_parts(batch, kind)
        lines = batch.lines
        out = np.zeros((len(batch), segments.COLUMNS), np.int64)
        segments.measure_segments(
            batch.data,
            lines.offsets,
            lines.start,
            lines.end,
            kind == "paragraphs",
            choices.strip_lines,
            choices.blank_by_space,
            segments.new_table(int(lines.counts.max(initial=0))),
            out,
        )
        whole = word_chars if choices.lines_over_words else out[:, 1]
        chars_column = _line_chars_column(self.dialect) if kind == "lines" else "frac_chars_duplicate_paragraphs"
        return {
            f"num_{kind}": out[:, 0],
            f"frac_duplicate_{kind}": divide(out[:, 2] + out[:, 4], out[:, 0]),
            chars_column: divide(out[:, 3] + out[:, 5], whole),
        }

    def _measure_parts(self, batch: TextBatch, kind: str) -> dict[str, NDArray[Any]]:
        """Of `datatrove` and `curator`: the first copy is no duplicate."""
        choices = _CHOICES[self.dialect]
        lines = batch.lines
        out = np.zeros((len(batch), segments.COLUMNS), np.int64)
        segments.measure_parts(
            batch.data,
            batch.offsets,
            lines.offsets,
            lines.start,
            lines.end,
            choices.line_parts if kind == "lines" else choices.paragraph_parts,
            segments.new_table(int(lines.counts.max(initial=0))),
            out,
        )
        copies = divide(out[:, 2], out[:, 0])
        if self.dialect == "curator" and kind == "paragraphs":
            copies = np.where(batch.words.counts == 0, 1.0, copies)  # a blank text is all repetition there
        return {
            f"num_{kind}": out[:, 0],
            f"frac_duplicate_{kind}": copies,
            f"frac_chars_duplicate_{kind}": divide(out[:, 3], batch.num_chars if choices.over_text else out[:, 1]),
        }

    def _words(self, batch: TextBatch) -> tuple[NDArray[np.uint8], WordSpans]:
        """The words, and the bytes that their places are of."""
        if self.dialect == "datatrove":
            return batch.spacy_words if self.words == "spacy" else (batch.data, batch.english_words)
        return batch.data, batch.unicode_words if _CHOICES[self.dialect].unicode_words else batch.words

    def _measure_ngrams(self, batch: TextBatch) -> dict[str, NDArray[Any]]:
        choices = _CHOICES[self.dialect]
        data, words = self._words(batch)
        table = ngrams.new_table(int(words.counts.max(initial=0)))
        total = np.zeros(len(batch), np.int64)
        top, covered, mass, all_mass, later = (np.zeros((len(batch), ngrams.MAX_N + 1), np.int64) for _ in range(5))
        found = (words.offsets, words.num_chars, words.hash)
        ngrams.measure_repeats(
            *found, choices.top, table, total, top, covered, mass, all_mass, later, *ngrams.no_variety()
        )
        if self.dialect == "datatrove":
            return {"word_chars": total} | self._datatrove_ngrams(batch, data, words, top)
        if self.dialect == "curator":
            return {"word_chars": total} | self._curator_ngrams(batch, top, later)
        columns: dict[str, NDArray[Any]] = {"word_chars": total}
        for n in TOP_SIZES:
            columns[_top_column(self.dialect, n)] = divide(top[:, n], np.where(words.counts >= n, total, 0))
        for n in DUPLICATE_SIZES:
            above, below = (mass[:, n], all_mass[:, n]) if choices.mass else (covered[:, n], total)
            columns[f"frac_chars_duplicate_{n}gram"] = divide(above, np.where(words.counts >= n, below, 0))
        return columns

    def _datatrove_ngrams(
        self, batch: TextBatch, data: NDArray[np.uint8], words: WordSpans, top: NDArray[np.int64]
    ) -> dict[str, NDArray[Any]]:
        taken = np.zeros((len(batch), greedy_ngrams.MAX_N + 1), np.int64)
        table = greedy_ngrams.new_table(int(words.counts.max(initial=0)))
        greedy_ngrams.measure_greedy(data, words.offsets, words.start, words.end, words.num_chars, table, taken)
        tops = {
            _top_column(self.dialect, n): divide(top[:, n], np.where(words.counts >= n, batch.num_chars, 0))
            for n in TOP_SIZES
        }
        return tops | {f"frac_chars_duplicate_{n}gram": divide(taken[:, n], batch.num_chars) for n in DUPLICATE_SIZES}

    def _curator_ngrams(
        self, batch: TextBatch, top: NDArray[np.int64], later: NDArray[np.int64]
    ) -> dict[str, NDArray[Any]]:
        words = batch.words
        chars_before = np.concatenate([[0], np.cumsum(words.num_chars, dtype=np.int64)])
        columns: dict[str, NDArray[Any]] = {}
        for n in TOP_SIZES:
            count = np.zeros(len(batch), np.int64)
            places = np.ascontiguousarray(top[:, n])
            occurrences.count_spaced(batch.data, batch.offsets, words.offsets, words.start, words.end, places, n, count)
            first = np.minimum(words.offsets[:-1] + places, len(words))
            num_chars = chars_before[np.minimum(first + n, len(words))] - chars_before[first] + n - 1
            columns[_top_column(self.dialect, n)] = _or_all(count * num_chars, batch.num_chars, words.counts >= n)
        for n in DUPLICATE_SIZES:
            share = _or_all(later[:, n], batch.num_chars, words.counts >= n)
            columns[f"frac_chars_duplicate_{n}gram"] = share
        return columns


def _or_all(above: NDArray[np.int64], below: NDArray[np.int64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Quotients, and 1 where `known` is false."""
    return np.where(known, divide(above, below), 1.0)


def rules(dialect: str = "paper") -> tuple[Rule, ...]:
    """The limits of Table A1 on the numbers of `dialect`, in the order in which its source tests them.

    `dolma`: duplicate lines may hold 0.30 of the characters, and Dolma's mixing configurations of v1.5 and v1.6 test
    the three top n-gram limits under names that its tagger does not write, so that they do nothing there. They are
    applied here; leave out `repetition.top_2gram`, `top_3gram` and `top_4gram` to get Dolma's own verdicts.

    Raises:
        ValueError: the dialect is unknown, or not reproduced exactly yet.
    """
    _check_dialect(dialect)
    signal = _signal_name(dialect)
    line_chars = _line_chars_column(dialect)
    lines = Rule("repetition.duplicate_lines", on=f"{signal}.frac_duplicate_lines", max=0.30)
    chars_limit = 0.30 if dialect == "dolma" else 0.20
    chars = Rule("repetition.duplicate_line_chars", on=f"{signal}.{line_chars}", max=chars_limit)
    found = [lines, chars]
    if _CHOICES[dialect].paragraphs:
        paragraphs = f"{signal}.frac_duplicate_paragraphs"
        paragraph_chars = f"{signal}.frac_chars_duplicate_paragraphs"
        of_paragraphs = (
            Rule("repetition.duplicate_paragraphs", on=paragraphs, max=0.30),
            Rule("repetition.duplicate_paragraph_chars", on=paragraph_chars, max=0.20),
        )
        found = [lines, of_paragraphs[0], chars, of_paragraphs[1]]
        if dialect == "datatrove":
            found = [Rule("repetition.empty", on=f"{signal}.num_chars", min=1), *of_paragraphs, lines, chars]
    for n, limit in TOP_LIMITS.items():
        found.append(Rule(f"repetition.top_{n}gram", on=f"{signal}.{_top_column(dialect, n)}", max=limit))
    for n, limit in DUPLICATE_LIMITS.items():
        found.append(Rule(f"repetition.duplicate_{n}gram", on=f"{signal}.frac_chars_duplicate_{n}gram", max=limit))
    return tuple(found)
