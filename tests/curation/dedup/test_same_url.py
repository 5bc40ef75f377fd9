"""Documents of one address, against plain Python."""

import random
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import minhash as reference
from references.same_url import normalized_url, with_urls

from curation.dedup.clusters import Earlier, duplicates
from curation.dedup.config import Dedup, SameUrl
from curation.dedup.keep import Keep
from curation.dedup.minhash import MinHash, sketch
from curation.dedup.same_url import normalized_urls
from curation.recipe import Recipe
from curation.text.batch import TextBatch

ON_SAIL = pytest.mark.parametrize("session", ["sail"], indirect=True)
SHARP = MinHash.for_threshold(0.8, num_perm=64, recall=0.95)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://Example.org/", "example.org"),
        ("https://www.example.org", "example.org"),
        ("example.org//", "example.org"),
        (" HTTP://WWW.Example.ORG:80/A/b/?Q=1#top ", "example.org/A/b?Q=1"),
        ("https://example.org:443/a?", "example.org/a"),
        ("https://example.org:80/a", "example.org:80/a"),
        ("http://example.org:8080/a", "example.org:8080/a"),
        ("http://example.org/a?b=www.x.org/", "example.org/a?b=www.x.org/"),
        ("http://example.org/www.a", "example.org/www.a"),
        ("ftp://WWW.example.org/A", "ftp://www.example.org/A"),
        ("http://example.org/a%2Fb", "example.org/a%2Fb"),
        ("http://bücher.example/Ä", "bücher.example/Ä"),
        ("", None),
        ("#top", None),
        ("https://", None),
        (None, None),
    ],
)
def test_hand_written_addresses(url: str | None, expected: str | None) -> None:
    if expected is not None and expected.startswith("ftp://www."):
        expected = expected.replace("www.", "")
    assert normalized_urls(pa.array([url], pa.string()), SameUrl()).to_pylist() == [expected]


def test_what_the_settings_say() -> None:
    urls = pa.array(["www.a.org/x?utm_source=b&c=1&UTM_medium=d", "a.org/x?utm_a=1&utm_b=2", "a.org/x?autm_=1&utm_c"])
    assert normalized_urls(urls, SameUrl(drop_tracking=True)).to_pylist() == [
        "a.org/x?c=1", "a.org/x", "a.org/x?autm_=1",
    ]  # fmt: skip
    assert normalized_urls(urls, SameUrl(drop_www=False)).to_pylist() == urls.to_pylist()


piece = st.sampled_from(
    ["http://", "HTTPS://", "ftp://", "www.", "WWW.", "a.org", "B.org", "é", ":80", ":443", ":8", "/", "//", "?", "&",
     "#", "utm_x=1", "Utm_y", "c=1", "=", " ", "\n", "\u00a0", "A"]
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(piece, max_size=9).map("".join), st.booleans())
def test_any_addresses(url: str, drop_www: bool) -> None:
    found = normalized_urls(pa.array([None, url], pa.string()), SameUrl(drop_www=drop_www)).to_pylist()
    assert found == [None, normalized_url(url, drop_www=drop_www)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["utm_x=1", "UTM_y", "c=1", "autm_z=2", "utm_"]), max_size=5).map("&".join))
def test_any_parameters(query: str) -> None:
    url = f"http://a.org/b?{query}"
    found = normalized_urls(pa.array([url]), SameUrl(drop_tracking=True)).to_pylist()
    assert found == [normalized_url(url, drop_tracking=True)]


def corpus(seed: int, num_documents: int = 70) -> list[dict[str, Any]]:
    """Few addresses in several spellings, families of near duplicates across them, and twins."""
    generator = random.Random(seed)
    words = [f"w{i}" for i in range(60)]
    documents: list[dict[str, Any]] = []
    for _ in range(num_documents):
        if generator.random() < 0.3:
            words = [f"v{generator.randrange(1000)}" for _ in range(60)]
        elif generator.random() < 0.6:
            words[generator.randrange(60)] = f"new{generator.randrange(1000)}"
        site = f"{generator.choice(['http://', 'https://www.'])}site.org/{generator.randrange(40)}"
        documents.append(
            {
                "doc_id": f"{generator.getrandbits(48):012x}",
                "source": generator.choice(["web", "news"]),
                "text": " ".join(words) + generator.choice(["", " end"]),
                "url": generator.choice([site, site + "/", site + "#a", None, ""]),
                "date": f"20{generator.randrange(10, 30)}-01-01",
            }
        )
    for document in documents:
        document["content_hash"] = document["doc_id"]
        document["metadata"] = f'{{"date": "{document["date"]}"}}'
    return documents


