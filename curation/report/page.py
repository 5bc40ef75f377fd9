"""The report as one HTML page that needs nothing else: no script, no request, every text escaped."""

import dataclasses
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from curation.recipe import Recipe, encode
from curation.report import pictures
from curation.report.axes import duration, in_words, plain, short
from curation.report.curves import curves
from curation.report.findings import Findings, Reason
from curation.report.groups import Group
from curation.report.heat import Matrix, level, percent

_MOST_DRAWN = 16
_MOST_LANGUAGES = 8
_MOST_IN_MATRIX = 12
_MORE_THAN_ITS_SHARE = 0.05
# What no page may hold is shown by its picture: NUL as ␀.
_CONTROL = {code: 0x2400 + code for code in range(32) if code not in (9, 10, 13)} | {0x7F: 0x2421}


@dataclass(frozen=True)
class Loss:
    """A source that lost more than its share, and the reasons that its documents have most often."""

    source: Group
    reasons: tuple[tuple[str, int], ...]


def page(findings: Findings, recipe: Recipe) -> str:
    """The report as HTML, the same bytes for the same findings.

    Args:
        findings: what to tell.
        recipe: the recipe that the tables were made by.
    """
    dropping = [reason for reason in findings.reasons if reason.documents]
    return rendered(
        "report.html.j2",
        found=findings,
        recipe=recipe,
        dropping=dropping,
        main_reasons=sorted((one for one in dropping if one.kind != "sampling"), key=lambda one: -one.documents)[:3],
        idle=[reason.name for reason in findings.reasons if reason.kind == "rule" and not reason.documents],
        losses=losses(findings),
        uneven=[
            rates.said(group, findings.total) for rates in findings.rates for group in rates.uneven(findings.total)
        ],
        overlap=overlap_matrix(findings),
        by_source=source_matrix(findings, dropping),
        histograms=sorted(findings.histograms, key=lambda one: -one.num_dropped),
        drawn_sources=findings.sources[:_MOST_DRAWN],
        drawn_languages=findings.languages[:_MOST_LANGUAGES],
        settings=recipe_settings(recipe),
        recipe_json=json.dumps(encode(recipe), indent=2, sort_keys=True, ensure_ascii=False),
    )


def rendered(template: str, **found: Any) -> str:
    """A page of this folder's templates, in the one style: every text escaped, control characters made visible."""
    html = _template(template).render(style=Markup(_resource("report.css")), **found)
    return html.translate(_CONTROL)


def losses(findings: Findings) -> tuple[Loss, ...]:
    """Sources that rules and deduplication thin out clearly more than the average, the heaviest losses first."""
    usual = findings.total.lost
    heavy = [source for source in findings.sources if source.lost > usual + _MORE_THAN_ITS_SHARE]
    heavy.sort(key=lambda source: ((usual - source.lost) * source.documents, source.name or ""))
    sampling = {reason.name for reason in findings.reasons if reason.kind == "sampling"}

    def most(name: str | None) -> tuple[tuple[str, int], ...]:
        counts = [
            (reason, count)
            for (source, reason), count in findings.by_source.items()
            if source == name and reason not in sampling
        ]
        return tuple(sorted(counts, key=lambda pair: (-pair[1], pair[0]))[:3])

    return tuple(Loss(source, most(source.name)) for source in heavy)


def overlap_matrix(findings: Findings) -> Matrix | None:
    """Of the documents with one reason (row), the share that has the other (column). None where nothing can overlap."""
    names = [reason.name for reason in findings.reasons if (reason.name, reason.name) in findings.overlap]
    if len(names) < 2:
        return None

    def cell(row: str, column: str) -> tuple[float, int] | None:
        if row == column:
            return None
        both = findings.overlap.get((row, column)) or findings.overlap.get((column, row)) or 0
        return both / max(findings.overlap[row, row], 1), both

    return Matrix(tuple(names), tuple(names), tuple(tuple(cell(row, column) for column in names) for row in names))


def source_matrix(findings: Findings, dropping: Sequence[Reason]) -> Matrix | None:
    """Of each source's documents (column), the share that has a reason (row). None for a single source."""
    sources = findings.sources[:_MOST_IN_MATRIX]
    most = sorted((one for one in dropping if one.kind != "sampling"), key=lambda one: (-one.documents, one.name))
    chosen = {reason.name for reason in most[:_MOST_IN_MATRIX]}
    names = [reason.name for reason in dropping if reason.name in chosen]
    if len(sources) < 2 or not names:
        return None

    def cell(reason: str, source: Group) -> tuple[float, int]:
        count = findings.by_source.get((source.name, reason), 0)
        return count / max(source.documents, 1), count

    cells = tuple(tuple(cell(name, source) for source in sources) for name in names)
    return Matrix(tuple(names), tuple(_name(source.name) for source in sources), cells)


