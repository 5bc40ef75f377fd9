"""Words near spaCy's, cut with regular expressions, one for each list of spaCy's rules: what the kernel should give."""

import re
import unicodedata
from functools import cache

from curation.text.english_words import ABBREVIATIONS, CONTRACTED, UNITS

PUNCTUATION = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
QUOTES = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧"
CURRENCY = "$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿"
NO_ICONS = "−±×÷¬´" + CURRENCY


@cache
def is_icon(sign: str) -> bool:
    return sign == "…" or (ord(sign) > 127 and unicodedata.category(sign)[0] == "S" and sign not in NO_ICONS)


def is_small(sign: str) -> bool:
    return sign.isalpha() and not sign.isupper()


def is_capital(sign: str) -> bool:
    return sign.isalpha() and not sign.islower()


def prefix(word: str) -> int:
    if word.startswith(".."):
        return len(word) - len(word.lstrip("."))
    if word[0] == "+":
        return int(not re.match(r"\+[0-9]", word))
    return int(word[0] in PUNCTUATION + QUOTES + CURRENCY + "§%=—–" or is_icon(word[0]))


def full_stop(word: str) -> int:
    if word.endswith(".."):
        return len(word) - len(word.rstrip("."))
    before = word[-2:-1]
    small = before and (is_small(before) or before in "0123456789%-+" + PUNCTUATION + QUOTES)
    return int(bool(small or (len(word) > 2 and is_capital(word[-2]) and is_capital(word[-3]))))


def suffix(word: str) -> int:
    """Length of what is cut off behind."""
    if re.search("['’][sS]$", word):
        return 2
    if word[-1] == ".":
        return full_stop(word)
    if word[-1] in PUNCTUATION + QUOTES + "—–" or is_icon(word[-1]):
        return 1
    if re.search(r"[0-9]\+$", word) or (word[-1] in CURRENCY and re.search("[0-9].$", word)):
        return 1
    behind = re.search(r"(?<=[0-9])[^0-9]+$", word)
    return len(behind[0]) if behind and behind[0] in UNITS else 0


def parts(sign: str, before: str, behind: str) -> bool:
    """Whether a sign parts a word by what stands on both sides of it, hyphens and dashes aside."""
    if before in "0123456789" and sign in "+-*^":
        return behind in "0123456789-"
    if sign == ".":
        return (is_small(before) or before in QUOTES) and (is_capital(behind) or behind in QUOTES)
    if sign == ",":
        return before.isalpha() and behind.isalpha()
    return sign in "/:<=>~" and (before in "0123456789" or before.isalpha()) and behind.isalpha()


def infix(word: str, i: int) -> int:
    """Length of the sign at place `i` that parts the word."""
    sign, before, behind = word[i], word[i - 1], word[i + 1 : i + 2]
    if is_icon(sign) or (behind and parts(sign, before, behind)):
        return 1
    if word[i : i + 2] == "..":
        return len(word[i:]) - len(word[i:].lstrip("."))
    dashes = re.match("-{1,3}|[–—]", word[i:])
    if dashes and (before in "0123456789" or before.isalpha()) and word[i + len(dashes[0]) :][:1].isalpha():
        return len(dashes[0])
    return 0


def is_address(word: str) -> bool:
    data = word.encode()
    if data.startswith(b"www") and len(data) > 4:
        return data[3:4] == b"."
    return re.match(rb".[^:]{0,10}://", data, re.DOTALL) is not None


def cut(piece: str) -> list[str]:
    words: list[str] = []
    ends: list[str] = []
    while piece and piece not in ABBREVIATIONS and prefix(piece):
        words.append(piece[: prefix(piece)])
        piece = piece[prefix(piece) :]
    while piece and piece not in ABBREVIATIONS and len(ends) < 256 and suffix(piece):
        ends.append(piece[-suffix(piece) :])
        piece = piece[: -suffix(piece)]
    if piece and piece not in ABBREVIATIONS and not is_address(piece):
        last = next((one for one in CONTRACTED if piece.endswith(one) and piece != one), "")
        stem = piece[: len(piece) - len(last)]
        begin, i = 0, 1
        while i < len(stem):
            width = infix(stem, i) if i > begin else 0
            if width:
                words += [stem[begin:i], stem[i : i + width]]
                begin = i = i + width
            else:
                i += 1
        words.append(stem[begin:])
        piece = last
    return [word for word in [*words, piece, *reversed(ends)] if word]


def english_words(text: str) -> list[str]:
    return [word for piece in text.split() for word in cut(piece)]
