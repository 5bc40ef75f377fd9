"""Weights by commonness in a lake: measured once, honoured by decisions and export, whatever is drawn."""

import gzip
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from references.ingests import run, write
from references.read_export import copies
from references.tokenizers_made import bpe

from curation.dedup.config import Dedup
from curation.errors import LakeError
from curation.export.settings import Export
from curation.export.tokenizer import ExportTokenizer
from curation.recipe import Recipe
from curation.rules import Rule
from curation.sampling.config import Sampling
from curation.sampling.weighting import SoftDedup
from curation.session import Session
from curation.signals.gopher import Gopher
from jobs.decide_documents import decide
from jobs.deduplicate_documents import deduplicate
from jobs.display import Silent
from jobs.export_shards import export
from jobs.lake import Lake
from jobs.measure_signals import measure
from jobs.sample_documents import sample
from jobs.stage import StageResult, Work
from jobs.weigh_documents import weigh

sail_only = pytest.mark.parametrize("session", ["sail"], indirect=True)

COMMON = "the quick brown fox jumps over the lazy dog and runs away into the dark green forest at night"
TEXTS = [
    *([COMMON] * 6),
    *(f"{COMMON} for the {number}th time" for number in range(4)),
    *(" ".join(f"word{number * 50 + place}" for place in range(30)) for number in range(9)),
    "too short",
    "",
]
PLAIN = Recipe(
    name="plain",
    signals=(Gopher(),),
    rules=(Rule("soft.few_words", on="gopher.num_words", min=3),),
    dedup=Dedup(minhash=None),
)
SOFT = replace(PLAIN, name="soft", dedup=None, weighting=SoftDedup(segments=4, ratio=8.0))
HARD = replace(SOFT, name="hard", dedup=PLAIN.dedup)


@pytest.fixture
def lake(session: Session, tmp_path: Path) -> Lake:
    found = Lake(session, str(tmp_path / "lake"))
    run(found, write(tmp_path / "data" / "a.jsonl", TEXTS))
    return found


def stages(lake: Lake, recipe: Recipe) -> dict[str, StageResult]:
    work = Work(lake, recipe, Silent())
    return {stage.__name__: stage(work) for stage in (measure, deduplicate, decide, weigh, sample)}


def skipped(results: dict[str, StageResult]) -> set[str]:
    return {name for name, result in results.items() if result.skipped}


def weights(lake: Lake) -> dict[str, float]:
    """Weight by text, of kept documents."""
    documents = {row["doc_id"]: row["text"] for row in lake.read("documents").select("doc_id", "text").collect()}
    rows = lake.read("decisions").collect()
    assert len(rows) == len(documents)
    assert all(row["kept"] == (row["weight"] > 0) == (not row["reasons"]) for row in rows)
    kept = [row for row in rows if row["kept"]]
    assert sum(row["weight"] for row in kept) == pytest.approx(len(kept))
    by_text: dict[str, set[float]] = {}
    for row in kept:
        by_text.setdefault(documents[row["doc_id"]], set()).add(row["weight"])
    assert all(len(found) == 1 for found in by_text.values())  # copies weigh the same
    return {text: found.pop() for text, found in by_text.items()}


def test_copies_weigh_less_and_nothing_is_done_twice(lake: Lake) -> None:
    results = stages(lake, SOFT)
    assert skipped(results) == {"deduplicate"}
    found = weights(lake)
    assert len(found) == 14  # of all but the two short ones
    rare = [weight for text, weight in found.items() if text.startswith("word")]
    assert max(found[COMMON], *(weight for text, weight in found.items() if "time" in text)) < min(rare)
    assert "weights by commonness: " in results["sample"].notes[-1]
    assert lake.read("commonness").count() == 19
    assert skipped(stages(lake, SOFT)) == {"measure", "deduplicate", "decide", "weigh", "sample"}
    record = lake.info("decisions") or {}
    assert sum(one["documents"] for one in record["segments"]) == 19
    assert set(record["inputs"]) == {"decisions", "signals", "commonness"}
    assert Recipe.from_json(json.dumps(record["recipe"])) == SOFT


@sail_only
def test_other_weights_and_other_draws_read_no_text(lake: Lake) -> None:
    stages(lake, SOFT)
    first = weights(lake)
    even = replace(SOFT, weighting=SoftDedup(segments=4, ratio=1.0))
    assert skipped(stages(lake, even)) == {"measure", "deduplicate", "weigh"}
    assert set(weights(lake).values()) == {1.0}
    drawn = replace(SOFT, sampling=Sampling(mode="uniform", budget=11))
    assert "weigh" in skipped(stages(lake, drawn))
    assert lake.read("decisions").where("kept").count() == 11
    assert len(set(weights(lake).values())) > 1
    assert lake.info("decisions")["drawn"] == {"all": 11}  # type: ignore[index]
    assert "weigh" not in skipped(stages(lake, replace(SOFT, weighting=SoftDedup(order=2, segments=4, ratio=8.0))))
    stages(lake, SOFT)
    assert weights(lake) == first


