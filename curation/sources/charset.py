"""Bytes of a web page to characters, by what is said of them and by what they are.

Reference: WHATWG, Encoding (labels), and HTML, "determining the character encoding". Departed from where what is said
is plainly not so: bytes beyond ASCII that are UTF-8 are taken for that, whatever the labels say.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from curation.sources.record import RecordFault

_BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_MARKS = tuple(_BOMS)
_META = re.compile(rb"""<(?:meta|\?xml)[^>]{0,500}?(?:charset|encoding)\s*=\s*["']?\s*([\w:.-]{1,40})""", re.IGNORECASE)
_HEADER = re.compile(r"""charset\s*=\s*["']?\s*([\w:.-]{1,40})""", re.IGNORECASE)
_MARKUP = re.compile(r"<[^>]*>")
_WORD = re.compile(r"[^\W\d_]{3,}")
_META_WITHIN = 4096
_SHIFT = re.compile(rb"\x1b[$(]")
_SHIFTS_WITHIN = 64 << 10
_MOST_FOREIGN = 0.6
"""Share of letters beyond ASCII, in words that have some, above which a text is in no Western language."""
_MOST_REPLACED = 0.01
"""Share of characters that may be replaced where no character set fits a page as a whole."""
_FEW_BROKEN = 10
"""UTF-8 with a broken place for each so many whole characters beyond ASCII, or fewer, is still UTF-8."""
_WIDER = {"gbk": "gb18030", "gb2312": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "iso8859-1": "cp1252"}
"""Character sets that browsers read in place of others, as they hold all of them."""


_DETECTED = {"cp949": "cp949", "uhc": "cp949"}
"""Names that the detector uses, and the list of labels does not know."""


@dataclass(frozen=True)
class Decoded:
    """A page's characters, and the character set (Python's name) that they were read by."""

    text: str
    charset: str


def decode_page(data: bytes, content_type: str | None = None) -> Decoded:
    """The characters of a page: by its byte order mark, as UTF-8 if they are, by its header, its meta tag, a detector.

    Args:
        data: the page.
        content_type: the header of that name.

    Raises:
        RecordFault: no character set fits (`html.undecodable`).
    """
    mark = next(mark for mark in _BOMS if data.startswith(mark)) if data.startswith(_MARKS) else b""
    marked = _BOMS[mark] if mark else _wide(data)
    if marked is not None:
        rest = data[len(mark) :]
        return Decoded(_with_few_replaced(rest if marked == "utf-8" else rest[: len(rest) & ~1], marked), marked)
    is_shifting = data.find(b"\x1b", 0, _SHIFTS_WITHIN) >= 0 and _SHIFT.search(data, 0, _SHIFTS_WITHIN) is not None
    text = None if is_shifting else _strictly(data, "utf-8")
    return _by_labels(data, content_type, is_shifting=is_shifting) if text is None else Decoded(text, "utf-8")


def _by_labels(data: bytes, content_type: str | None, *, is_shifting: bool) -> Decoded:
    names = list(dict.fromkeys(_candidates(data, content_type)))
    lax = data.decode(errors="replace")
    num_broken = lax.count("\ufffd")
    num_ascii = int(np.count_nonzero(np.frombuffer(data, np.uint8) < 0x80))
    if not is_shifting and len(lax) - num_ascii - num_broken >= _FEW_BROKEN * num_broken:
        return Decoded(lax, "utf-8")
    for name in names:
        text = _strictly(data, name)
        if text is not None and not (name == "cp1252" and names[-1] != name and _is_foreign(text)):
            return Decoded(text, name)
    name = min(("utf-8", *names), key=lambda name: data.decode(name, "replace").count("\ufffd"))
    return Decoded(_with_few_replaced(data, name), name)


def codec_of(label: str) -> str | None:
    """Python's name for a character set by its label on the web; None for one that is unknown or dangerous."""
    from resiliparse.parse.encoding import map_encoding_to_html5

    mapped = _DETECTED.get(label.lower()) or map_encoding_to_html5(label, False)
    if mapped is None:
        return None
    try:
        name = codecs.lookup(mapped).name
    except LookupError:
        return None
    return _WIDER.get(name, name)


def _candidates(data: bytes, content_type: str | None) -> Iterator[str]:
    from resiliparse.parse.encoding import detect_encoding

    said = _HEADER.search(content_type or "")
    meta = _META.search(data, 0, _META_WITHIN)
    labels = [said[1] if said else None, meta[1].decode("ascii", "replace") if meta else None]
    for label in (*labels, detect_encoding(data, html5_compatible=False)):
        name = codec_of(label) if label else None
        # A page that could be read as far as its meta tag has no 16-bit characters.
        if name is not None and not name.startswith("utf-16") and name != "utf-8":
            yield name


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark, told by the zeros in its markup."""
    if b"\0" not in data[:64]:
        return None
    even, odd = data[:64:2], data[1:64:2]
    if len(odd) < 8:
        return None
    if odd.count(0) > len(odd) * 3 // 4 and not even.count(0):
        return "utf-16-le"
    return "utf-16-be" if even.count(0) > len(even) * 3 // 4 and not odd.count(0) else None


def _strictly(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except UnicodeDecodeError:
        return None


def _is_foreign(text: str) -> bool:
    """Whether words have too many letters beyond ASCII for a Western language: a set that is mislabelled."""
    letters = "".join(word for word in _WORD.findall(_MARKUP.sub(" ", text)) if not word.isascii())
    return sum(letter > "\x7f" for letter in letters) > _MOST_FOREIGN * max(1, len(letters))


def _with_few_replaced(data: bytes, name: str) -> str:
    text = data.decode(name, "replace")
    replaced = text.count("\ufffd")
    if replaced > max(1, _MOST_REPLACED * len(text)):
        raise RecordFault("html.undecodable", f"{replaced} of {len(text)} characters are not {name}")
    return text
