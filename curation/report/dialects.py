"""Every dialect of a recipe's families measured and judged on a sample of the user's own documents."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import pyarrow as pa
from pyspark.sql import DataFrame

from curation.decide import reasons_of
from curation.measure import measured
from curation.recipe import Recipe
from curation.report.comparison import compare
from curation.report.examples import excerpts, in_words
from curation.report.findings import Comparison, Disputed, Excerpt, OneWay
from curation.rules import Rule
from curation.signals.signal import Signal

_ID_BITS = 128
_MOST_TEXTS = 500  # excerpts are asked for by so many doc_ids in one query


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of rules that implementations carry out each in its own way.

    Attributes:
        name: `gopher` for instance.
        yours: the dialect of the recipe.
        signals: the signal of each dialect.
        rules: the published rules of each dialect.
    """

    name: str
    yours: str
    signals: Mapping[str, Signal]
    rules: Mapping[str, tuple[Rule, ...]]


def families_of(recipe: Recipe) -> tuple[Family, ...]:
    """The families among a recipe's signals that have more than one dialect with rules, in the recipe's order.

    A signal's other settings are those of the recipe in every dialect that can have them. A family that the recipe
    measures in several dialects is compared with the first of them.
    """
    found: dict[str, Family] = {}
    for signal in recipe.signals:
        kind: Any = type(signal)
        module: Any = sys.modules[kind.__module__]
        family = kind.__module__.rpartition(".")[2]
        if not hasattr(signal, "dialect") or not hasattr(module, "rules") or family in found:
            continue
        rules, signals = {}, {}
        for dialect in _dialects(module, signal.dialect):
            try:
                rules[dialect] = tuple(module.rules(dialect))
                signals[dialect] = _in_dialect(signal, dialect)
            except ValueError:  # a measurement without published bounds
                continue
        if len(signals) > 1 and signal.dialect in signals:
            chosen = {dialect: rules[dialect] for dialect in signals}
            found[family] = Family(name=family, yours=signal.dialect, signals=signals, rules=chosen)
    return tuple(found.values())


def _dialects(module: Any, yours: str) -> list[str]:
    known = [*getattr(module, "DIALECTS", ()), *get_args(getattr(module, "Dialect", None))]
    return list(dict.fromkeys([yours, *known]))


def _in_dialect(signal: Any, dialect: str) -> Signal:
    try:
        made: Signal = dataclasses.replace(signal, dialect=dialect)
    except ValueError:  # settings that only the recipe's dialect can have
        made = type(signal)(dialect=dialect)
    return made


def sampled(documents: DataFrame, num_documents: int, about: int) -> DataFrame:
    """About so many of `num_documents` documents, by their keys, which are hashes: the same ones in every run."""
    if num_documents <= about:
        return documents
    bound = (about << _ID_BITS) // num_documents
    return documents.where(documents["doc_id"] < f"{bound:0{_ID_BITS // 4}x}")


def compare_dialects(families: Sequence[Family], sample: DataFrame) -> tuple[Comparison, ...]:
    """Judge a sample by every dialect and tell where they differ.

    Args:
        families: see `families_of`.
        sample: documents (doc_id, content_hash, text, and what excerpts show); what is measured of them is collected.
    """
    if not families:
        return ()
    signals = {signal.name: signal for family in families for signal in family.signals.values()}
    ways = [(family, dialect) for family in families for dialect in family.signals]
    judged = [reasons_of(family.rules[dialect]).alias(f"r{k}") for k, (family, dialect) in enumerate(ways)]
    table = measured(list(signals.values()))(sample).select("doc_id", *signals, *judged).toArrow()
    doc_ids = table["doc_id"].to_pylist()
    verdicts: dict[str, dict[str, dict[str, list[str]]]] = {}
    for k, (family, dialect) in enumerate(ways):
        verdicts.setdefault(family.name, {})[dialect] = dict(zip(doc_ids, table[f"r{k}"].to_pylist(), strict=True))
    found = [compare(family.name, family.yours, verdicts[family.name]) for family in families]
    wanted = {one.excerpt.doc_id for comparison in found for way in comparison.ways for one in way.examples}
    rows = {doc_id: row for row, doc_id in enumerate(doc_ids) if doc_id in wanted}
    ordered = sorted(wanted)
    texts: dict[str, Excerpt] = {}
    for k in range(0, len(ordered), _MOST_TEXTS):
        texts |= excerpts(sample, ordered[k : k + _MOST_TEXTS])

    def completed(family: Family, way: OneWay) -> OneWay:
        bounds = {rule.name: rule.on for rule in family.rules[way.drops]}
        examples = tuple(
            Disputed(
                excerpt=texts.get(one.excerpt.doc_id, one.excerpt),
                reasons=one.reasons,
                values={reason: _value(table, rows[one.excerpt.doc_id], bounds[reason]) for reason in one.reasons},
            )
            for one in way.examples
        )
        return dataclasses.replace(way, examples=examples)

    return tuple(
        dataclasses.replace(comparison, ways=tuple(completed(family, way) for way in comparison.ways))
        for family, comparison in zip(families, found, strict=True)
    )


def _value(table: pa.Table, row: int, on: str) -> str:
    signal, _, column = on.partition(".")
    return in_words(table[signal][row].as_py()[column])
