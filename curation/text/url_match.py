"""Kernels that look hosts and paths of URLs up in tables of listed ones."""

from typing import Any

from curation.text.byte_table import look_up
from curation.text.kernel import leaf, loop


@leaf
def _after_scheme(data: Any, begin: int, end: int) -> int:
    """First byte after `scheme://` or `//`; -1 where there is neither."""
    i = begin
    while i < end and (48 <= data[i] <= 57 or 97 <= (data[i] | 32) <= 122 or (43 <= data[i] <= 46 and data[i] != 44)):
        i += 1
    if i < end and data[i] == 58:
        i += 1
    elif i > begin:
        return -1
    return i + 2 if i + 1 < end and data[i] == 47 and data[i + 1] == 47 else -1


@leaf
def _copy_lower(data: Any, start: int, end: int, out: Any, n: int) -> int:
    for i in range(start, end):
        byte = data[i]
        out[n] = byte + 32 if 65 <= byte <= 90 else byte
        n += 1
    return n


@leaf
def _host(data: Any, start: int, end: int) -> tuple[int, int]:
    """Where the host begins and ends in an authority: without user and port."""
    low = start
    for i in range(start, end):
        if data[i] == 64:
            low = i + 1
    high = low
    if low < end and data[low] == 91:  # an IPv6 address
        while high < end and data[high] != 93:
            high += 1
        return low, min(high + 1, end)
    while high < end and data[high] != 58:
        high += 1
    while high > low and data[high - 1] == 46:
        high -= 1
    return low, high


@leaf
def _without_www(buffer: Any, n: int) -> int:
    """Take every `www` out of `buffer[:n]`, from the left, as `str.replace` does."""
    kept = i = 0
    while i < n:
        if i + 2 < n and buffer[i] == 119 and buffer[i + 1] == 119 and buffer[i + 2] == 119:
            i += 3
        else:
            buffer[kept] = buffer[i]
            kept += 1
            i += 1
    return kept


@leaf
def _authority_end(data: Any, start: int, end: int) -> int:
    i = start
    while i < end and data[i] != 47 and data[i] != 63 and data[i] != 35:
        i += 1
    return i


@leaf
def _longest_path(buffer: Any, start: int, host_end: int, n: int, urls: Any, offsets: Any, slots: Any) -> int:
    """The longest listed URL that `buffer[start:n]` is or lies below."""
    found = -1
    for i in range(host_end, n + 1):
        if i == n or buffer[i] == 47 or buffer[i] == 63:
            entry = look_up(buffer, start, i, urls, offsets, slots)
            found = entry if entry >= 0 else found
    return found


@loop
def match_urls(
    data: Any,
    text_offsets: Any,
    exact: Any,
    domains: Any,
    domain_offsets: Any,
    domain_slots: Any,
    urls: Any,
    url_offsets: Any,
    url_slots: Any,
    buffer: Any,
    out: Any,
) -> None:
    """Look every URL up.

    Args:
        data: uint8, the URLs.
        text_offsets: int64[n + 1].
        exact: False looks for the host and each domain above it; True for the authority without `www`, and only where
            there is a scheme.
        domains, domain_offsets, domain_slots: a `ByteTable` of domains.
        urls, url_offsets, url_slots: a `ByteTable` of URLs.
        buffer: uint8, as long as the longest URL and eight more.
        out: out, int32[n, 3]; the entry, -1 for none, that blocks the domain, that is the host, that blocks the URL.
    """
    for doc in range(len(text_offsets) - 1):
        begin, end = text_offsets[doc], text_offsets[doc + 1]
        out[doc, 0] = out[doc, 1] = out[doc, 2] = -1
        start = _after_scheme(data, begin, end)
        has_scheme = start >= 0
        start = start if has_scheme else begin
        stop = _authority_end(data, start, end)
        low, high = _host(data, start, stop)
        n = _copy_lower(data, low, high, buffer, 0)
        if n:
            out[doc, 1] = look_up(buffer, 0, n, domains, domain_offsets, domain_slots)
        if not exact:
            for i in range(n):
                if i == 0 or buffer[i - 1] == 46:
                    out[doc, 0] = look_up(buffer, i, n, domains, domain_offsets, domain_slots)
                    if out[doc, 0] >= 0:
                        break
        if n:
            last = stop
            while last < end and data[last] != 35:
                last += 1
            size = _copy_lower(data, stop, last, buffer, n)
            while size > n and buffer[size - 1] == 47:
                size -= 1
            www = n > 4 and buffer[0] == 119 and buffer[1] == 119 and buffer[2] == 119 and buffer[3] == 46
            out[doc, 2] = _longest_path(buffer, 4 if www else 0, n, size, urls, url_offsets, url_slots)
        if exact and has_scheme:
            n = _without_www(buffer, _copy_lower(data, start, stop, buffer, 0))
            first = 1 if n and buffer[0] == 46 else 0
            if n > first:
                out[doc, 0] = look_up(buffer, first, n, domains, domain_offsets, domain_slots)


@loop
def map_bytes(data: Any, offsets: Any, table: Any, out: Any, out_offsets: Any) -> None:
    """Write `table[byte]` for each byte of each text, nothing where that is 0."""
    n = 0
    out_offsets[0] = 0
    for doc in range(len(offsets) - 1):
        for i in range(offsets[doc], offsets[doc + 1]):
            byte = table[data[i]]
            out[n] = byte
            n += int(byte != 0)
        out_offsets[doc + 1] = n
