"""cc_net's perplexity: how surprised is a language model that knows Wikipedia, and which third of a crawl is that?

RedPajama-V2 publishes it as `ccnet_perplexity` and `ccnet_bucket`, and its documents are those of the buckets `head`
and `middle`. A text is brought to a plain form (`curation.text.ccnet_plain`), cut into pieces by the SentencePiece
model of its language and scored by an n-gram model of pieces, which `curation.text.kenlm` reads without KenLM.

The models are the user's, in a folder as cc_net has it: for each language `<language>.sp.model`, and
`<language>.arpa.bin` as KenLM's `build_binary` writes it by default. cc_net's own can be given; their cutoffs are in
its `cc_net/data/cutoff.csv`. For other models the cutoffs are the percentiles 30 and 60 of what they measure on a
crawl, to be had from the table of signals:

    SELECT quantile_cont(perplexity.ccnet_perplexity, [0.3, 0.6]) FROM signals

Which language a text is in says the classifier of the package, or the one that is given (cc_net has the large
lid.176.bin), as cc_net asks it: newlines taken out, a score of 0.5 at least.

Needs the extra `perplexity` (SentencePiece), on executors too.

Reference: Wenzek et al. 2020, CCNet, sections 3.3 and 3.4; facebookresearch/cc_net `cc_net/perplexity.py`,
`cc_net/mine.py`, `cc_net/split_by_lang.py`.
"""

import csv
import hashlib
import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.errors import WinnowError
from curation.rules import Rule
from curation.signals.language import SHIPPED, Language
from curation.signals.list_files import check_sha256, content_of
from curation.text.batch import TextBatch
from curation.text.ccnet_plain import plain_form
from curation.text.columns import to_arrow
from curation.text.kenlm import LanguageModel, load_language_model
from curation.text.kenlm_file import LanguageModelError

MIN_LANGUAGE_SCORE = 0.5
HEAD, TAIL = 30, 60
"""Percentiles of perplexity below which a document is in the bucket `head`, and not in `tail`."""

PIECES, LANGUAGE_MODEL = ".sp.model", ".arpa.bin"
"""How the two files of a language end."""

_REMEDY = "Perplexity.of(...)"


class PerplexityError(WinnowError):
    """SentencePiece is not installed, a model is not there, or cutoffs are none."""


@dataclass(frozen=True, kw_only=True)
class Perplexity:
    """Perplexity of each text under the language model of its language.

    Columns: `ccnet_perplexity` (float64, 1 or more, rounded to one decimal as cc_net does; null where the language has
    no model) and `ccnet_bucket` (string: `head`, `middle`, `tail`, or `all` where the language has no model or no
    cutoffs). Both are null for an empty text and where no language is sure; cc_net drops such texts.

    Attributes:
        models: folder of the models, which every worker can read.
        languages: those that have models, for instance `("en", "de")`.
        cutoffs: language and the perplexities at which the buckets `middle` and `tail` begin, for instance
            `(("en", 340.0, 520.0),)`.
        identifier: path of a fastText classifier of languages (.bin or .ftz), or `lid.176`, the one in the package.
        sha256: hash of the models, two per language in the order of `languages`: another model is another recipe.
            `Perplexity.of` fills it in.

    Raises:
        ValueError: there is no language, one has cutoffs and no models, or the hashes are not as many as the models.
    """

    models: str
    languages: tuple[str, ...]
    cutoffs: tuple[tuple[str, float, float], ...] = ()
    identifier: str = SHIPPED
    sha256: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "languages", tuple(self.languages))
        object.__setattr__(self, "cutoffs", tuple((name, float(low), float(high)) for name, low, high in self.cutoffs))
        object.__setattr__(self, "sha256", tuple(self.sha256))
        if not self.languages:
            raise ValueError("perplexity: no language is given")
        if len(self.sha256) != 2 * len(self.languages):
            raise ValueError(
                f"perplexity: {len(self.languages)} languages and {len(self.sha256)} sha256, expected two each: "
                f"{_REMEDY} gives them"
            )
        for name, low, high in self.cutoffs:
            if name not in self.languages or not 0 <= low <= high:
                raise ValueError(
                    f"perplexity: cutoffs of {name!r}, {low} and {high}: expected two perplexities, the smaller first, "
                    f"of one of {', '.join(self.languages)}"
                )

    @classmethod
    def of(
        cls,
        models: str,
        *,
        languages: Sequence[str] = (),
        cutoffs: str | Mapping[str, tuple[float, float]] | None = None,
        identifier: str = SHIPPED,
    ) -> "Perplexity":
        """The signal for the models that stand there now.

        Args:
            models: folder of the models.
            languages: those that are wanted; none for all that have models.
            cutoffs: cc_net's table of percentiles (CSV: a row per percentile, a column per language), or two
                perplexities for each language; None for one bucket, `all`.
            identifier: which language a text is in.

        Raises:
            PerplexityError: a model is not there, or the cutoffs are none.
        """
        wanted = tuple(languages) or _languages_in(models)
        paths = [path for name in wanted for path in _paths(models, name)]
        table = read_cutoffs(cutoffs, wanted) if isinstance(cutoffs, str) else dict(cutoffs or {})
        return cls(
            models=models,
            languages=wanted,
            cutoffs=tuple((name, *table[name]) for name in sorted(table)),
            identifier=identifier,
            sha256=tuple(map(_hash_of_file, paths)),
        )

    @property
    def name(self) -> str:
        """`perplexity`."""
        return "perplexity"

    @property
    def schema(self) -> pa.Schema:
        """A number and a name."""
        return pa.schema([("ccnet_perplexity", pa.float64()), ("ccnet_bucket", pa.string())])

    def open(self) -> None:
        """Load the models, once per process.

        Raises:
            PerplexityError: SentencePiece is not installed, or a model is not there or is none.
            LanguageModelError: a model is no binary of KenLM's.
            ListError: a model is not the one that the recipe names.
        """
        self._identifier().open()
        for name in self.languages:
            self._load(name)

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """Perplexity and bucket of each text."""
        found = self._identifier().measure(batch)
        scores = found["score"].fill_null(0).to_numpy(zero_copy_only=False)
        sure = batch.valid & (batch.num_bytes > 0) & (np.round(scores, 2) >= MIN_LANGUAGE_SCORE)
        labels = np.asarray(found["label"].fill_null("").to_pylist(), object)
        perplexity = np.full(len(batch), np.nan)
        buckets = np.full(len(batch), "all", object)
        cutoffs = {name: bounds for name, *bounds in self.cutoffs}
        for name in self.languages:
            rows = np.flatnonzero(sure & (labels == name))
            if len(rows) == 0:
                continue
            perplexity[rows] = values = _perplexities(batch, rows, *self._load(name))
            if name in cutoffs:
                which = np.array(["head", "middle", "tail"], object)[np.digitize(values, cutoffs[name])]
                buckets[rows] = np.where(np.isnan(values), "all", which)
        return pa.RecordBatch.from_arrays(
            [to_arrow(perplexity, sure, pa.float64()), pa.array(buckets, pa.string(), mask=~sure)], schema=self.schema
        )

    def _identifier(self) -> Language:
        return Language(model=self.identifier, newline="nothing")

    def _load(self, name: str) -> tuple[Any, LanguageModel]:
        """The models of one language."""
        place = 2 * self.languages.index(name)
        pieces, model = _paths(self.models, name)
        for path, sha256 in zip((pieces, model), self.sha256[place : place + 2], strict=True):
            _check(path, sha256)
        return _load_pieces(pieces), load_language_model(model)


