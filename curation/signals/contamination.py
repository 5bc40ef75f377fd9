"""Contamination: does a text hold items of evaluation sets?

A text is contaminated where it holds an n-gram of words (13 by default) of an item; an item of 8 to 12 words is looked
for as a whole, a shorter one not at all (`winnow index-evaluation` counts them). Words are runs of letters, digits and
underscores in lower case, so that punctuation, line breaks and case do not hide an item. What is found by hash is
compared word by word.

Reference: Brown et al. 2020, GPT-3, appendix C (13-grams; shorter items are left out there); Gao et al.,
lm-evaluation-harness, `decontamination`. Departures: no n-gram is forgiven for being frequent (GPT-3 forgave those in
more than ten documents): the rule's bound on `num_matches` or `frac_item` does it, and says so.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from curation.rules import Rule
from curation.signals.contamination_index import ContaminationIndex, open_index, read_index
from curation.text.batch import TextBatch


@dataclass(frozen=True, kw_only=True)
class Contamination:
    """Which evaluation item a text holds most of.

    Columns: `num_matches` (int32; words of the text at which an n-gram of any item begins), and, null where that is 0,
    `evaluation_set` and `item` (string; the item of which the text holds the largest share), `frac_item` (float64; the
    share of its n-grams that the text holds), `min_char` and `max_char` (int32; the first character of the longest
    stretch of it, and the one after its last).

    Attributes:
        index: file of the items, a path or URI that every worker can read; see `winnow index-evaluation`.
        sha256: hash of that file: another index is another recipe. `Contamination.of` fills it in.

    Raises:
        ValueError: either is empty.
    """

    index: str
    sha256: str

    def __post_init__(self) -> None:
        if not self.index or not self.sha256:
            raise ValueError("contamination: index and sha256 are both needed; Contamination.of(path) gives them")

    @classmethod
    def of(cls, index: str) -> "Contamination":
        """The signal for the index that stands there now.

        Raises:
            ContaminationError: there is none.
        """
        return cls(index=index, sha256=hashlib.sha256(read_index(index)).hexdigest())

    @property
    def name(self) -> str:
        """`contamination`."""
        return "contamination"

    @property
    def schema(self) -> pa.Schema:
        """Columns of the measurements."""
        return pa.schema(
            [
                ("num_matches", pa.int32()),
                ("evaluation_set", pa.string()),
                ("item", pa.string()),
                ("frac_item", pa.float64()),
                ("min_char", pa.int32()),
                ("max_char", pa.int32()),
            ]
        )

    def open(self) -> None:
        """Read the index, once per process.

        Raises:
            ContaminationError: there is none, or it is not the one that the recipe names.
        """
        self._index()

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """What each text holds of the evaluation sets; null for a null text."""
        index = self._index()
        num_matches = np.zeros(len(batch), np.int32)
        said: dict[str, list[Any]] = {name: [None] * len(batch) for name in self.schema.names[1:]}
        for doc, match in index.matches(batch).items():
            item = index.items[match.item]
            num_matches[doc] = match.num_matches
            said["evaluation_set"][doc], said["item"][doc] = item.evaluation_set, item.item
            said["frac_item"][doc] = match.num_covered / match.num_ngrams
            said["min_char"][doc], said["max_char"][doc] = match.start, match.end
        columns = [pa.array(num_matches, mask=~batch.valid)]
        columns += [pa.array(said[field.name], field.type) for field in list(self.schema)[1:]]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _index(self) -> ContaminationIndex:
        return open_index(self.index, self.sha256)


def rules(*, max_matches: int = 0) -> tuple[Rule, ...]:
    """Drop what holds an evaluation item.

    Args:
        max_matches: so many n-grams are forgiven.
    """
    return (Rule("contamination.evaluation_item", on="contamination.num_matches", max=max_matches),)
