import pyarrow.parquet as pq
import pytest

from curation.sources.charset import codec_of, decode_page
from curation.sources.record import RecordFault

RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. Сегодня хорошая погода в городе. "
GERMAN = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich; schöne Grüße aus Köln. "
JAPANESE = "いろはにほへと散りぬるを。今日は天気がいいので散歩に行きましょう。東京の春は美しい。"
CHINESE = "今天天气很好，我们去公园散步吧。北京的春天很美，人们都喜欢这个季节。"
KOREAN = "오늘은 날씨가 좋아서 공원에 산책하러 갑니다. 서울의 봄은 아름답습니다."
POLISH = "Zażółć gęślą jaźń, proszę państwa. Dzisiaj jest piękna pogoda w mieście Łódź. "
GREEK = "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Σήμερα ο καιρός είναι καλός στην πόλη. "


def page(words: str, meta: str | None = None) -> str:
    tag = f'<meta charset="{meta}">' if meta else ""
    return f"<html><head>{tag}<title>t</title></head><body><p>{words * 5}</p></body></html>"


@pytest.mark.parametrize(
    ("words", "codec"),
    [
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (GERMAN, "cp1252"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
        (CHINESE, "gb18030"),
        (CHINESE, "big5"),
        (KOREAN, "euc_kr"),
        (POLISH, "iso8859-2"),
        (GREEK, "iso8859-7"),
        (RUSSIAN, "utf-8"),
    ],
)
@pytest.mark.parametrize("by", ["header", "meta", "none", "header says utf-8", "meta says utf-8"])
def test_pages_in_many_character_sets(words, codec, by):
    if by not in ("header", "meta") and codec in ("iso8859-2", "iso8859-7", "big5"):
        codec = "utf-8"  # a detector takes these for their neighbours: they have to be named
    if codec == "big5":
        words = "今天天氣很好，我們去公園散步吧。"
    meta = {"meta": codec, "meta says utf-8": "utf-8"}.get(by)
    header = {"header": f"text/html; charset={codec}", "header says utf-8": "text/html;charset=UTF-8"}.get(by)
    text = page(words, meta)
    assert decode_page(text.encode(codec), header).text == text


@pytest.mark.parametrize("label", ["iso-8859-1", "windows-1252", "latin1"])
@pytest.mark.parametrize(("words", "codec"), [(RUSSIAN, "cp1251"), (RUSSIAN, "utf-8"), (JAPANESE, "shift_jis")])
def test_a_western_label_on_what_is_not(words, codec, label):
    text = page(words, label)
    assert decode_page(text.encode(codec), f"text/html; charset={label}").text == text


@pytest.mark.parametrize("words", [GERMAN, "À la recherche du temps perdu : déjà là-bas, où étés à Évian. "])
def test_a_western_label_on_what_is(words):
    text = page(words, "iso-8859-1")
    assert decode_page(text.encode("cp1252"), "text/html; charset=iso-8859-1").text == text


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
def test_a_mark_comes_before_what_is_said(codec):
    text = page(RUSSIAN, "windows-1251")
    assert decode_page(text.encode(codec), "text/html; charset=koi8-r").text == text


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_sixteen_bits_without_a_mark(codec):
    text = page(RUSSIAN)
    assert decode_page(text.encode(codec)).text == text


def test_a_few_broken_bytes_in_utf_8_are_replaced():
    text = page(RUSSIAN, "utf-8")
    data = text.encode().replace("чаю".encode(), b"\xd1\xff", 1)
    made = decode_page(data, "text/html; charset=windows-1252")
    assert made.charset == "utf-8"
    assert "Съешь" in made.text
    assert 1 <= made.text.count("\ufffd") <= 2


def test_what_no_character_set_fits():
    with pytest.raises(RecordFault) as caught:
        decode_page(b"<html>" + b"\x81\xff\xfe\x8d\x90" * 200, "text/html; charset=utf-8")
    assert caught.value.reason == "html.undecodable"


@pytest.mark.parametrize("label", ["nonsense", "utf-7", "hex", "zip", "idna", "unicode_escape", ""])
def test_labels_that_name_no_character_set(label):
    assert codec_of(label) is None


def test_real_pages_are_read_without_loss(shared):
    table = pq.read_table(shared / "data" / "html" / "trafilatura_eval.parquet", columns=["html", "must_contain"])
    charsets: dict[str, int] = {}
    missing = 0
    for row in table.to_pylist():
        made = decode_page(row["html"])
        charsets[made.charset] = charsets.get(made.charset, 0) + 1
        missing += "\ufffd" in made.text and made.text.count("\ufffd") > 20
    assert sum(charsets.values()) == 588
    assert charsets["utf-8"] > 500
    assert missing <= 2
