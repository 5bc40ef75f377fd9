"""Groups of documents, how many of each are left after each step, and which of them lose far more than the rest."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from curation.printable import one_line

_LEAST_Z, _LEAST_DOCUMENTS = 4.0, 20
"""Standard errors by which two shares differ beyond chance, and documents of a group that is worth a word."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Documents of one source or language, and how many are left after each step.

    Attributes:
        name: the source or language; None where a document has none.
        documents: all of them.
        num_bytes: bytes of their texts.
        after_rules: those that no rule drops.
        after_dedup: those of `after_rules` that are no duplicate of a document that stays.
        kept: those of `after_dedup` that were drawn; the corpus.
        kept_bytes: bytes of their texts.
    """

    name: str | None
    documents: int = 0
    num_bytes: int = 0
    after_rules: int = 0
    after_dedup: int = 0
    kept: int = 0
    kept_bytes: int = 0

    @property
    def by_rules(self) -> int:
        """Documents that rules drop."""
        return self.documents - self.after_rules

    @property
    def by_dedup(self) -> int:
        """Documents that no rule drops and that are duplicates."""
        return self.after_rules - self.after_dedup

    @property
    def by_sampling(self) -> int:
        """Documents that passed everything and were not drawn."""
        return self.after_dedup - self.kept

    @property
    def lost(self) -> float:
        """Share that rules and deduplication drop, in [0, 1]; sampling is a choice and not counted."""
        return 1 - self.after_dedup / self.documents if self.documents else 0.0


@dataclass(frozen=True, kw_only=True)
class KeepRates:
    """Documents by one of their properties.

    Attributes:
        by: `source`, `language`, `length` or `metadata.FIELD`.
        groups: lengths in their order, else those with most documents first.
        others: how many more groups there are, and their documents.
        reasons: by group, the reasons of rules that its documents have more often than those of the whole, the one that
            adds most first: name, documents, and how many times as often.
    """

    by: str
    groups: tuple[Group, ...] = ()
    others: tuple[int, int] = (0, 0)
    reasons: Mapping[str | None, tuple[tuple[str, int, float], ...]] = field(default_factory=dict)

    def uneven(self, total: Group) -> tuple[Group, ...]:
        """Groups that keep at most half as often as the rest, beyond chance; the heaviest loss first.

        Counted after rules: duplicates and draws say nothing of a filter. Beyond chance: the shares of the group, of at
        least 20 documents, and of the rest of `total` differ by four standard errors or more.
        """
        found = [group for group in self.groups if _keeps_less(group, total)]
        return tuple(sorted(found, key=lambda one: (one.after_rules / one.documents, -one.documents, one.name or "")))

    def said(self, group: Group, total: Group) -> str:
        """How a group of these fares beside the rest of `total`, and for what reasons, in words."""
        rest = total.documents - group.documents
        left = group.after_rules / group.documents, (total.after_rules - group.after_rules) / rest
        text = f"{self.by} {'(none)' if group.name is None else one_line(group.name)}: rules leave {left[0]:.1%} of "
        text += f"{group.documents:,} documents, and {left[1]:.1%} of the rest"
        reasons = [f"{name} ({times:.1f} times as often)" for name, _, times in self.reasons.get(group.name, ())]
        return f"{text}; most for {', '.join(reasons)}" if reasons else text


def _keeps_less(group: Group, total: Group) -> bool:
    rest = total.documents - group.documents
    if not rest or group.documents < _LEAST_DOCUMENTS:
        return False
    ours, theirs = group.after_rules / group.documents, (total.after_rules - group.after_rules) / rest
    share = total.after_rules / total.documents
    error = math.sqrt(share * (1 - share) * (1 / group.documents + 1 / rest))
    return 2 * ours <= theirs and theirs - ours >= _LEAST_Z * error > 0
