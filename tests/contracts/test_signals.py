"""What every signal has to fulfil. It is found by existing: a public dataclass with `measure` in curation/signals."""

import atexit
import dataclasses
import importlib
import json
import math
import pickle
import pkgutil
import random
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from references.ccnet import make_models

import curation.signals
import curation.signals.contamination as contamination_family
from curation.signals.bad_words import BadWords
from curation.signals.contamination_index import ContaminationIndex, EvaluationItem
from curation.signals.importance_counts import ImportanceCounts, count_corpus
from curation.signals.perplexity import Perplexity
from curation.signals.redpajama_models import RedPajamaModels
from curation.signals.signal import COLUMNS, Signal, column_of
from curation.signals.url import Url
from curation.text.batch import TextBatch

DIALECTS = ("paper", "datatrove", "dolma", "dclm", "curator", "redpajama", "tfds")

TEXTS: list[str | None] = [
    "The cat sat on the mat, and the dog sat by the door.\nThe cat sat on the mat, and the dog sat by the door.\n\n"
    "It was to be the end of the story that they have with them.",
    "",
    None,
    " ",
    "\n",
    "\n\n\n",
    "\0",
    "a\0b \0\0 the\0",
    "word",
    "- one\n- two\n* three\n• four...",
    "tabs\tand\x0bvertical\x0cfeeds\x1cand\x1fseparators\x85and\u2028lines\u2029and\u3000wide\u00a0spaces\u200b",
    "naïve café — “quoted” … ‘single’ d’accord",
    "漢字かな交じり文。これは日本語の文章です。\n한국어 문장입니다.",
    "😀 👩‍👩‍👧 🇩🇪🇫🇷 𝔸𝕓𝕔 \U0010ffff e\u0301\u0308 \u0301",
    "İstanbul ΣΑΣ ẞ ǅ",
    "\ufeffbyte order mark",
    "1 2 3 4 5 6 7 8 9 10 100,000 3.14 # # ## http://example.com/a?b=c {json: 1} lorem ipsum javascript",
    "word " * 300,
    "\n".join(["Same line."] * 50),
    "\r\n".join(["Windows line.", "", "Another one!", ""]),
    "x" * 63 + " " + "y" * 64 + "\u3000" + "z" * 65,
    None,
    "... . . . .... …… ?!",
    "The quick brown fox jumps over the lazy dog. " * 40,
]


def find_families() -> list[ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(curation.signals.__path__) if not module.ispkg)
    modules = [importlib.import_module(f"curation.signals.{name}") for name in names]
    return [module for module in modules if find_signal_types(module)]


def find_signal_types(family: ModuleType) -> list[type]:
    return [
        value
        for name, value in vars(family).items()
        if isinstance(value, type)
        and not name.startswith("_")
        and value.__module__ == family.__name__
        and dataclasses.is_dataclass(value)
        and hasattr(value, "measure")
    ]


def takes_dialect(kind: type) -> bool:
    return "dialect" in {field.name for field in dataclasses.fields(kind)}


def dialects_of(family: ModuleType) -> list[str]:
    """Every dialect whose rules the family knows, `paper` or whatever its default is first."""
    if not any(takes_dialect(kind) for kind in find_signal_types(family)):
        return []
    known = []
    for dialect in dict.fromkeys([*DIALECTS, *getattr(family, "DIALECTS", ())]):
        try:
            family.rules(dialect)
        except ValueError:
            continue
        known.append(dialect)
    return known


def contamination() -> contamination_family.Contamination:
    """The signal with an index of some words of `TEXTS`; the file stays for the process."""
    items = (EvaluationItem("made", "fox", "the quick brown fox jumps over the lazy dog. The quick brown fox"),)
    path = Path(mkdtemp()) / "evals.index"
    atexit.register(shutil.rmtree, path.parent)
    path.write_bytes(ContaminationIndex(items=items, size=8).to_bytes())
    return contamination_family.Contamination.of(str(path))


def made_list(*entries: str) -> str:
    """A file of a list; it stays for the process."""
    path = Path(mkdtemp()) / "list"
    atexit.register(shutil.rmtree, path.parent)
    path.write_text("\n".join(entries) + "\n")
    return str(path)


