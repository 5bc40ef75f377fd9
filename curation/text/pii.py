"""Kernel that finds personal data: e-mail and public IP addresses, phone, account and card numbers.

Found by their form and, where there is one, by their checksum; precision comes before recall. A word's signs are ASCII
letters, digits, `_` and everything beyond ASCII.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from curation.text.blocks import BLOCK, lowest_bit, range_mask
from curation.text.kernel import kernel, leaf

EMAIL, IP_ADDRESS, PHONE, IBAN, CARD = range(5)
NUM_KINDS = 5

_IBAN_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 "
    "EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 "
    "KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 "
    "PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 "
    "UA29 VA22 VG24 XK20 YE30"
)
"""Signs of an account number by country. Reference: SWIFT, IBAN Registry (ISO 13616)."""

_MOST_LOCAL, _MOST_LABEL, _MOST_TOP = 64, 63, 24
_CARD_DIGITS = 19


@cache
def iban_lengths() -> NDArray[np.int64]:
    """Signs of an account number by the country's two letters, int64[676]; 0 where it has none."""
    table = np.zeros(26 * 26, np.int64)
    for entry in _IBAN_LENGTHS.split():
        table[(ord(entry[0]) - 65) * 26 + ord(entry[1]) - 65] = int(entry[2:])
    return table


@leaf
def _digit(byte: int) -> bool:
    return 48 <= byte <= 57


@leaf
def _letter(byte: int) -> bool:
    return 97 <= (byte | 32) <= 122


@leaf
def _in_word(byte: int) -> bool:
    return bool(_digit(byte) or _letter(byte) or byte == 95 or byte >= 128)


@leaf
def _at(data: NDArray[np.uint8], i: int, end: int) -> int:
    """The byte at `i`, 0 outside the text."""
    return int(data[i]) if i < end else 0


@leaf
def _goes_on(data: NDArray[np.uint8], i: int, end: int) -> bool:
    """Whether what stands at `i` belongs to the number before it: a sign of a word, `-`, or a dot and a digit."""
    byte = _at(data, i, end)
    return bool(_in_word(byte) or byte == 45 or (byte == 46 and _digit(_at(data, i + 1, end))))


@leaf
def _begins(data: NDArray[np.uint8], i: int, start: int) -> bool:
    """Whether a number can begin at `i`."""
    if i == start:
        return True
    before = data[i - 1]
    return not (_in_word(before) or before in (43, 45, 46))


@leaf
def _email(data: NDArray[np.uint8], start: int, at: int, end: int) -> tuple[int, int]:
    """Where the address around the `@` at `at` begins and ends; (0, 0) if there is none."""
    first = at
    while first > start:
        byte = data[first - 1]
        # the apostrophe and . _ % + -
        if not (_digit(byte) or _letter(byte) or byte in (37, 39, 43, 45, 46, 95)):
            break
        first -= 1
    while first < at and not (_digit(data[first]) or _letter(data[first])):
        first += 1
    if first == at or at - first > _MOST_LOCAL or data[at - 1] == 46:
        return 0, 0
    i, labels, found = at + 1, 0, 0
    while True:
        label, letters = i, True
        while i < end and (_digit(data[i]) or _letter(data[i]) or data[i] == 45):
            letters &= _letter(data[i])
            i += 1
        length = i - label
        if length == 0 or length > _MOST_LABEL or data[label] == 45 or data[i - 1] == 45:
            break
        labels += 1
        if labels > 1 and letters and 2 <= length <= _MOST_TOP:
            found = i
        if _at(data, i, end) != 46:
            break
        i += 1
    return (first, found) if found else (0, 0)


@leaf
def _ipv4(data: NDArray[np.uint8], i: int, end: int) -> int:
    """Where the public address that begins at `i` ends; 0 if there is none."""
    value = 0
    for part in range(4):
        first, octet = i, 0
        while i < end and i - first < 4 and _digit(data[i]):
            octet = 10 * octet + data[i] - 48
            i += 1
        if i == first or octet > 255 or (data[first] == 48 and i - first > 1):
            return 0
        value = 256 * value + octet
        if part < 3:
            if _at(data, i, end) != 46:
                return 0
            i += 1
    if _goes_on(data, i, end):
        return 0
    a, ab, abc = value >> 24, value >> 16, value >> 8
    private = a in (0, 10, 127) or a >= 224 or ab in (0xA9FE, 0xC0A8) or value >> 20 == 0xAC1
    shared = value >> 22 == 0x191 or value >> 17 == 0x6309  # 100.64/10, 198.18/15
    examples = abc in (0xC00000, 0xC00002, 0xC63364, 0xCB0071)
    return 0 if private or shared or examples else i


@leaf
def _hex(byte: int) -> int:
    if _digit(byte):
        return byte - 48
    return (byte | 32) - 87 if 97 <= (byte | 32) <= 102 else -1


