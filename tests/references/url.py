"""The URL filters in plain Python, as their authors' code goes, with the departures that the signal names."""

import re
from urllib.parse import urlsplit

SIGNS = re.compile("[^a-zA-Z0-9]+")


def host_and_rest(url: str) -> tuple[str, str]:
    """Host in lower case without user, port and dots at its end; and path and query, for a URL with scheme."""
    authority, rest = re.fullmatch(r"[a-zA-Z0-9+.-]*:?//([^/?#]*)([^#]*).*", url, re.DOTALL).groups()  # type: ignore[union-attr]
    host = authority.rpartition("@")[2]
    host = re.match(r"\[[^\]]*\]?|[^:]*", host)[0]  # type: ignore[index]
    return lower(host if host.startswith("[") else host.rstrip(".")), rest


def lower(text: str) -> str:
    """ASCII letters in lower case."""
    return "".join(sign.lower() if sign.isascii() else sign for sign in text)


def blocked_domain(url: str, domains: dict[str, str], dialect: str) -> str | None:
    """The category of the domain."""
    if dialect == "dclm":
        return domains.get(lower(urlsplit(url).netloc).replace("www", "").removeprefix("."))
    labels = host_and_rest(url)[0].split(".")
    names = [".".join(labels[i:]) for i in range(len(labels))]
    return next((domains[name] for name in names if name in domains), None)


def blocked_url(url: str, urls: dict[str, str]) -> str | None:
    """The category of the longest listed URL that this one is or lies below."""
    host, rest = host_and_rest(url)
    whole = (host.removeprefix("www.") + lower(rest)).rstrip("/")
    ends = [i for i in range(len(whole) + 1) if i == len(whole) or whole[i] in "/?"]
    return next((urls[whole[:i]] for i in reversed(ends) if whole[:i] in urls), None)


def word_counts(url: str, words: list[str], dialect: str, *, inside: bool) -> int:
    """How many different words stand in the URL."""
    if dialect == "datatrove":
        words = sorted({SIGNS.sub("", word).lower() for word in words} - {""})
        if inside:
            squeezed = SIGNS.sub("", url).lower()
            return sum(word in squeezed for word in words)
        return len(set(words) & set(SIGNS.split(url)))
    url = url.lower()
    if inside:
        url, words = re.sub("[.-]", "", url), [re.sub("[.-]", "", word) for word in words]
    pattern = "|".join(
        re.escape(word) for word in sorted({word.lower() for word in words}, key=len, reverse=True) if word
    )
    return len(set(re.findall(pattern if inside else rf"\b(?:{pattern})\b", url)))
