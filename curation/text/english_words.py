"""English words near spaCy's, a hundred times faster: punctuation is cut off and is a word of its own.

What stands between white space is cut as spaCy's English tokenizer cuts it: signs before and behind, `'s`, units behind
digits, then signs within (hyphens and slashes between letters, ellipses, symbols); contractions (`do` `n't`) by their
form and abbreviations by a list. Not the same: addresses are told by their beginning only, emoticons are cut, letters
are `str.isalpha`'s, contractions are not limited to the verbs of spaCy's list and those without an apostrophe are left
whole. `curation.text.spacy_english` gives spaCy's own.

Reference: explosion/spaCy (3.8) `lang/punctuation.py`, `lang/en/punctuation.py`, `lang/char_classes.py`,
`lang/en/tokenizer_exceptions.py`, and the algorithm in its documentation (Tokenization, How spaCy's tokenizer works).
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.text.blocks import hash_bytes
from curation.text.byte_table import ByteTable, look_up
from curation.text.kernel import leaf, loop
from curation.text.unicode import (
    ALPHA,
    LOWER,
    SYMBOL,
    UPPER,
    character_classes,
    code_point_width,
    count_code_points,
    decode,
)

BEFORE, BEHIND, ICON, QUOTE, SIGN, MONEY, LETTER, SMALL, CAPITAL = (1 << k for k in range(9))
"""Kinds of characters: cut off before a word; cut off behind it; a word of its own wherever it stands; quotes;
punctuation; currency; letters; those that are not capitals; those that are not small (most scripts' are both)."""

_PUNCTUATION = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧"
_CURRENCY = "$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿"
_UNITS = (
    "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa "
    "mbar mb MB kb KB gb GB tb TB T G M K %"
)
_ABBREVIATIONS = (
    "Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. "
    "Kan. Kans. Ky. La. Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. "
    "Ore. Pa. S.C. Sep. Sept. Tenn. Va. Wash. Wis. a.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. "
    "i.e. I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. Mont. Mr. Mrs. Ms. p.m. Ph.D. 's 'S 're 'd 'cause 'Cause Prof. Rep. "
    "Rev. Sen. St. vs. v.s. and/or w/o ma'am Ma'am o'clock O'clock "
    "a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z. ä. ö. ü."
)
UNITS = tuple(_UNITS.split())
ABBREVIATIONS = tuple(_ABBREVIATIONS.split())
_LONGEST = max(len(one.encode()) for one in ABBREVIATIONS)
CONTRACTED = ("n't", "'ll", "'re", "'ve", "'m", "'d", "n’t", "’ll", "’re", "’ve", "’m", "’d")
_MOST_ENDS = 256  # signs behind one word that are cut off one by one; what is before them stays whole


@cache
def kinds_of_characters() -> NDArray[np.uint16]:
    """The kinds of every code point, uint16[0x110000], or-ed; made at the first call."""
    flags = character_classes()
    kinds = np.zeros(len(flags), np.uint16)
    kinds[(flags & ALPHA) != 0] |= LETTER
    kinds[(flags & (ALPHA | UPPER)) == ALPHA] |= SMALL
    kinds[(flags & (ALPHA | LOWER)) == ALPHA] |= CAPITAL
    kinds[0x80:][(flags[0x80:] & SYMBOL) != 0] |= ICON | BEFORE | BEHIND
    for sign in "−±×÷¬´":
        kinds[ord(sign)] = 0
    for signs, kind in (
        (_PUNCTUATION, SIGN | BEFORE | BEHIND),
        (_QUOTES, QUOTE | BEFORE | BEHIND),
        ("§%=", BEFORE),
        ("—–", BEFORE | BEHIND),
        ("…", ICON),
    ):
        for sign in signs:
            kinds[ord(sign)] |= kind
    for sign in _CURRENCY:
        kinds[ord(sign)] = MONEY | BEFORE
    return kinds


@cache
def _tables() -> tuple[ByteTable, ByteTable, ByteTable]:
    return tuple(ByteTable.of([one.encode() for one in strings]) for strings in (UNITS, ABBREVIATIONS, CONTRACTED))  # type: ignore[return-value]


@leaf
def _previous(data: Any, start: int, i: int) -> int:
    """First byte of the character before byte `i`; `start` at the least."""
    i -= 1
    while i > start and (data[i] & 0xC0) == 0x80:
        i -= 1
    return i


@leaf
def _kind_before(data: Any, start: int, i: int, kinds: Any) -> int:
    return int(kinds[decode(data, _previous(data, start, i))]) if i > start else 0


@leaf
def _kind_at(data: Any, i: int, end: int, kinds: Any) -> int:
    return int(kinds[decode(data, i)]) if i < end else 0


@leaf
def _is_digit(data: Any, i: int, end: int) -> bool:
    return i < end and 48 <= data[i] <= 57


@leaf
def _prefix(data: Any, start: int, end: int, kinds: Any) -> int:
    """Where the sign ends that is cut off before the word, `start` if none is."""
    byte = data[start]
    if byte == 46 and start + 1 < end and data[start + 1] == 46:
        while start < end and data[start] == 46:
            start += 1
        return start
    if byte == 43:
        return start if _is_digit(data, start + 1, end) else start + 1
    return start + code_point_width(byte) if kinds[decode(data, start)] & BEFORE else start


@leaf
def _unit(data: Any, start: int, end: int, units: Any, unit_ends: Any, unit_slots: Any) -> int:
    """Where the unit begins that stands behind a digit at the end, `end` if none does."""
    i = end
    while i > start and end - i < 6 and not 48 <= data[i - 1] <= 57:
        i -= 1
    if start < i < end and 48 <= data[i - 1] <= 57 and look_up(data, i, end, units, unit_ends, unit_slots) >= 0:
        return i
    return end


@leaf
def _full_stop(data: Any, start: int, end: int, kinds: Any) -> int:
    """Where the full stop or the dots at the end begin that are cut off, `end` if they belong to the word."""
    last = end - 1
    if last > start and data[last - 1] == 46:
        while last > start and data[last - 1] == 46:
            last -= 1
        return last
    before = _kind_before(data, start, last, kinds)
    sign = data[last - 1] if last > start else 0
    if before & (SMALL | SIGN | QUOTE) or 48 <= sign <= 57 or sign in (37, 43, 45):
        return last
    if before & CAPITAL and _kind_before(data, start, _previous(data, start, last), kinds) & CAPITAL:
        return last
    return end


@leaf
def _suffix(data: Any, start: int, end: int, kinds: Any, units: Any, unit_ends: Any, unit_slots: Any) -> int:
    """Where the sign begins that is cut off behind the word, `end` if none is."""
    last = int(_previous(data, start, end))
    byte = data[last]
    if byte == 46:
        return int(_full_stop(data, start, end, kinds))
    if byte in (83, 115):
        quote = int(_previous(data, start, last)) if last > start else last
        if data[quote] == 39 or decode(data, quote) == 0x2019:
            return quote
    kind = kinds[decode(data, last)]
    if kind & BEHIND or ((kind & MONEY or byte == 43) and last > start and 48 <= data[last - 1] <= 57):
        return last
    return int(_unit(data, start, end, units, unit_ends, unit_slots))


@leaf
def _parts(data: Any, start: int, i: int, end: int, kinds: Any) -> bool:
    """Whether the ASCII sign at byte `i` parts the word by what stands on both sides of it, hyphens aside."""
    byte = data[i]
    after_digit = 48 <= data[i - 1] <= 57
    before, behind = _kind_before(data, start, i, kinds), _kind_at(data, i + 1, end, kinds)
    if after_digit and byte in (42, 43, 45, 94):
        return bool(i + 1 < end and (data[i + 1] == 45 or 48 <= data[i + 1] <= 57))
    if byte == 46:
        return bool(before & (SMALL | QUOTE) and behind & (CAPITAL | QUOTE))
    if byte == 44:
        return bool(before & behind & LETTER)
    return bool(byte in (47, 58, 60, 61, 62, 126) and (after_digit or before & LETTER) and behind & LETTER)


@leaf
def _hyphen(data: Any, start: int, i: int, end: int, kinds: Any) -> int:
    """Where the hyphens or the dash at byte `i` end, between a letter or digit and a letter; `i` if there are none."""
    if not (48 <= data[i - 1] <= 57 or _kind_before(data, start, i, kinds) & LETTER):
        return i
    stop = i
    while stop < end and stop - i < 3 and data[stop] == 45:
        stop += 1
    if data[i] == 0xE2 and (decode(data, i) == 0x2013 or decode(data, i) == 0x2014):
        stop = i + 3
    return stop if stop > i and _kind_at(data, stop, end, kinds) & LETTER else i


@leaf
def _infix(data: Any, start: int, i: int, end: int, kinds: Any) -> int:
    """Where the sign ends that begins at byte `i` within the word from `start` to `end`, `i` if it does not part it."""
    byte = data[i]
    if 97 <= byte | 0x20 <= 122 or 48 <= byte <= 57:
        return i
    if byte >= 0x80 and kinds[decode(data, i)] & ICON:
        return i + int(code_point_width(byte))
    if byte == 46 and i + 1 < end and data[i + 1] == 46:
        while i < end and data[i] == 46:
            i += 1
        return i
    if byte < 0x80 and _parts(data, start, i, end, kinds):
        return i + 1
    return int(_hyphen(data, start, i, end, kinds))


@leaf
def _is_address(data: Any, start: int, end: int) -> bool:
    if end - start > 4 and data[start] == 119 and data[start + 1] == 119 and data[start + 2] == 119:
        return bool(data[start + 3] == 46)
    for i in range(start + 1, min(end - 2, start + 12)):
        if data[i] == 58:
            return bool(data[i + 1] == 47 and data[i + 2] == 47)
    return False


@leaf
def _contraction(data: Any, start: int, end: int, contracted: Any, contracted_ends: Any, contracted_slots: Any) -> int:
    """Where `n't`, `'ll` and the like begin at the end of a word, `end` if it has none."""
    for width in range(2, 6):
        at = end - width
        if at <= start:
            break
        if look_up(data, at, end, contracted, contracted_ends, contracted_slots) >= 0:
            # `'ll` before `ll`, and `n't` before `'t`, which is none
            return at
    return end


@loop
def count_places(data: Any) -> int:
    """How many bytes may part words: all but ASCII letters, white space and what goes on with a character."""
    count = 0
    for byte in data:
        count += byte > 32 and not 97 <= byte | 0x20 <= 122 and not 0x80 <= byte < 0xC0
    return count


@leaf
def _is_plain(data: Any, start: int, end: int) -> bool:
    """Whether a word is of ASCII letters alone, as most are: nothing cuts those."""
    i = start
    while i < end and 97 <= data[i] | 0x20 <= 122:
        i += 1
    return bool(i == end)


@leaf
def _is_whole(data: Any, start: int, end: int, short: Any, short_ends: Any, short_slots: Any) -> bool:
    """Whether what is left of a word is one of `ABBREVIATIONS`, or nothing."""
    if end - start > _LONGEST:
        return False
    return bool(start == end or look_up(data, start, end, short, short_ends, short_slots) >= 0)


@leaf
def _add(data: Any, first: int, last: int, count: int, start: Any, end: Any, num_chars: Any, hashes: Any) -> int:
    if first >= last:
        return count
    start[count] = first
    end[count] = last
    num_chars[count] = count_code_points(data, first, last)
    hashes[count] = hash_bytes(data, first, last)
    return count + 1


@loop
def _cut_words(
    data: Any,
    word_offsets: Any,
    word_start: Any,
    word_end: Any,
    word_chars: Any,
    word_hash: Any,
    kinds: Any,
    units: Any,
    unit_ends: Any,
    unit_slots: Any,
    short: Any,
    short_ends: Any,
    short_slots: Any,
    contracted: Any,
    contracted_ends: Any,
    contracted_slots: Any,
    stack: Any,
    offsets: Any,
    start: Any,
    end: Any,
    num_chars: Any,
    hashes: Any,
) -> int:
    count = 0
    offsets[0] = 0
    for doc in range(len(word_offsets) - 1):
        for word in range(word_offsets[doc], word_offsets[doc + 1]):
            first, last = word_start[word], word_end[word]
            if _is_plain(data, first, last):
                start[count] = first
                end[count] = last
                num_chars[count] = word_chars[word]
                hashes[count] = word_hash[word]
                count += 1
                continue
            whole = _is_whole(data, first, last, short, short_ends, short_slots)
            while not whole:
                after = _prefix(data, first, last, kinds)
                if after == first:
                    break
                count = _add(data, first, after, count, start, end, num_chars, hashes)
                first = after
                whole = _is_whole(data, first, last, short, short_ends, short_slots)
            ends = 0
            while not whole and ends < len(stack):
                before = _suffix(data, first, last, kinds, units, unit_ends, unit_slots)
                if before == last:
                    break
                stack[ends] = last
                ends += 1
                last = before
                whole = _is_whole(data, first, last, short, short_ends, short_slots)
            if not whole and not _is_address(data, first, last):
                cut = _contraction(data, first, last, contracted, contracted_ends, contracted_slots)
                i = first
                while i < cut:
                    after = _infix(data, first, i, cut, kinds) if i > first else i
                    if after > i:
                        count = _add(data, first, i, count, start, end, num_chars, hashes)
                        count = _add(data, i, after, count, start, end, num_chars, hashes)
                        first = i = after
                    else:
                        i += code_point_width(data[i])
                count = _add(data, first, cut, count, start, end, num_chars, hashes)
                first = cut
            count = _add(data, first, last, count, start, end, num_chars, hashes)
            while ends > 0:
                ends -= 1
                count = _add(data, last, stack[ends], count, start, end, num_chars, hashes)
                last = stack[ends]
        offsets[doc + 1] = count
    return count


def cut_words(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    chars: NDArray[np.int32],
    hashes: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.uint64]]:
    """Cut what stands between white space into words.

    Args:
        data: the bytes of the batch.
        offsets: int64[d + 1], the pieces between white space of each document; the next four are theirs.
        start: int64[m].
        end: int64[m].
        chars: int32[m], code points.
        hashes: uint64[m].

    Returns:
        Of the words: int64[d + 1], where each document's begin; first bytes, int64[k]; ends, int64[k]; code points,
        int32[k]; hashes, uint64[k].
    """
    room = len(start) + 2 * int(count_places(data))
    word_offsets = np.empty(len(offsets), np.int64)
    word_start, word_end = np.empty(room, np.int64), np.empty(room, np.int64)
    word_chars, word_hash = np.empty(room, np.int32), np.empty(room, np.uint64)
    tables = [part for table in _tables() for part in (table.data, table.offsets, table.slots)]
    stack = np.empty(_MOST_ENDS, np.int64)
    count = _cut_words(
        data,
        offsets,
        start,
        end,
        chars,
        hashes,
        kinds_of_characters(),
        *tables,
        stack,
        word_offsets,
        word_start,
        word_end,
        word_chars,
        word_hash,
    )
    return word_offsets, word_start[:count], word_end[:count], word_chars[:count], word_hash[:count]
