"""Our answers beside a peer's: what corresponds to what, and where they differ.

A document is described by the values of a family, under the peer's names, and by its decision: of datatrove the first
reason (it tests no further), of Dolma and NeMo Curator every reason.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.documents import Document

from curation.rules import Rule
from curation.signals.signal import Signal
from curation.text.batch import TextBatch

TOLERANCE = 1e-6

Row = Mapping[str, Any]
Value = Callable[[Row], Any]


@dataclass(frozen=True, kw_only=True)
class Family:
    """One of the peer's filters or taggers, and what is the same here.

    Attributes:
        peer: `datatrove`, `dolma` or `curator`.
        name: of the family in the worker's answers.
        signal: ours.
        rules: ours, in the order in which the peer tests them.
        reasons: our reason for each of the peer's.
        columns: our column, or what makes the value of our row, for each of the peer's values.
        apart: values of a document that are not the same by intent, see where they are named.
        tied: of these reasons the peer names the one that comes first in the text.
        of_words: a text without words is left out: there the peer says 0 and decides by it where ours is undefined.
    """

    peer: str
    name: str
    signal: Signal
    rules: Sequence[Rule]
    reasons: Mapping[str, str]
    columns: Mapping[str, str | Value]
    apart: Mapping[str, Callable[[Document], bool]] = field(default_factory=dict)
    tied: frozenset[str] = frozenset()
    of_words: bool = False

    @property
    def needs_spacy(self) -> bool:
        """Whether ours can be measured only where spaCy is installed."""
        return "spacy" in (getattr(self.signal, "words", None), getattr(self.signal, "sentences", None))

    def value(self, name: str, row: Row) -> Any:
        """Our value under the peer's name."""
        column = self.columns[name]
        return row[column] if isinstance(column, str) else column(row)

    def ours(self, documents: Sequence[Document]) -> list[Row]:
        """Our measurements."""
        self.signal.open()
        return self.signal.measure(TextBatch.from_texts([one.text for one in documents])).to_pylist()

    def fired(self, row: Row) -> list[str]:
        """Our reasons against a document, in order."""
        return [rule.name for rule in self.rules if _fires(rule, row[rule.on.partition(".")[2]])]


def _fires(rule: Rule, value: Any) -> bool:
    if value is None:
        return False
    if rule.one_of is not None:
        return value not in rule.one_of
    return (
        (rule.min is not None and value < rule.min)
        or (rule.max is not None and value > rule.max)
        or (rule.above is not None and value <= rule.above)
        or (rule.below is not None and value >= rule.below)
    )


@dataclass
class Agreement:
    """What a comparison found.

    Attributes:
        documents: how many were compared.
        decisions: how many had the same decision.
        values: how many values were compared.
        differences: `family.value: document: ours, theirs`, all of them.
    """

    documents: int = 0
    decisions: int = 0
    values: int = 0
    differences: list[str] = field(default_factory=list)

    def told(self) -> str:
        """One line."""
        return (
            f"{self.documents} documents, {self.decisions} with the same decision, {self.values} values, "
            f"{len(self.differences)} differences"
        )


def compare(family: Family, documents: Sequence[Document], answers: Iterable[Row]) -> Agreement:
    """Our decisions and values beside the peer's `answers`, one for each document and in their order."""
    found = Agreement()
    for document, row, answer in zip(documents, family.ours(documents), answers, strict=True):
        if family.of_words and not document.text.split():
            continue
        found.documents += 1
        fired = family.fired(row)
        if "reasons" in answer:
            ours: Any = sorted(fired)
            theirs: Any = sorted(family.reasons[reason] for reason in answer["reasons"])
        else:
            theirs = None if answer["reason"] is None else family.reasons[answer["reason"]]
            ours = fired[0] if fired else None
            if {ours, theirs} <= family.tied and theirs in fired:
                ours = theirs
        found.decisions += ours == theirs
        if ours != theirs:
            found.differences.append(f"{family.name} decision: {document.id}: {ours}, {theirs}")
        for name, value in answer["values"].items():
            if name in family.apart and family.apart[name](document):
                continue
            here = family.value(name, row)
            found.values += 1
            if not _same(here, value):
                found.differences.append(f"{family.name}.{name}: {document.id}: {here}, {value}")
    return found


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, float) and math.isnan(theirs):  # numpy's mean of nothing
        theirs = None
    if ours is None or theirs is None:
        return ours is theirs
    return math.isclose(ours, theirs, rel_tol=0, abs_tol=TOLERANCE)


def as_jsonl(documents: Iterable[Document]) -> str:
    """What the workers read."""
    return "".join(json.dumps({"id": one.id, "text": one.text}) + "\n" for one in documents)