@sail_only
def test_what_deduplication_drops_makes_nothing_common(lake: Lake) -> None:
    stages(lake, HARD)
    found = weights(lake)
    assert len(found) == 14
    assert lake.read("commonness").count() == lake.read("decisions").where("kept").count() == 14
    assert sum(row["num_words"] for row in lake.read("commonness").collect()) == 19 + 4 * 23 + 9 * 30


@sail_only
def test_recipes_without_weights_give_each_document_one(lake: Lake) -> None:
    stages(lake, SOFT)
    results = stages(lake, PLAIN)
    assert {"weigh", "sample"} <= skipped(results)
    assert results["weigh"].notes == ("the recipe gives every document the weight 1",)
    assert set(weights(lake).values()) == {1.0}


@sail_only
def test_texts_without_a_word_weigh_one(lake: Lake) -> None:
    results = stages(lake, replace(SOFT, rules=()))
    assert "1 documents have no word and hence no commonness; their weight is 1" in results["weigh"].notes
    assert weights(lake)[""] == 1.0


@sail_only
def test_a_lake_where_nothing_passes(lake: Lake) -> None:
    nothing = replace(SOFT, rules=(Rule("soft.few_words", on="gopher.num_words", min=10**6),))
    results = stages(lake, nothing)
    assert results["weigh"].num_rows == 0
    assert weights(lake) == {}


@sail_only
def test_the_order_of_stages_is_asked_for(lake: Lake) -> None:
    work = Work(lake, SOFT, Silent())
    measure(work)
    with pytest.raises(LakeError, match="run `winnow decide` first"):
        weigh(work)
    decide(Work(lake, PLAIN if PLAIN.dedup is None else replace(PLAIN, dedup=None), Silent()))
    with pytest.raises(LakeError, match="not decided by the recipe 'soft'"):
        weigh(work)
    decide(work)
    with pytest.raises(LakeError, match="run `winnow weigh`"):
        sample(work)
    weigh(work)
    assert not sample(work).skipped


@sail_only
def test_exports_take_copies_by_weight(lake: Lake, tmp_path: Path) -> None:
    stages(lake, SOFT)
    tokenizer = ExportTokenizer(content=bpe(), name="small", eos="<|endoftext|>")
    export(lake, tokenizer, Export(row_length=64), str(tmp_path / "out"), Silent(), lake_name="lake")
    rows = lake.read("decisions").where("kept").collect()
    taken = {row["doc_id"]: 0 for row in rows}
    for doc_id, _ in copies(tmp_path / "out"):
        taken[doc_id] += 1
    assert all(abs(taken[row["doc_id"]] - row["weight"]) < 1 for row in rows)
    assert len(set(taken.values())) > 1


RECIPE = """
from curation.recipe import Recipe
from curation.rules import Rule
from curation.sampling.weighting import SoftDedup
from curation.signals.gopher import Gopher

RECIPE = Recipe(
    name="soft",
    signals=(Gopher(),),
    rules=(Rule("soft.few_words", on="gopher.num_words", min=20),),
    weighting=SoftDedup(segments=5),
)
"""


def test_winnow_run_weights_real_pages(shared: Path, tmp_path: Path) -> None:
    """Pages of nine versions of one manual weigh less than those that stand in it once."""
    (tmp_path / "soft.py").write_text(RECIPE)
    pages = shared / "data" / "neardup" / "etcd_docs.jsonl.gz"
    command = [str(Path(sys.executable).parent / "winnow"), "run", "-i", str(pages), "-r", str(tmp_path / "soft.py")]
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    command += ["-o", str(tmp_path / "lake")]
    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    assert "weights by commonness: " in said
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    assert "Nothing to do" in again
    with gzip.open(pages, "rt") as lines:
        cluster = {page["id"]: page["cluster_id"] for page in map(json.loads, lines)}
    sizes: dict[str, int] = {}
    for name in cluster.values():
        sizes[name] = sizes.get(name, 0) + 1

    def read(name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = DeltaTable(str(tmp_path / "lake" / name)).to_pyarrow_table().to_pylist()
        return found

    weight = {row["doc_id"]: row["weight"] for row in read("decisions") if row["kept"]}
    ids = {row["doc_id"]: row["record_id"] for row in read("documents")}
    single = [value for doc_id, value in weight.items() if sizes[cluster[ids[doc_id]]] == 1]
    many = [value for doc_id, value in weight.items() if sizes[cluster[ids[doc_id]]] >= 5]
    assert len(single) > 30
    assert len(many) > 300
    assert sum(many) / len(many) < 0.6 * sum(single) / len(single)
    assert "Weighting" in (tmp_path / "lake" / "report.html").read_text()
