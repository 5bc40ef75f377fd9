"""Exports of small lakes on both engines: every token accounted for, the same bytes whatever the engine."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from references import export_draws as plain
from references.read_export import copies, files, manifest, rows
from references.small_lake import Doc, write
from references.tokenizers_made import TEXTS, bpe, words
from tokenizers import Tokenizer

from curation.errors import LakeError
from curation.export.settings import Export, ExportError
from curation.export.tokenizer import ExportTokenizer
from curation.session import Session
from jobs.display import Silent
from jobs.export_shards import export
from jobs.lake import Lake

BPE = bpe()
TOKENIZER = ExportTokenizer(content=BPE, name="small", eos="<|endoftext|>")
PLAIN = Tokenizer.from_str(BPE.decode())
SMALL = Export(row_length=64, eval_share=0.2, shard_bytes=4096)


def made(count: int = 300, seed: int = 1) -> list[Doc]:
    """Documents of all lengths, in four sources, with weights and clusters."""
    dice = random.Random(seed)
    names = " ".join(TEXTS).split()
    found = []
    for number in range(count):
        text = " ".join(dice.choices(names, k=dice.choice((1, 5, 20, 60, 200))))
        found.append(
            Doc(
                doc_id=f"{dice.getrandbits(128):032x}",
                text=text,
                source=dice.choice(("web", "books", "a/b", "..")),
                kept=dice.random() < 0.8,
                weight=dice.choice((0.0, 0.3, 1.0, 1.0, 2.6)),
                cluster=f"c{number // 4}" if number % 3 == 0 else None,
                metadata=json.dumps({"lang": dice.choice(("en", "de", 7, None)), "host": f"h{number}"}),
            )
        )
    return found


DOCS = made()
KEPT = [doc for doc in DOCS if doc.kept]


def exported(session: Session, folder: Path, to: str, settings: Export = SMALL, **more: Any) -> Any:
    tokenizer = more.pop("tokenizer", TOKENIZER)
    lake = Lake(session, str(folder / "lake"))
    return export(lake, tokenizer, settings, str(folder / to), Silent(), lake_name="lake", **more)


@pytest.fixture(scope="module")
def folder(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake, and a place for its exports."""
    found = tmp_path_factory.mktemp(f"export-{session.engine}")
    write(Lake(session, str(found / "lake")), DOCS)
    return found


def expected(docs: list[Doc], settings: Export) -> dict[str, dict[tuple[str, int], list[int]]]:
    """What has to stand in an export, by plain Python and the library itself: by split, the tokens of every copy."""
    found: dict[str, dict[tuple[str, int], list[int]]] = {"train": {}, "eval": {}}
    for doc in docs:
        held = plain.is_held_out(doc.cluster or doc.doc_id, settings.eval_share, settings.seed)
        times = plain.repeats(doc.doc_id, doc.weight or 0.0, settings.seed)
        tokens = [*PLAIN.encode(doc.text).ids, 0]
        for number in range(min(times, 1) if held else times):
            found["eval" if held else "train"][doc.doc_id, number] = tokens
    return found


