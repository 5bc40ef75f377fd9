"""C4: what its page and line rules find in a text, and what they would leave of it. The text is not changed.

Reference: Raffel et al. 2020 (JMLR 21, section 2.2), and the implementations named at `DIALECTS`.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.rules import Rule
from curation.signals import c4_lines, c4_marks
from curation.text.batch import TextBatch
from curation.text.sentences import packed_abbreviations
from curation.text.spacy_english import count_sentences, load_spacy
from curation.text.splitlines import all_lines
from curation.text.unicode import character_classes

Dialect = Literal["paper", "tfds", "datatrove", "dclm", "dolma"]
Sentences = Literal["fast", "spacy"]

LONG_LINE_CHARS = 200
"""mC4 calls a line of at least so many characters a paragraph."""


class _Ways(NamedTuple):
    """How a dialect goes about it; `curation.signals.c4_lines` says what each switch does."""

    min_words_per_line: int
    max_word_chars: int | None = 1000
    split_everywhere: bool = False
    apostrophe_ends: bool = False
    drop_ellipsis: bool = True
    remove_citations: bool = True
    strip_after: bool = False
    count_before: bool = False
    page_flags: bool = False
    drop_phrases: bool = True
    lines_as_they_are: bool = False
    independent: bool = False
    ignore_case: bool = False


DIALECTS: dict[Dialect, _Ways] = {
    "paper": _Ways(5, max_word_chars=None, drop_ellipsis=False, strip_after=True, page_flags=True),
    "tfds": _Ways(5, split_everywhere=True),
    "datatrove": _Ways(3, split_everywhere=True, apostrophe_ends=True, count_before=True),
    "dclm": _Ways(5, lines_as_they_are=True, ignore_case=True),
    "dolma": _Ways(
        3,
        max_word_chars=None,
        drop_ellipsis=False,
        remove_citations=False,
        page_flags=True,
        drop_phrases=False,
        independent=True,
    ),
}
"""The switches of each dialect.

- `paper`: the article's words. Lines end in `.` `?` `!` `"` (a final `...` is a full stop), have 5 words; any page with
  lorem ipsum or `{` goes, wherever it stands.
