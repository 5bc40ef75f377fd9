"""Dialects of one family of rules beside each other: how many documents one keeps and another drops, and why."""

from collections import Counter
from collections.abc import Mapping, Sequence

from curation.report.findings import Comparison, Disputed, Excerpt, OneWay

_FEW = 3

Verdicts = Mapping[str, Sequence[str]]
"""doc_id -> the reasons by which a dialect drops the document, none where it keeps it."""


def compare(family: str, yours: str, verdicts: Mapping[str, Verdicts]) -> Comparison:
    """Compare the dialect `yours` with each of the others.

    Args:
        family: the family's name.
        yours: a dialect of `verdicts`.
        verdicts: what each dialect says about the same documents.
    """
    others = [name for name in verdicts if name != yours]
    pairs = [pair for other in others for pair in ((yours, other), (other, yours))]
    ways = [_one_way(keeps, drops, verdicts) for keeps, drops in pairs]
    return Comparison(
        family=family,
        yours=yours,
        documents=len(verdicts[yours]),
        kept={name: sum(not reasons for reasons in verdicts[name].values()) for name in (yours, *others)},
        ways=tuple(way for way in ways if way.documents),
    )


def _one_way(keeps: str, drops: str, verdicts: Mapping[str, Verdicts]) -> OneWay:
    kept = verdicts[keeps]
    found = sorted(doc_id for doc_id, reasons in verdicts[drops].items() if reasons and not kept[doc_id])
    counts = Counter(reason for doc_id in found for reason in verdicts[drops][doc_id])
    few = [
        Disputed(excerpt=Excerpt(doc_id=doc_id), reasons=tuple(verdicts[drops][doc_id]), values={})
        for doc_id in found[:_FEW]
    ]
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return OneWay(keeps=keeps, drops=drops, documents=len(found), reasons=tuple(ranked), examples=tuple(few))
