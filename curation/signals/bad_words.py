"""Bad words: how often do words and phrases of a list, such as LDNOOBW's, stand in a text?

The list is a file with one phrase a line, in UTF-8, or LDNOOBW's folder, which has such a file per language (`en`,
`fr`, or with `.txt`). Winnow ships none. Case does not count. The dialects differ in what may stand around a phrase:

- `tfds` (tensorflow/datasets `c4_utils.py`, `get_badwords_filter_fn`): on each side no letter, digit or underscore; in
  Japanese, Thai and Chinese anything.
- `dclm` (mlfoundations/dclm `c4.yaml`, `substring_filter` with `exact_word`): a word boundary of `re` on each side,
  which wants a letter beside a phrase that begins or ends with a sign.
- `dolma` (allenai/dolma `taggers/c4.py`): a word is a token between white space, so that `word,` is missed; a phrase
  with a space is found anywhere.
- `redpajama` (togethercomputer/RedPajama-Data, `rps_doc_ldnoobw_words`): words of the text without ASCII punctuation,
  in NFD; its number is `num_bad_words`.

Departures: the list is brought to lower case as the texts are, and in `redpajama` to NFD, as what is not so is never
found by the peers; signs in it mean themselves, where `dclm` reads them as a regular expression. C4 keeps a tenth of
some languages' pages with a bad word; the rule here drops all.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.rules import Rule
from curation.signals.list_files import ListError, content_of, entries, sha256_of, word_list
from curation.text.batch import TextBatch
from curation.text.columns import to_arrow
from curation.text.one_line import lowered
from curation.text.phrases import ANYWHERE, BOUNDARY, TOKEN, WORD_RUN, Automaton, build_automaton, find_phrases
from curation.text.plain_words import plain_words

Dialect = Literal["tfds", "dclm", "dolma", "redpajama"]

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
"""Whose way of looking is known."""

WITHOUT_SPACES = ("ja", "th", "zh")
"""Languages that put no space between words."""


def _check_dialect(dialect: str) -> None:
    if dialect not in DIALECTS:
        raise ValueError(f"bad_words: dialect {dialect!r} is not known; choose one of {', '.join(DIALECTS)}")


@dataclass(frozen=True, kw_only=True)
class BadWords:
    """Bad words of a text.

    Columns: `num_bad_words` (int32; places at which an entry of the list stands, overlapping ones too) and
    `num_distinct_bad_words` (int32; entries that stand there at least once).

    Attributes:
        words: file of the list, a path that every worker can read.
        sha256: hash of its content: another list is another recipe. `BadWords.of` fills it in.
        dialect: whose way of looking; see above.
        language: code of the list's language.

    Raises:
        ValueError: the dialect is unknown, or another setting is empty.
    """

    words: str
    sha256: str
    dialect: Dialect = "tfds"
    language: str = "en"

    def __post_init__(self) -> None:
        _check_dialect(self.dialect)
        if not self.words or not self.sha256 or not self.language:
            raise ValueError("bad_words: words, sha256 and language are needed; BadWords.of(path) gives them")

    @classmethod
    def of(cls, path: str, *, dialect: Dialect = "tfds", language: str = "en") -> "BadWords":
        """The signal for the list that stands there now: a file, or a folder with a file per language.

        Raises:
            ListError: there is none, or it is not a list.
        """
        words = _file_of(path, language)
        content = content_of(words)
        entries(words, content)
        return cls(words=words, sha256=sha256_of(content), dialect=dialect, language=language)

    @property
    def name(self) -> str:
        """`bad_words_<dialect>`."""
        return f"bad_words_{self.dialect}"

    @property
    def schema(self) -> pa.Schema:
        """Two counts."""
        return pa.schema([("num_bad_words", pa.int32()), ("num_distinct_bad_words", pa.int32())])

    def open(self) -> None:
        """Read the list, once per process.

        Raises:
            ListError: it cannot be read, or is not the one that the recipe names.
        """
        self._automaton()

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """Counts of each text of `batch`; null for a null text."""
        automaton, around = self._automaton()
        texts = plain_words(batch) if self.dialect == "redpajama" else lowered(batch)
        found = find_phrases(texts, automaton, around)[:, :2]
        distinct = np.unique(found, axis=0)
        counts = [np.bincount(rows[:, 0], minlength=len(batch)).astype(np.int32) for rows in (found, distinct)]
        return pa.RecordBatch.from_arrays([to_arrow(n, batch.valid, pa.int32()) for n in counts], schema=self.schema)

    def phrases(self) -> tuple[str, ...]:
        """The list's entries in the form in which the dialect looks for them.

        Raises:
            ListError: it cannot be read, or is not the one that the recipe names.
        """
        return _phrases(word_list(self.words, self.sha256, "BadWords.of(path)"), self.dialect)

    def _automaton(self) -> tuple[Automaton, NDArray[np.int64]]:
        phrases = self.phrases()
        if self.dialect == "tfds":
            around = [ANYWHERE if self.language in WITHOUT_SPACES else WORD_RUN] * len(phrases)
        elif self.dialect == "dolma":
            around = [ANYWHERE if " " in phrase else TOKEN for phrase in phrases]
        else:
            around = [BOUNDARY if self.dialect == "dclm" else TOKEN] * len(phrases)
        return build_automaton(phrases), np.array(around, np.int64)


def _file_of(path: str, language: str) -> str:
    if not Path(path).is_dir():
        return path
    for name in (language, f"{language}.txt"):
        if (Path(path) / name).is_file():
            return str(Path(path) / name)
    there = sorted(entry.name for entry in Path(path).iterdir() if entry.is_file())
    raise ListError(f"the folder {path} has no list for the language {language!r}; it has {', '.join(there[:20])}")


@cache
def _phrases(words: tuple[str, ...], dialect: Dialect) -> tuple[str, ...]:
    lower = (word.lower() for word in words)
    return tuple(
        dict.fromkeys(unicodedata.normalize("NFD", word) if dialect == "redpajama" else word for word in lower)
    )


@cache
def rules(dialect: Dialect = "tfds", *, max_bad_words: int = 0) -> tuple[Rule, ...]:
    """Drop what holds a bad word.

    Args:
        dialect: the signal's.
        max_bad_words: so many are forgiven. RedPajama itself has no bound.

    Raises:
        ValueError: an unknown dialect.
    """
    _check_dialect(dialect)
    return (Rule("bad_words.bad_word", on=f"bad_words_{dialect}.num_bad_words", max=max_bad_words),)