- `tfds`: tensorflow/datasets `tensorflow_datasets/text/c4_utils.py`, the code that made C4.
- `datatrove`: huggingface/datatrove `pipeline/filters/c4_filters.py` (0.10.1).
- `dclm`: mlfoundations/dclm `baselines/baselines_configs/c4.yaml`.
- `dolma`: allenai/dolma `taggers/c4.py`, tagger c4_v2, applied as in `configs/c4-replication/mixer.yaml`.
"""

_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("num_chars", pa.int64()),
    ("num_lines", pa.int32()),
    ("num_kept_lines", pa.int32()),
    ("num_kept_chars", pa.int64()),
    ("frac_kept_chars", pa.float64()),
    ("num_sentences", pa.int32()),
    ("num_lines_long_word", pa.int32()),
    ("num_lines_no_end_mark", pa.int32()),
    ("num_lines_few_words", pa.int32()),
    ("num_lines_javascript", pa.int32()),
    ("num_lines_policy", pa.int32()),
    ("num_citations", pa.int32()),
    ("max_word_chars", pa.int64()),
    ("num_long_lines", pa.int32()),
    ("has_lorem_ipsum", pa.bool_()),
    ("has_curly_bracket", pa.bool_()),
    ("has_javascript", pa.bool_()),
)

_Lines = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

_NOBODY_ASKS = np.empty(0, np.uint8)

_PLACES = {
    "num_kept_lines": c4_lines.KEPT_LINES,
    "num_kept_chars": c4_lines.KEPT_CHARS,
    "num_sentences": c4_lines.SENTENCES,
    "num_lines_long_word": c4_lines.LONG_WORD,
    "num_lines_no_end_mark": c4_lines.NO_END_MARK,
    "num_lines_few_words": c4_lines.FEW_WORDS,
    "num_lines_javascript": c4_lines.WITH_JAVASCRIPT,
    "num_lines_policy": c4_lines.WITH_POLICY,
    "num_citations": c4_lines.CITATIONS,
    "max_word_chars": c4_lines.LONGEST_WORD,
    "has_lorem_ipsum": c4_lines.HAS_LOREM,
    "has_curly_bracket": c4_lines.HAS_CURLY,
    "has_javascript": c4_lines.HAS_JAVASCRIPT,
}

_CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")


@dataclass(frozen=True, kw_only=True)
class C4:
    """What C4's line tests and page rules find in each text, measured without changing it.

    Every line goes through the tests in this order until it fails one, which counts it: a word of more than 1000
    characters (`num_lines_long_word`), citation marks such as `[12]` or `[edit]` removed (`num_citations`), no end mark
    (`num_lines_no_end_mark`), too few words (`num_lines_few_words`), lorem ipsum seen, javascript
    (`num_lines_javascript`), `{` seen, a policy phrase (`num_lines_policy`). So `has_lorem_ipsum` and
    `has_curly_bracket` tell of lines that came that far; in `paper` and `dolma` of the whole text. `num_kept_lines`
    pass all tests, `num_kept_chars` is the length of the text that they make and `frac_kept_chars` its share of
    `num_chars` (null for an empty text). Lengths are code points. `max_word_chars` is the longest word (null if there
    is none), `num_long_lines` the lines of 200 characters or more, of which mC4 wants three. A test that a dialect does
    not have gives null.

    Attributes:
        dialect: whose rules; see `DIALECTS`.
        end_marks: False leaves the end-mark test out, as FineWeb does.
        min_words_per_line: fewest words of a line that stays; None takes the dialect's.
        count_sentences: False leaves `num_sentences` null and saves its time.
        sentences: how they are counted: `fast` by the rule of `curation.text.sentences`, `spacy` by spaCy's
            sentencizer, as datatrove does (a hundred times slower; needs the extra `spacy`; dialect `datatrove` only).

    Differences between the dialects beyond the numbers: `tfds` and `datatrove` cut lines as `str.splitlines`, the
    others at newlines; they strip a line before its citation marks are removed and not after, so `... end. [1]` has no
    end mark; `datatrove` counts words before that. `dclm` keeps empty lines, which count neither as kept nor as
    dropped, and ignores case in javascript and policy phrases as `re.IGNORECASE` does (the long s is an s). `dolma`
    counts a line under every test that it fails, and its flags, `has_javascript` too, are of the text.

    Departures: with `sentences="fast"`, sentences are counted line by line with the rule of `curation.text.sentences`,
    where `tfds` and `dclm` use nltk's trained punkt model (`dclm` on the whole remaining text) and `datatrove` spaCy's
    sentencizer, so `num_sentences` is near theirs and not equal in any of the three; `sentences="spacy"` is equal to
    datatrove's. The paper says neither how lines nor how sentences are cut, nor in which order its tests are made: the
    order is that of `tfds`. Dolma's c4_v2 places the lines it cuts out in the lower-case text, which an `İ` before them
    makes longer; here they lie where c4_v1 places them. Bad words (a list that the user must bring) are a signal of
    their own, `curation.signals.bad_words`; langdetect and the removal of lines that other pages have are not measured
    here, in no dialect.
    """

    dialect: Dialect = "paper"
    end_marks: bool = True
    min_words_per_line: int | None = None
    count_sentences: bool = True
    sentences: Sentences = "fast"

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: an unknown dialect or way of counting sentences, or a negative number of words.
        """
        if self.dialect not in get_args(Dialect):
            raise ValueError(f"C4: expected dialect to be one of {', '.join(get_args(Dialect))}, got {self.dialect!r}")
        if self.min_words_per_line is not None and self.min_words_per_line < 0:
            raise ValueError(
                f"C4: expected min_words_per_line to be 0 or more, got {self.min_words_per_line}: 0 leaves the test out"
            )
        if self.sentences not in get_args(Sentences) or (self.sentences == "spacy" and self.dialect != "datatrove"):
            raise ValueError(
                f"C4: expected sentences to be 'fast', or 'spacy' with dialect='datatrove', got {self.sentences!r} "
                f"with dialect={self.dialect!r}"
            )

    @property
    def name(self) -> str:
        """`c4`, or `c4_<dialect>` for another dialect than the paper's."""
        return _signal_name(self.dialect)

    @property
    def schema(self) -> pa.Schema:
        """Columns of the measurements."""
        return pa.schema(list(_COLUMNS))

    def open(self) -> None:
        """Load the character classes, and spaCy where its sentences are counted.

        Raises:
            SpacyError: it cannot be imported.
        """
        character_classes()
        if self._asks_spacy:
            load_spacy()

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """Measurements of each text of `batch`; null for a null text."""
        lines, tested = batch.lines, self._lines(batch)
        stays = np.zeros(len(tested[1]), np.uint8) if self._asks_spacy else _NOBODY_ASKS
        found = self._found(batch, tested, stays)
        long_lines = np.empty(len(batch), np.int64)
        c4_lines.count_at_least(lines.offsets, lines.num_chars, LONG_LINE_CHARS, long_lines)
        values = {name: found[:, place] for name, place in _PLACES.items()}
        values["num_chars"] = batch.num_chars
        values["num_lines"] = np.diff(tested[0])
        values["num_long_lines"] = long_lines
        if len(stays):
            values["num_sentences"] = _spacy_sentences(batch, tested, stays)
        return self._record_batch(values, batch.valid)

    @property
    def _asks_spacy(self) -> bool:
        return self.count_sentences and self.sentences == "spacy"

    def tested_lines(self, batch: TextBatch) -> tuple[_Lines, NDArray[np.uint8]]:
        """The lines that the dialect tests, and for each whether it is part of what is left of its text.

        Returns:
            Offsets, int64[n + 1], of the lines of each text; their first bytes, int64[m], and ends, int64[m]; and 1 for
            a line that stays, uint8[m].
        """
        lines = self._lines(batch)
        stays = np.zeros(len(lines[1]), np.uint8)
        if len(stays):
            self._found(batch, lines, stays)
        return lines, stays

    def _lines(self, batch: TextBatch) -> _Lines:
        if DIALECTS[self.dialect].split_everywhere:
            return all_lines(batch.data, batch.offsets)
        return batch.lines.offsets, batch.lines.start, batch.lines.end

    def _found(self, batch: TextBatch, lines: _Lines, stays: NDArray[np.uint8]) -> NDArray[np.int64]:
        ways = DIALECTS[self.dialect]
        words = batch.words
        line_offsets, line_start, line_end = lines
        flags, abbreviations = character_classes(), packed_abbreviations()
        folding = c4_marks.IGNORE_CASE if ways.ignore_case else c4_marks.LOWER
        places, kinds = c4_marks.marks(batch.data, batch.offsets, flags, folding)
        to_copy = np.any(kinds >= c4_marks.CITATION)
        scratch = np.empty(np.max(line_end - line_start, initial=0) if to_copy else 0, np.uint8)
        found = np.empty((len(batch), c4_lines.NUM_COLUMNS), np.int64)
        c4_lines.measure_lines(
            batch.data,
            line_offsets,
            line_start,
            line_end,
            words.start,
            words.end,
            words.num_chars,
            places,
            kinds,
            flags,
            abbreviations,
            self.switches(),
            scratch,
            _read_only(scratch),
            stays,
            found,
        )
        return found

    def switches(self) -> NDArray[np.int64]:
        """The dialect and the settings as `curation.signals.c4_lines` reads them."""
        ways = DIALECTS[self.dialect]
        switches = np.zeros(c4_lines.NUM_SWITCHES, np.int64)
        switches[c4_lines.TEST_END_MARK] = self.end_marks
        switches[c4_lines.APOSTROPHE_ENDS] = ways.apostrophe_ends
        switches[c4_lines.DROP_ELLIPSIS] = ways.drop_ellipsis
        switches[c4_lines.MAX_WORD_CHARS] = -1 if ways.max_word_chars is None else ways.max_word_chars
        switches[c4_lines.REMOVE_CITATIONS] = ways.remove_citations
        switches[c4_lines.STRIP_AFTER] = ways.strip_after
        switches[c4_lines.COUNT_BEFORE] = ways.count_before
        switches[c4_lines.MIN_WORDS] = (
            ways.min_words_per_line if self.min_words_per_line is None else self.min_words_per_line
        )
        switches[c4_lines.PAGE_FLAGS] = ways.page_flags
        switches[c4_lines.DROP_PHRASES] = ways.drop_phrases
        switches[c4_lines.LINES_AS_THEY_ARE] = ways.lines_as_they_are
        switches[c4_lines.INDEPENDENT] = ways.independent
        switches[c4_lines.FOLDING] = c4_marks.IGNORE_CASE if ways.ignore_case else c4_marks.LOWER
        switches[c4_lines.COUNT_SENTENCES] = self.count_sentences and not self._asks_spacy
        return switches

    def _untested(self) -> frozenset[str]:
        """Columns that say nothing under these settings."""
        ways = DIALECTS[self.dialect]
        absent = {
            "num_lines_long_word": ways.max_word_chars is None,
            "num_lines_no_end_mark": not self.end_marks,
            "num_lines_javascript": not ways.drop_phrases,
            "num_lines_policy": not ways.drop_phrases,
            "num_citations": not ways.remove_citations,
            "num_sentences": not self.count_sentences,
            "has_javascript": ways.drop_phrases,
        }
        return frozenset(name for name, missing in absent.items() if missing)

    def _record_batch(self, values: dict[str, NDArray[np.int64]], valid: NDArray[np.bool_]) -> pa.RecordBatch:
        untested = self._untested()
        null = ~valid
        arrays = []
        for name, arrow_type in _COLUMNS:
            if name in untested:
                arrays.append(pa.nulls(len(valid), arrow_type))
            elif name == "frac_kept_chars":
                chars = values["num_chars"]
                fraction = values["num_kept_chars"] / np.maximum(chars, 1)
                arrays.append(pa.array(fraction, arrow_type, mask=null | (chars == 0)))
            else:
                column = values[name].astype(arrow_type.to_pandas_dtype())
                mask = null | (values[name] == 0) if name == "max_word_chars" else null
                arrays.append(pa.array(column, arrow_type, mask=mask))
        return pa.record_batch(arrays, schema=self.schema)


