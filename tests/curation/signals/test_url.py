"""URL filters: against plain Python, on made and on real addresses."""

import gzip
import json
import re
import warnings
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.packing import gzipped
from references.url import blocked_domain, blocked_url, host_and_rest, word_counts

from curation.signals.list_files import ListError
from curation.signals.url import DIALECTS, Dialect, Url, rules
from curation.text.batch import TextBatch

DOMAINS = {
    "bad.example": "adult",
    "x.bad2.example": "adult",
    "co.uk": "odd",
    "1.2.3.4": "phish",
    "münch.example": "odd",
}
URLS = {"ok.example/~foo/bar": "adult", "ok.example/q?id=1": "phish", "ok.example/~foo/bar/baz": "phish"}
WORDS = ["sex", "foo-bar", "cam", "live cam", "b", "ex"]
KINDS = ("banned_words", "banned_subwords", "soft_words")


def write_lists(folder: Path) -> str:
    for listed, kind in ((DOMAINS, "domains"), (URLS, "urls")):
        for category in set(listed.values()):
            (folder / category).mkdir(exist_ok=True, parents=True)
            lines = "\n".join(name for name, of in listed.items() if of == category)
            if category == "phish":
                (folder / category / f"{kind}.gz").write_bytes(gzipped(lines.encode()))
            else:
                (folder / category / kind).write_text(lines)
    return str(folder)


def signal_of(folder: Path, dialect: Dialect, words: list[str] = WORDS) -> Url:
    (folder / "words").write_text("\n".join(words))
    return Url.of(lists=write_lists(folder / "ut1"), dialect=dialect, **dict.fromkeys(KINDS, str(folder / "words")))


def rows(signal: Url, urls: list[str | None]) -> list[dict[str, Any]]:
    return signal.measure(TextBatch.from_texts(urls)).to_pylist()


def check(signal: Url, urls: list[str], domains: dict[str, str], listed: dict[str, str], words: list[str]) -> None:
    categories = sorted({*domains.values(), *listed.values()})
    for url, row in zip(urls, rows(signal, list(urls)), strict=True):
        host = domains.get(host_and_rest(url)[0])
        domain, address = blocked_domain(url, domains, signal.dialect), blocked_url(url, listed)
        hard = word_counts(url, words, signal.dialect, inside=False)
        assert row == {
            "domain_category": domain,
            "url_category": address,
            "host_category": host,
            "rps_doc_ut1_blacklist": categories.index(host) if host else None,
            "is_blocked_domain": domain is not None,
            "is_blocked_url": address is not None,
            "num_banned_words": hard,
            "num_banned_subwords": word_counts(url, words, signal.dialect, inside=True),
            "num_soft_words": hard,
        }, url


def test_several_categories_have_redpajamas_number(tmp_path: Path) -> None:
    """The sets of categories in the order of `itertools.combinations`, small ones first."""
    names = ("adult", "chat", "dating", "porn", "violence")
    sets = [chosen for size in range(1, len(names) + 1) for chosen in combinations(names, size)]
    for name in names:
        (tmp_path / name).mkdir()
        hosts = [f"s{number}.example" for number, chosen in enumerate(sets) if name in chosen]
        (tmp_path / name / "domains").write_text("\n".join([*hosts, *hosts[:2]]))
    urls: list[str | None] = [f"https://S{number}.example:80/x" for number in range(len(sets))]
    found = rows(Url.of(lists=str(tmp_path)), [*urls, "https://a.s1.example/", "https://none.example/", None])
    assert [row["rps_doc_ut1_blacklist"] for row in found] == [*range(len(sets)), None, None, None]
    assert found[len(sets) - 1]["host_category"] == "adult"
    fewer = rows(Url.of(lists=str(tmp_path), categories=("dating", "porn")), ["http://s30.example/"])
    assert fewer[0]["rps_doc_ut1_blacklist"] == 2


