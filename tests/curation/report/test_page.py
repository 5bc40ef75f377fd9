"""The page: one file that needs nothing else, everything escaped, and sensible whatever is missing."""

import dataclasses
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from curation.dedup.config import Dedup
from curation.recipe import Recipe
from curation.report.findings import (
    Bin,
    Broken,
    Cluster,
    Duplicates,
    Example,
    Excerpt,
    Findings,
    Histogram,
    Quarantined,
    Reason,
    StageTime,
    TableVersion,
)
from curation.report.groups import Group
from curation.report.page import losses, overlap_matrix, page, recipe_settings, source_matrix
from curation.rules import Rule
from curation.sampling.config import Sampling
from curation.signals import gopher

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">\x00\u202e</style></title>&amp;'
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
VOID = {"meta", "link", "wbr", "img", "br"}


class Reader(HTMLParser):
    """Tags, text and attributes of a page; complains of tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        self.handlers += [name for name in found if name.startswith("on")]
        self.ids += [found["id"] or ""] if "id" in found else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.text += data


def read(found: Findings, recipe: Recipe) -> Reader:
    """The page, checked for all that holds for every page."""
    html = page(found, recipe)
    reader = Reader(html)
    assert not reader.handlers
    assert not {"script", "img", "iframe", "object"} & set(reader.tags)
    assert all(link == "data:," or (link.startswith("#") and link[1:] in reader.ids) for link in reader.links)
    assert len(reader.ids) == len(set(reader.ids))
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", html)
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", reader.text)
    return reader


RULES = (Rule("a.few", on="gopher.num_words", min=50), Rule("a.long", on="gopher.mean_word_length", max=10))
RECIPE = Recipe(
    name="demo",
    says="a <b>recipe</b>",
    signals=(gopher.Gopher(),),
    rules=RULES,
    dedup=Dedup(),
    sampling=Sampling(mode="uniform", budget=5),
)
BARE = Recipe(name="bare")


def full(text: str = "hello", source: str | None = "web", reason: str = "a.few") -> Findings:
    """A report in which everything has something to say."""
    excerpt = Excerpt(doc_id="0" * 32, record_id=text, source=source, url=text, text=text, num_chars=5000)
    bins = tuple(Bin(left=i, right=i + 1, count=4 - i, dropped=i < 1, says=str(i)) for i in range(3))
    groups = (
        Group(
            name=source,
            documents=10_000,
            num_bytes=5_000_000,
            after_rules=6000,
            after_dedup=5000,
            kept=1234,
            kept_bytes=70_000,
        ),
        Group(
            name="books", documents=20_000, num_bytes=50_000_000, after_rules=20_000, after_dedup=19_000, kept=19_000
        ),
    )
    return Findings(
        title=text,
        made_at=NOW,
        engine=text,
        code="1.2.3",
        total=Group(
            name=None, documents=30_000, num_bytes=55_000_000, after_rules=26_000, after_dedup=24_000, kept=20_234
        ),
        warnings=(text,),
        sources=groups,
        languages=(Group(name=text, documents=30_000),),
        reasons=(
            Reason(name=reason, kind="rule", bound=text, documents=4000, alone=3000, first=3500),
            Reason(name="a.long", kind="rule", documents=1000, alone=0, first=500),
            Reason(name="a.idle", kind="rule"),
            Reason(name="dedup.not_representative", kind="dedup", documents=2000, alone=2000, first=2000),
            Reason(name="sampling.not_drawn", kind="sampling", documents=3766, alone=3766, first=3766),
        ),
        overlap={(reason, reason): 4000, (reason, "a.long"): 1000, ("a.long", "a.long"): 1000},
        by_source={(source, reason): 4000, ("books", "dedup.not_representative"): 1000},
        histograms=(
            Histogram(
                column="gopher.num_words",
                rules=(reason,),
                bins=bins,
                thresholds=((1.0, "≥ 50"),),
                num_null=7,
                num_dropped=4,
            ),
            Histogram(column="gopher.mean_word_length", rules=("a.long",), num_null=30_000),
        ),
        duplicates=Duplicates(
            clusters=3,
            by_kind={"exact": 4, "minhash": 2},
            sizes=(("2", 2), ("3", 1)),
            similarities=bins,
            largest=(Cluster(cluster_id="c", size=3, num_exact=0, least=0.81, most=0.99, representative=excerpt),),
        ),
        examples={
            reason: (
                Example(excerpt=excerpt, reasons=(reason, "a.long"), value=text, representative="f", similarity=0.9),
            )
        },
        quarantine=(
            Quarantined(reason=text, count=1234, examples=(Broken(file=text, record=None, detail=text, raw=text),)),
        ),
        nulls={"gopher.num_words": 7},
        times=(
            StageTime(stage="measure", num_rows=30_000, num_bytes=55_000_000, seconds=2.0),
            StageTime(stage="sample", note=text),
        ),
        versions=(
            TableVersion(table="decisions", version=3, time=NOW, stage="sample", recipe="ff", code="1", engine=text),
        ),
        files=(5, 31_234),
        budget={"": (10, 9)},
    )


def test_the_numbers_are_told() -> None:
    text = read(full(), RECIPE).text
    for told in (
        "30,000",
        "20,234",
        "67.4\u00a0%",
        "4,000",
        "3,766",
        "1,234",
        "27.5",
        "gopher.num_words",
        "0.81–0.99",
        "2026-01-02",
    ):
        assert told in text, told
    assert "1 warning" in text
    assert "Rules that dropped nothing: a.idle." in text


def test_everything_that_comes_from_data_stays_text() -> None:
    reader = read(full(text=EVIL, source=EVIL), RECIPE)
    assert reader.text.count("<script>alert(1)</script>") >= 12
    assert "\x00" not in reader.text
    assert "␀" in reader.text
    assert "Content-Security-Policy" in page(full(), RECIPE)


def test_the_same_findings_give_the_same_page() -> None:
    assert page(full(), RECIPE) == page(full(), RECIPE)


@pytest.mark.parametrize("recipe", [RECIPE, BARE, Recipe(name="rules", signals=(gopher.Gopher(),), rules=RULES)])
def test_an_empty_lake(recipe: Recipe) -> None:
    empty = Findings(title="lake", made_at=NOW, warnings=("The lake holds no document.",))
    reader = read(empty, recipe)
    assert "The lake holds no documents." in reader.text
    assert "No record is in quarantine." in reader.text


def test_a_recipe_without_rules_duplicates_sampling_and_language() -> None:
    everything = Group(name="web", documents=7, num_bytes=70, after_rules=7, after_dedup=7, kept=7, kept_bytes=70)
    found = Findings(title="lake", made_at=NOW, total=dataclasses.replace(everything, name=None), sources=(everything,))
    reader = read(found, BARE)
    for told in (
        "No document was dropped.",
        "The recipe has no rules.",
        "does not look for duplicates",
        "Nothing to warn about",
    ):
        assert told in reader.text
    assert "100\u00a0%" in reader.text
    assert "not drawn (" not in reader.text
    assert "By language" not in reader.text


def test_two_hundred_sources() -> None:
    many = tuple(
        Group(name=f"source-{i:03}", documents=1000 - i, after_rules=500, after_dedup=500, kept=500) for i in range(200)
    )
    found = dataclasses.replace(full(), sources=many, other_sources=(17, 4321))
    reader = read(found, RECIPE)
    assert "The 16 sources with most documents." in reader.text
    assert "And 17 sources with 4,321 documents in all." in reader.text
    assert "source-199" in reader.text


def test_very_long_names() -> None:
    reason = "family." + "very_long_reason_" * 40
    reader = read(full(source="s" * 3000, reason=reason), RECIPE)
    assert reason in reader.text


def test_a_single_source_needs_no_comparison() -> None:
    found = full()
    assert source_matrix(found, found.reasons) is not None
    alone = dataclasses.replace(found, sources=found.sources[:1])
    assert source_matrix(alone, alone.reasons) is None
    read(alone, RECIPE)


def test_sources_that_lost_more_than_their_share() -> None:
    (loss,) = losses(full())
    assert loss.source.name == "web"
    assert loss.reasons == (("a.few", 4000),)
    even = Group(name="x", documents=100, after_rules=50, after_dedup=50, kept=50)
    assert losses(dataclasses.replace(full(), total=even, sources=(even, dataclasses.replace(even, name="y")))) == ()


def test_overlap_is_a_share_of_the_row() -> None:
    matrix = overlap_matrix(full())
    assert matrix is not None
    assert matrix.rows == ("a.few", "a.long")
    assert matrix.cells == ((None, (0.25, 1000)), ((1.0, 1000), None))
    assert overlap_matrix(Findings(title="", made_at=NOW)) is None


def test_the_recipe_is_told_in_words() -> None:
    told: dict[str, Any] = {heading: dict(rows) for heading, rows in recipe_settings(RECIPE)}
    assert told["Deduplication"]["threshold"] == "0.8"
    assert told["Deduplication"]["minhash.shingles.size"] == "5"
    assert told["Deduplication"]["keep"] == "num_chars"
    assert told["Sampling"]["mode"] == "uniform"
    assert dict(recipe_settings(BARE))["Sampling"] == [("", "none")]
