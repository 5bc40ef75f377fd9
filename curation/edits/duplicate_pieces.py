"""Lines, paragraphs or sentences that stand elsewhere in the corpus already: all but the first copy are cut.

Which copy is first is a matter of doc_ids, not of the order of reading. Copies within one text count too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from curation.edits.copies import WHOLE, Units, compared_units, numbers_by_document, spans_of
from curation.edits.pieces import Pieces, compared, hashes_of, lines, paragraphs, runs_of, sentences
from curation.text.batch import TextBatch


def _at_least_one(edit: str, **settings: int) -> None:
    for name, value in settings.items():
        if value < 1:
            raise ValueError(f"{edit}: expected {name} to be 1 or more, got {value}")


@dataclass(frozen=True, kw_only=True)
class DuplicateLines:
    """Cut every line, with the newline after it, of which there is a copy before it in the corpus.

    Attributes:
        normalize: case, ASCII punctuation and white space do not count, digits are one digit; else lines are compared
            as they are, without the white space around them.
        min_chars: shorter lines (code points of what is compared) stay. Blank ones do in any case.

    Raises:
        ValueError: `min_chars` is not at least 1.

    Reference: Wenzek et al. 2020, CCNet, section 3.2, which compares normalised paragraphs (its word for lines) within
    a shard, and drops accents as well.
    """

    normalize: bool = True
    min_chars: int = 1

    def __post_init__(self) -> None:
        _at_least_one("DuplicateLines", min_chars=self.min_chars)

    @property
    def name(self) -> str:
        """`duplicate_lines`."""
        return "duplicate_lines"

    def spans(self, documents: DataFrame) -> DataFrame:
        """The lines that are copies; see `curation.edits.edit.CorpusEdit`."""
        return _copies(documents, lines, normalize=self.normalize, min_chars=self.min_chars)


@dataclass(frozen=True, kw_only=True)
class DuplicateParagraphs:
    """Cut every paragraph, with the blank lines after it, of which there is a copy before it in the corpus.

    A paragraph is what stands between blank lines.

    Attributes:
        normalize: as in `DuplicateLines`.
        min_chars: as in `DuplicateLines`.

    Raises:
        ValueError: `min_chars` is not at least 1.
    """

    normalize: bool = True
    min_chars: int = 1

    def __post_init__(self) -> None:
        _at_least_one("DuplicateParagraphs", min_chars=self.min_chars)

    @property
    def name(self) -> str:
        """`duplicate_paragraphs`."""
        return "duplicate_paragraphs"

    def spans(self, documents: DataFrame) -> DataFrame:
        """The paragraphs that are copies; see `curation.edits.edit.CorpusEdit`."""
        return _copies(documents, paragraphs, normalize=self.normalize, min_chars=self.min_chars)


def _copies(
    documents: DataFrame, pieces_of: Callable[[TextBatch], Pieces], *, normalize: bool, min_chars: int
) -> DataFrame:
    def units_of(batch: TextBatch) -> Units:
        pieces = pieces_of(batch)
        texts = compared(batch, pieces, normalize=normalize)
        long = texts.num_chars >= min_chars
        return Units(pieces.document[long], pieces.number[long], hashes_of(texts)[long])

    again = compared_units(documents, units_of).where(F.col("again"))
    return spans_of(documents, numbers_by_document(again), pieces_of)


@dataclass(frozen=True, kw_only=True)
class RepeatedSentences:
    """Cut every run of sentences, with the white space before them, of which there is a copy before it in the corpus.

    Attributes:
        num_sentences: length of a run. Texts with fewer sentences stay as they are.

    Raises:
        ValueError: `num_sentences` is not at least 1.

    Reference: Raffel et al. 2020, section 2.2 (three sentences, all copies but one); huggingface/datatrove
    `pipeline/dedup/sentence_dedup.py`. Departures: sentences end by a fixed rule (`curation.text.sentences`) where
    datatrove asks a model; what is compared is the plain form with one digit for all; texts that became short are for
    rules to drop.
    """

    num_sentences: int = 3

    def __post_init__(self) -> None:
        _at_least_one("RepeatedSentences", num_sentences=self.num_sentences)

    @property
    def name(self) -> str:
        """`repeated_sentences`."""
        return "repeated_sentences"

    def spans(self, documents: DataFrame) -> DataFrame:
        """The sentences that belong to a run that is a copy; see `curation.edits.edit.CorpusEdit`."""
        size = self.num_sentences

        def units_of(batch: TextBatch) -> Units:
            pieces = sentences(batch)
            runs = runs_of(hashes_of(compared(batch, pieces, normalize=True)), size)
            document = pieces.document[: len(runs)]
            inside = pieces.document[size - 1 :][: len(runs)] == document
            return Units(document[inside], pieces.number[: len(runs)][inside], runs[inside])

        again = compared_units(documents, units_of).where(F.col("again"))
        return spans_of(documents, numbers_by_document(again), sentences, width=size)


@dataclass(frozen=True, kw_only=True)
class RepeatedParagraphs:
    """Cut every line most of whose word n-grams stand before it in the corpus, as DCLM's Bloom filter does.

    A token is a piece between Unicode's word boundaries that is no white space. A line of `min_ngram` to `size - 1`
    tokens is one n-gram, a shorter one has none and stays. A line goes where the share of its n-grams that a line
    before it has is above `threshold`, a whole text where that share of all its n-grams is: its text is then empty, for
    a rule to drop.

    Attributes:
        size: tokens of an n-gram.
        min_ngram: fewest tokens of a line that is compared.
        threshold: share of a line's n-grams, or of a text's, in [0, 1].

    Raises:
        ValueError: a setting is out of range.

    Reference: Li et al. 2024, DataComp-LM, section 4.2; revbucket/bff `process_line_oldboth`. Departures: n-grams are
    compared exactly, by 64-bit hashes, where a Bloom filter takes some for seen that are not; those of a line that goes
    count as seen too, where BFF does not enter them, so that what goes does not depend on an order of work. It is no
    less than what BFF cuts. Every token is one row of a shuffle: this is the dearest of the edits.
    """

    size: int = 13
    min_ngram: int = 13
    threshold: float = 0.8

    def __post_init__(self) -> None:
        _at_least_one("RepeatedParagraphs", min_ngram=self.min_ngram)
        if self.size < self.min_ngram:
            raise ValueError(f"RepeatedParagraphs: size {self.size} is below min_ngram {self.min_ngram}")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"RepeatedParagraphs: expected threshold within 0 to 1, got {self.threshold}")

    @property
    def name(self) -> str:
        """`repeated_paragraphs`."""
        return "repeated_paragraphs"

    def spans(self, documents: DataFrame) -> DataFrame:
        """The lines that go, or whole texts; see `curation.edits.edit.CorpusEdit`."""
        counted = compared_units(documents, self._ngrams).groupBy("doc_id", "number")
        by_line = counted.agg(F.count("*").alias("all"), F.sum(F.col("again").cast("int")).alias("seen"))
        goes = F.col("seen") > self.threshold * F.col("all")
        by_text = by_line.groupBy("doc_id").agg(
            F.sum("all").alias("all"),
            F.sum("seen").alias("seen"),
            F.sort_array(F.collect_list(F.when(goes, F.col("number")))).alias("lines"),
        )
        numbers = F.when(goes, F.array(F.lit(WHOLE))).otherwise(F.col("lines")).alias("numbers")
        return spans_of(documents, by_text.select("doc_id", numbers).where(F.size("numbers") > 0), lines)

    def _ngrams(self, batch: TextBatch) -> Units:
        tokens, found = batch.unicode_pieces, lines(batch)
        line = np.searchsorted(found.start, tokens.start, side="right") - 1
        parts = []
        for size in range(self.min_ngram, self.size + 1):
            runs = runs_of(tokens.hash, size)
            own = line[: len(runs)]
            inside = line[size - 1 :][: len(runs)] == own
            if size < self.size:  # the whole of its line, or nothing
                per_line = np.bincount(line, minlength=len(found.start))
                inside &= per_line[own] == size
            parts.append((own[inside], runs[inside]))
        own, runs = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Units(found.document[own], found.number[own], runs)
