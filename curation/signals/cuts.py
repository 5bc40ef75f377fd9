"""What the recipe's edits took out of a text: how much of it, in words as DCLM counts them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation.edits.splice import restored
from curation.rules import Rule
from curation.tables import CUT
from curation.text.batch import TextBatch
from curation.text.columns import divide, to_arrow


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """Columns: `num_pieces` (int64), the pieces that edits cut; `num_words_before` (int64), words of the text as it was
    read (those by Unicode's rules that begin with a letter or digit); `frac_words_cut` (float64), by which share of
    them the text has fewer now, null where there were none, below 0 where edits put in more than they cut.

    Reference: `word_removal_ratio_filter` of mlfoundations/dclm `baselines/mappers/filters/content_filters.py`.
    """

    @property
    def name(self) -> str:
        """`cuts`."""
        return "cuts"

    @property
    def schema(self) -> pa.Schema:
        """Pieces, words before, and the share that went."""
        return pa.schema(
            [("num_pieces", pa.int64()), ("num_words_before", pa.int64()), ("frac_words_cut", pa.float64())]
        )

    def open(self) -> None:
        """Nothing to load."""

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """Texts that nothing was cut out of."""
        return self.measure_edited(batch, pa.nulls(len(batch), pa.list_(CUT)))

    def measure_edited(self, batch: TextBatch, cuts: pa.Array) -> pa.RecordBatch:
        """Measurements of each text of `batch`, and of what was cut out of it (`documents.cuts`)."""
        after = batch.unicode_words.counts
        before = restored(batch, cuts).unicode_words.counts
        columns = (np.asarray(cuts.value_lengths().fill_null(0)), before, divide(before - after, before))
        return pa.RecordBatch.from_arrays(
            [to_arrow(values, batch.valid, field.type) for values, field in zip(columns, self.schema, strict=True)],
            schema=self.schema,
        )


def rules() -> tuple[Rule, ...]:
    """DCLM's bound: edits may take 5 % of the words."""
    return (Rule("cuts.too_many_words", on="cuts.frac_words_cut", max=0.05),)
