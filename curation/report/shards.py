"""The page of an export: what became tokens, from its manifest alone; it opens no shard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curation.export.manifest import added
from curation.export.shard import EVAL, TRAIN
from curation.report.page import rendered
from curation.report.pictures import tokens_of

_MOST_DOMAINS = 200
_MOST_SOURCES = 200
_MOST_DRAWN = 16
_MOST_LENGTHS = 12
_MOST_FAILED = 10

Counts = Mapping[str, Any]

_PACKINGS = {
    "best_fit": "whole documents put together, the best fit first; only those longer than a row are cut",
    "concat": "documents run on from row to row",
    "none": "each document, or each piece of a row's length, has a row of its own",
}


@dataclass(frozen=True)
class Part:
    """A domain on the page, or all of them together.

    Attributes:
        name: the domain.
        folder: its folder.
        train: counts of what is trained on.
        held: counts of what is held out.
        lengths: copies of 2**i to 2**(i + 1) - 1 tokens, held-out ones included.
    """

    name: str
    folder: str
    train: Counts
    held: Counts
    lengths: tuple[int, ...]

    def both(self, name: str) -> int:
        """A count of the trained and the held-out part together."""
        return int(self.train.get(name, 0)) + int(self.held.get(name, 0))

    @property
    def room(self) -> int:
        """Tokens and padding of all rows."""
        return self.both("num_tokens") + self.both("num_padding")

    @property
    def bytes_per_token(self) -> float | None:
        """UTF-8 bytes of text that a token stands for, special tokens left out; None without tokens."""
        num = self.both("num_tokens") - self.both("num_special_tokens")
        return self.both("num_text_bytes") / num if num else None

    @property
    def copies_per_document(self) -> float | None:
        """How often a document that is trained on stands there on average; None without documents."""
        num = int(self.train["num_documents"])
        return int(self.train["num_repeats"]) / num if num else None

    @property
    def median(self) -> str:
        """The step of the length histogram that the middle copy is in, in words; empty without copies."""
        half, seen = sum(self.lengths) / 2, 0
        for place, count in enumerate(self.lengths):
            seen += count
            if count and seen >= half:
                return tokens_of(place)
        return ""


def shards_page(manifest: Mapping[str, Any]) -> str:
    """The page of an export as HTML, the same bytes for the same manifest.

    Args:
        manifest: as `curation.export.manifest.manifest_of` makes it.
    """
    domains = sorted(
        (_part(one["name"], one["folder"], one[TRAIN], one[EVAL]) for one in manifest["domains"]),
        key=lambda part: (-part.both("num_tokens"), part.name),
    )
    train, held = (added(one[split] for one in manifest["domains"]) for split in (TRAIN, EVAL))
    total = _part("all domains", "", train, held)
    by_source = added((train, held))["sources"]
    sources = sorted(
        ((name, one["num_documents"], one["num_tokens"]) for name, one in by_source.items()),
        key=lambda one: (-one[2], one[0]),
    )
    failed = manifest.get("failed", {})
    return rendered(
        "shards.html.j2",
        manifest=manifest,
        total=total,
        domains=domains[:_MOST_DOMAINS],
        and_total=[*domains[:_MOST_DOMAINS], total] if len(domains) > 1 else domains,
        by_length=[(1 << place, count) for place, count in enumerate(total.lengths) if count],
        other_domains=_others(domains),
        drawn=[(part.name, (part.train["num_tokens"], part.held["num_tokens"])) for part in domains[:_MOST_DRAWN]],
        histograms=[part for part in domains[:_MOST_LENGTHS] if len(domains) > 1 and any(part.lengths)],
        sources=sources[:_MOST_SOURCES],
        other_sources=(len(sources[_MOST_SOURCES:]), sum(tokens for _, _, tokens in sources[_MOST_SOURCES:])),
        size=sum(shard["num_bytes"] for shard in manifest["shards"]),
        packing=_PACKINGS.get(manifest["packing"], ""),
        warnings=_warnings(manifest, total),
        failed=list(failed.items())[:_MOST_FAILED],
    )


def _part(name: str, folder: str, train: Counts, held: Counts) -> Part:
    found = [list(one.get("length_histogram", [])) for one in (train, held)]
    width = max(map(len, found))
    lengths = tuple(sum(one[place] for one in found if place < len(one)) for place in range(width))
    return Part(name, folder, train, held, lengths)


def _others(domains: Sequence[Part]) -> tuple[int, int]:
    """How many domains the page leaves out, and their tokens."""
    rest = domains[_MOST_DOMAINS:]
    return len(rest), sum(part.both("num_tokens") for part in rest)


def _warnings(manifest: Mapping[str, Any], total: Part) -> list[str]:
    """What should be looked at before anything is trained on the export."""
    found = []
    if total.both("num_failed"):
        what = "conversations cannot be used" if "conversations" in manifest else "documents could not be tokenized"
        found.append(f"{total.both('num_failed'):,} {what} and are left out.")
    if total.both("num_empty"):
        found.append(f"{total.both('num_empty'):,} documents have no token and are left out.")
    bare = [one["name"] for one in manifest["domains"] if not one[EVAL]["num_rows"]]
    if manifest["eval_share"] and bare:
        found.append(f"Nothing is held out of {_listed(bare)}.")
    untrained = [one["name"] for one in manifest["domains"] if not one[TRAIN]["num_rows"]]
    if untrained:
        found.append(f"There is nothing to train on of {_listed(untrained)}.")
    return found


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5:,} more domains" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
