"""RedPajama-V2's quality signals, under the names that the data set publishes, one of them misspelt there.

It measures: what needs no model and no URL. `rps_doc_*` are numbers of the document, `rps_lines_*` lists with one
number per line. `ccnet_length`, `ccnet_nlines` and `ccnet_original_*` are of the text after and before the recipe's
edits, where the data set has them after and before cc_net's removal of repeated lines.

Where the rest is: `ccnet_language_score` in `curation.signals.language`, `ccnet_perplexity` and `ccnet_bucket` in
`curation.signals.perplexity`, `rps_doc_ut1_blacklist` in `curation.signals.url`, `rps_doc_ml_*` and
`rps_doc_*_importance` in `curation.signals.redpajama_models`.

Two splits of a text: tokens of the text as it is (runs of letters, digits and `_`, and runs of other signs), and words
of its plain form (`curation.text.plain_words`). The values are the peer's where it puts a 0 for what is not defined.

Departures: numbers are not rounded to 8 decimals; the bad words' list is brought to lower case and NFD, as what is not
so is never found by the peer.

Reference: togethercomputer/RedPajama-Data `app/src/core/quality_signals`, `app/src/core/document.py`; the names and
what they mean in the README of togethercomputer/RedPajama-Data-V2, whose example is `rules`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.edits.splice import restored
from curation.rules import Rule
from curation.signals.bad_words import BadWords
from curation.signals.list_files import content_of, entries, sha256_of, word_list
from curation.signals.stop_words import ENGLISH
from curation.tables import CUT
from curation.text import line_counts, ngrams, token_counts, word_table
from curation.text.ascii_blocks import ascii_kinds
from curation.text.batch import TextBatch
from curation.text.columns import divide, to_arrow
from curation.text.plain_words import decompositions, plain_words
from curation.text.unicode import character_classes, lower_case

TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)

_JAVASCRIPT = np.uint64(word_table.hash_of("javascript"))
_BULLETS = np.array([ord(sign) for sign in "•‣▶◀◦■□▪▫–"], np.int64)

CCNET = ("ccnet_length", "ccnet_nlines", "ccnet_original_length", "ccnet_original_nlines")
DOCUMENT = (
    "rps_doc_curly_bracket",
    "rps_doc_frac_all_caps_words",
    "rps_doc_frac_lines_end_with_ellipsis",
    "rps_doc_frac_no_alph_words",
    "rps_doc_frac_unique_words",
    "rps_doc_lorem_ipsum",
    "rps_doc_mean_word_length",
    "rps_doc_num_sentences",
    "rps_doc_stop_word_fraction",
    "rps_doc_symbol_to_word_ratio",
    "rps_doc_unigram_entropy",
    "rps_doc_word_count",
)
REPETITION = (
    *(f"rps_doc_frac_chars_top_{n}gram" for n in TOP_SIZES),
    *(f"rps_doc_frac_chars_dupe_{n}grams" for n in DUPLICATE_SIZES),
)
LINES = (
    "rps_lines_ending_with_terminal_punctution_mark",
    "rps_lines_javascript_counts",
    "rps_lines_num_words",
    "rps_lines_numerical_chars_fraction",
    "rps_lines_start_with_bulletpoint",
    "rps_lines_uppercase_letter_fraction",
)
_BAD_WORDS = "rps_doc_ldnoobw_words"
_SHARES = ("frac_lines_start_with_bulletpoint", "frac_lines_ending_with_terminal_punctution_mark")
_ENDS = "line_ends"

_REMEDY = "RedPajama.of(...)"


@dataclass(frozen=True, kw_only=True)
class RedPajama:
    """RedPajama-V2's signals.

    Columns: `CCNET`, `DOCUMENT` and `REPETITION` of this module, and `rps_doc_ldnoobw_words` where there is a list
    (float64). With `lines` also the lists `LINES` (list of float64) and `line_ends` (list of int32; the code point
    after each line, newline and all, so that a line begins where the one before it ended). Beside what is published,
    because a rule is on a number: `frac_lines_start_with_bulletpoint` and
    `frac_lines_ending_with_terminal_punctution_mark` (float64; null without lines).

    Attributes:
        lines: keep the numbers of each line.
        stop_words: file of stop words, one a line, which every worker can read; None: the peer's English ones.
        bad_words: file of bad words, as LDNOOBW's; None for none.
        sha256: hash of each of the two that is given, in this order: another list is another recipe. `RedPajama.of`
            fills it in.

    Raises:
        ValueError: the hashes are not as many as the lists.
    """

    lines: bool = True
    stop_words: str | None = None
    bad_words: str | None = None
    sha256: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", tuple(self.sha256))
        num_given = sum(path is not None for path in (self.stop_words, self.bad_words))
        if len(self.sha256) != num_given:
            raise ValueError(f"redpajama: {num_given} lists and {len(self.sha256)} sha256; {_REMEDY} gives them")

    @classmethod
    def of(
        cls, *, lines: bool = True, stop_words: str | None = None, bad_words: str | None = None, language: str = "en"
    ) -> "RedPajama":
        """The signal for the lists that stand there now.

        Args:
            lines: keep the numbers of each line.
            stop_words: file of stop words.
            bad_words: file of bad words, or a folder with a file per language.
            language: whose file it is.

        Raises:
            ListError: one is not there, or not a list.
        """
        hashes = []
        if stop_words is not None:
            content = content_of(stop_words)
            entries(stop_words, content)
            hashes.append(sha256_of(content))
        if bad_words is not None:
            listed = BadWords.of(bad_words, dialect="redpajama", language=language)
            bad_words = listed.words
            hashes.append(listed.sha256)
        return cls(lines=lines, stop_words=stop_words, bad_words=bad_words, sha256=tuple(hashes))

    @property
    def name(self) -> str:
        """`redpajama`."""
        return "redpajama"

    @property
    def schema(self) -> pa.Schema:
        """Numbers are float64, those of lines lists of them."""
        numbers = [*CCNET, *DOCUMENT, *REPETITION, *([_BAD_WORDS] if self.bad_words else []), *_SHARES]
        fields = [(name, pa.float64()) for name in numbers]
        if self.lines:
            fields += [(name, pa.list_(pa.float64())) for name in LINES] + [(_ENDS, pa.list_(pa.int32()))]
        return pa.schema(fields)

    def open(self) -> None:
        """Load the tables and read the lists, once per process.

        Raises:
            ListError: a list cannot be read, or is not the one that the recipe names.
        """
        decompositions()
        self._stop_words()
        if self.bad_words:
            self._bad_words()

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """Texts that nothing was cut out of."""
        return self.measure_edited(batch, pa.nulls(len(batch), pa.list_(CUT)))

    def measure_edited(self, batch: TextBatch, cuts: pa.Array) -> pa.RecordBatch:
        """Measurements of each text of `batch`; `cuts` put back (`documents.cuts`) give its size before the edits."""
        plain = plain_words(batch)
        columns = _of_tokens(batch, *self._stop_words()) | _of_words(plain)
        if self.bad_words:
            columns[_BAD_WORDS] = word_table.count_phrases(plain.words, self._bad_words())
        offsets, lines = _measured_lines(batch)
        columns |= _of_lines(plain, offsets, lines)
        before = restored(batch, cuts)
        columns |= {"ccnet_length": batch.num_chars, "ccnet_original_length": before.num_chars}
        columns |= {"ccnet_nlines": np.diff(offsets), "ccnet_original_nlines": _num_lines(before)}
        schema = self.schema
        arrays = [
            _lists(offsets, columns[field.name], batch.valid, field.type)
            if pa.types.is_list(field.type)
            else to_arrow(columns[field.name].astype(np.float64), batch.valid, field.type)
            for field in schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _stop_words(self) -> tuple[NDArray[np.uint64], int]:
        if self.stop_words is None:
            return _table(ENGLISH)
        return _table(word_list(self.stop_words, self.sha256[0], _REMEDY))

    def _bad_words(self) -> word_table.Phrases:
        return _phrases(BadWords(words=self.bad_words or "", sha256=self.sha256[-1], dialect="redpajama").phrases())


@cache
def _table(words: tuple[str, ...]) -> tuple[NDArray[np.uint64], int]:
    return word_table.hash_table(words), max(len(word.encode()) for word in words)


@cache
def _phrases(phrases: tuple[str, ...]) -> word_table.Phrases:
    return word_table.phrase_table(phrases)


def _of_tokens(batch: TextBatch, stop_words: NDArray[np.uint64], longest: int) -> dict[str, NDArray[Any]]:
    counts = np.zeros((len(batch), 7), np.int64)
    token_counts.count_tokens(
        batch.data, batch.offsets, ascii_kinds(), character_classes(), stop_words, longest, counts
    )
    tokens = counts[:, token_counts.TOKENS]
    return {
        "rps_doc_curly_bracket": _share(counts[:, token_counts.CURLY_BRACKETS], batch.num_chars),
        "rps_doc_frac_all_caps_words": divide(counts[:, token_counts.ALL_CAPS], tokens),
        "rps_doc_frac_no_alph_words": divide(tokens - counts[:, token_counts.WITH_LETTER], tokens),
        "rps_doc_num_sentences": counts[:, token_counts.SENTENCES],
        "rps_doc_stop_word_fraction": _share(counts[:, token_counts.STOP_WORDS], tokens),
        "rps_doc_symbol_to_word_ratio": divide(counts[:, token_counts.SYMBOLS], tokens),
    }


def _of_words(plain: TextBatch) -> dict[str, NDArray[Any]]:
    words = plain.words
    table = ngrams.new_table(int(words.counts.max(initial=0)))
    total, distinct, lorem_ipsum = np.zeros((3, len(plain)), np.int64)
    top, covered, *others = (np.zeros((len(plain), ngrams.MAX_N + 1), np.int64) for _ in range(5))
    entropy = np.zeros(len(plain), np.float64)
    given = (words.offsets, words.num_chars, words.hash, ngrams.TOP_FIRST_REPEATED, table)
    ngrams.measure_repeats(*given, total, top, covered, *others, distinct, entropy)
    word_table.count_lorem_ipsum(plain.data, plain.offsets, lorem_ipsum)
    found = {
        "rps_doc_frac_unique_words": divide(distinct, words.counts),
        "rps_doc_lorem_ipsum": _share(lorem_ipsum, plain.num_chars),
        "rps_doc_mean_word_length": divide(total, words.counts),
        "rps_doc_unigram_entropy": np.where(words.counts > 0, entropy, np.nan),
        "rps_doc_word_count": words.counts,
    }
    found |= {f"rps_doc_frac_chars_top_{n}gram": _share(top[:, n], total) for n in TOP_SIZES}
    return found | {f"rps_doc_frac_chars_dupe_{n}grams": _share(covered[:, n], total) for n in DUPLICATE_SIZES}


def _measured_lines(batch: TextBatch) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The lines of each text, int64[n + 1] offsets, and what `measure_lines` counts of each, int32[m, 8]."""
    tables = decompositions()
    offsets = np.zeros(len(batch) + 1, np.int64)
    counts = np.zeros((len(batch.lines), 8), np.int32)
    line_counts.measure_lines(
        batch.data,
        batch.offsets,
        ascii_kinds(),
        character_classes(),
        lower_case(),
        tables.where,
        tables.offsets,
        tables.to,
        _BULLETS,
        offsets,
        counts,
    )
    return offsets, counts[: offsets[-1]]


