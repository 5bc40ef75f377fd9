"""The plain form of a text that cc_net's language models know: lower case, no accents, every digit 0, plain signs.

Line breaks go too, with all other control characters, so that a text becomes one line and words on both sides of a
break become one.

Reference: facebookresearch/cc_net `cc_net/text_normalizer.py`, `normalize` as `cc_net/mine.py` calls it.
"""

import unicodedata

_SIGNS = {
    "，": ",",
    "。": ".",
    "、": ",",
    "„": '"',
    "”": '"',
    "“": '"',
    "«": '"',
    "»": '"',
    "」": '"',
    "「": '"',
    "《": '"',
    "》": '"',
    "´": "'",
    "∶": ":",
    "：": ":",
    "？": "?",
    "！": "!",
    "（": "(",
    "）": ")",
    "；": ";",
    "–": "-",
    "—": " - ",
    "．": ". ",
    "～": "~",
    "’": "'",
    "…": "...",
    "━": "-",
    "〈": "<",
    "〉": ">",
    "【": "[",
    "】": "]",
    "％": "%",
    "►": "-",
}


class _Replacements(dict[int, int | str | None]):
    """What stands for a character, for `str.translate`; found out when it is first met."""

    def __missing__(self, code_point: int) -> int | str | None:
        sign = chr(code_point)
        category = unicodedata.category(sign)
        if category == "Mn" or code_point < 32 or 127 <= code_point < 160:
            found: int | str | None = None
        elif category == "Nd":
            found = "0"
        else:
            found = _SIGNS.get(sign, code_point)
        self[code_point] = found
        return found


_replacements = _Replacements()


def plain_form(text: str) -> str:
    """The plain form of `text`."""
    text = text.strip().lower()
    if not text.isascii():
        text = unicodedata.normalize("NFD", text)
    return text.translate(_replacements)
