"""The page beside an export's shards: its figures are those of the shards, and it comes and goes with the export."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from references.export_page import tables
from references.read_export import copies, files, manifest, rows
from references.small_lake import Doc, write
from references.tokenizers_made import bpe

from curation.export.settings import Export
from curation.export.tokenizer import ExportTokenizer
from curation.session import EngineConfig, Session, open_session
from jobs.display import Silent
from jobs.export_folder import ExportFolder
from jobs.export_shards import Exported, export
from jobs.lake import Lake

TOKENIZER = ExportTokenizer(content=bpe(), name="small", eos="<|endoftext|>")
SETTINGS = Export(row_length=32, eval_share=0.3, shard_bytes=2048, domain="metadata.lang")
EVIL = "<script>alert(1)</script>"
DOCS = [
    Doc(
        doc_id=f"{number:032x}",
        text="the quick brown fox " * (1 + number * 7 % 40),
        source=("web", "books", "notes & more")[number % 3],
        weight=(1.0, 2.0, 3.0)[number // 4 % 3],
        metadata=json.dumps({"lang": ("en", EVIL)[number % 2]}),
    )
    for number in range(120)
]


@pytest.fixture(scope="module")
def sail() -> Iterator[Session]:
    with open_session(EngineConfig()) as opened:
        yield opened


@pytest.fixture(scope="module")
def lake(sail: Session, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    found = Lake(sail, str(tmp_path_factory.mktemp("lake") / "lake"))
    write(found, DOCS)
    return found


def exported(lake: Lake, to: Path, settings: Export = SETTINGS, *, overwrite: bool = False) -> Exported:
    return export(lake, TOKENIZER, settings, str(to), Silent(), overwrite=overwrite, lake_name="lake")


@pytest.fixture(scope="module")
def out(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export, not to be changed."""
    to = tmp_path_factory.mktemp("export") / "out"
    exported(lake, to)
    return to


def number(count: int) -> str:
    return f"{count:,}"


def test_figures_are_those_of_the_shards(out: Path) -> None:
    """Everything counted again from the shards' rows, in plain Python."""
    page = tables((out / "report.html").read_text(encoding="utf-8"))
    whole = copies(out)
    sources = {doc.doc_id: doc.source for doc in DOCS}
    domains = {doc.doc_id: json.loads(doc.metadata or "")["lang"] for doc in DOCS}
    sizes = {doc.doc_id: len(doc.text.encode()) for doc in DOCS}
    segments = [zip(row["doc_ids"], row["repeats"], strict=True) for _, row in rows(out)]
    pieces = Counter(key for keys in segments for key in keys)
    splits = {split: copies(out, split) for split in ("train", "eval")}
    assert set(page["by-domain"]) == {"en", EVIL}
    for domain in ("en", EVIL):
        own = {key: tokens for key, tokens in whole.items() if domains[key[0]] == domain}
        num_tokens = sum(map(len, own.values()))
        documents, copied, tokens, *_ = page["by-domain"][domain]
        assert [documents, copied, tokens] == [
            number(len({key[0] for key in own})),
            number(len(own)),
            number(num_tokens),
        ]
        for split, says in (("train", domain), ("eval", f"{domain}, held out")):
            held = {key: tokens for key, tokens in splits[split].items() if domains[key[0]] == domain}
            num_rows = sum(found == domain for found, _ in rows(out, split))
            used = sum(map(len, held.values()))
            cut = [pieces[key] - 1 for key in held if pieces[key] > 1]
            told = page["by-split"][says]
            assert [told[0], told[1], told[2]] == [number(num_rows), number(used), number(num_rows * 32 - used)]
            assert [told[4], told[6]] == [number(len(cut)), number(sum(cut))]
        trained = [key for key in splits["train"] if domains[key[0]] == domain]
        num_documents = len({doc_id for doc_id, _ in trained})
        repeated = [number(num_documents), number(len(trained)), number(len(trained) - num_documents)]
        assert page["by-repeats"][domain] == [*repeated, f"{len(trained) / num_documents:.2f}"]
        out_of = len({key[0] for key in splits["eval"] if domains[key[0]] == domain})
        assert page["by-held-out"][domain][0] == number(out_of)
        text = sum(sizes[doc_id] for doc_id, _ in own)
        assert page["by-bytes"][domain][1] == f"{text / (num_tokens - len(own)):.2f}"
    for source in set(sources.values()):
        own = {key: tokens for key, tokens in whole.items() if sources[key[0]] == source}
        told = page["by-source"][source]
        assert told[:2] == [number(len({key[0] for key in own})), number(sum(map(len, own.values())))]
    lengths = Counter(1 << (len(tokens).bit_length() - 1) for tokens in whole.values())
    assert {least: row[0] for least, row in page["by-length"].items()} == {
        number(least): number(count) for least, count in lengths.items()
    }


def test_a_domain_that_is_markup_stays_text(out: Path) -> None:
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_page_is_the_same_again(lake: Lake, out: Path, tmp_path: Path) -> None:
    exported(lake, tmp_path / "out")
    assert files(tmp_path / "out") == files(out)
    assert "report.html" in files(out)


def test_a_page_that_was_deleted_comes_back(lake: Lake, out: Path, tmp_path: Path) -> None:
    exported(lake, tmp_path / "out")
    (tmp_path / "out" / "report.html").unlink()
    assert exported(lake, tmp_path / "out").skipped
    assert files(tmp_path / "out") == files(out)


def test_the_page_goes_before_what_it_tells_of(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that replaces another and does not come to its end leaves neither's page."""
    to = tmp_path / "out"
    exported(lake, to)

    def killed(self: ExportFolder, manifest: bytes, page: str, shards: list[str]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ExportFolder, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            exported(lake, to, replace(SETTINGS, seed=2), overwrite=True)
    assert not {"report.html", "manifest.json"} & set(files(to))
    (to / "report.html").write_text("half")  # as one that was killed just before its manifest leaves it
    exported(lake, to, replace(SETTINGS, seed=2))
    assert manifest(to)["seed"] == 2
    page = (to / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert len(list(to.glob("*.html"))) == 1


def test_a_domain_may_be_called_as_the_page(sail: Session, tmp_path: Path) -> None:
    own = Lake(sail, str(tmp_path / "lake"))
    write(own, [Doc(doc_id=f"{number:032x}", text="the fox", source="report.html") for number in range(8)])
    exported(own, tmp_path / "out", replace(SETTINGS, domain="source", eval_share=0.0))
    assert manifest(tmp_path / "out")["domains"][0]["folder"].startswith("report-html-")
    assert (tmp_path / "out" / "report.html").is_file()