@leaf
def _ipv6(data: NDArray[np.uint8], i: int, end: int) -> int:
    """Where the global unicast address (2000::/3) that begins at `i` ends; 0 if there is none."""
    groups, gap, leading = 0, False, 0
    while True:
        first, value = i, 0
        while i < end and i - first < 4 and _hex(data[i]) >= 0:
            value = 16 * value + _hex(data[i])
            i += 1
        if i == first:
            break
        groups += 1
        if groups <= 2 and not gap:
            leading = leading << 16 | value
        if groups == 8 or _at(data, i, end) != 58:
            break
        if _at(data, i + 1, end) == 58:
            if gap:
                return 0
            gap = True
            if groups == 1:
                leading <<= 16
            i += 2
            if _hex(_at(data, i, end)) < 0:
                break
        else:
            i += 1
    whole = (groups == 8 and not gap) or (gap and 2 <= groups <= 7)
    follows = _at(data, i, end)
    if not whole or _in_word(follows) or follows == 58 or (follows == 46 and _digit(_at(data, i + 1, end))):
        return 0
    top = leading >> 16
    special = leading >> 9 == 0x20010000 >> 9 or leading == 0x20010DB8 or top == 0x2002 or leading >> 12 == 0x3FFF0
    return 0 if special or not 0x2000 <= top <= 0x3FFF else i


@leaf
def _international(data: NDArray[np.uint8], i: int, end: int) -> int:
    """Where the phone number whose `+` is at `i` ends: 8 to 15 digits, up to two signs between; 0 if there is none."""
    i += 1
    if not 49 <= _at(data, i, end) <= 57:
        return 0
    digits, found = 0, 0
    while digits < 15:
        signs = 0
        while signs < 2:
            byte = _at(data, i + signs, end)
            # space . - ( )
            if digits == 0 or byte not in (32, 40, 41, 45, 46):
                break
            signs += 1
        if not _digit(_at(data, i + signs, end)):
            break
        i += signs + 1
        digits += 1
        if digits >= 8 and not _in_word(_at(data, i, end)):
            found = i
    return found


@leaf
def _three(data: NDArray[np.uint8], i: int, end: int) -> bool:
    """Three digits, the first from 2: an area or an exchange of the North American plan."""
    return i + 3 <= end and 50 <= data[i] <= 57 and _digit(data[i + 1]) and _digit(data[i + 2])


@leaf
def _american(data: NDArray[np.uint8], i: int, end: int) -> int:
    """Where the North American number at `i` ends: (212) 555-0100, 1-212-555-0100, 212.555.0100; 0 if there is none."""
    if data[i] == 49 and _at(data, i + 1, end) in (32, 45, 46):
        i += 2
    if _at(data, i, end) == 40:
        area = _three(data, i + 1, end) and _at(data, i + 4, end) == 41
        i += 5
        i += _at(data, i, end) == 32
        mark = _at(data, i + 3, end)
        parted = mark in (32, 45, 46)
    else:
        area = _three(data, i, end)
        mark = _at(data, i + 3, end)
        parted = mark in (45, 46)
        i += 4
    if not (area and parted and _three(data, i, end)) or _at(data, i + 3, end) != mark or i + 8 > end:
        return 0
    for k in range(4, 8):
        if not _digit(data[i + k]):
            return 0
    return 0 if _goes_on(data, i + 8, end) else i + 8


@leaf
def _iban(data: NDArray[np.uint8], i: int, end: int, lengths: NDArray[np.int64]) -> int:
    """Where the account number at `i` ends: in one or in fours, its remainder by 97 is 1; 0 if there is none."""
    if not (65 <= data[i] <= 90 and 65 <= _at(data, i + 1, end) <= 90):
        return 0
    length = lengths[(data[i] - 65) * 26 + data[i + 1] - 65]
    if length == 0 or not (_digit(_at(data, i + 2, end)) and _digit(_at(data, i + 3, end))):
        return 0
    parted = _at(data, i + 4, end) == 32
    rest, head = 0, 0
    for k in range(length):
        if parted and k and k % 4 == 0:
            if _at(data, i, end) != 32:
                return 0
            i += 1
        byte = _at(data, i, end)
        if not (_digit(byte) or 65 <= byte <= 90):
            return 0
        value = byte - 48 if byte <= 57 else byte - 55
        if k < 4:  # the first four signs count last
            head = head * (10 if value < 10 else 100) + value
        else:
            rest = (rest * (10 if value < 10 else 100) + value) % 97
        i += 1
    scale = 1
    while scale <= head:
        scale *= 10
    return i if (rest * scale + head) % 97 == 1 and not _in_word(_at(data, i, end)) else 0


