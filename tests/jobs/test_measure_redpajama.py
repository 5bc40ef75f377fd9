"""RedPajama-V2's signals in the tables of both engines: numbers, lists per line, and how `winnow show` has them."""

import json
from pathlib import Path

import pytest
from deltalake import DeltaTable
from references import redpajama as reference
from references.ccnet import make_models
from references.small_lake import Doc, write
from rich.console import Console

from curation.recipe import Recipe
from curation.session import Session
from curation.signals.perplexity import Perplexity
from curation.signals.redpajama import LINES, published
from curation.signals.redpajama_models import RedPajamaModels
from curation.sources.settings import Ingest
from curation.text.batch import TextBatch
from jobs.display import Silent
from jobs.fit_importance import fit_importance
from jobs.lake import Lake
from jobs.measure_signals import measure
from jobs.recipe_file import load_recipe
from jobs.stage import Work
from jobs.story_view import value_text

TEXTS = ["One line.\n• Another, of javascript\n", "", "Ein Satz über Ärger. Noch einer!"]


def test_in_the_tables(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path / "lake"))
    write(lake, [Doc(f"d{k}", text) for k, text in enumerate(TEXTS)], partitions=2)
    measure(Work(lake, load_recipe("redpajama_v2_signals"), Silent()))
    rows = DeltaTable(lake.location("signals")).to_pyarrow_table().to_pylist()
    found = {row["doc_id"]: row["redpajama"] for row in rows}
    for k, text in enumerate(TEXTS):
        row = found[f"d{k}"]
        assert {name: row[name] for name in LINES} == reference.of_lines(text)
        assert row["rps_doc_word_count"] == reference.of_document(text)["rps_doc_word_count"]
        assert published(row)["ccnet_original_length"] == [[0, len(text), len(text)]]


def test_importance_in_the_tables(session: Session, tmp_path: Path) -> None:
    """Weighed by counts of the same documents, on both engines as in plain Python."""
    for name, texts in (("crawl", TEXTS), ("german", TEXTS[2:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    counts = tmp_path / "counts"
    targets = {"german": Ingest(inputs=(str(tmp_path / "german.jsonl"),))}
    fit_importance(Ingest(inputs=(str(tmp_path / "crawl.jsonl"),)), targets, counts, Console(quiet=True), buckets=50)
    lake = Lake(session, str(tmp_path / "lake"))
    write(lake, [Doc(f"d{k}", text) for k, text in enumerate(TEXTS)], partitions=2)
    signal = RedPajamaModels.of(importance=str(counts))
    measure(Work(lake, Recipe(name="weighed", signals=(signal,)), Silent()))
    rows = DeltaTable(lake.location("signals")).to_pyarrow_table().to_pylist()
    for row in rows:
        text = TEXTS[int(row["doc_id"][1:])]
        expected = reference.importance(text, TEXTS, TEXTS[2:], 50) if text else (None, None)
        assert tuple(row["redpajama_models"].values()) == pytest.approx(expected), text
        told = published({"ccnet_length": len(text), "line_ends": []} | row["redpajama_models"])
        assert told["rps_doc_german_importance"] == [[0, len(text), expected[0] and pytest.approx(expected[0])]]


def test_perplexity_in_the_tables(session: Session, tmp_path: Path) -> None:
    """By the workers of both engines what one process finds."""
    texts = [*TEXTS, "The cat sat on the mat, and the dog sat by the door of the house."]
    models = tmp_path / "lm_sp"
    models.mkdir()
    make_models(models, "en", texts[3:], pieces=60)
    signal = Perplexity.of(str(models), cutoffs={"en": (1000, 2000)})
    lake = Lake(session, str(tmp_path / "lake"))
    write(lake, [Doc(f"d{k}", text) for k, text in enumerate(texts)], partitions=2)
    measure(Work(lake, Recipe(name="surprised", signals=(signal,)), Silent()))
    rows = DeltaTable(lake.location("signals")).to_pyarrow_table().to_pylist()
    found = {row["doc_id"]: row["perplexity"] for row in rows}
    expected = signal.measure(TextBatch.from_texts(texts)).to_pylist()
    assert [found[f"d{k}"] for k in range(4)] == expected
    assert found["d1"] == {"ccnet_perplexity": None, "ccnet_bucket": None}
    assert found["d3"]["ccnet_bucket"] == "head"
    told = published({"ccnet_length": 66, "line_ends": []} | found["d3"])
    assert told["ccnet_bucket"] == [[0, 66, "head"]]
    assert told["ccnet_perplexity"] == [[0, 66, found["d3"]["ccnet_perplexity"]]]


@pytest.mark.parametrize(
    ("value", "text"),
    [([1.0, 2.5], "2 values: 1, 2.5"), ([], "0 values: "), (list(range(9)), "9 values: 0, 1, 2, 3, 4, ...")],
)
def test_lists_for_people(value: list[float], text: str) -> None:
    assert value_text(value) == text
