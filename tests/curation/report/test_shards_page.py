"""The page of an export: counted again by hand, everything escaped, one file that needs nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
from references.export_page import tables, text_of
from references.html_check import Closed

from curation.export.manifest import COUNTS, added, manifest_of
from curation.report.pictures import amounts, lengths, tokens_of
from curation.report.shards import shards_page

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">\x00</style></title>&amp;'


def part(num_documents: int, num_repeats: int, num_tokens: int, **more: Any) -> dict[str, Any]:
    """Counts of a domain's part, of one source unless told."""
    counts = dict.fromkeys(COUNTS, 0) | {
        "num_documents": num_documents,
        "num_repeats": num_repeats,
        "num_tokens": num_tokens,
        "num_special_tokens": num_repeats,
        "num_text_bytes": 4 * (num_tokens - num_repeats),
        "num_rows": -(-num_tokens // 64),
        "num_padding": -num_tokens % 64,
        "length_histogram": [0, 0, 0, num_repeats],
        "sources": {"web": {"num_documents": num_documents, "num_tokens": num_tokens}},
    }
    return counts | more


def manifest(*domains: tuple[str, dict[str, Any], dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A manifest with these domains: name, what is trained on, what is held out."""
    return {
        "winnow": "0",
        "lake": "lake",
        "row_length": 64,
        "token_dtype": "uint16",
        "packing": "best_fit",
        "tokenizer": {
            "file": "tokenizer.json",
            "name": "small",
            "sha256": "ab" * 32,
            "vocab_size": 400,
            "special_ids": {"bos": None, "eos": 0, "pad": 0, "unk": None},
        },
        "recipe": {"name": "made", "hash": "abc"},
        "tables": {"documents": 0, "clusters": None},
        "key": "k",
        "seed": 1,
        "eval_share": 0.1,
        "domain": "metadata.lang",
        "shard_bytes": 1 << 20,
        "failed": {},
        "domains": [
            {"name": name, "folder": f"folder-{number}", "train": train, "eval": held}
            for number, (name, train, held) in enumerate(domains)
        ],
        "shards": [{"path": "folder-0/train-00000.arrow", "num_bytes": 1000}],
    } | more


def test_figures_of_the_page() -> None:
    found = manifest(("en", part(10, 15, 150), part(2, 2, 30)), ("de", part(5, 5, 50), part(1, 1, 20)))
    page = tables(shards_page(found))
    assert page["by-domain"]["en"][:4] == ["12", "17", "180", "72.0\u00a0%"]
    assert page["by-domain"]["de"][:4] == ["6", "6", "70", "28.0\u00a0%"]
    assert page["by-source"]["web"] == ["18", "250", "100\u00a0%"]
    assert page["by-length"]["8"][0] == "23"
    assert page["by-split"]["en, held out"] == ["1", "30", "34", "53.1\u00a0%", "0", "0\u00a0%", "0"]
    assert page["by-repeats"]["en"] == ["10", "15", "5", "1.50"]
    assert page["by-held-out"]["all domains"] == ["3", "16.7\u00a0%", "50", "20.0\u00a0%"]
    assert page["by-bytes"]["en"][1] == "4.00"


@pytest.mark.parametrize("name", [EVIL, "<script>alert(1)</script>", "", " ", "\u202eevil", "a" * 5000])
def test_names_stay_text(name: str) -> None:
    numbers = {"num_documents": 1, "num_tokens": 10}
    found = manifest(
        (name, part(10, 10, 100, sources={name: numbers}), part(1, 1, 10)),
        ("other", part(1, 1, 10), part(0, 0, 0)),
        lake=name,
        recipe={"name": name, "hash": name},
        failed={name: name},
    )
    found["tokenizer"]["name"] = name
    html = shards_page(found)
    assert "<script" not in html
    assert "<img" not in html
    assert "\x00" not in html
    assert {(name or "(empty)").translate({0: "\u2400"}), "other"} <= set(tables(html, strip=False)["by-domain"])


@pytest.mark.parametrize(
    "found",
    [
        manifest(("en", part(10, 15, 150), part(2, 2, 30)), ("de", part(5, 5, 50), part(1, 1, 20))),
        manifest(("all", part(10, 10, 150), part(0, 0, 0)), eval_share=0.0, domain="one"),
        manifest(("all", part(0, 0, 0), part(1, 1, 150))),
        manifest(*((f"d{number}", part(1, 1, number + 2), part(0, 0, 0)) for number in range(300))),
        manifest((EVIL, part(1, 1, 10), part(1, 1, 10)), failed={"a": EVIL}),
    ],
    ids=["two", "one", "held out", "many", "evil"],
)
def test_every_page_is_whole(found: dict[str, Any]) -> None:
    html = shards_page(found)
    Closed(html)
    assert html == shards_page(found)
    assert not re.search(r"https?://(?!www\.w3\.org)", html)


def test_many_domains_are_cut_and_still_counted() -> None:
    found = manifest(*((f"d{number:03d}", part(1, 1, number + 2), part(0, 0, 0)) for number in range(300)))
    html = shards_page(found)
    assert len(html) < 400_000
    assert "And 100 domains with 5,150 tokens in all." in html  # 2 + 3 + ... + 101
    assert len(tables(html)["by-domain"]) == 200
    assert "Nothing is held out of d000, d001, d002, d003, d004 and 295 more domains." in html


def test_what_a_page_warns_of() -> None:
    bad = manifest(("a", part(1, 1, 10, num_failed=3, num_empty=2), part(0, 0, 0)), ("b", part(0, 0, 0), part(1, 1, 9)))
    said = text_of(shards_page(bad))
    for line in (
        "3 documents could not be tokenized and are left out.",
        "2 documents have no token and are left out.",
        "Nothing is held out of a.",
        "There is nothing to train on of b.",
    ):
        assert line in said
    fine = text_of(shards_page(manifest(("a", part(1, 1, 10), part(1, 1, 9)))))
    assert "Nothing to warn about." in fine
    assert "No document stands more than once." in fine


def test_the_manifest_of_an_export_is_enough(tmp_path: Path) -> None:
    """Whatever `manifest_of` writes can be told."""
    head = manifest()
    counts = part(3, 3, 30, num_bytes=10, sha256="a", xxh3="b")
    found = manifest_of({"web/train-00000.arrow": counts}, ["web"], {key: head[key] for key in head if key != "failed"})
    assert tables(shards_page(found))["by-domain"]["web"][:3] == ["3", "3", "30"]
    assert added([counts])["num_tokens"] == 30


def test_pictures() -> None:
    assert lengths([], 64, "none") == ""
    assert lengths([0, 0], 64, "none") == ""
    drawn = lengths([0, 3, 0, 900, 1], 64, "Length")
    assert [f"{tokens_of(place)}: {count}" in drawn for place, count in ((1, 3), (3, 900), (4, 1))] == [True] * 3
    assert "a row has 64 tokens" in drawn
    both = amounts([("a", (10, 5)), ("b", (0, 7))], (("kept", "seen"), ("not-drawn", "held")), "Amounts")
    assert [says in both for says in ("a: 10 seen", "a: 5 held", "b: 7 held", "b: 0 seen")] == [True, True, True, False]
    assert 'class="kept"' in both
    assert 'class="not-drawn"' in both
