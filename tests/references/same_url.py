"""Addresses and their clusters in plain Python."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence

from references.minhash import Document, Row

SCHEMES = {"http://": ":80", "https://": ":443"}


def normalized_url(url: str | None, *, drop_www: bool = True, drop_tracking: bool = False) -> str | None:
    if url is None:
        return None
    url = url.strip().split("#")[0]
    default_port = None
    for scheme, port in SCHEMES.items():
        if url.lower().startswith(scheme):
            url, default_port = url[len(scheme) :], port
            break
    head, mark, query = url.partition("?")
    other_scheme, separator, after = head.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.\-]*", other_scheme):
        other_scheme, separator, after = "", "", head
    host, slash, path = after.partition("/")
    if default_port is not None and not separator and host.endswith(default_port):
        host = host[: -len(default_port)]
    host = host.lower()
    if drop_www:
        host = host.removeprefix("www.")
    path = (slash + path).rstrip("/")
    if drop_tracking:
        kept = [part for part in query.split("&") if part and not part.lower().startswith("utm_")]
        query = "&".join(kept)
    found = other_scheme.lower() + separator + host + path + (mark + query if query else "")
    return found or None


def with_urls(
    documents: Sequence[Document], urls: dict[str, str | None], find: Callable[[Sequence[Document]], list[Row]]
) -> list[tuple[str, str, str, float | None, str]]:
    """Rows of all documents: `find` gives those of the preferred one of each address."""
    pages: dict[tuple[str | None, str], list[Document]] = defaultdict(list)
    for document in documents:
        url = normalized_url(urls[document.doc_id])
        if url is not None:
            pages[document.scope, url].append(document)
    best_of = {document.doc_id: document.doc_id for document in documents}
    for page in pages.values():
        best = min(page, key=lambda document: document.order)
        best_of.update({document.doc_id: best.doc_id for document in page})
    found = {row[0]: row for row in find([one for one in documents if best_of[one.doc_id] == one.doc_id])}
    clusters: dict[str, list[str]] = defaultdict(list)
    for doc_id, best in best_of.items():
        clusters[found[best][1] if best in found else f"page {best}"].append(doc_id)
    rows: list[tuple[str, str, str, float | None, str]] = []
    for members in clusters.values():
        for doc_id in members if len(members) > 1 else []:
            best = best_of[doc_id]
            representative = found[best][2] if best in found else best
            if doc_id == best and best in found:
                similarity, kind = found[best][3:]
            else:
                similarity, kind = 1.0 if doc_id == best else None, "url"
            rows.append((doc_id, min(members), representative, similarity, kind))
    return sorted(rows)
