"""What a report tells, as plain numbers: everything that the page draws, and nothing that grows with the corpus."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from curation.report.groups import Group, KeepRates

ReasonKind = Literal["rule", "dedup", "sampling", "other"]


@dataclass(frozen=True, kw_only=True)
class Reason:
    """The effect of one reason.

    Attributes:
        name: the reason.
        kind: what gives it.
        bound: what has to hold, in words; empty where it is not a bound.
        documents: documents that have it.
        alone: documents that have no other: what would be won back without it.
        first: documents that have it before all others.
    """

    name: str
    kind: ReasonKind
    bound: str = ""
    documents: int = 0
    alone: int = 0
    first: int = 0


@dataclass(frozen=True, kw_only=True)
class Bin:
    """One bar of a histogram.

    Attributes:
        left: where it begins on the axis, in the axis' own unit.
        right: where it ends.
        count: documents in it.
        dropped: whether a rule on the measurement drops these values.
        says: the values in words.
    """

    left: float
    right: float
    count: int
    dropped: bool
    says: str


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """The distribution of one measurement that rules look at.

    Attributes:
        column: `signal.column`.
        rules: the reasons that look at it, in declared order.
        bins: the bars, from left to right; empty where every value is undefined.
        ticks: places on the axis and what is written there.
        thresholds: places on the axis, and the bound in words.
        shades: stretches of the axis that are dropped.
        num_null: documents for which it is undefined.
        num_dropped: documents that a rule on it drops.
        is_log: whether the axis is logarithmic.
        pooled: in words, the bars at the ends that hold everything beyond them too.
        categories: values are labels or flags rather than numbers on an axis.
    """

    column: str
    rules: tuple[str, ...]
    bins: tuple[Bin, ...] = ()
    ticks: tuple[tuple[float, str], ...] = ()
    thresholds: tuple[tuple[float, str], ...] = ()
    shades: tuple[tuple[float, float], ...] = ()
    num_null: int = 0
    num_dropped: int = 0
    is_log: bool = False
    pooled: tuple[str, ...] = ()
    categories: bool = False


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """The beginning of a document, for people.

    Attributes:
        doc_id: its key.
        record_id: the user's own id, if there is one.
        source: its source.
        url: its address, if there is one.
        text: its first characters.
        num_chars: how many it has in all.
    """

    doc_id: str
    record_id: str | None = None
    source: str | None = None
    url: str | None = None
    text: str = ""
    num_chars: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether there is more than the excerpt shows."""
        return self.num_chars > len(self.text)

    @property
    def first_line(self) -> str:
        """The first line that is not blank, without white space around it."""
        return next((line.strip() for line in self.text.splitlines() if line.strip()), "")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A document that was dropped for a reason.

    Attributes:
        excerpt: how it begins.
        reasons: all its reasons, in order.
        value: what was measured, in words; None where the reason is not a bound.
        representative: the document that stands for it, if it is a duplicate.
        similarity: how similar the two are, in [0, 1].
    """

    excerpt: Excerpt
    reasons: tuple[str, ...] = ()
    value: str | None = None
    representative: str | None = None
    similarity: float | None = None


@dataclass(frozen=True, kw_only=True)
class Disputed:
    """A document that one dialect keeps and another drops.

    Attributes:
        excerpt: how it begins.
        reasons: why it is dropped.
        values: what the one that drops it measured, in words, by reason.
    """

    excerpt: Excerpt
    reasons: tuple[str, ...]
    values: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class OneWay:
    """Documents that dialect `keeps` keeps and dialect `drops` drops.

    Attributes:
        keeps: the dialect that keeps them.
        drops: the dialect that drops them.
        documents: how many they are.
        reasons: why they are dropped: (reason, documents), the most frequent first.
        examples: a few of them, those with the smallest doc_ids.
    """

    keeps: str
    drops: str
    documents: int
    reasons: tuple[tuple[str, int], ...] = ()
    examples: tuple[Disputed, ...] = ()

    @property
    def said(self) -> str:
        """In one sentence."""
        why = ", ".join(f"{name} {count:,}" for name, count in self.reasons[:4])
        more = f" and {len(self.reasons) - 4} more" if len(self.reasons) > 4 else ""
        some = f"{self.documents:,} document is" if self.documents == 1 else f"{self.documents:,} documents are"
        return f"{some} kept by {self.keeps} and dropped by {self.drops}, because of {why}{more}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One family of rules in all its dialects.

    Attributes:
        family: its name, `gopher` for instance.
        yours: the dialect that the recipe uses, with which the others are compared.
        documents: how many were judged.
        kept: documents that each dialect keeps, `yours` first.
        ways: both ways for each of the other dialects, where they differ.
    """

    family: str
    yours: str
    documents: int
    kept: Mapping[str, int]
    ways: tuple[OneWay, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One cluster of duplicates.

    Attributes:
        cluster_id: its key.
        size: documents in it.
        num_exact: those whose text is that of the representative.
        least: smallest similarity of a member with the representative, None where it has no other member.
        most: largest similarity, likewise.
        representative: the document that stands for it.
    """

    cluster_id: str
    size: int
    num_exact: int
    least: float | None
    most: float | None
    representative: Excerpt


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """What deduplication found.

    Attributes:
        clusters: their number.
        by_kind: documents in clusters, by kind.
        sizes: (documents per cluster in words, clusters), small ones first.
        similarities: bars over the similarity of near duplicates with their representative.
        largest: the largest clusters.
    """

    clusters: int = 0
    by_kind: Mapping[str, int] = field(default_factory=dict)
    sizes: tuple[tuple[str, int], ...] = ()
    similarities: tuple[Bin, ...] = ()
    largest: tuple[Cluster, ...] = ()

    @property
    def documents(self) -> int:
        """Documents in clusters."""
        return sum(self.by_kind.values())


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A record that could not become a document.

    Attributes:
        file: the file it stands in.
        record: its number there, None where the file as a whole is broken.
        detail: what is wrong.
        raw: its first bytes, made readable.
    """

    file: str
    record: int | None
    detail: str
    raw: str


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """Records in quarantine for one reason, with a few of them."""

    reason: str
    count: int
    examples: tuple[Broken, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """How long a stage took.

    Attributes:
        stage: its name.
        num_rows: documents it handled.
        num_bytes: bytes of text it handled, None where it reads no text.
        seconds: how long it took, None where it is not known.
        note: said beside the numbers: that it had nothing to do this time, or when that was.
    """

    stage: str
    num_rows: int = 0
    num_bytes: int | None = None
    seconds: float | None = None
    note: str = ""

    @property
    def speed(self) -> float | None:
        """Bytes per second, None where either is not known."""
        return self.num_bytes / self.seconds if self.num_bytes is not None and self.seconds else None


@dataclass(frozen=True, kw_only=True)
class TableVersion:
    """One table as the report read it.

    Attributes:
        table: its name.
        version: its version.
        time: when that was committed.
        stage: the stage that wrote it.
        recipe: hash of the recipe that wrote it.
        code: version of the code that wrote it.
        engine: the engine that wrote it.
    """

    table: str
    version: int
    time: datetime
    stage: str = ""
    recipe: str = ""
    code: str = ""
    engine: str = ""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Everything that a report tells.

    Attributes:
        title: what the report is about, for instance the lake's name.
        made_at: when the numbers were read.
        engine: the engine that counted.
        code: version of the code that counted.
        total: all documents; its name is not used.
        warnings: what a person should look at.
        sources: the sources with most documents.
        other_sources: sources that are not in `sources`, and their documents.
        languages: the languages with most documents; empty where none is measured.
        rates: who is dropped, by each property that was asked for, sources and languages among them.
        reasons: in the recipe's order.
        overlap: (reason, reason) -> documents that have both; the first stands first in `reasons`.
        by_source: (source, reason) -> documents, for sources in `sources`.
        histograms: one per measurement that rules look at.
        duplicates: None where the recipe does not look for them.
        examples: reason -> dropped documents.
        quarantine: by reason.
        nulls: measurement -> documents for which it is undefined.
        times: how long the stages took.
        versions: the tables that were read.
        files: (files read, records in them), None where it is not known.
        budget: (asked, drawn) by domain, where the recipe samples.
        dialects: whom other implementations of the rules would keep or drop; empty where they were not compared.
    """

    title: str
    made_at: datetime
    engine: str = ""
    code: str = ""
    total: Group = field(default_factory=lambda: Group(name=None))
    warnings: tuple[str, ...] = ()
    sources: tuple[Group, ...] = ()
    other_sources: tuple[int, int] = (0, 0)
    languages: tuple[Group, ...] = ()
    rates: tuple[KeepRates, ...] = ()
    reasons: tuple[Reason, ...] = ()
    overlap: Mapping[tuple[str, str], int] = field(default_factory=dict)
    by_source: Mapping[tuple[str | None, str], int] = field(default_factory=dict)
    histograms: tuple[Histogram, ...] = ()
    duplicates: Duplicates | None = None
    examples: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)
    quarantine: tuple[Quarantined, ...] = ()
    nulls: Mapping[str, int] = field(default_factory=dict)
    times: tuple[StageTime, ...] = ()
    versions: tuple[TableVersion, ...] = ()
    files: tuple[int, int] | None = None
    budget: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    dialects: tuple[Comparison, ...] = ()

    @property
    def seconds(self) -> float:
        """How long all stages took together, as far as it is known."""
        return sum(one.seconds for one in self.times if one.seconds is not None)

    @property
    def speed(self) -> float | None:
        """Bytes of text per second through all stages, None unless all are known to have handled all of it."""
        handled = {one.stage: one.num_rows for one in self.times if one.seconds is not None}
        needed = ["ingest", "measure", "decide", *(["dedup"] if self.duplicates is not None else [])]
        is_all = self.total.documents and all(handled.get(stage) == self.total.documents for stage in needed)
        return self.total.num_bytes / self.seconds if is_all and self.seconds else None