@leaf
def _is_issued(first: int, digits: int) -> bool:
    """Whether a card's first four digits and their number are those of an issuer (ISO/IEC 7812, as published)."""
    two = first // 100
    visa = first // 1000 == 4 and digits in (13, 16, 19)
    master = digits == 16 and (51 <= two <= 55 or 2221 <= first <= 2720)
    american = digits == 15 and two in (34, 37)
    discover = digits == 16 and (first == 6011 or two == 65 or 644 <= first // 10 <= 649)
    jcb = digits == 16 and 3528 <= first <= 3589
    diners = digits == 14 and (two in (36, 38) or 300 <= first // 10 <= 305)
    union = two == 62 and 16 <= digits <= 19
    return visa or master or american or discover or jcb or diners or union


@leaf
def _card(data: NDArray[np.uint8], i: int, end: int) -> int:
    """Where the card number at `i` ends: in one, in fours or as 4-6-5, with Luhn's checksum; 0 if there is none."""
    digits, first, even, odd, mark, shape, group, found = 0, 0, 0, 0, 0, 0, 0, 0
    while digits < _CARD_DIGITS and _digit(_at(data, i, end)):
        value = data[i] - 48
        doubled = 2 * value if value < 5 else 2 * value - 9
        # Which digits count twice is known at the end: both sums are kept.
        if digits % 2 == 0:
            even, odd = even + value, odd + doubled
        else:
            even, odd = even + doubled, odd + value
        if digits < 4:
            first = 10 * first + value
        digits, group, i = digits + 1, group + 1, i + 1
        byte = _at(data, i, end)
        if _digit(byte):
            continue
        shape, group = 10 * shape + group, 0
        in_one = mark == 0 and digits >= 13
        total = odd if digits % 2 == 0 else even
        if (in_one or shape in (464, 465, 4444, 44443)) and total % 10 == 0 and _is_issued(first, digits):
            found = found if _goes_on(data, i, end) else i
        if byte not in (32, 45) or mark not in (0, byte):
            break
        mark, i = byte, i + 1
    return found


@leaf
def _may_begin(data: NDArray[np.uint8], start: int, i: int, end: int) -> bool:
    """Whether the sign at `i` and those beside it leave it open that something begins there, or stands around it."""
    byte, after = data[i], _at(data, i + 1, end)
    if byte == 64:
        return bool(i > start and _in_word(after))
    if byte < 48:
        return bool(byte in (40, 43) and _digit(after))
    if byte >= 65:
        return bool(65 <= after <= 90 and _digit(_at(data, i + 2, end)))
    return bool(_begins(data, i, start))


@leaf
def _number(data: NDArray[np.uint8], start: int, i: int, end: int) -> tuple[int, int]:
    """What the number that begins at `i` is, and where it ends; 0 if it is nothing."""
    last = _card(data, i, end)
    if last:
        return CARD, last
    last = _ipv4(data, i, end)
    if last == 0 and data[i] in (50, 51) and (i == start or data[i - 1] != 58):
        last = _ipv6(data, i, end)
    if last:
        return IP_ADDRESS, last
    return PHONE, _american(data, i, end)


@leaf
def _found_at(
    data: NDArray[np.uint8], start: int, i: int, end: int, lengths: NDArray[np.int64]
) -> tuple[int, int, int]:
    """What is found with its trigger at byte `i`: kind, first byte, byte after the last; the last is 0 for nothing."""
    byte, kind, first, last = data[i], -1, i, 0
    if byte == 64:
        kind = EMAIL
        first, last = _email(data, start, i, end)
    elif byte == 43:
        if i == start or not (_in_word(data[i - 1]) or data[i - 1] == 43):
            kind, last = PHONE, _international(data, i, end)
    elif not _begins(data, i, start):
        pass
    elif byte >= 65:
        kind, last = IBAN, _iban(data, i, end, lengths)
    elif byte == 40:
        kind, last = PHONE, _american(data, i, end)
    else:
        kind, last = _number(data, start, i, end)
    return kind, first, last


@kernel
def find_pii(data: NDArray[np.uint8], offsets: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of document, kind, first byte and byte after the last, in order and without overlap: int64[m, 4].

    Args:
        data: the texts.
        offsets: where each begins.
        lengths: see `iban_lengths`.
    """
    rows = np.empty((256, 4), np.int64)
    total = 0
    for doc in range(len(offsets) - 1):
        start, end = offsets[doc], offsets[doc + 1]
        reached = start
        for block in range(start, end, BLOCK):
            # ( to +, digits, @ and capital letters
            marks = range_mask(data, block, end, 40, 43) | range_mask(data, block, end, 48, 57)
            marks |= range_mask(data, block, end, 64, 90)
            while marks:
                i = block + lowest_bit(marks)
                marks &= marks - np.uint64(1)
                if i < reached or not _may_begin(data, start, i, end):
                    continue
                kind, first, last = _found_at(data, start, i, end, lengths)
                if last == 0 or first < reached:
                    continue
                if total == len(rows):
                    grown = np.empty((2 * total, 4), np.int64)
                    grown[:total] = rows
                    rows = grown
                rows[total, 0], rows[total, 1], rows[total, 2], rows[total, 3] = doc, kind, first, last
                total += 1
                reached = last
    return rows[:total]
