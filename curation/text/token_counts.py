"""Kernel that counts the tokens of texts, runs of letters or of other signs, as RedPajama-V2 does."""

import numpy as np
from numpy.typing import NDArray

from curation.text.ascii_blocks import (
    BLANK,
    CAPITAL,
    LETTER,
    SIGN,
    SMALL,
    STOP,
    WORD_CHAR,
    letter_masks,
    run_ends,
    space_mask,
)
from curation.text.blocks import BLOCK, bits_below, count_bits, hash_bytes, lowest_bit, range_mask
from curation.text.kernel import leaf, loop
from curation.text.unicode import ALNUM, LOWER, SPACE, TITLE, UPPER, code_point_width, decode
from curation.text.word_table import is_listed

TOKENS, WITH_LETTER, ALL_CAPS, STOP_WORDS, SYMBOLS, CURLY_BRACKETS, SENTENCES = range(7)
"""Columns of what `count_tokens` writes: tokens; those with an ASCII letter; those in capitals; stop words; `#`, `...`
and U+2026 together; `{` and `}`; sentences."""


@leaf
def _kind_of(flags: NDArray[np.uint16], code_point: int) -> int:
    """The same bits for a character beyond ASCII."""
    bits = flags[code_point]
    kind = 0
    if bits & LOWER or (bits & TITLE and not bits & UPPER):
        kind |= SMALL
    if bits & UPPER:
        kind |= CAPITAL
    if bits & ALNUM:
        kind |= WORD_CHAR
    if bits & SPACE:
        kind |= BLANK
    return kind


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
    counts[doc, WITH_LETTER] += seen & LETTER
    counts[doc, ALL_CAPS] += (seen & (CAPITAL | SMALL)) == CAPITAL
    if seen & WORD_CHAR and end - start <= longest:
        counts[doc, STOP_WORDS] += is_listed(stop_words, np.uint64(hash_bytes(data, start, end)))


@leaf
def _count_signs(data: NDArray[np.uint8], i: int, end: int, dots: int, counts: NDArray[np.int64], doc: int) -> int:
    """Count symbols and brackets of 64 ASCII characters; `dots`: in a row before them, under 3; gives those after."""
    counts[doc, SYMBOLS] += count_bits(range_mask(data, i, end, 35, 35))
    counts[doc, CURLY_BRACKETS] += count_bits(range_mask(data, i, end, 123, 123) | range_mask(data, i, end, 125, 125))
    left = range_mask(data, i, end, 46, 46)
    next_dot = np.int64(0)
    while left:
        k = lowest_bit(left)
        left &= left - np.uint64(1)
        dots = dots + 1 if k == next_dot else 1
        next_dot = k + 1
        if dots == 3:
            counts[doc, SYMBOLS] += 1
            dots = 0
    return dots if next_dot == BLOCK else 0


@leaf
def _count_sentences(
    words: np.uint64, stops: np.uint64, in_sentence: bool, counts: NDArray[np.int64], doc: int
) -> bool:
    """Count the sentences that begin among 64 characters; gives whether one goes on."""
    while stops:
        before = bits_below(int(lowest_bit(stops)))
        counts[doc, SENTENCES] += words & before != 0 and not in_sentence
        in_sentence = False
        words &= ~before
        stops &= stops - np.uint64(1)
    counts[doc, SENTENCES] += words != 0 and not in_sentence
    return in_sentence or words != 0