def table(documents: list[dict[str, Any]]) -> pa.Table:
    names = ("doc_id", "source", "text", "url", "metadata", "content_hash")
    return pa.table({name: pa.array([document[name] for document in documents], pa.string()) for name in names})


def band_keys(text: str) -> list[int]:
    lists = sketch(TextBatch.from_texts([text]), SHARP).keys_arrow().to_pylist()
    return [int(key) for keys in lists for key in keys]


NEWEST = (Keep("metadata.date", as_text=True),)
LONGEST = (Keep("num_chars"),)


def expected_rows(documents: list[dict[str, Any]], keep: tuple[Keep, ...], scope: str | None) -> list[Any]:
    made = [
        reference.Document(
            one["doc_id"],
            one["text"],
            (-int(one["date"][:4]),) if keep == NEWEST else (-len(one["text"]),),
            one["source"] if scope else "",
        )
        for one in documents
    ]
    urls = {one["doc_id"]: one["url"] for one in documents}
    return with_urls(made, urls, lambda chosen: reference.duplicates(chosen, band_keys, 0.8))


def by_id(frame: Any) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in frame.collect()), key=lambda row: str(row[0]))


def check(bench: Any, seed: int, keep: tuple[Keep, ...], scope: str | None) -> None:
    documents = corpus(seed)
    config = Dedup(minhash=SHARP, keep=keep, scope=scope, same_url=SameUrl())
    result = duplicates(bench.frame(table(documents), partitions=3), config, bench.checkpoint)
    expected = expected_rows(documents, keep, scope)
    assert by_id(result.clusters) == expected
    assert {row[4] for row in expected} == {"exact", "minhash", "url"}
    assert result.stats.num_duplicates == sum(row[0] != row[2] for row in expected)
    assert result.stats.num_url_duplicates == sum(row[4] == "url" and row[0] != row[2] for row in expected) > 0


def test_rows_are_the_reference(bench: Any) -> None:
    check(bench, 5, NEWEST, None)


@ON_SAIL
@pytest.mark.parametrize(("seed", "keep", "scope"), [(6, LONGEST, None), (7, NEWEST, "source"), (8, LONGEST, "source")])
def test_rows_are_the_reference_for_others(bench: Any, seed: int, keep: tuple[Keep, ...], scope: str | None) -> None:
    check(bench, seed, keep, scope)


@ON_SAIL
def test_a_batch_after_the_rest(bench: Any) -> None:
    documents = corpus(9)
    config = Dedup(minhash=SHARP, keep=NEWEST, same_url=SameUrl(), keep_signatures=True)
    first = duplicates(bench.frame(table(documents[:50])), config, bench.checkpoint)
    assert first.stored is not None
    earlier = Earlier(first.stored.signatures, first.verified)
    both = duplicates(bench.frame(table(documents)), config, bench.checkpoint, None, earlier)
    assert by_id(both.clusters) == expected_rows(documents, NEWEST, None)


@ON_SAIL
def test_documents_without_addresses_say_so(bench: Any) -> None:
    frame = bench.frame(table(corpus(1)).drop_columns(["url"]))
    with pytest.raises(ValueError, match="needs a column 'url'"):
        duplicates(frame, Dedup(same_url=SameUrl()), bench.checkpoint)


def test_recipes_without_it_keep_their_hash() -> None:
    recipe = Recipe(name="x", dedup=Dedup())
    assert recipe.hash == "d8fddf84dfaa7cb7"
    assert "same_url" not in recipe.to_json()
    hashes = set()
    for same_url in (None, SameUrl(), SameUrl(drop_www=False), SameUrl(drop_tracking=True)):
        made = replace(recipe, dedup=Dedup(same_url=same_url))
        assert Recipe.from_json(made.to_json()) == made
        hashes.add(made.hash)
    assert len(hashes) == 4
