"""Story: everything that a lake knows about one document, as plain values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from curation.history import Commit
from curation.printable import head, printable
from curation.recipe import decode
from curation.rules import Rule, Scalar
from curation.word_diff import WordDiff, word_diff

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class CutPiece:
    """A piece that an edit cut out of a text.

    Attributes:
        edit: the edit's name.
        start: at which byte of the text that the edit was given.
        text: what it cut, fit to print.
        put: what it put there, fit to print.
    """

    edit: str
    start: int
    text: str
    put: str


@dataclass(frozen=True, kw_only=True)
class SourceRecord:
    """The record that the document was made from.

    Attributes:
        doc_id: the document's key.
        record_id: the id that it came with.
        source: the source's name.
        url: its address.
        file: the file's name below the input's root.
        record: its number in the file.
        metadata: everything else in the record.
        content_hash: hash of the text.
        ingest_id: the ingest that read it.
        num_chars: characters of the text.
        text_head: the first lines of the text, fit to print; `…` at the end where the text goes on.
        cuts: what edits cut out of it, in order.
    """

    doc_id: str
    record_id: str | None
    source: str | None
    url: str | None
    file: str
    record: int
    metadata: Any
    content_hash: str
    ingest_id: str | None
    num_chars: int
    text_head: str
    cuts: tuple[CutPiece, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RuleVerdict:
    """One rule of the recipe on this document.

    Attributes:
        reason: the rule's name.
        on: what it looks at.
        value: what was measured; None where it is undefined, which fires no rule.
        keeps: the bound in words.
        fired: the rule drops the document.
    """

    reason: str
    on: str
    value: Scalar | None
    keeps: str
    fired: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was decided.

    Attributes:
        kept: whether the document is in the corpus.
        reasons: all reasons against it, in order.
        weight: its weight in the corpus.
        sampling_key: what it was drawn by, the largest first; None where no draw looked at it.
        draw: the draw in words; None where the recipe does not sample.
        recipe_hash: hash of the recipe that decided.
    """

    kept: bool
    reasons: tuple[str, ...]
    weight: float
    sampling_key: float | None
    draw: str | None
    recipe_hash: str


@dataclass(frozen=True, kw_only=True)
class Member:
    """Another document with the same representative, and its similarity with that."""

    doc_id: str
    similarity: float | None
    kind: str
    kept: bool | None


@dataclass(frozen=True, kw_only=True)
class ClusterPlace:
    """The document among its duplicates.

    Attributes:
        cluster_id: the cluster.
        kind: `exact` (the same words), `minhash` (nearly) or `url` (the same address).
        similarity: exact Jaccard similarity with the representative, None for the same address: nothing was compared.
        representative: the document that stands for it.
        is_representative: it is that document itself.
        representative_passes: whether the rules keep the representative; if not, the document is judged for itself.
        num_represented: documents that the representative stands for, itself included.
        members: the others of these, the most similar first; not all where there are many.
        num_members: documents of the cluster: what hangs together by candidate pairs.
        num_representatives: representatives in the cluster; documents that are not alike enough have different ones.
        diff: this text (left) against the representative's (right); None for the representative.
    """

    cluster_id: str
    kind: str
    similarity: float | None
    representative: str
    is_representative: bool
    representative_passes: bool | None
    num_represented: int
    members: tuple[Member, ...]
    num_members: int
    num_representatives: int
    diff: WordDiff | None


