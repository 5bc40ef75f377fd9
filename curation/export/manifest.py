"""The manifest: what an export's folder says about itself, written last."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from curation.export.settings import ExportError
from curation.export.shard import EVAL, TRAIN, folder_of

NAME = "manifest.json"
TOKENIZER = "tokenizer.json"
REPORT = "report.html"
CONVERSATIONS = "conversations.parquet"
CHAT_TEMPLATE = "chat_template.jinja"
FORMAT, VERSION = "winnow-shards", 1

COUNTS = (
    "num_documents",
    "num_repeats",
    "num_tokens",
    "num_special_tokens",
    "num_padding",
    "num_rows",
    "num_truncated_documents",
    "num_truncations",
    "num_text_bytes",
    "num_empty",
    "num_failed",
)
"""What is counted of an export, of a domain's part and of a shard."""

SUPERVISED = "num_supervised_tokens"
"""What is counted besides where tokens have loss weights: those above 0."""

_SHARD = ("num_rows", "num_tokens", "num_padding", "num_documents", "num_bytes", "sha256", "xxh3")
_MOST_NAMED = 100

Counts = Mapping[str, Any]


def added(counts: Iterable[Counts]) -> dict[str, Any]:
    """The sums of some counts; histograms and sources are added up too."""
    total: dict[str, Any] = dict.fromkeys(COUNTS, 0)
    histogram: list[int] = []
    sources: dict[str, dict[str, int]] = {}
    for one in counts:
        for name in COUNTS:
            total[name] += one.get(name, 0)
        if SUPERVISED in one:
            total[SUPERVISED] = total.get(SUPERVISED, 0) + one[SUPERVISED]
        found = one.get("length_histogram", [])
        histogram += [0] * (len(found) - len(histogram))
        for place, number in enumerate(found):
            histogram[place] += number
        for source, numbers in one.get("sources", {}).items():
            sums = sources.setdefault(source, dict.fromkeys(numbers, 0))
            for name, number in numbers.items():
                sums[name] += number
    return total | {"length_histogram": histogram, "sources": dict(sorted(sources.items()))}


def manifest_of(written: Mapping[str, Counts], domains: Iterable[str], head: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of an export.

    Args:
        written: by path, what the workers counted; shards without rows have no file and are named for what they lost.
        domains: the names of all domains.
        head: what the shards were made from.
    """
    listed: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    parts: dict[tuple[str, str], list[Counts]] = {}
    names = {folder_of(name): name for name in sorted(domains)}
    for path, counts in sorted(written.items()):
        folder, _, file = path.partition("/")
        domain, split = names[folder], file.partition("-")[0]
        parts.setdefault((domain, split), []).append(counts)
        failed |= counts.get("failed", {})
        if counts.get("num_rows"):
            own = {name: counts[name] for name in _SHARD}
            listed.append({"path": path, "domain": domain, "split": split, **own})
    sums = {part: added(counts) for part, counts in parts.items()}
    described = [
        {
            "name": name,
            "folder": folder,
            TRAIN: sums.get((name, TRAIN), added(())),
            EVAL: sums.get((name, EVAL), added(())),
        }
        for folder, name in sorted(names.items(), key=lambda item: item[1])
    ]
    total = added(sums.values())
    return {
        **head,
        "format": FORMAT,
        "version": VERSION,
        "counts": {name: total[name] for name in (*COUNTS, SUPERVISED) if name in total},
        "failed": dict(sorted(failed.items())[:_MOST_NAMED]),
        "domains": described,
        "shards": listed,
    }


def to_bytes(manifest: Mapping[str, Any]) -> bytes:
    """The manifest as JSON in its one spelling: UTF-8, sorted keys, a newline at the end."""
    return (json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def from_bytes(content: bytes, where: str) -> dict[str, Any]:
    """The manifest that `to_bytes` wrote.

    Raises:
        ExportError: it is something else, or of another version.
    """
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ExportError(f"{where} is not JSON ({error}): it is no export's manifest") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ExportError(f'{where} is no manifest of an export: expected "format": "{FORMAT}"')
    if found.get("version") != VERSION:
        raise ExportError(f"{where} has format version {found.get('version')}; this version of Winnow reads {VERSION}")
    return found