def recipe_settings(recipe: Recipe) -> list[tuple[str, list[tuple[str, str]]]]:
    """The recipe in words: a heading and (setting, value) pairs for each of its parts."""
    signals = [(signal.name, _in_words(signal) or "as published") for signal in recipe.signals]
    parts = [("Signals", signals), ("Deduplication", _flat(recipe.dedup)), ("Sampling", _flat(recipe.sampling))]
    parts += [("Weighting", _flat(recipe.weighting))] if recipe.weighting is not None else []
    return [(heading, rows or [("", "none")]) for heading, rows in parts]


def _in_words(value: Any) -> str:
    return ", ".join(f"{name} {text}" for name, text in _flat(value) if name != "name")


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Every setting of a frozen dataclass, those of dataclasses in it with dotted names."""
    if value is None:
        return []
    found: list[tuple[str, str]] = []
    for field in dataclasses.fields(value):
        if not field.init:
            continue
        item = getattr(value, field.name)
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            found += _flat(item, f"{prefix}{field.name}.")
        else:
            found.append((prefix + field.name, _text_of(item)))
    return found


def _text_of(item: Any) -> str:
    if item is None or isinstance(item, bool):
        return {None: "none", True: "yes", False: "no"}[item]
    if isinstance(item, int | float):
        return f"{item:,}" if isinstance(item, int) else f"{item:g}"
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return _brief(item)
    if isinstance(item, Mapping):
        return ", ".join(f"{name} {_text_of(one)}" for name, one in item.items()) or "none"
    if isinstance(item, tuple | list):
        return ", ".join(_text_of(one) for one in item) or "none"
    return str(item)


def _brief(value: Any) -> str:
    """The first field of a small dataclass, and those of the others that are not as usual."""
    first, *others = dataclasses.fields(value)
    changed = [field for field in others if getattr(value, field.name) != field.default]
    more = ", ".join(f"{field.name} {_text_of(getattr(value, field.name))}" for field in changed)
    return _text_of(getattr(value, first.name)) + (f" ({more})" if more else "")


@lru_cache(maxsize=4)
def _template(name: str) -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    filters: dict[str, Callable[..., Any]] = {
        "number": lambda count: f"{count:,}",
        "share": _share,
        "size": _size,
        "name": _name,
        "breakable": _breakable,
        "bound": lambda rule: re.sub("(?<=[≥>≤<=]) ", "\u00a0", in_words(rule)),
        "level": level,
        "percent": lambda cell: percent(*cell),
        "picture": lambda drawn: Markup(pictures.histogram(drawn)),
        "loss": lambda value: "" if value is None else f"{value:.3f}",
        "perplexity": lambda value: plain(round(math.exp(value), 2)) if value < 50 else "∞",
        "short": short,
        "duration": duration,
    }
    environment.filters |= filters
    environment.globals |= {
        "steps": lambda groups, title: Markup(pictures.steps(groups, title)),
        "columns": lambda counts, title: Markup(pictures.columns(counts, title)),
        "similarities": lambda bins: Markup(pictures.similarities(bins)),
        "amounts": lambda parts, series, title: Markup(pictures.amounts(parts, series, title)),
        "curves": lambda lines, title, **more: Markup(curves(lines, title, **more)),
        "lengths": lambda counts, row, title: Markup(pictures.lengths(counts, row, title)),
    }
    return environment.from_string(_resource(name))


def _resource(name: str) -> str:
    return files("curation.report").joinpath(name).read_text(encoding="utf-8")


def _share(part: float, whole: float = 1.0) -> str:
    """A share in percent: one digit, more where it is small, and never 0 or 100 unless it is."""
    if not whole or not part:
        return "0\u00a0%"
    percent = 100 * part / whole
    if percent < 0.05:
        return "< 0.1\u00a0%"
    if 99.95 <= percent < 100:
        return "> 99.9\u00a0%"
    return f"{percent:.1f}\u00a0%" if percent < 100 else f"{percent:.0f}\u00a0%"


def _size(num_bytes: float) -> str:
    """Bytes in the unit that suits."""
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if num_bytes >= size:
            return f"{num_bytes / size:,.1f} {unit}"
    return f"{num_bytes:,.0f} bytes"


def _breakable(name: str) -> Markup:
    """The name with places where a line may end: after the dots and underscores in it."""
    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[._])(?=[a-z])", name))


def _name(name: str | None) -> str:
    if name is None:
        return "(none)"
    return name or "(empty)"
