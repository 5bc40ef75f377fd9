import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from references.warc_files import page

from curation.sources.extraction import MAX_DEPTH, extract_page, extractor_version, nesting
from curation.sources.record import RecordFault

WORDS = "The main text of this page is long enough to be taken for one by anything that looks at it. " * 3


def reason(data: bytes | str, extractor="resiliparse", content_type=None) -> str:
    with pytest.raises(RecordFault) as caught:
        extract_page(data, extractor, content_type)
    return caught.value.reason


@pytest.mark.parametrize("extractor", ["resiliparse", "trafilatura"])
def test_the_main_text_comes_out(extractor):
    html = page(WORDS).replace(
        b"<body>", b"<body><nav><a href='/'>Home</a> <a href='/b'>About</a></nav><script>x()</script>"
    )
    text, charset = extract_page(html, extractor)
    assert text == WORDS.strip()
    assert charset == "utf-8"
    assert extract_page(html.decode(), extractor) == (text, "unicode")


def test_none_keeps_the_html():
    assert extract_page(page("Grüße"), "none")[0] == page("Grüße").decode()


def score(pages: list[dict], extractor) -> tuple[float, float]:
    """Recall and precision by segments, as the benchmark counts them."""
    found = wrong = wanted = 0
    for one in pages:
        try:
            text = extract_page(one["html"], extractor)[0]
        except RecordFault:
            text = ""
        found += sum(segment in text for segment in one["must_contain"])
        wanted += len(one["must_contain"])
        wrong += sum(segment in text for segment in one["must_not_contain"])
    return found / wanted, found / (found + wrong)


@pytest.mark.parametrize(
    ("extractor", "num_pages", "recall", "precision"),
    [("resiliparse", 588, 0.92, 0.77), ("trafilatura", 40, 0.85, 0.87)],
)
def test_real_pages_by_their_hand_chosen_segments(shared, extractor, num_pages, recall, precision):
    pages = pq.read_table(shared / "data" / "html" / "trafilatura_eval.parquet").slice(0, num_pages).to_pylist()
    got = score(pages, extractor)
    assert got[0] >= recall
    assert got[1] >= precision


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "text.empty"),
        (b" \n\0 ", "text.empty"),
        (b"%PDF-1.4 <p>not a page</p>", "html.not_html"),
        (b"\x89PNG\r\n\x1a\n<p>", "html.not_html"),
        (b"\x1f\x8b\x08<p>", "html.not_html"),
        (b'{"a": "1 < 2"}', "html.not_html"),
        (b"just words, 1 < 2 and 3 > 2", "html.not_html"),
        (b"<html><body></body></html>", "text.empty"),
        (b"<html>" + b"\x81\xff\xfe\x8d\x90" * 200, "html.undecodable"),
        (b"<div>" * 100_000 + b"deep", "html.too_deep"),
        (b"<div><br>" * 50_000 + b"</div>" * 50_000, "html.too_deep"),
    ],
)
def test_what_is_no_page_says_why(data, expected):
    for extractor in ("resiliparse", "trafilatura"):
        assert reason(data, extractor) == expected


def test_many_tags_are_not_deep():
    assert nesting(b"<p>one<br>two<img><li>three" * 5000) == 0
    assert nesting(b"<p><b>x</b></p>" * 5000) == 0
    assert nesting(b"</div>" * 5000 + b"<div><i>" * 1500) == 3000
    assert nesting(b"<div>" * MAX_DEPTH) == 0
    assert nesting(b"<DIV>" * (MAX_DEPTH + 1)) == MAX_DEPTH + 1
    assert reason(("<i>" * 9000).encode("utf-16")) == "html.too_deep"


def test_characters_that_c_would_stop_at():
    assert extract_page(page("before\0after " + WORDS), "resiliparse")[0].startswith("beforeafter")
    for extractor in ("resiliparse", "trafilatura"):
        assert "words" in extract_page(page("some words \x01\x0b\x1f\x7f \ufffe &#0; &#xD800; " + WORDS), extractor)[0]


def test_a_large_page():
    html = b"<html><body>" + b"<p>hello world and more words</p>" * 50_000 + b"</body></html>"
    assert extract_page(html, "resiliparse")[0].count("hello world") == 50_000


def test_versions_are_told():
    assert extractor_version("resiliparse").startswith("resiliparse ")
    assert extractor_version("none") == "none"


def test_a_missing_library_is_told():
    code = (
        "import sys; sys.modules['trafilatura'] = None\n"
        "from curation.sources.extraction import check_extractor\n"
        "from curation.sources.settings import InputError\n"
        "try: check_extractor('trafilatura')\n"
        "except InputError as error: print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "trafilatura cannot be imported" in told
    assert "pip install 'winnow[crawl]'" in told
