"""The table `signatures`: written when the recipe asks for it, beside the clusters."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from curation.dedup.config import Dedup
from curation.dedup.minhash import MinHash, sketch
from curation.recipe import Recipe
from curation.session import Session
from curation.tables import SIGNATURES
from curation.text.batch import TextBatch
from jobs.deduplicate_documents import deduplicate
from jobs.display import Silent
from jobs.lake import Lake
from jobs.stage import Work

TEXTS = ["one two three four five six", "One two three four five six", "seven eight nine ten", ""]
DEDUP = Dedup(minhash=MinHash(bands=4, rows=2), keep=())
WITHOUT = Recipe(name="without", dedup=DEDUP)
WITH = Recipe(name="with", dedup=replace(DEDUP, keep_signatures=True))


def lake_of_texts(session: Session, path: Path) -> Lake:
    lake = Lake(session, str(path))
    table = pa.table({"doc_id": list("abcd"), "source": ["web"] * 4, "text": TEXTS, "content_hash": list("abcd")})
    lake.write("documents", session.spark.createDataFrame(table), info={"winnow": "0", "stage": "ingest"})
    return lake


def test_signatures_are_written_beside_the_clusters(session: Session, tmp_path: Path) -> None:
    lake = lake_of_texts(session, tmp_path / "lake")
    assert not deduplicate(Work(lake, WITH, Silent())).skipped
    assert deduplicate(Work(lake, WITH, Silent())).skipped
    found = lake.read("signatures").toArrow().sort_by("doc_id")
    assert found.schema.names == SIGNATURES.schema.names
    assert found.column("doc_id").to_pylist() == ["a", "b", "c"]
    signatures = found.column("signature").to_pylist()
    made = sketch(TextBatch.from_texts(TEXTS[:3]), DEDUP.minhash or MinHash(), with_signatures=True)
    assert signatures == made.signatures.view("int64").tolist()
    assert signatures[0] == signatures[1] != signatures[2]
    info = lake.info("signatures")
    assert info is not None
    assert info["keys"]["dedup"] == (lake.info("clusters") or {})["keys"]["dedup"]
    assert Recipe.from_json(json.dumps(info["recipe"])) == WITH


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_signatures_are_made_where_they_are_missing(session: Session, tmp_path: Path) -> None:
    lake = lake_of_texts(session, tmp_path / "lake")
    assert not deduplicate(Work(lake, WITHOUT, Silent())).skipped
    assert lake.version("signatures") is None
    assert not deduplicate(Work(lake, WITH, Silent())).skipped
    shutil.rmtree(tmp_path / "lake" / "signatures")
    assert not deduplicate(Work(lake, WITH, Silent())).skipped
    assert lake.version("signatures") == 0


LONG = " ".join(f"word{i}" for i in range(40))
OTHER = " ".join(f"thing{i}" for i in range(40))
FIRST = {"a": LONG, "b": LONG + " more", "c": OTHER, "d": "alone in the world", "e": ""}


def put(lake: Lake, texts: dict[str, str]) -> None:
    hashes = [sha256(text.encode()).hexdigest() for text in texts.values()]
    columns = {"doc_id": list(texts), "source": ["web"] * len(texts), "text": list(texts.values())}
    ingests = [text_hash[0] for text_hash in hashes]
    frame = lake.session.spark.createDataFrame(pa.table({**columns, "content_hash": hashes, "ingest_id": ingests}))
    lake.write("documents", frame, info={"winnow": "0", "stage": "ingest"})


def rows_of(lake: Lake) -> dict[str, list[dict[str, Any]]]:
    tables = ("signatures", "verified", "clusters")
    return {table: lake.read(table).toArrow().sort_by("doc_id").to_pylist() for table in tables}


def check(lake: Lake, session: Session, folder: Path, recipe: Recipe = WITH) -> tuple[str, ...]:
    """Run on `lake`, whose tables then hold what a run on a new lake writes. Gives the notes."""
    result = deduplicate(Work(lake, recipe, Silent()))
    assert not result.skipped
    new = Lake(session, str(folder))
    texts = lake.read("documents").toArrow().sort_by("doc_id")
    put(new, dict(zip(texts["doc_id"].to_pylist(), texts["text"].to_pylist(), strict=True)))
    deduplicate(Work(new, recipe, Silent()))
    assert rows_of(lake) == rows_of(new)
    records = [(made.info("clusters") or {}) for made in (lake, new)]
    assert records[0]["stats"] == records[1]["stats"]
    assert records[0]["alarms"] == records[1]["alarms"]
    assert deduplicate(Work(lake, recipe, Silent())).skipped
    return result.notes


def test_a_new_batch_is_compared_with_earlier_ones(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path / "lake"))
    put(lake, FIRST)
    assert "compared" not in deduplicate(Work(lake, WITH, Silent())).notes[0]
    put(lake, {**FIRST, "f": OTHER.upper(), "g": "nothing like it anywhere", "h": "..."})
    assert check(lake, session, tmp_path / "1")[0] == "compared 2 new documents with 4 earlier ones"
    assert lake.version("signatures") == 1
    assert len(DeltaTable(lake.location("signatures")).file_uris()) > 1  # added to, not written anew


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_texts_that_go_and_change(session: Session, tmp_path: Path) -> None:
    lake = Lake(session, str(tmp_path / "lake"))
    put(lake, FIRST)
    deduplicate(Work(lake, WITH, Silent()))
    changed = {name: text for name, text in FIRST.items() if name != "a"} | {"d": OTHER + " and"}
    put(lake, changed)
    notes = check(lake, session, tmp_path / "1")
    assert notes[0] == "compared 1 new documents with 2 earlier ones; no longer there: 2"
    put(lake, {name: text for name, text in changed.items() if name != "c"})
    notes = check(lake, session, tmp_path / "2")
    assert notes[0] == "compared 0 new documents with 2 earlier ones; no longer there: 1"
    put(lake, {"e": ""})
    check(lake, session, tmp_path / "3")


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_a_changed_recipe(session: Session, tmp_path: Path) -> None:
    """Other bounds: signatures are taken over. Other permutations: nothing is."""
    lake = Lake(session, str(tmp_path / "lake"))
    put(lake, {**FIRST, "b": LONG.replace("word7 ", "other ")})
    deduplicate(Work(lake, WITH, Silent()))
    loose = replace(WITH, dedup=replace(WITH.dedup or DEDUP, threshold=0.5))
    notes = check(lake, session, tmp_path / "1", loose)
    assert notes[0] == "compared 0 new documents with 4 earlier ones"
    seeded = replace(WITH, dedup=replace(WITH.dedup or DEDUP, minhash=MinHash(bands=4, rows=2, seed=2)))
    assert "compared" not in check(lake, session, tmp_path / "2", seeded)[0]


@pytest.mark.parametrize("session", ["sail"], indirect=True)
@pytest.mark.parametrize("reached", ["signatures", "verified", "clusters"])
def test_killed_between_two_commits(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: str
) -> None:
    lake = Lake(session, str(tmp_path / "lake"))
    put(lake, FIRST)
    deduplicate(Work(lake, WITH, Silent()))
    put(lake, {**{name: text for name, text in FIRST.items() if name != "b"}, "f": OTHER + " too", "g": LONG.upper()})
    write = Lake.write

    def killed(self: Lake, table: str, *given: Any, **named: Any) -> int:
        if table == reached:
            raise KeyboardInterrupt
        return write(self, table, *given, **named)

    monkeypatch.setattr(Lake, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        deduplicate(Work(lake, WITH, Silent()))
    monkeypatch.undo()
    check(lake, session, tmp_path / "1")
