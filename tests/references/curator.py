"""NeMo Curator's English filters in plain Python, written from reading them and not from the kernels."""

import re

URL = re.compile(r"https?://(?:[a-zA-Z0-9$\-_@.&+/:=?#~!*(),]|%[0-9a-fA-F]{2})+")
PHRASES = (
    *("terms of use", "privacy policy", "cookie policy", "uses cookies", "privacy overview", "use of cookies"),
    *("use cookies", "privacy & cookies policy", "privacy and cookies policy"),
    "necessary cookies are absolutely essential for the website to function properly. this category only includes "
    "cookies that ensures basic functionalities and security features of the website. these cookies do not store any "
    "personal information.",
    "any cookies that may not be particularly necessary for the website to function and is used specifically to "
    "collect user personal data via analytics, ads, other embedded contents are termed as non-necessary cookies. it is "
    "mandatory to procure user consent prior to running these cookies on your website.",
    "if you continue to browse this site without changing your cookie settings, you agree to this use. acceptread more",
)


def lines_of(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def share(text: str, pattern: str) -> float | None:
    return len(re.findall(pattern, text)) / len(text) if text else None


def curator(text: str) -> dict[str, float | None]:
    words, lines, paragraphs = text.split(), lines_of(text), text.split("\n\n")
    unended = sum(line.strip()[-1] not in ".?!\"'" for line in lines)
    lower = [paragraph.lower() for paragraph in paragraphs]
    with_phrase = sum(any(phrase in paragraph for phrase in PHRASES) for paragraph in lower)
    if any("lorem ipsum" in paragraph for paragraph in lower):
        with_phrase = len(paragraphs)
    return {
        "num_words": len(words),
        "num_lines": len(lines),
        "max_word_chars": max(map(len, words), default=None),
        "frac_chars_not_alphanumeric": share(text, r"[^a-zA-Z0-9\n?!,.]"),
        "frac_chars_digit": share(text, "[0-9]"),
        "frac_chars_url": sum(map(len, URL.findall(text))) / len(text) if text else None,
        "frac_chars_white_space": share(text, "[\t\n\r\b ]"),
        "frac_chars_bracket": share(text, r"[(){}\[\]⟨⟩]"),
        "frac_paragraphs_boilerplate": with_phrase / len(paragraphs),
        "frac_lines_no_end_mark": unended / len(lines) if lines else None,
    }
