"""From a token back to its document: checked against the tables, read by another way."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from references.read_export import manifest
from references.small_lake import Doc, write
from references.tokenizers_made import bpe
from rich.console import Console

from curation.errors import LakeError
from curation.export.settings import Export, ExportError
from curation.export.tokenizer import ExportTokenizer
from curation.session import EngineConfig, Session, open_session
from jobs.display import Silent
from jobs.export_shards import export
from jobs.lake import Lake
from jobs.trace_row import lake_of, open_place, show, trace

TOKENIZER = ExportTokenizer(content=bpe(), name="small", eos="<|endoftext|>")


@pytest.fixture(scope="module")
def sail() -> Iterator[Session]:
    with open_session(EngineConfig()) as opened:
        yield opened


@pytest.fixture(scope="module")
def exported(sail: Session, told_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("traced") / "out"
    export(Lake(sail, str(told_lake)), TOKENIZER, Export(row_length=512), str(to), Silent())
    return to


def told(place: str, lake: str | None = None) -> dict[str, Any]:
    opened = open_place(place)
    return trace(opened, lake_of(opened, lake))


def test_rows_agree_with_the_tables(exported: Path, told_lake: Path) -> None:
    tables = {
        name: {row["doc_id"]: row for row in DeltaTable(str(told_lake / name)).to_pyarrow_table().to_pylist()}
        for name in ("documents", "decisions", "clusters")
    }
    seen = 0
    for shard in manifest(exported)["shards"]:
        for number in {0, shard["num_rows"] // 2, shard["num_rows"] - 1}:
            found = told(f"{exported / shard['path']}:{number}")
            assert found["tables"] == manifest(exported)["tables"]
            assert found["recipe"]["name"] == "told"
            assert found["segments"][0]["start"] == 0
            assert found["segments"][-1]["end"] == found["num_tokens"]
            for segment in found["segments"]:
                document, verdict = (tables[name][segment["doc_id"]] for name in ("documents", "decisions"))
                assert segment["document"] == {name: document[name] for name in segment["document"]}
                assert segment["difference"] is None
                assert segment["verdict"] == {name: verdict[name] for name in ("kept", "reasons", "weight")}
                cluster = tables["clusters"].get(segment["doc_id"])
                assert segment["cluster"]["cluster_id"] == (cluster and cluster["cluster_id"])
                if segment["offset"] == 0 and segment["end"] - segment["start"] < 512:
                    assert segment["text"] == document["text"]
                else:
                    assert segment["text"].strip("\ufffd") in document["text"]
                seen += 1
    assert seen > 10


def test_one_token(exported: Path) -> None:
    place = f"{exported / 'qa' / 'train-00000.arrow'}:3"
    whole = told(place)["segments"]
    for segment in whole:
        for token in (segment["start"], segment["end"] - 1):
            assert told(f"{place}:{token}")["segments"] == [segment]


def test_what_is_printed(exported: Path, told_lake: Path) -> None:
    place = f"{exported / 'qa' / 'train-00000.arrow'}:0"
    found = told(place)
    file = io.StringIO()
    show(found, Console(file=file, width=150))
    printed = file.getvalue()
    segment = found["segments"][0]
    origin = segment["document"]["origin"]
    for text in (
        segment["doc_id"],
        f"{origin['file']}:{origin['record']}",
        "kept, weight 1",
        "recipe told",
        "decisions 1",
    ):
        assert text in printed
    file = io.StringIO()
    show(found, Console(file=file, width=80), as_json=True)
    assert json.loads(file.getvalue()) == found


def said(found: dict[str, Any]) -> str:
    file = io.StringIO()
    show(found, Console(file=file, width=1000))
    return file.getvalue()


@pytest.mark.parametrize("packing", ["best_fit", "concat"])
def test_texts_that_no_longer_give_these_tokens(sail: Session, tmp_path: Path, packing: Any) -> None:
    """Another lake with the same ids, of which one text is longer, one shorter and one says something else."""
    texts = {"a" * 32: "the quick brown fox jumps " * 30, "b" * 32: "over the lazy dog", "c" * 32: "fox, dog and fox"}
    other = {"a" * 32: texts["a" * 32] + "high", "b" * 32: "over the lazy", "c" * 32: "fox, dog or fox"}
    for name, content in (("lake", texts), ("other", other)):
        docs = [Doc(doc_id, text, "web") for doc_id, text in content.items()]
        write(Lake(sail, str(tmp_path / name)), docs)
    settings = Export(row_length=64, eval_share=0, packing=packing)
    export(Lake(sail, str(tmp_path / "lake")), TOKENIZER, settings, str(tmp_path / "out"), Silent())
    (shard,) = manifest(tmp_path / "out")["shards"]
    places = [f"{tmp_path / 'out' / shard['path']}:{row}" for row in range(shard["num_rows"])]
    assert all("Warning" not in said(told(place)) for place in places)
    assert all("as the lake's text gives them" in said(told(place)) for place in places)

    library, found = TOKENIZER.library, [told(place, str(tmp_path / "other")) for place in places]
    differing = set()
    for row, place in zip(found, places, strict=True):
        for segment in row["segments"]:
            ours, theirs = ([*library.encode(one[segment["doc_id"]]).ids, 0] for one in (texts, other))
            piece = range(segment["offset"], segment["offset"] + segment["end"] - segment["start"])
            first = next((n for n in piece if theirs[n : n + 1] != ours[n : n + 1]), None)
            assert (segment["difference"] or {}).get("document_token") == first
            if first is not None:
                difference = segment["difference"]
                assert difference["token"] == segment["start"] + first - segment["offset"]
                assert difference["in_shard"] == ours[first]
                assert difference["from_text"] == (theirs[first] if first < len(theirs) else None)
                assert f"token {first:,} of the document, where {ours[first]} (" in said(row)
                differing.add(segment["doc_id"])
                assert told(f"{place}:{segment['start']}", str(tmp_path / "other"))["segments"] == [segment]
    assert differing == set(texts)
    warned = [said(row) for row in found if any(segment["difference"] for segment in row["segments"])]
    assert all(
        "pieces are not what the documents at version 0 give now: the lake was made anew" in one for one in warned
    )


def test_a_text_that_ends_before_the_piece_begins(sail: Session, tmp_path: Path) -> None:
    for name, times in (("lake", 40), ("other", 2)):
        write(Lake(sail, str(tmp_path / name)), [Doc("a" * 32, "the lazy dog " * times, "web")])
    export(
        Lake(sail, str(tmp_path / "lake")),
        TOKENIZER,
        Export(row_length=16, eval_share=0),
        str(tmp_path / "out"),
        Silent(),
    )
    shard = tmp_path / "out" / manifest(tmp_path / "out")["shards"][0]["path"]
    rows = range(manifest(tmp_path / "out")["counts"]["num_rows"])
    row = next(row for row in rows if told(f"{shard}:{row}")["segments"][0]["offset"] > 16)
    printed = said(told(f"{shard}:{row}", str(tmp_path / "other")))
    assert "stands and the text gives no further token" in printed


def test_another_tokenizer_beside_the_shards(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "out")
    (tmp_path / "out" / "tokenizer.json").write_bytes(bpe(vocab_size=300))
    found = told(f"{tmp_path / 'out' / 'qa' / 'train-00000.arrow'}:0")
    assert not found["tokenizer_is_the_exports"]
    assert "Warning: the tokenizer beside the shards is another than the one that the manifest names; " in said(found)


def test_the_lake_may_have_moved(exported: Path, told_lake: Path, tmp_path: Path) -> None:
    moved = tmp_path / "out"
    shutil.copytree(exported, moved)
    text = (moved / "manifest.json").read_text()
    (moved / "manifest.json").write_text(text.replace(str(told_lake), str(tmp_path / "gone")))
    place = f"{moved / 'qa' / 'train-00000.arrow'}:0"
    with pytest.raises(LakeError, match=r"there is no lake .*gone, which the export says .*--out"):
        told(place)
    assert told(place, str(told_lake))["segments"]


def test_another_lake_is_noticed(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="is not the lake of this export"):
        told(f"{exported / 'qa' / 'train-00000.arrow'}:0", str(tmp_path))


def test_places_that_are_not_there(exported: Path, tmp_path: Path) -> None:
    shard = exported / "qa" / "train-00000.arrow"
    rows = next(entry for entry in manifest(exported)["shards"] if entry["path"] == "qa/train-00000.arrow")["num_rows"]
    shutil.copytree(exported, tmp_path / "cut")
    cut = tmp_path / "cut" / "qa" / "train-00000.arrow"
    cut.write_bytes(cut.read_bytes()[:-100])
    (tmp_path / "cut" / "qa" / "more.arrow").write_bytes(b"")
    shutil.copy(shard, tmp_path / "lonely.arrow")
    short = f"{shard}:{rows - 1}:511"
    for place, says in (
        ("shard", "expected SHARD:ROW"),
        (f"{shard}:", "expected SHARD:ROW"),
        (f"{exported}/none.arrow:1", "there is no shard"),
        (f"{shard}:{rows}", f"has {rows:,} rows, numbered from 0: there is no row {rows}"),
        (f"{shard}:0:512", "beyond the row's 512 tokens"),
        (f"{cut}:0", "says that it has"),
        (f"{tmp_path / 'cut' / 'qa' / 'more.arrow'}:0", "does not name it"),
        (f"{tmp_path / 'lonely.arrow'}:0", "belongs to no export"),
    ):
        with pytest.raises(ExportError, match=says):
            told(place)
    if told(short.rpartition(":")[0])["num_tokens"] < 512:
        with pytest.raises(ExportError, match="is padding"):
            told(short)