def _read_only(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    view = array.view()
    view.flags.writeable = False
    return view


def _spacy_sentences(batch: TextBatch, lines: _Lines, stays: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Sentences of the lines that stay, by text, int64[n], as spaCy cuts them."""
    line_offsets, line_start, line_end = lines
    kept = stays.astype(np.bool_)
    counts = np.zeros(len(kept) + 1, np.int64)
    texts = (batch.data[line_start[n] : line_end[n]].tobytes().decode().strip() for n in np.flatnonzero(kept))
    counts[1:][kept] = count_sentences(_CITATION.sub("", text) for text in texts)
    return np.diff(np.cumsum(counts)[line_offsets])


def _signal_name(dialect: Dialect) -> str:
    return "c4" if dialect == "paper" else f"c4_{dialect}"


@cache
def rules(dialect: Dialect = "paper") -> tuple[Rule, ...]:
    """The page rules of `dialect` with their published thresholds, in the order in which the peer tests them.

    They are page rules only: what the line tests drop is what `num_kept_chars` leaves out. mC4's rule, which no dialect
    has by default, is `Rule("c4.too_few_long_lines", on="c4.num_long_lines", min=3)`.

    Raises:
        ValueError: an unknown dialect.
    """
    if dialect not in get_args(Dialect):
        raise ValueError(f"c4 rules: expected dialect to be one of {', '.join(get_args(Dialect))}, got {dialect!r}")
    on = _signal_name(dialect)
    too_long = Rule("c4.too_long", on=f"{on}.num_chars", max=190_000)
    lorem = Rule("c4.lorem_ipsum", on=f"{on}.has_lorem_ipsum", one_of=(False,))
    curly = Rule("c4.curly_bracket", on=f"{on}.has_curly_bracket", one_of=(False,))
    javascript = Rule("c4.javascript", on=f"{on}.has_javascript", one_of=(False,))
    three = Rule("c4.too_few_sentences", on=f"{on}.num_sentences", min=3)
    five = Rule("c4.too_few_sentences", on=f"{on}.num_sentences", min=5)
    return {
        "paper": (three, lorem, curly),
        "tfds": (too_long, lorem, curly, three),
        "datatrove": (lorem, curly, five),
        "dclm": (too_long, lorem, curly, three),
        "dolma": (curly, lorem, javascript),
    }[dialect]
