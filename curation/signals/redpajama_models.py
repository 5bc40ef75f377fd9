"""RedPajama-V2's signals that take models or counts, under the names that the data set publishes.

- `rps_doc_ml_wikiref_score`, `rps_doc_ml_palm_score`, `rps_doc_ml_wikipedia_score`: how sure a fastText classifier is
  that a text is no crawl, whose label is `cc`: one that knows references of Wikipedia, one that knows Wikipedia,
  OpenWebText and books, one that knows Wikipedia in other languages. The models are the user's (RedPajama's own can be
  given), trained for instance by `fasttext supervised` on lines of `__label__cc ...` and others.
- `rps_doc_wikipedia_importance`, `rps_doc_books_importance`, `rps_doc_openwebtext_importance`: the logarithm of how
  much likelier a text's words and pairs of words are in a target than in the source, by counts in 10,000 buckets
  (DSIR). The names are those of the targets that `winnow fit-importance` was given, whatever they are.
- `..._importance_length_correction`, which RedPajama's code has and the data set has not: with the likelihood of the
  text's number of tokens, taken for a Poisson's, on both sides.

Departures: buckets are by a hash that is the same in every process, where RedPajama's is Python's own, so that its
counts cannot be read. Length is in tokens, as its mean is: RedPajama compares characters with a mean of tokens, and
nearly every text is beyond both. Values are not rounded.

Reference: togethercomputer/RedPajama-Data `app/src/core/quality_signals/classifiers.py`, `importance_weights.py`,
`utils/dsir.py`, `app/src/artifacts/hash_dist.py`; Xie et al. 2023, Data Selection for Language Models via Importance
Resampling.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.rules import Rule
from curation.signals.importance_counts import ImportanceCounts, open_counts, read_counts, tokens_of
from curation.signals.list_files import check_sha256, sha256_of
from curation.text import token_features
from curation.text.batch import TextBatch
from curation.text.columns import to_arrow
from curation.text.fasttext import Classifier, load_classifier
from curation.text.fasttext_file import ModelFileError
from curation.text.one_line import joined_lines

CLASSIFIERS = ("wikiref", "palm", "wikipedia")
CRAWL = "cc"
"""The label of what is no better than the crawl."""

_REMEDY = "RedPajamaModels.of(...)"
_UNLIKELY = 1e-8


@dataclass(frozen=True, kw_only=True)
class RedPajamaModels:
    """Classifiers' scores and importance weights.

    Columns (float64): `rps_doc_ml_<classifier>_score` of each classifier that is given (0 to 1, or 1e-5 beyond);
    `rps_doc_<target>_importance` and `rps_doc_<target>_importance_length_correction` (any number, in nats, the larger
    the longer the text is) of each target of the counts. Null for an empty text, and where a classifier says nothing.

    Attributes:
        wikiref: path of a fastText classifier (.bin or .ftz) that every worker can read; None for none.
        palm: the same.
        wikipedia: the same.
        importance: file of counts, see `winnow fit-importance`; None for none.
        targets: names of its targets; `RedPajamaModels.of` fills it in.
        sha256: hash of each file that is given, in this order: another model is another recipe. `of` fills it in.

    Raises:
        ValueError: nothing is given, or the hashes or targets are not as many as they have to be.
    """

    wikiref: str | None = None
    palm: str | None = None
    wikipedia: str | None = None
    importance: str | None = None
    targets: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(self.targets))
        object.__setattr__(self, "sha256", tuple(self.sha256))
        given = [name for name in (*CLASSIFIERS, "importance") if getattr(self, name) is not None]
        if not given:
            raise ValueError(
                f"redpajama_models: nothing is given; expected one of {', '.join(CLASSIFIERS)}, importance"
            )
        if len(self.sha256) != len(given) or bool(self.targets) != (self.importance is not None):
            raise ValueError(
                f"redpajama_models: {len(given)} files, {len(self.sha256)} sha256 and {len(self.targets)} targets; "
                f"{_REMEDY} gives those of the files"
            )

    @classmethod
    def of(
        cls,
        *,
        wikiref: str | None = None,
        palm: str | None = None,
        wikipedia: str | None = None,
        importance: str | None = None,
    ) -> "RedPajamaModels":
        """The signal for the files that stand there now.

        Raises:
            ModelFileError: a classifier is not there.
            ImportanceError: the counts are not there, or are none.
        """
        hashes = [_hash_of_model(path) for path in (wikiref, palm, wikipedia) if path is not None]
        targets: tuple[str, ...] = ()
        if importance is not None:
            content = read_counts(importance)
            hashes.append(sha256_of(content))
            targets = tuple(one.name for one in ImportanceCounts.from_bytes(content, importance).targets)
        return cls(
            wikiref=wikiref,
            palm=palm,
            wikipedia=wikipedia,
            importance=importance,
            targets=targets,
            sha256=tuple(hashes),
        )

    @property
    def name(self) -> str:
        """`redpajama_models`."""
        return "redpajama_models"

    @property
    def schema(self) -> pa.Schema:
        """All float64."""
        names = [f"rps_doc_ml_{name}_score" for name in CLASSIFIERS if getattr(self, name) is not None]
        for target in self.targets:
            names += [f"rps_doc_{target}_importance", f"rps_doc_{target}_importance_length_correction"]
        return pa.schema([(name, pa.float64()) for name in names])

    def open(self) -> None:
        """Load the classifiers and the counts, once per process.

        Raises:
            ModelFileError: a file is no fastText classifier, or has no label `cc`.
            ImportanceError: the counts cannot be read, or are not those that the recipe names.
            ListError: a classifier is not the one that the recipe names.
        """
        for path, sha256 in self._models():
            _check(path, sha256)
            _label_of_crawl(load_classifier(path), path)
        self._counts()

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """Scores of each text; null for a null text and an empty one."""
        filled = batch.valid & (batch.num_bytes > 0)
        columns: list[pa.Array] = []
        models = self._models()
        lines = joined_lines(batch) if models else batch
        for path, _ in models:
            classifier = load_classifier(path)
            found = classifier.predict(lines)
            labels, scores = found.labels[:, 0], found.scores[:, 0]
            is_crawl = labels == _label_of_crawl(classifier, path)
            columns.append(to_arrow(np.where(is_crawl, 1 - scores, scores), filled & (labels >= 0), pa.float64()))
        counts = self._counts()
        if counts is not None:
            columns += [to_arrow(values, filled, pa.float64()) for values in _importance(batch, counts)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _models(self) -> list[tuple[str, str]]:
        """Paths of the classifiers that are given, each with its hash."""
        paths = [path for path in (self.wikiref, self.palm, self.wikipedia) if path is not None]
        return list(zip(paths, self.sha256, strict=False))

    def _counts(self) -> ImportanceCounts | None:
        return None if self.importance is None else open_counts(self.importance, self.sha256[-1])


@cache
def _check(path: str, sha256: str) -> None:
    """Once per process, as a model may have a gigabyte."""
    check_sha256(path, _hash_of_model(path), sha256, _REMEDY)


def _hash_of_model(path: str) -> str:
    if not Path(path).is_file():
        raise ModelFileError(f"no fastText model at {path}: give the path of a .bin or .ftz file")
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _label_of_crawl(classifier: Classifier, path: str) -> int:
    if CRAWL not in classifier.labels:
        known = ", ".join(classifier.labels[:10])
        raise ModelFileError(
            f"{path} has no label {CRAWL!r} for what is no better than the crawl; its labels are {known}: train it on "
            f"lines that begin with __label__{CRAWL} and on others"
        )
    return classifier.labels.index(CRAWL)


def _importance(batch: TextBatch, counts: ImportanceCounts) -> list[NDArray[Any]]:
    """By target its importance without and with the correction for length, each float64[n]."""
    tokens = tokens_of(batch)
    sums = np.zeros((len(batch), len(counts.targets)), np.float64)
    token_features.add_log_ratios(tokens.offsets, tokens.hashes, counts.log_ratios, sums)
    lengths = np.diff(tokens.offsets)
    source, *means = counts.mean_tokens.tolist()
    before = _log_likely(lengths, source)
    columns: list[NDArray[Any]] = []
    for k, mean in enumerate(means):
        columns += [sums[:, k], sums[:, k] + _log_likely(lengths, mean) - before]
    return columns


def _log_likely(lengths: NDArray[np.int64], mean: float) -> NDArray[np.float64]:
    """Logarithm of Poisson's probabilities, none of them below that of 1e-8."""
    logs = (n * math.log(mean) - mean - math.lgamma(n + 1) for n in lengths.tolist())
    return np.array([math.log(math.exp(one) + _UNLIKELY) for one in logs], np.float64)


def rules() -> tuple[Rule, ...]:
    """None: RedPajama-V2 has no bound on these; where one is right depends on the models and corpora."""
    return ()