@pytest.mark.parametrize(
    ("session", "settings"),
    [
        ("sail", SMALL),
        ("spark", SMALL),
        ("sail", replace(SMALL, packing="concat")),
        ("sail", replace(SMALL, packing="none")),
        ("sail", replace(SMALL, seed=7, eval_share=0.0, row_length=2048, shard_bytes=1 << 20, token_dtype="uint32")),
    ],
    indirect=["session"],
    ids=["sail", "spark", "concat", "none", "long"],
)
def test_every_token_is_accounted_for(session: Session, folder: Path, settings: Export) -> None:
    to = f"all-{settings.packing}-{settings.seed}"
    exported(session, folder, to, settings)
    wanted = expected(KEPT, settings)
    for split, tokens in wanted.items():
        assert copies(folder / to, split) == tokens
    found = manifest(folder / to)
    total = sum(len(tokens) for split in wanted.values() for tokens in split.values())
    num_copies = sum(map(len, wanted.values()))
    counts = found["counts"]
    assert counts["num_tokens"] == total
    assert counts["num_special_tokens"] == counts["num_repeats"] == num_copies
    assert counts["num_documents"] == len({doc_id for split in wanted.values() for doc_id, _ in split})
    assert counts["num_padding"] == counts["num_rows"] * settings.row_length - total
    sources = {doc.doc_id: doc.source for doc in DOCS}
    for domain, row in rows(folder / to):
        assert {sources[doc_id] for doc_id in row["doc_ids"]} == {domain}
        if settings.packing == "none":
            assert len(row["doc_ids"]) == 1
    if settings.packing == "best_fit":
        pieces = Counter(
            key for _, row in rows(folder / to) for key in zip(row["doc_ids"], row["repeats"], strict=True)
        )
        lengths = wanted["train"] | wanted["eval"]
        assert all(number == -(-len(lengths[key]) // settings.row_length) for key, number in pieces.items())


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_no_cluster_stands_on_both_sides(session: Session, folder: Path) -> None:
    exported(session, folder, "sides")
    clusters = {doc.doc_id: doc.cluster for doc in DOCS if doc.cluster}
    held = {clusters[doc_id] for doc_id, _ in copies(folder / "sides", "eval") if doc_id in clusters}
    train = {clusters[doc_id] for doc_id, _ in copies(folder / "sides", "train") if doc_id in clusters}
    assert held
    assert train
    assert not held & train


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_what_the_manifest_says(session: Session, folder: Path) -> None:
    exported(session, folder, "said")
    found = manifest(folder / "said")
    text = (folder / "said" / "manifest.json").read_text()
    assert text == json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    assert (found["format"], found["version"], found["row_length"]) == ("winnow-shards", 1, 64)
    assert (found["token_dtype"], found["packing"], found["lake"]) == ("uint16", "best_fit", "lake")
    assert found["tables"] == {"documents": 0, "signals": 0, "clusters": 0, "decisions": 0}
    assert found["recipe"] == {"name": "made", "hash": "abc"}
    assert found["tokenizer"]["special_ids"] == {"bos": None, "eos": 0, "pad": 0, "unk": None}
    assert (folder / "said" / found["tokenizer"]["file"]).read_bytes() == BPE
    assert found["tokenizer"]["vocab_size"] == PLAIN.get_vocab_size()
    names = [domain["name"] for domain in found["domains"]]
    assert names == sorted({doc.source for doc in KEPT if doc.weight})
    folders = {domain["name"]: domain["folder"] for domain in found["domains"]}
    assert folders["web"] == "web"
    assert not folders[".."].startswith(".")
    assert "/" not in folders["a/b"]
    assert all(shard["path"].startswith(folders[shard["domain"]] + "/") for shard in found["shards"])
    assert [shard["path"] for shard in found["shards"]] == sorted(shard["path"] for shard in found["shards"])
    for domain in found["domains"]:
        for split in ("train", "eval"):
            own = [shard for shard in found["shards"] if (shard["domain"], shard["split"]) == (domain["name"], split)]
            for name in ("num_rows", "num_tokens", "num_padding", "num_documents"):
                assert domain[split][name] == sum(shard[name] for shard in own)
            assert sum(domain[split]["length_histogram"]) == domain[split]["num_repeats"]
            assert (
                sum(source["num_tokens"] for source in domain[split]["sources"].values()) == domain[split]["num_tokens"]
            )
    held = sum(domain["eval"]["num_documents"] for domain in found["domains"])
    assert 0.1 < held / found["counts"]["num_documents"] < 0.3
    assert len([shard for shard in found["shards"] if shard["domain"] == "web"]) == 4
    assert not [name for name in files(folder / "said") if "tmp" in name]


BYTES: dict[str, dict[str, str]] = {}
"""Hashes of the export of each engine and partitioning."""


@pytest.mark.parametrize("partitions", [1, 5])
def test_the_same_bytes_whatever_engine_and_partitioning(session: Session, tmp_path: Path, partitions: int) -> None:
    docs = DOCS[:]
    random.Random(partitions).shuffle(docs)
    write(Lake(session, str(tmp_path / "lake")), docs, partitions=partitions)
    exported(session, tmp_path, "out")
    BYTES[f"{session.engine} {partitions}"] = found = files(tmp_path / "out")
    assert len(found) > 10
    assert all(other == found for other in BYTES.values()), sorted(BYTES)


def test_domains_by_metadata_and_none(session: Session, folder: Path) -> None:
    exported(session, folder, "lang", replace(SMALL, domain="metadata.lang"))
    found = {domain["name"] for domain in manifest(folder / "lang")["domains"]}
    assert found == {"en", "de", "7", "(none)"}
    langs = {doc.doc_id: json.loads(doc.metadata or "{}")["lang"] for doc in DOCS}
    for domain, row in rows(folder / "lang"):
        assert {str(langs[doc_id] or "(none)") for doc_id in row["doc_ids"]} == {domain}
    exported(session, folder, "one", replace(SMALL, domain="one"))
    assert [domain["name"] for domain in manifest(folder / "one")["domains"]] == ["all"]
    sources = manifest(folder / "one")["domains"][0]["train"]["sources"]
    assert set(sources) == {doc.source for doc in KEPT}


def test_texts_that_fail_or_are_empty_are_counted_and_named(session: Session, tmp_path: Path) -> None:
    docs = [Doc("a" * 32, "one two"), Doc("b" * 32, "one three", weight=2.0), Doc("c" * 32, ""), Doc("d" * 32, "two")]
    write(Lake(session, str(tmp_path / "lake")), docs, clusters=False)
    tokenizer = ExportTokenizer(content=words("one", "two"), name="words", eos="<eos>")
    done = exported(session, tmp_path, "out", replace(SMALL, eval_share=0), tokenizer=tokenizer)
    found = manifest(tmp_path / "out")
    assert copies(tmp_path / "out") == {("a" * 32, 0): [1, 2, 0], ("d" * 32, 0): [2, 0]}
    assert (found["counts"]["num_failed"], found["counts"]["num_empty"]) == (2, 1)
    assert list(found["failed"]) == ["b" * 32]
    assert found["tables"]["clusters"] is None
    assert any("b" * 32 in warning for warning in done.warnings)
    assert any("no token" in note for note in done.notes)


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_special_tokens_on_both_sides(session: Session, tmp_path: Path) -> None:
    write(Lake(session, str(tmp_path / "lake")), KEPT[:20])
    content = bpe(special=("<s>", "</s>", "<pad>"))
    tokenizer = ExportTokenizer(content=content, name="x", eos="</s>", bos="<s>", pad="<pad>")
    exported(session, tmp_path, "out", replace(SMALL, eval_share=0), tokenizer=tokenizer)
    found = copies(tmp_path / "out")
    library = Tokenizer.from_str(content.decode())
    texts = {doc.doc_id: doc.text for doc in KEPT}
    assert found
    assert all(tokens == [0, *library.encode(texts[doc_id]).ids, 1] for (doc_id, _), tokens in found.items())
    counts = manifest(tmp_path / "out")["counts"]
    assert counts["num_special_tokens"] == 2 * counts["num_repeats"]


@pytest.mark.parametrize("session", ["sail"], indirect=True)
@pytest.mark.parametrize(
    ("docs", "says"),
    [
        ([replace(doc, kept=False) for doc in DOCS[:3]], "keeps no document: there is nothing to export"),
        ([replace(doc, kept=True, weight=0.0) for doc in DOCS[:3]], "keeps 3 documents, and their weights draw none"),
        ([replace(doc, kept=True, weight=-1.0) for doc in DOCS[:3]], "3 kept documents .* have a weight"),
        ([replace(doc, kept=True, weight=None) for doc in DOCS[:2]], "2 kept documents .* have a weight"),
        ([replace(doc, kept=True, weight=1.0, text="") for doc in DOCS[:2]], "none of 2 kept documents has a token"),
        ([replace(DOCS[0], kept=True, weight=1.0)] * 2, "arrived: a doc_id stands twice"),
    ],
)
def test_tables_that_give_nothing(session: Session, tmp_path: Path, docs: list[Doc], says: str) -> None:
    write(Lake(session, str(tmp_path / "lake")), docs)
    with pytest.raises(ExportError, match=says):
        exported(session, tmp_path, "out", replace(SMALL, eval_share=0))
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_a_domain_without_tokens_is_told(session: Session, tmp_path: Path) -> None:
    docs = [Doc("a" * 32, "one two", "web"), Doc("b" * 32, "", "books"), Doc("c" * 32, "", "books")]
    write(Lake(session, str(tmp_path / "lake")), docs)
    done = exported(session, tmp_path, "out", replace(SMALL, eval_share=0))
    assert done.warnings == ["no document of books has a token: there is nothing of it in the export"]
    domains = {domain["name"]: domain["train"]["num_rows"] for domain in manifest(tmp_path / "out")["domains"]}
    assert domains == {"books": 0, "web": 1}
    assert [shard["domain"] for shard in manifest(tmp_path / "out")["shards"]] == ["web"]


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_a_lake_without_decisions(session: Session, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="run `winnow run` first"):
        exported(session, tmp_path, "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_the_versions_that_were_decided_are_exported(session: Session, tmp_path: Path) -> None:
    """What came after the decisions is not in the export."""
    lake = Lake(session, str(tmp_path / "lake"))
    write(lake, KEPT)
    before = exported(session, tmp_path, "before").manifest
    more = lake.read("documents").limit(1).selectExpr("'new' as doc_id", *lake.read("documents").columns[1:])
    lake.write("documents", more, info={"winnow": "0", "stage": "ingest"}, mode="append")
    assert exported(session, tmp_path, "after").manifest == before
    assert files(tmp_path / "after") == files(tmp_path / "before")


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_exports_in_rounds_are_the_same(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Lake(session, str(tmp_path / "lake")), DOCS)
    exported(session, tmp_path, "whole")
    monkeypatch.setattr("jobs.export_shards._ROUND_BYTES", 20_000)
    exported(session, tmp_path, "rounds")
    assert files(tmp_path / "rounds") == files(tmp_path / "whole")


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_no_room_is_said_before_the_work(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Lake(session, str(tmp_path / "lake")), DOCS[:20])
    monkeypatch.setattr("curation.export.storage.Storage.free_bytes", lambda self: 10)
    with pytest.raises(ExportError, match=r"0 MB free, and .* MB of text take more than .*make room"):
        exported(session, tmp_path, "out")


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_what_changes_the_key(session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that the shards depend on is in the key; the place is not."""
    first = exported(session, folder, "key-1").manifest["key"]
    assert exported(session, folder, "key-2").manifest["key"] == first
    other = ExportTokenizer(content=bpe(vocab_size=300), name="small", eos="<|endoftext|>")
    keys = {
        first,
        exported(session, folder, "key-3", replace(SMALL, seed=2)).manifest["key"],
        exported(session, folder, "key-4", replace(SMALL, row_length=128)).manifest["key"],
        exported(session, folder, "key-5", tokenizer=other).manifest["key"],
    }
    monkeypatch.setattr("jobs.export_shards.export_code", lambda: "of another day")
    with pytest.raises(ExportError, match="of other tables, settings, tokenizer or code"):
        exported(session, folder, "key-1")
    keys.add(exported(session, folder, "key-1", overwrite=True).manifest["key"])
    assert len(keys) == 5