@leaf
def _count_block(
    data: NDArray[np.uint8],
    i: int,
    end: int,
    start: int,
    seen: int,
    longest: int,
    stop_words: NDArray[np.uint64],
    counts: NDArray[np.int64],
    doc: int,
) -> tuple[int, int]:
    """Count the tokens that end among 64 ASCII characters; gives `start` and `seen` of the one that goes on.

    Args:
        data: the bytes.
        i: the first of the 64.
        end: of the document.
        start: of the token that goes on from before.
        seen: its bits, 0 if there is none; of a token of signs no letters.
        longest: bytes of the longest stop word.
        stop_words: the table.
        counts: to be added to.
        doc: the document.
    """
    small, capital, words = letter_masks(data, i, end)
    signs = ~(words | space_mask(data, i, end))
    was_word = seen & WORD_CHAR != 0
    was_sign = seen != 0 and not was_word
    word_starts = words & ~((words << np.uint64(1)) | np.uint64(was_word))
    counts[doc, TOKENS] += count_bits(~signs & ((signs << np.uint64(1)) | np.uint64(was_sign)))
    with_letter, letter_goes_on = run_ends(words, small | capital, was_word and seen & LETTER != 0)
    # In capitals: those with a cased character less those with a small one.
    cased, cased_goes_on = run_ends(words, small | capital, was_word and seen & (SMALL | CAPITAL) != 0)
    with_small, small_goes_on = run_ends(words, small, was_word and seen & SMALL != 0)
    counts[doc, WITH_LETTER] += count_bits(with_letter)
    counts[doc, ALL_CAPS] += count_bits(cased) - count_bits(with_small)
    ends = ~words & ((words << np.uint64(1)) | np.uint64(was_word))
    counts[doc, TOKENS] += count_bits(ends)
    while ends:
        k = lowest_bit(ends)
        ends &= ends - np.uint64(1)
        if not was_word:
            start = i + lowest_bit(word_starts)
            word_starts &= word_starts - np.uint64(1)
        was_word = False
        if i + k - start <= longest:
            counts[doc, STOP_WORDS] += is_listed(stop_words, np.uint64(hash_bytes(data, start, i + k)))
    if word_starts:
        start = i + lowest_bit(word_starts)
    if signs >> np.uint64(63):
        return start, SIGN
    if not words >> np.uint64(63):
        return start, 0
    letter = LETTER if letter_goes_on else 0
    # A capital alone is told from both: what is left of "cased" without "small".
    case = SMALL if small_goes_on else CAPITAL if cased_goes_on else 0
    return start, WORD_CHAR | letter | case


@loop
def count_tokens(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    flags: NDArray[np.uint16],
    stop_words: NDArray[np.uint64],
    longest_stop_word: int,
    counts: NDArray[np.int64],
) -> None:
    """Count the tokens of every document, runs of letters, digits and `_`, or of what is neither that nor whitespace.

    A sentence begins with a letter, digit or `_` and goes on to the next run of `.`, `!` and `?`. Of 64 ASCII
    characters everything is counted at once; others are looked at one by one.

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
        seen = 0  # of the token that began at `start`; 0 for none. A token of signs has SIGN and not WORD_CHAR
        in_sentence = False
        dots = 0
        slow_until = i
        while i < doc_end:
            sign_with_case = seen & WORD_CHAR == 0 and seen & (SMALL | CAPITAL) != 0
            if i >= slow_until:
                if i + BLOCK <= doc_end and not sign_with_case and not range_mask(data, i, doc_end, 0x80, 0xFF):
                    words = letter_masks(data, i, doc_end)[2]
                    stops = range_mask(data, i, doc_end, 46, 46) | range_mask(data, i, doc_end, 33, 33)
                    stops |= range_mask(data, i, doc_end, 63, 63)
                    dots = _count_signs(data, i, doc_end, dots, counts, doc)
                    in_sentence = _count_sentences(words, stops, in_sentence, counts, doc)
                    start, seen = _count_block(
                        data, i, doc_end, start, seen, longest_stop_word, stop_words, counts, doc
                    )
                    i += BLOCK
                    continue
                slow_until = i + BLOCK
            byte = data[i]
            if byte < 0x80:
                kind = np.int64(kinds[byte])
                width = 1
                dots = dots + 1 if byte == 46 else 0
                counts[doc, SYMBOLS] += byte == 35 or dots == 3
                dots = 0 if dots == 3 else dots
                counts[doc, CURLY_BRACKETS] += byte in (123, 125)
            else:
                dots = 0
                code_point = decode(data, i)
                kind = _kind_of(flags, code_point)
                width = code_point_width(byte)
                counts[doc, SYMBOLS] += code_point == 0x2026
            is_word = kind & WORD_CHAR != 0
            if is_word and not in_sentence:
                counts[doc, SENTENCES] += 1
                in_sentence = True
            elif kind & STOP:
                in_sentence = False
            if seen and (kind & BLANK or is_word != (seen & WORD_CHAR != 0)):
                _end_token(data, start, i, seen, longest_stop_word, stop_words, counts, doc)
                seen = 0
            if not kind & BLANK:
                if not seen:
                    start = i
                seen |= int(kind) | (0 if is_word else SIGN)
            i += width
        if seen:
            _end_token(data, start, doc_end, seen, longest_stop_word, stop_words, counts, doc)