def _perplexities(batch: TextBatch, rows: NDArray[np.int64], pieces: Any, model: LanguageModel) -> NDArray[np.float64]:
    """Of the texts `rows`; NaN where nothing is left of one."""
    plain = [plain_form(batch.text(int(row)) or "") for row in rows]
    lines = [" ".join(found) for found in pieces.encode(plain, out_type=str, num_threads=1)]
    scores = model.score(TextBatch.from_texts(lines)).tolist()
    return np.array(
        [
            round(10.0 ** (-score / (len(line.split()) + 1)), 1) if line else np.nan
            for line, score in zip(lines, scores, strict=True)
        ],
        np.float64,
    )


_loaded: dict[str, Any] = {}
_loading = threading.Lock()


def _load_pieces(path: str) -> Any:
    """The SentencePiece model at `path`, loaded once per process."""
    with _loading:
        if path not in _loaded:
            try:
                from sentencepiece import SentencePieceProcessor
            except ImportError as error:
                raise PerplexityError(
                    f"perplexity needs SentencePiece, which cannot be imported ({error}): "
                    "install it with pip install 'winnow[perplexity]'"
                ) from error
            try:
                _loaded[path] = SentencePieceProcessor(model_file=path)
            except (OSError, RuntimeError) as error:
                raise PerplexityError(f"{path} is no SentencePiece model: {error}") from error
        return _loaded[path]


@cache
def _check(path: str, sha256: str) -> None:
    """Once per process, as a model may have gigabytes."""
    check_sha256(path, _hash_of_file(path), sha256, _REMEDY, PerplexityError)


def _hash_of_file(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _paths(models: str, name: str) -> tuple[str, str]:
    """The SentencePiece model of a language and its n-gram model."""
    found = [Path(models) / f"{name}{ending}" for ending in (PIECES, LANGUAGE_MODEL)]
    for path, of in zip(found, (PerplexityError, LanguageModelError), strict=True):
        if not path.is_file():
            raise of(f"no model at {path}: expected {name}{PIECES} and {name}{LANGUAGE_MODEL} in {models}")
    return str(found[0]), str(found[1])


def _languages_in(models: str) -> tuple[str, ...]:
    names = tuple(sorted(path.name.removesuffix(LANGUAGE_MODEL) for path in Path(models).glob(f"*{LANGUAGE_MODEL}")))
    if not names:
        raise PerplexityError(
            f"{models} holds no language model: expected for instance en{PIECES} and en{LANGUAGE_MODEL}"
        )
    return names


def read_cutoffs(path: str, languages: Sequence[str]) -> dict[str, tuple[float, float]]:
    """The cutoffs of `languages` in cc_net's table of percentiles, of those that it has.

    Raises:
        PerplexityError: it cannot be read, or is none.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(content_of(path).decode("utf-8-sig"))))
        by_percentile = {int(row[""]): row for row in rows}
        low, high = by_percentile[HEAD], by_percentile[TAIL]
        return {name: (float(low[name]), float(high[name])) for name in languages if name in low}
    except (KeyError, TypeError, ValueError) as error:
        raise PerplexityError(
            f"the cutoffs {path} are no table of percentiles ({type(error).__name__}: {error}): expected CSV whose "
            f"first column, without a name, has percentiles, {HEAD} and {TAIL} among them, and a column per language"
        ) from error


def rules() -> tuple[Rule, ...]:
    """What RedPajama-V2 leaves out: the bucket `tail`."""
    return (Rule("perplexity.tail", on="perplexity.ccnet_bucket", one_of=("head", "middle", "all")),)