def _num_lines(batch: TextBatch) -> NDArray[np.int64]:
    """Lines of each text, int64[n]; what follows its last newline is one unless it is empty."""
    lines = batch.lines
    counts = lines.counts
    some = counts > 0
    last = lines.offsets[1:][some] - 1
    counts[some] -= lines.start[last] == lines.end[last]
    return counts


def _of_lines(plain: TextBatch, offsets: NDArray[np.int64], counts: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
    num_lines = np.diff(offsets)

    def share_of(column: int) -> NDArray[np.float64]:
        before = np.concatenate([[0], np.cumsum(counts[:, column], dtype=np.int64)])
        return divide(np.diff(before[offsets]), num_lines)

    def per_char(column: int, of: int) -> NDArray[np.float64]:
        return _share(counts[:, column], counts[:, of])

    ends = np.concatenate([[0], np.cumsum(counts[:, line_counts.RAW_CHARS], dtype=np.int64)])
    return {
        "rps_doc_frac_lines_end_with_ellipsis": share_of(line_counts.ELLIPSIS),
        "frac_lines_start_with_bulletpoint": share_of(line_counts.BULLET),
        "frac_lines_ending_with_terminal_punctution_mark": share_of(line_counts.TERMINAL),
        "rps_lines_ending_with_terminal_punctution_mark": counts[:, line_counts.TERMINAL],
        "rps_lines_javascript_counts": _javascript(plain, counts[:, line_counts.NUM_WORDS]),
        "rps_lines_num_words": counts[:, line_counts.NUM_WORDS],
        "rps_lines_numerical_chars_fraction": per_char(line_counts.NUMERIC_CHARS, line_counts.NUM_CHARS),
        "rps_lines_start_with_bulletpoint": counts[:, line_counts.BULLET],
        "rps_lines_uppercase_letter_fraction": per_char(line_counts.UPPER_CHARS, line_counts.RAW_CHARS),
        _ENDS: ends[1:] - np.repeat(ends[offsets[:-1]], num_lines),
    }


def _javascript(plain: TextBatch, num_words: NDArray[np.int32]) -> NDArray[np.int64]:
    """Words of each line that are `javascript`: the words of the lines are those of the texts."""
    places = np.flatnonzero(plain.words.hash == _JAVASCRIPT)
    lines = np.searchsorted(np.cumsum(num_words, dtype=np.int64), places, side="right")
    return np.bincount(lines, minlength=len(num_words))


def _share(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    """Quotients; 0 where there is nothing to divide by, as the peer has it."""
    return np.nan_to_num(divide(above, below), nan=0.0)


def _lists(offsets: NDArray[np.int64], values: NDArray[Any], valid: NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    items = pa.array(values.astype(kind.value_type.to_pandas_dtype()), kind.value_type)
    mask = None if valid.all() else pa.array(~valid)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items, type=kind, mask=mask)


def published(row: Mapping[str, Any]) -> dict[str, list[list[float | str | None]]]:
    """A document's signals in the form of the data set: by name a list of [start, end, score], in code points.

    Args:
        row: the struct `redpajama` of a row of `signals`, measured with `lines`; `| row["redpajama_models"]` adds its,
            likewise `perplexity` and `url_datatrove`.
    """
    whole = int(row["ccnet_length"])
    ends = row[_ENDS]
    starts = [0, *ends][: len(ends)]
    found: dict[str, list[list[float | str | None]]] = {}
    for name, value in row.items():
        if name in LINES:
            scores = zip(starts, ends, value, strict=True) if value else ()
            found[name] = [[start, end, round(score, 8)] for start, end, score in scores]
        elif name.startswith(("ccnet_", "rps_doc_")):
            found[name] = [[0, whole, value if value is None or isinstance(value, str) else round(value, 8)]]
    if not ends:  # as the peer has it, of this one only
        found["rps_lines_start_with_bulletpoint"] = [[0, whole, None]]
    return found


def rules() -> tuple[Rule, ...]:
    """The rules of the example in the data set's README, after Gopher's; RedPajama-V2 itself drops nothing."""
    return (
        Rule("redpajama.too_few_words", on="redpajama.rps_doc_word_count", min=50),
        Rule("redpajama.too_many_words", on="redpajama.rps_doc_word_count", max=10_000),
        Rule("redpajama.words_too_short", on="redpajama.rps_doc_mean_word_length", min=3),
        Rule("redpajama.words_too_long", on="redpajama.rps_doc_mean_word_length", max=10),
        Rule("redpajama.too_many_symbols", on="redpajama.rps_doc_symbol_to_word_ratio", max=0.1),
        Rule("redpajama.too_many_bullets", on="redpajama.frac_lines_start_with_bulletpoint", max=0.9),
        Rule("redpajama.top_2gram", on="redpajama.rps_doc_frac_chars_top_2gram", max=0.2),
    )