def redpajama_models() -> RedPajamaModels:
    """The signal with counts of `TEXTS`; the file stays for the process."""
    batch = TextBatch.from_texts(TEXTS)
    counts = ImportanceCounts(count_corpus("source", [batch]), (count_corpus("made", [batch], buckets=10_000),))
    path = Path(mkdtemp()) / "counts"
    atexit.register(shutil.rmtree, path.parent)
    path.write_bytes(counts.to_bytes())
    return RedPajamaModels.of(importance=str(path))


def perplexity() -> Perplexity:
    """The signal with models of `TEXTS`; they stay for the process."""
    folder = Path(mkdtemp())
    atexit.register(shutil.rmtree, folder)
    make_models(folder, "en", [text for text in TEXTS if text], pieces=150)
    return Perplexity.of(str(folder), cutoffs={"en": (5, 10)})


WORD_LIST = made_list("cat", "the story", "word", "a")
DOMAIN_LIST = made_list("example.com", "word")

MADE: dict[str, Callable[..., Any]] = {
    "Contamination": contamination,
    "RedPajamaModels": redpajama_models,
    "Perplexity": cache(perplexity),
    "BadWords": lambda **settings: BadWords.of(WORD_LIST, **settings),
    "Url": lambda **settings: Url.of(
        lists=DOMAIN_LIST, banned_words=WORD_LIST, banned_subwords=WORD_LIST, soft_words=WORD_LIST, **settings
    ),
}
"""Signals that are nothing without a file."""


def make(kind: type, **settings: str) -> Any:
    return MADE.get(kind.__name__, kind)(**settings)


def find_signals() -> list[Any]:
    found = []
    for family in find_families():
        for kind in find_signal_types(family):
            if takes_dialect(kind):
                found += [pytest.param(make(kind, dialect=d), id=f"{kind.__name__}-{d}") for d in dialects_of(family)]
            else:
                found.append(pytest.param(make(kind), id=kind.__name__))
    return found


FAMILIES = [pytest.param(family, id=family.__name__.rpartition(".")[2]) for family in find_families()]
every_signal = pytest.mark.parametrize("signal", find_signals())
every_family = pytest.mark.parametrize("family", FAMILIES)


def measure(signal: Signal, texts: list[str | None]) -> pa.RecordBatch:
    signal.open()
    return signal.measure(TextBatch.from_texts(texts))


def test_signals_are_found() -> None:
    assert {"gopher", "repetition"} <= {family.values[0].__name__.rpartition(".")[2] for family in FAMILIES}


@every_signal
def test_is_a_frozen_keyword_only_dataclass(signal: Any) -> None:
    assert isinstance(signal, Signal)
    assert type(signal).__dataclass_params__.frozen
    assert all(field.kw_only for field in dataclasses.fields(signal))
    assert hash(signal) == hash(dataclasses.replace(signal))


@every_signal
def test_measures_a_column_of_documents(signal: Any) -> None:
    assert column_of(signal) in COLUMNS
    assert (column_of(signal) == "url") == isinstance(signal, Url)


def test_an_unknown_column_is_refused() -> None:
    class Titles(Url):
        column = "title"

    with pytest.raises(ValueError, match="column='title' should be one of text, url"):
        column_of(Titles.of(lists=DOMAIN_LIST))


@every_signal
def test_settings_are_json_and_round_trip(signal: Any) -> None:
    # asdict gives tuples, JSON gives lists: a signal takes either, or has no such setting.
    settings = json.loads(json.dumps(dataclasses.asdict(signal)))
    again = type(signal)(**settings)
    assert json.loads(json.dumps(dataclasses.asdict(again))) == settings
    assert again.name == signal.name
    assert again.schema == signal.schema


@every_signal
def test_rows_and_schema(signal: Any) -> None:
    rows = measure(signal, TEXTS)
    assert isinstance(rows, pa.RecordBatch)
    assert rows.num_rows == len(TEXTS)
    assert rows.schema == signal.schema
    rows.validate(full=True)
    assert measure(signal, []).num_rows == 0
    assert measure(signal, []).schema == signal.schema


@every_signal
def test_columns_have_good_names_and_types(signal: Any) -> None:
    assert re.fullmatch("[a-z][a-z0-9_]*", signal.name)
    for field in signal.schema:
        assert re.fullmatch("[a-z][a-z0-9_]*", field.name), field
        if pa.types.is_integer(field.type):
            assert re.match("(num|min|max)_", field.name), (
                f"{field.name} is a whole number, so it should be called num_*"
            )
            assert field.type in (pa.int32(), pa.int64()), field
        elif pa.types.is_floating(field.type):
            assert not field.name.startswith("num_"), field
        if field.name.startswith("frac_"):
            assert field.type == pa.float64(), field


