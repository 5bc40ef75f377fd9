"""Kernels for what RedPajama-V2 counts: tokens of letters or of signs, lines, and how varied words are."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from curation.text.blocks import HASH_MULTIPLIER, hash_bytes
from curation.text.kernel import kernel, leaf, loop
from curation.text.plain_words import decomposed_part, decomposed_size, lower_part, lower_size
from curation.text.unicode import (
    ALNUM,
    LOWER,
    NUMERIC,
    SPACE,
    TITLE,
    UPPER,
    code_point_width,
    decode,
    space_width,
    strip_end,
    strip_start,
)

TOKENS, WITH_LETTER, ALL_CAPS, STOP_WORDS, SYMBOLS, CURLY_BRACKETS, SENTENCES = range(7)
"""Columns of what `count_tokens` writes: tokens; those with an ASCII letter; those in capitals; stop words; `#`, `...`
and U+2026 together; `{` and `}`; sentences."""

TERMINAL, BULLET, NUM_WORDS, JAVASCRIPT, NUM_CHARS, NUMERIC_CHARS, UPPER_CHARS, RAW_CHARS, ELLIPSIS = range(9)
"""Columns of what `measure_lines` writes for a line: whether it ends in a terminal mark, and begins with a bullet;
words, words that are `javascript`, code points and numeric ones of its plain form; capitals and code points of itself,
its newline with it; whether it ends in an ellipsis."""

_LETTER, _SMALL, _CAPITAL, _WORD, _SPACE, _STOP, _PUNCTUATION = (1 << k for k in range(7))
_JAVASCRIPT = np.frombuffer(b"javascript", np.uint8).astype(np.int64)


@cache
def ascii_kinds() -> NDArray[np.uint8]:
    """What each ASCII character is, uint8[128]; bits as the kernels of this module name them."""
    kinds = np.zeros(128, np.uint8)
    for code in range(128):
        char = chr(code)
        holds = {
            _LETTER: char.isalpha(),
            _SMALL: char.islower(),
            _CAPITAL: char.isupper(),
            _WORD: char.isalnum() or char == "_",
            _SPACE: char.isspace(),
            _STOP: char in ".!?",
            _PUNCTUATION: char.isprintable() and not char.isalnum() and char != " ",
        }
        kinds[code] = sum(bit for bit, holding in holds.items() if holding)
    return kinds


@leaf
def _kind_of(flags: NDArray[np.uint16], code_point: int) -> int:
    """The same bits for a character beyond ASCII."""
    bits = flags[code_point]
    kind = 0
    if bits & LOWER or (bits & TITLE and not bits & UPPER):
        kind |= _SMALL
    if bits & UPPER:
        kind |= _CAPITAL
    if bits & ALNUM:
        kind |= _WORD
    if bits & SPACE:
        kind |= _SPACE
    return kind


def hash_table(words: tuple[str, ...]) -> NDArray[np.uint64]:
    """A table in which `is_listed` finds words by their hashes; a power of two of slots, a quarter full at most."""
    size = 16
    while size < 4 * len(words):
        size *= 2
    table = np.zeros(size, np.uint64)
    for word in words:
        data = np.frombuffer(word.encode(), np.uint8)
        _enter(table, np.uint64(hash_bytes(data, 0, len(data))))
    return table


@leaf
def _enter(table: NDArray[np.uint64], key: np.uint64) -> None:
    slot = np.int64(key & np.uint64(len(table) - 1))
    while table[slot] != 0 and table[slot] != key:
        slot = (slot + 1) & (len(table) - 1)
    table[slot] = key


@leaf
def is_listed(table: NDArray[np.uint64], key: np.uint64) -> bool:
    """Whether a word with this hash was entered."""
    slot = np.int64(key & np.uint64(len(table) - 1))
    while table[slot] != 0:
        if table[slot] == key:
            return True
        slot = (slot + 1) & (len(table) - 1)
    return False


@leaf
def _end_token(
    data: NDArray[np.uint8],
    start: int,
    end: int,
    seen: int,
    longest: int,
    stop_words: NDArray[np.uint64],
    counts: NDArray[np.int64],
    doc: int,
) -> None:
    """Count a token in whose characters the bits `seen` occurred."""
    counts[doc, TOKENS] += 1
    counts[doc, WITH_LETTER] += seen & _LETTER
    counts[doc, ALL_CAPS] += (seen & (_CAPITAL | _SMALL)) == _CAPITAL
    if seen & _WORD and end - start <= longest:
        counts[doc, STOP_WORDS] += is_listed(stop_words, np.uint64(hash_bytes(data, start, end)))


@loop
def count_tokens(  # noqa: PLR0912 - one pass over the bytes
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    flags: NDArray[np.uint16],
    stop_words: NDArray[np.uint64],
    longest_stop_word: int,
    counts: NDArray[np.int64],
) -> None:
    """Count the tokens of every document, runs of letters, digits and `_`, or of what is neither that nor whitespace.

    A sentence begins with a letter, digit or `_` and goes on to the next run of `.`, `!` and `?`.

    Args:
        data: the bytes of the batch.
        offsets: int64[d + 1], its documents.
        kinds: `ascii_kinds()`.
        flags: `curation.text.unicode.character_classes()`.
        stop_words: `hash_table(...)`.
        longest_stop_word: bytes of the longest.
        counts: out, int64[d, 7] of zeros, columns as named in this module.
    """
    for doc in range(len(offsets) - 1):
        i, doc_end = offsets[doc], offsets[doc + 1]
        start = i
        seen = 0  # of the token that began at `start`; 0 for none. A token of signs has this bit alone: _PUNCTUATION
        in_sentence = False
        dots = 0
        while i < doc_end:
            byte = data[i]
            if byte < 0x80:
                kind = np.int64(kinds[byte])
                width = 1
                if byte == 46:
                    dots += 1
                    if dots == 3:
                        counts[doc, SYMBOLS] += 1
                        dots = 0
                else:
                    dots = 0
                    counts[doc, SYMBOLS] += byte == 35
                    counts[doc, CURLY_BRACKETS] += byte in (123, 125)
            else:
                dots = 0
                code_point = decode(data, i)
                kind = _kind_of(flags, code_point)
                width = code_point_width(byte)
                counts[doc, SYMBOLS] += code_point == 0x2026
            is_word = kind & _WORD != 0
            if is_word and not in_sentence:
                counts[doc, SENTENCES] += 1
                in_sentence = True
            elif kind & _STOP:
                in_sentence = False
            if seen and (kind & _SPACE or is_word != (seen & _WORD != 0)):
                _end_token(data, start, i, seen, longest_stop_word, stop_words, counts, doc)
                seen = 0
            if not kind & _SPACE:
                if not seen:
                    start = i
                seen |= int(kind) | (0 if is_word else _PUNCTUATION)
            i += width
        if seen:
            _end_token(data, start, doc_end, seen, longest_stop_word, stop_words, counts, doc)


@leaf
def _ends_in(data: NDArray[np.uint8], start: int, end: int, last: int) -> bool:
    """Whether `data[start:end]` ends in the character of three bytes whose last byte is given, 0xE2 0x80 before it."""
    return bool(end - start >= 3 and data[end - 3] == 0xE2 and data[end - 2] == 0x80 and data[end - 1] == last)


@leaf
def _measure_ends(
    data: NDArray[np.uint8], start: int, end: int, bullets: NDArray[np.int64], row: int, out: NDArray[np.int32]
) -> None:
    """What stands at both ends of a line."""
    first = strip_start(data, start, end)
    last = strip_end(data, first, end)
    if first == last:
        return
    byte = data[last - 1]
    out[row, TERMINAL] = byte in (33, 46, 63) or _ends_in(data, first, last, 0x9D)
    three_dots = last - first >= 3 and byte == 46 and data[last - 2] == 46 and data[last - 3] == 46
    out[row, ELLIPSIS] = three_dots or _ends_in(data, first, last, 0xA6)
    if data[first] >= 0x80:
        code_point = decode(data, first)
        for bullet in bullets:
            out[row, BULLET] += bullet == code_point


@loop
def measure_lines(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    flags: NDArray[np.uint16],
    lower: NDArray[np.int32],
    where: NDArray[np.int32],
    nfd_offsets: NDArray[np.int32],
    to: NDArray[np.int32],
    bullets: NDArray[np.int64],
    line_offsets: NDArray[np.int64],
    out: NDArray[np.int32],
) -> None:
    """Measure every line, a run of characters up to and with its newline or up to the end of the document.

    Args:
        data: the bytes of the batch.
        offsets: int64[d + 1], its documents.
        kinds: `ascii_kinds()`.
        flags: `curation.text.unicode.character_classes()`.
        lower: `curation.text.unicode.lower_case()`.
        where: of `curation.text.plain_words.decompositions()`, as the next two.
        nfd_offsets: see there.
        to: see there.
        bullets: int64[b], the code points that are bullets, none of them ASCII.
        line_offsets: out, int64[d + 1], the lines of each document.
        out: out, int32[m, 9] of zeros for at least as many lines as there are, columns as named in this module.
    """
    row = 0
    line_offsets[0] = 0
    for doc in range(len(offsets) - 1):
        i, doc_end = offsets[doc], offsets[doc + 1]
        start = i
        in_word = False
        matched = 0  # letters of `javascript` that the word has been so far; -1 for another word
        while i < doc_end:
            byte = data[i]
            space = False
            if byte < 0x80:
                kind = np.int64(kinds[byte])
                i += 1
                space = kind & _SPACE != 0
                out[row, RAW_CHARS] += 1
                if not space and not kind & _PUNCTUATION:
                    out[row, NUM_CHARS] += 1
                    out[row, UPPER_CHARS] += kind & _CAPITAL != 0
                    out[row, NUMERIC_CHARS] += 48 <= byte <= 57
                    small = byte + 32 if 65 <= byte <= 90 else byte
                    in_word = True
                    if matched >= 0:
                        matched = matched + 1 if matched < len(_JAVASCRIPT) and _JAVASCRIPT[matched] == small else -1
            else:
                space = space_width(data, i, doc_end) > 0
                code_point = decode(data, i)
                i += code_point_width(byte)
                out[row, RAW_CHARS] += 1
                if not space:
                    out[row, UPPER_CHARS] += flags[code_point] & UPPER != 0
                    in_word = True
                    matched = -1
                    for k in range(lower_size(code_point)):
                        small = lower_part(code_point, k, lower)
                        size = decomposed_size(small, where, nfd_offsets)
                        out[row, NUM_CHARS] += size
                        for part in range(size):
                            made = decomposed_part(small, part, where, nfd_offsets, to)
                            out[row, NUMERIC_CHARS] += flags[made] & NUMERIC != 0
            if in_word and (space or i == doc_end):
                out[row, NUM_WORDS] += 1
                out[row, JAVASCRIPT] += matched == len(_JAVASCRIPT)
                in_word = False
            if space:
                matched = 0
            if byte == 10 or i == doc_end:
                out[row, NUM_CHARS] += max(0, out[row, NUM_WORDS] - 1)  # the spaces between
                _measure_ends(data, start, i, bullets, row, out)
                row += 1
                start = i
        line_offsets[doc + 1] = row


@kernel
def measure_variety(
    data: NDArray[np.uint8],
    word_offsets: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    distinct: NDArray[np.int64],
    entropy: NDArray[np.float64],
    lorem_ipsum: NDArray[np.int64],
) -> None:
    """Count the different words of every document, and where `lorem ipsum` stands in its plain form.

    Args:
        data: the bytes of the plain texts.
        word_offsets: int64[d + 1], their words; `start`, `end` and `hashes` are theirs.
        start: int64[m].
        end: int64[m].
        hashes: uint64[m].
        distinct: out, int64[d].
        entropy: out, float64[d]: of the words' frequencies, in nats.
        lorem_ipsum: out, int64[d].
    """
    longest = np.int64(0)
    for doc in range(len(word_offsets) - 1):
        longest = max(longest, word_offsets[doc + 1] - word_offsets[doc])
    bits = 4
    while (1 << bits) < 2 * longest:
        bits += 1
    keys = np.empty(1 << bits, np.uint64)
    places = np.zeros(1 << bits, np.int64)  # of the document's first word with that key, counted over the batch, from 1
    counts = np.empty(longest, np.int64)
    for doc in range(len(word_offsets) - 1):
        begin, stop = word_offsets[doc], word_offsets[doc + 1]
        num_distinct = np.int64(0)
        bits = 4
        while (1 << bits) < 2 * (stop - begin):
            bits += 1
        mask = (1 << bits) - 1
        for word in range(begin, stop):
            key = hashes[word]
            slot = np.int64((key * np.uint64(HASH_MULTIPLIER)) >> np.uint64(64 - bits))
            while places[slot] > begin and keys[slot] != key:
                slot = (slot + 1) & mask
            if places[slot] <= begin:
                keys[slot] = key
                num_distinct += 1
                places[slot] = begin + num_distinct
                counts[num_distinct - 1] = 0
            counts[places[slot] - begin - 1] += 1
            if end[word] - start[word] >= 5 and word + 1 < stop and data[end[word] - 1] == 109:
                lorem_ipsum[doc] += _is_lorem_ipsum(data, end[word], end[word + 1])
        total = stop - begin
        nats = 0.0
        for k in range(num_distinct):
            share = counts[k] / total
            nats -= share * np.log(share)
        distinct[doc] = num_distinct
        entropy[doc] = nats


@leaf
def _is_lorem_ipsum(data: NDArray[np.uint8], at: int, end: int) -> bool:
    """Whether `lorem` ends at the space at byte `at`, and `ipsum` begins after it, before byte `end`."""
    if at + 6 > end:
        return False
    before = data[at - 5] == 108 and data[at - 4] == 111 and data[at - 3] == 114 and data[at - 2] == 101
    after = data[at + 1] == 105 and data[at + 2] == 112 and data[at + 3] == 115 and data[at + 4] == 117
    return bool(before and after and data[at + 5] == 109)
