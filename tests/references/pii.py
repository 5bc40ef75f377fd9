"""Personal data by regular expressions, `ipaddress` and long arithmetic: slow, and easy to read."""

import ipaddress
import re

from curation.text.pii import CARD, EMAIL, IBAN, IP_ADDRESS, PHONE, iban_lengths

_BEGINS = rb"(?<![0-9A-Za-z_\x80-\xff+.-])"
_ENDS = rb"(?![0-9A-Za-z_\x80-\xff-]|\.[0-9])"
_LOCAL = re.compile(rb"[A-Za-z0-9][A-Za-z0-9%'+._-]*\Z")
_DOMAIN = re.compile(rb"(?:(?!-)[A-Za-z0-9-]{1,63}(?<!-)\.)+[A-Za-z]{2,24}(?![A-Za-z0-9-])")
_OCTET = rb"(?:0|[1-9][0-9]{0,2})"
_IPV4 = re.compile(_BEGINS + rb"(?:" + _OCTET + rb"\.){3}" + _OCTET + _ENDS)
_IPV6 = re.compile(_BEGINS + rb"(?<!:)[0-9A-Fa-f:]+(?![0-9A-Za-z_\x80-\xff:]|\.[0-9])")
_INTERNATIONAL = re.compile(rb"(?<![0-9A-Za-z_\x80-\xff+])\+[1-9](?:[ ().-]{0,2}[0-9]){7,14}(?![0-9A-Za-z_\x80-\xff])")
_AMERICAN = re.compile(
    _BEGINS
    + rb"(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[ .-]|[2-9][0-9]{2}([.-])[2-9][0-9]{2}\1)[0-9]{4}"
    + _ENDS
)
_IBAN = re.compile(_BEGINS + rb"[A-Z]{2}[0-9]{2}")
_CARDS = [
    re.compile(_BEGINS + form + _ENDS)
    for form in (
        *(rb"[0-9]{%d}" % digits for digits in range(13, 20)),
        rb"[0-9]{4}([ -])[0-9]{6}\1[0-9]{4}",
        rb"[0-9]{4}([ -])[0-9]{6}\1[0-9]{5}",
        rb"[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}",
        rb"[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}\1[0-9]{3}",
    )
]
_ISSUERS = re.compile(
    r"4(\d{12}|\d{15}|\d{18})|(5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(6011|65\d\d|64[4-9]\d)\d{12}|(352[89]|35[3-8]\d)\d{12}|(36|38|30[0-5]\d)\d*|62\d{14,17}"
)
_NOT_PUBLIC_V6 = [ipaddress.IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]


def luhn(digits: str) -> bool:
    values = [int(sign) for sign in reversed(digits)]
    return sum(sum(divmod(2 * value, 10)) if k % 2 else value for k, value in enumerate(values)) % 10 == 0


def is_card(digits: str) -> bool:
    issued = _ISSUERS.fullmatch(digits)
    return bool(issued) and luhn(digits) and (not digits.startswith(("36", "38", "30")) or len(digits) == 14)


def is_iban(signs: str) -> bool:
    turned = signs[4:] + signs[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


def _public_v4(text: str) -> bool:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast and address not in ipaddress.IPv4Network("192.0.0.0/24")


def _public_v6(text: str) -> bool:
    if sum(bool(group) for group in text.split(":")) < 2:
        return False  # a prefix
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return address in ipaddress.IPv6Network("2000::/3") and not any(address in net for net in _NOT_PUBLIC_V6)


def _email(data: bytes, at: int) -> tuple[int, int] | None:
    local = _LOCAL.search(data, 0, at)
    domain = _DOMAIN.match(data, at + 1)
    if not local or not domain or len(local[0]) > 64 or local[0].endswith(b"."):
        return None
    return local.start(), domain.end()


def _iban_end(data: bytes, i: int) -> int:
    head = _IBAN.match(data, i)
    if not head:
        return 0
    first, second = (sign - 65 for sign in head[0][:2])
    length = int(iban_lengths()[26 * first + second])
    plain = data[i : i + length]
    fours = data[i : i + length + (length - 1) // 4]
    if all(fours[k : k + 1] == b" " for k in range(4, len(fours), 5)):
        signs, end = b"".join(fours[k : k + 4] for k in range(0, len(fours), 5)), i + len(fours)
    else:
        signs, end = plain, i + len(plain)
    whole = 0 < length == len(signs) and re.fullmatch(rb"[0-9A-Z]+", signs) and is_iban(signs.decode())
    return 0 if not whole or re.match(rb"[0-9A-Za-z_\x80-\xff]", data[end : end + 1]) else end


def _number(data: bytes, i: int) -> tuple[int, int] | None:
    ends = [found.end() for form in _CARDS if (found := form.match(data, i))]
    cards = [end for end in ends if is_card(re.sub(rb"[ -]", b"", data[i:end]).decode())]
    if cards:
        return CARD, max(cards)
    if (found := _IPV4.match(data, i)) and _public_v4(found[0].decode()):
        return IP_ADDRESS, found.end()
    if (found := _IPV6.match(data, i)) and _public_v6(found[0].decode()):
        return IP_ADDRESS, found.end()
    return None


def _at(data: bytes, i: int) -> tuple[int, int, int] | None:
    sign = data[i : i + 1]
    if sign == b"@":
        found = _email(data, i)
        return (EMAIL, *found) if found else None
    if sign.isupper():
        return (IBAN, i, end) if (end := _iban_end(data, i)) else None
    if sign.isdigit() and (number := _number(data, i)):
        return number[0], i, number[1]
    phone = _INTERNATIONAL.match(data, i) or _AMERICAN.match(data, i)
    return (PHONE, i, phone.end()) if phone else None


def find_in(text: str) -> list[tuple[int, int, int]]:
    """Kind, first byte and byte after the last of what stands in a text, in order."""
    data = text.encode()
    rows, reached = [], 0
    for trigger in re.finditer(rb"[@+(0-9A-Z]", data):
        if trigger.start() >= reached and (found := _at(data, trigger.start())) and found[1] >= reached:
            rows.append(found)
            reached = found[2]
    return rows