@every_signal
def test_null_text_gives_nulls(signal: Any) -> None:
    for row, text in zip(measure(signal, TEXTS).to_pylist(), TEXTS, strict=True):
        if text is None:
            assert set(row.values()) == {None}
    assert set(measure(signal, [None]).to_pylist()[0].values()) == {None}


@every_signal
def test_values_are_in_range(signal: Any) -> None:
    for row, text in zip(measure(signal, TEXTS).to_pylist(), TEXTS, strict=True):
        for name, value in row.items():
            if isinstance(value, float):
                assert math.isfinite(value), f"{name} of {text!r} is {value}: what is not defined is null"
            if value is not None and name.startswith("frac_"):
                assert 0.0 <= value <= 1.0, f"{name} of {text!r} is {value}"
            if value is not None and name.startswith("num_"):
                assert value >= 0, f"{name} of {text!r} is {value}"


@every_signal
def test_rows_do_not_depend_on_their_batch(signal: Any) -> None:
    whole = measure(signal, TEXTS)
    alone = [measure(signal, [text]) for text in TEXTS]
    assert pa.Table.from_batches(alone).combine_chunks().to_batches()[0].equals(whole)
    order = list(range(len(TEXTS)))
    random.Random(0).shuffle(order)
    assert measure(signal, [TEXTS[i] for i in order]).equals(whole.take(pa.array(order)))
    assert measure(signal, TEXTS + TEXTS).slice(len(TEXTS)).equals(whole)


@every_signal
def test_rows_do_not_depend_on_the_form_of_the_input(signal: Any) -> None:
    whole = measure(signal, TEXTS)
    padded = ["before", None, *TEXTS, "after"]
    for kind in (pa.string(), pa.large_string()):
        texts = pa.array(TEXTS, type=kind)
        sliced = pa.array(padded, type=kind).slice(2, len(TEXTS))
        chunked = pa.chunked_array([texts.slice(0, 5), texts.slice(5, 0), texts.slice(5)])
        for form in (texts, sliced, chunked):
            assert signal.measure(TextBatch.from_arrow(form)).equals(whole)


@every_signal
def test_pickled_copy_measures_the_same(signal: Any) -> None:
    copy = pickle.loads(pickle.dumps(signal))
    assert copy == signal
    assert len(pickle.dumps(signal)) < 10_000
    assert measure(copy, TEXTS).equals(measure(signal, TEXTS))
    assert measure(signal, TEXTS).equals(measure(signal, TEXTS))


@every_signal
def test_very_long_words_and_lines(signal: Any) -> None:
    texts = ["a" * 2**20, "é" * 2**19, " " * 2**20, "\n" * 2**18, "- " * 2**17, "\0" * 2**18, "ab " * 2**17 + "\n"]
    rows = measure(signal, [*texts, "short"])
    assert rows.num_rows == len(texts) + 1
    assert rows.slice(len(texts)).equals(measure(signal, ["short"]))


@every_family
def test_rules_refer_to_columns_that_exist(family: Any) -> None:
    for dialect in dialects_of(family) or [None]:
        rules = family.rules(dialect) if dialect else family.rules()
        assert isinstance(rules, tuple)
        assert len({rule.name for rule in rules}) == len(rules), "two rules give the same reason"
        columns = set()
        for kind in find_signal_types(family):
            signal = make(kind, dialect=dialect) if takes_dialect(kind) else make(kind)
            columns |= {f"{signal.name}.{column}" for column in signal.schema.names}
        assert not {rule.on for rule in rules} - columns


@every_family
def test_unknown_dialects_are_refused(family: Any) -> None:
    for kind in filter(takes_dialect, find_signal_types(family)):
        assert make(kind).dialect in dialects_of(family)
        for give in (lambda dialect, kind=kind: make(kind, dialect=dialect), family.rules):
            with pytest.raises(ValueError, match="no-such-dialect") as caught:
                give("no-such-dialect")
            assert make(kind).dialect in str(caught.value), "the message names what can be had"


def test_names_are_unique_and_say_the_dialect() -> None:
    signals = [param.values[0] for param in find_signals()]
    assert len({signal.name for signal in signals}) == len(signals)
    for signal in signals:
        dialect = getattr(signal, "dialect", "paper")
        assert dialect == "paper" or signal.name.endswith(f"_{dialect}"), signal
