"""Removal of URLs in plain Python: the regular expressions of DCLM's modifier, over Winnow's own list of domains."""

import re
from collections.abc import Iterable

from curation.text.top_domains import TOP_DOMAINS

_HOST, _PATH = r"[-a-zA-Z0-9@:%._\+~#=]", r"[-a-zA-Z0-9()@:%_\+.~#?&//=]*"
_SPACE, _SCHEME = r"\s{0,10}", r"(?:(?:https?|ftp)://)?"
_NUMBER = r"[0-2]?[0-9]{1,2}"
_ADDRESS = re.compile(rf"{_SPACE}\b{_SCHEME}(?:{_NUMBER}\.){{3}}{_NUMBER}{_PATH}")


def remove_urls(text: str, more: Iterable[str] = (), ip_addresses: bool = True) -> str:
    """What is left of a text."""
    names = "|".join(sorted({*TOP_DOMAINS, *more}, key=lambda name: (-len(name), name)))
    left = re.sub(rf"{_SPACE}{_SCHEME}{_HOST}{{1,256}}\.(?:{names})\b{_PATH}", "", text)
    return _ADDRESS.sub("", left) if ip_addresses else left