@pytest.mark.parametrize(
    ("url", "reasons"),
    [
        ("http://bad.example/", {"domain"}),
        ("https://user:pass@WWW.Bad.Example.:80/x", {"domain"}),
        ("https://a.b.x.bad2.example", {"domain"}),
        ("https://bad2.example/bad.example", set()),
        ("http://notbad.example/", set()),
        ("http://1.2.3.4:8080/", {"domain"}),
        ("http://www.ok.example/~FOO/bar/", {"url"}),
        ("https://ok.example:443/~foo/bar/more#x", {"url"}),
        ("https://ok.example/~foo/bars", set()),
        ("https://ok.example/q?id=1", {"url"}),
        ("https://ok.example/q?id=12", set()),
        ("http://a.example/sex/", {"word"}),
        ("http://a.example/SEX/", set()),
        ("http://a.example/foo-bar", set()),
        ("http://a.example/foobar", {"word"}),
        ("http://a.example/live/cam", {"soft"}),
        ("http://a.example/cam/cam", set()),
        ("http://a.example/xcc-x", {"subword"}),
    ],
)
def test_datatrove_by_hand(tmp_path: Path, url: str, reasons: set[str]) -> None:
    files = {"banned_words": "sex\nfoo-bar\n", "banned_subwords": "ccx\n", "soft_words": "cam\nlive\n"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    signal = Url.of(lists=write_lists(tmp_path / "ut1"), **{name: str(tmp_path / name) for name in files})
    (row,) = rows(signal, [url])
    fired = {"domain": row["is_blocked_domain"], "url": row["is_blocked_url"], "word": row["num_banned_words"] > 0}
    fired |= {"subword": row["num_banned_subwords"] > 0, "soft": row["num_soft_words"] > 1}
    assert {name for name, is_so in fired.items() if is_so} == reasons


def test_dclm_by_hand(tmp_path: Path) -> None:
    signal = signal_of(tmp_path, "dclm")
    urls = ["http://www.bad.example/", "http://a.bad.example/", "http://a.example/SEX", "http://a.example/x/s.e-x"]
    found = rows(signal, [*urls, "http://a.example/live cam", "http://a.example/?cam&sex"])
    assert [row["is_blocked_domain"] for row in found] == [True, False, False, False, False, False]
    assert [row["num_soft_words"] for row in found] == [0, 0, 1, 0, 1, 2]
    assert found[3]["num_banned_subwords"] == 2  # of `a.example` the ex


URL_PIECES = ("bad.example", "x.", "www.", "www", "co.uk", "1.2.3.4", "münch.example", "a.", "ok.example", "OK.Example")
PATH_PIECES = (
    "/",
    "~foo",
    "/bar",
    "/baz",
    "?",
    "q",
    "id=1",
    "sex",
    "foo",
    "-",
    "bar",
    "CAM",
    "live cam",
    "é",
    "b",
    "%20",
)
made_urls = st.builds(
    lambda user, host, port, path, fragment: "http://" + user + "".join(host) + port + "".join(path) + fragment,
    st.sampled_from(["", "", "me@", "a:b@c@"]),
    st.lists(st.sampled_from(URL_PIECES), max_size=3),
    st.sampled_from(["", "", ":80", ".", ".:8080"]),
    st.lists(st.sampled_from(PATH_PIECES), max_size=8).map(lambda pieces: pieces and ["/", *pieces]),
    st.sampled_from(["", "#sex/cam"]),
)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_any_urls(tmp_path: Path, dialect: Dialect) -> None:
    signal = signal_of(tmp_path, dialect)

    @settings(max_examples=400, deadline=None)
    @given(st.lists(made_urls, min_size=1, max_size=5))
    def agree(urls: list[str]) -> None:
        check(signal, urls, DOMAINS, URLS, WORDS)

    agree()


def real_urls(shared: Path) -> list[str]:
    """Addresses in the crawls and documents of the shared data."""
    pages = b"".join(gzip.decompress(path.read_bytes()) for path in sorted((shared / "data" / "warc").glob("*.gz")))
    found = set(re.findall(rb"WARC-Target-URI: <?(https?://[^\s>]+)", pages))
    found |= set(re.findall(rb"https?://[a-zA-Z0-9./_?=&%~#:-]+", pages))
    return sorted(url.decode() for url in found if b"[" not in url)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_real_urls(tmp_path: Path, shared: Path, dialect: Dialect) -> None:
    urls = real_urls(shared)[:20_000]
    assert len(urls) > 1000
    hosts = sorted({host_and_rest(url)[0] for url in urls})
    domains = {host.removeprefix("www."): "some" for host in hosts[::5] if host}
    listed = {"/".join(url.split("://")[1].split("/")[:2]).lower() for url in urls[::50] if url.count("/") > 3}
    listed = {url.removeprefix("www.").rstrip("/") for url in listed if not re.search("[:?#@,]", url)}
    for kind, lines in (("domains", domains), ("urls", listed)):
        (tmp_path / "some").mkdir(exist_ok=True)
        (tmp_path / "some" / kind).write_text("\n".join(lines))
    words = ["news", "the", "video", "live", "shop", "an"]
    (tmp_path / "words").write_text("\n".join(words))
    signal = Url.of(
        lists=str(tmp_path), categories=("some",), dialect=dialect, **dict.fromkeys(KINDS, f"{tmp_path}/words")
    )
    check(signal, urls, domains, dict.fromkeys(listed, "some"), words)
    found = rows(signal, list(urls))
    assert sum(row["is_blocked_domain"] for row in found) > 50
    assert sum(row["is_blocked_url"] for row in found) > 5


def test_without_a_list_its_columns_are_null(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("bad.example\n")
    (row,) = rows(Url.of(lists=str(tmp_path / "mine.txt")), ["http://bad.example/"])
    assert row["domain_category"] == "mine"
    assert row["is_blocked_url"] is False
    assert [row[f"num_{kind}"] for kind in KINDS] == [None, None, None]
    (tmp_path / "words").write_text("bad")
    (row,) = rows(Url.of(banned_words=str(tmp_path / "words")), ["http://bad.example/"])
    assert row["is_blocked_domain"] is None
    assert row["num_banned_words"] == 1


def test_lines_that_are_none(tmp_path: Path) -> None:
    good = "".join(f"d{i}.example\r\n" for i in range(300)).encode()
    path = tmp_path / "domains.txt"
    path.write_bytes(b"\xef\xbb\xbf# UT1\r\n" + good + b"two words\r\ncaf\xe9.example\r\n\r\nLast.Example.")
    with pytest.warns(UserWarning, match=r"domains.txt: 2 of 303 lines are no domains \(line 302: b'two words"):
        signal = Url.of(lists=str(path))
    assert [row["is_blocked_domain"] for row in rows(signal, ["http://a.d299.example", "http://last.example"])] == [
        True
    ] * 2
    path.write_bytes(b"http://a.example/\nb.example\n")
    with pytest.raises(ListError, match=r"1 of 2 lines are no domains \(line 1: b'http://a.example/'\); expected one"):
        Url.of(lists=str(path))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "urls").write_text("https://me@www.a.example:80/b/#c\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        signal = Url.of(lists=str(tmp_path / "odd"))
    assert rows(signal, ["http://a.example/b/c"])[0]["url_category"] == "odd"


def test_lists_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ListError, match="holds no lists"):
        Url.of(lists=str(tmp_path / "none"))
    with pytest.raises(ListError, match="has no category games; it has adult, odd, phish"):
        Url.of(lists=write_lists(tmp_path), categories=("games",))
    with pytest.raises(ValueError, match="no list is given"):
        Url()
    with pytest.raises(ValueError, match="1 lists and 0 sha256"):
        Url(lists="x")
    signal = Url.of(lists=str(tmp_path))
    assert Url.of(lists=str(tmp_path)) == signal
    (tmp_path / "adult" / "domains").write_text("other.example")
    with pytest.raises(ListError, match=r"Url\.of\(\.\.\.\) does"):
        signal.open()
    assert Url.of(lists=str(tmp_path)) != signal
    assert json.loads(json.dumps(signal.sha256)) == list(signal.sha256)


def test_rules() -> None:
    assert [rule.name for rule in rules("dclm")][2] == "url.banned_subword"
    with pytest.raises(ValueError, match="choose one of datatrove, dclm"):
        rules("x")  # type: ignore[arg-type]