@dataclass(frozen=True, kw_only=True)
class Story:
    """Everything that a lake knows about one document.

    Attributes:
        lake: the lake.
        record: where it came from.
        verdict: what was decided; None where nothing was yet.
        rules: every rule of the recipe, in its order.
        signals: every measurement, by signal; empty where the document is not measured yet.
        cluster: its duplicates; None where it has none, or they were not sought.
        recipe_name: the recipe that decided, or measured where nothing is decided.
        recipe_hash: its hash.
        versions: the versions of the tables that the story is read from.
        notes: what else one has to know.
    """

    lake: str
    record: SourceRecord
    verdict: Verdict | None = None
    rules: tuple[RuleVerdict, ...] = ()
    signals: Mapping[str, Mapping[str, Scalar | list[Scalar] | None]] = field(default_factory=dict)
    cluster: ClusterPlace | None = None
    recipe_name: str | None = None
    recipe_hash: str | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The story as plain JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class QuarantinedRecord:
    """A record that could not become a document.

    Attributes:
        lake: the lake.
        file: the file's name below the input's root.
        record: its number in the file; None where the fault is the whole file's.
        reason: why.
        detail: why, for people.
        num_raw_bytes: stored bytes of it (its first ones).
        raw_head: the first of them, fit to print; bytes that are no UTF-8 are spelled out.
    """

    lake: str
    file: str
    record: int | None
    reason: str
    detail: str | None
    num_raw_bytes: int
    raw_head: str

    def as_json(self) -> dict[str, Any]:
        """The record as plain JSON."""
        return {"quarantined": True, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class ClusterRows:
    """What the tables hold about a document's cluster.

    Attributes:
        own: the document's row of `clusters`.
        cluster: all rows of its cluster.
        decisions: rows of `decisions` by doc_id: of the `relatives` and the representative.
        representative_text: text of the representative; None where the document is the representative.
    """

    own: Row
    cluster: Sequence[Row]
    decisions: Mapping[str, Row]
    representative_text: str | None


def story_of(
    lake: str,
    document: Row,
    signals: Row | None,
    cluster: ClusterRows | None,
    decision: Row | None,
    decided_by: Commit | None,
    *,
    versions: Mapping[str, int],
    notes: Sequence[str] = (),
    num_lines: int = 12,
) -> Story:
    """The story of one document, from its rows.

    Args:
        lake: the lake, for people.
        document: its row of `documents`.
        signals: its row of `signals`.
        cluster: its duplicates.
        decision: its row of `decisions`.
        decided_by: the commit of the verdict, or of the signals where there is no verdict; its recipe is told.
        versions: versions of the tables that the rows are from.
        notes: what else one has to know.
        num_lines: lines of the text to give.
    """
    recipe: Mapping[str, Any] = decided_by.record.get("recipe", {}) if decided_by else {}
    rules: tuple[Rule, ...] = decode(list(recipe.get("rules", ())))
    measured = {name: value for name, value in (signals or {}).items() if isinstance(value, Mapping)}
    reasons = None if decision is None else tuple(decision["reasons"])
    return Story(
        lake=lake,
        record=source_record(document, num_lines),
        verdict=None if decision is None else _verdict(decision, recipe, decided_by, str(document["source"])),
        rules=tuple(_rule_verdict(rule, measured, reasons) for rule in rules) if signals is not None else (),
        signals=measured,
        cluster=None if cluster is None else _place(cluster, str(document["text"]), {rule.name for rule in rules}),
        recipe_name=decided_by.recipe_name if decided_by else None,
        recipe_hash=decided_by.recipe_hash if decided_by else None,
        versions=dict(versions),
        notes=tuple(notes),
    )


def source_record(document: Row, num_lines: int = 12) -> SourceRecord:
    """The source record of a row of `documents`."""
    text = str(document["text"])
    return SourceRecord(
        doc_id=document["doc_id"],
        record_id=document["record_id"],
        source=document["source"],
        url=document["url"],
        file=document["origin"]["file"],
        record=document["origin"]["record"],
        metadata=_metadata(document["metadata"]),
        content_hash=document["content_hash"],
        ingest_id=document["ingest_id"],
        num_chars=len(text),
        text_head=head(text, num_lines),
        cuts=tuple(
            CutPiece(edit=cut["edit"], start=cut["start"], text=printable(cut["text"]), put=printable(cut["put"]))
            for cut in document.get("cuts") or ()
        ),
    )


def quarantined_record(lake: str, row: Row, num_lines: int = 12) -> QuarantinedRecord:
    """A row of `quarantine`, fit to print."""
    raw = bytes(row["raw"] or b"")
    return QuarantinedRecord(
        lake=lake,
        file=row["origin"]["file"],
        record=row["origin"]["record"],
        reason=row["reason"],
        detail=None if row["detail"] is None else printable(row["detail"]),
        num_raw_bytes=len(raw),
        raw_head=head(raw.decode("utf-8", "backslashreplace"), num_lines),
    )


def drops(rule: Rule, value: Scalar | None) -> bool:
    """Whether a rule drops a document with this measurement. A null drops nothing."""
    if value is None:
        return False
    if rule.one_of is not None:
        return value not in rule.one_of
    number = float(value)
    return (
        (rule.min is not None and number < rule.min)
        or (rule.max is not None and number > rule.max)
        or (rule.above is not None and number <= rule.above)
        or (rule.below is not None and number >= rule.below)
    )


def _metadata(text: str | None) -> Any:
    if not text:
        return {}
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _rule_verdict(rule: Rule, measured: Mapping[str, Row], reasons: tuple[str, ...] | None) -> RuleVerdict:
    signal, column = rule.on.split(".")
    value = measured.get(signal, {}).get(column)
    fired = rule.name in reasons if reasons is not None else drops(rule, value)
    return RuleVerdict(reason=rule.name, on=rule.on, value=value, keeps=rule.bound_text(), fired=fired)


def _verdict(decision: Row, recipe: Mapping[str, Any], commit: Commit | None, source: str) -> Verdict:
    sampling = recipe.get("sampling")
    return Verdict(
        kept=decision["kept"],
        reasons=tuple(decision["reasons"]),
        weight=decision["weight"],
        sampling_key=decision["sampling_key"],
        draw=None if sampling is None else _draw(sampling, commit.record if commit else {}, source),
        recipe_hash=decision["recipe_hash"],
    )


def _draw(sampling: Mapping[str, Any], record: Mapping[str, Any], source: str) -> str:
    """The draw in words: `the largest keys from qa: 120 of 100 documents asked, by signal.column at temperature 2`."""
    if record.get("stage") != "sample":
        return f"{sampling['budget']:,} {sampling['unit']} are to be drawn: `winnow sample` has not run yet"
    domain = source if sampling["per_domain"] else "all"
    asked, drawn = record.get("asked", {}).get(domain), record.get("drawn", {}).get(domain)
    how = "evenly" if sampling["mode"] == "uniform" else f"by {sampling['by']}"
    if sampling["mode"] == "sample":
        how += f" at temperature {sampling['temperature']:g}"
    elif sampling["mode"] == "top_k":
        how += ", the highest"
    if asked is None:
        return f"no document of {domain} stood for the draw {how}"
    return f"{drawn:,} {sampling['unit']} drawn from {domain}, {asked:,} asked, {how}"


def _place(rows: ClusterRows, text: str, rule_names: set[str]) -> ClusterPlace:
    own = rows.own
    representative = str(own["representative"])
    standing = rows.decisions.get(representative)
    kept = {doc_id: bool(row["kept"]) for doc_id, row in rows.decisions.items()}
    return ClusterPlace(
        cluster_id=own["cluster_id"],
        kind=own["kind"],
        similarity=own["similarity"],
        representative=representative,
        is_representative=representative == own["doc_id"],
        representative_passes=None if standing is None else not rule_names & set(standing["reasons"]),
        num_represented=sum(row["representative"] == representative for row in rows.cluster),
        num_members=len(rows.cluster),
        num_representatives=len({row["representative"] for row in rows.cluster}),
        members=tuple(
            Member(
                doc_id=row["doc_id"], similarity=row["similarity"], kind=row["kind"], kept=kept.get(str(row["doc_id"]))
            )
            for row in relatives(rows.cluster, own)
        ),
        diff=None if rows.representative_text is None else word_diff(text, rows.representative_text),
    )


def relatives(cluster: Sequence[Row], own: Row, most: int = 20) -> list[Row]:
    """Rows of the other documents with the same representative: that itself first, then the most similar to it."""
    same = own["representative"]
    others = [row for row in cluster if row["representative"] == same and row["doc_id"] != own["doc_id"]]
    others.sort(key=lambda row: (row["doc_id"] != same, -(row["similarity"] or 0.0), row["doc_id"]))
    return others[:most]
