"""C4's line and page rules in plain Python, one function per dialect, with regular expressions and string methods."""

import re
from typing import Any

from references.sentences import count_sentences

CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
POLICY_ANY_CASE = re.compile("|".join(POLICY), re.IGNORECASE)
JAVASCRIPT_ANY_CASE = re.compile("javascript", re.IGNORECASE)


class Page(dict[str, Any]):
    """What is measured of a page, and what is left of it."""

    remaining = ""


def _page(text: str, lines: list[str]) -> Page:
    page = Page()
    page |= {
        "num_chars": len(text),
        "num_lines": len(lines),
        "num_sentences": 0,
        "max_word_chars": max((len(word) for word in text.split()), default=None),
        "num_long_lines": sum(len(line) >= 200 for line in text.split("\n")),
        "num_lines_long_word": None,
        "num_lines_no_end_mark": 0,
        "num_lines_few_words": 0,
        "num_lines_javascript": None,
        "num_lines_policy": None,
        "num_citations": None,
        "has_javascript": None,
    }
    return page


def _finish(page: Page, kept: list[str], remaining: str) -> Page:
    page.remaining = remaining
    page["num_kept_lines"] = len(kept)
    page["num_kept_chars"] = len(remaining)
    page["frac_kept_chars"] = len(remaining) / page["num_chars"] if page["num_chars"] else None
    page["num_sentences"] = sum(count_sentences(line) for line in kept)
    return page


def c4_paper(text: str, min_words: int = 5, end_marks: bool = True) -> Page:
    page = _page(text, text.split("\n"))
    page.update(num_lines_javascript=0, num_lines_policy=0, num_citations=0)
    page["has_lorem_ipsum"] = "lorem ipsum" in text.lower()
    page["has_curly_bracket"] = "{" in text
    kept = []
    for raw in text.split("\n"):
        line, marks = CITATION.subn("", raw)
        line = line.strip()
        page["num_citations"] += marks
        if end_marks and not line.endswith((".", "?", "!", '"')):
            page["num_lines_no_end_mark"] += 1
        elif len(line.split()) < min_words:
            page["num_lines_few_words"] += 1
        elif "javascript" in line.lower():
            page["num_lines_javascript"] += 1
        elif any(phrase in line.lower() for phrase in POLICY):
            page["num_lines_policy"] += 1
        else:
            kept.append(line)
    return _finish(page, kept, "\n".join(kept).strip())


def _by_splitlines(text: str, min_words: int, end_marks: bool, marks: tuple[str, ...], count_before: bool) -> Page:
    page = _page(text, text.splitlines())
    page.update(num_lines_long_word=0, num_lines_javascript=0, num_lines_policy=0, num_citations=0)
    page.update(has_lorem_ipsum=False, has_curly_bracket=False)
    kept = []
    for raw in text.splitlines():
        line = raw.strip()
        words = line.split()
        if any(len(word) > 1000 for word in words):
            page["num_lines_long_word"] += 1
            continue
        line, removed = CITATION.subn("", line)
        page["num_citations"] += removed
        if not count_before:
            words = line.split()
        if end_marks and (not line.endswith(marks) or line.endswith("...")):
            page["num_lines_no_end_mark"] += 1
            continue
        if len(words) < min_words:
            page["num_lines_few_words"] += 1
            continue
        if "lorem ipsum" in line.lower():
            page["has_lorem_ipsum"] = True
        if "javascript" in line.lower():
            page["num_lines_javascript"] += 1
            continue
        if "{" in line:
            page["has_curly_bracket"] = True
        if any(phrase in line.lower() for phrase in POLICY):
            page["num_lines_policy"] += 1
            continue
        kept.append(line)
    return _finish(page, kept, "\n".join(kept).strip())


def c4_tfds(text: str, min_words: int = 5, end_marks: bool = True) -> Page:
    return _by_splitlines(text, min_words, end_marks, (".", "?", "!", '"'), count_before=False)


def c4_datatrove(text: str, min_words: int = 3, end_marks: bool = True) -> Page:
    return _by_splitlines(text, min_words, end_marks, (".", "?", "!", '"', "'"), count_before=True)


def c4_dclm(text: str, min_words: int = 5, end_marks: bool = True) -> Page:
    """One step after the other over the whole page, as the steps of the peer's configuration."""
    page = _page(text, text.split("\n"))
    lines = [line for line in text.split("\n") if all(len(word) <= 1000 for word in line.split())]
    page["num_lines_long_word"] = page["num_lines"] - len(lines)
    removed, page["num_citations"] = CITATION.subn("", "\n".join(lines))
    lines = removed.split("\n") if lines else []

    def step(name: str, keep: Any) -> None:
        nonlocal lines
        before = len(lines)
        lines = [line for line in lines if keep(line)]
        page[name] = before - len(lines)

    def ends(line: str) -> bool:
        has_mark = re.search(r'[.!?"\u2026]\s*$', line) or not line
        return bool(has_mark) and not re.search(r"(?:\.\.\.|\u2026)\s*$", line)

    if end_marks:
        step("num_lines_no_end_mark", ends)
    step("num_lines_few_words", lambda line: min_words <= len(line.split()) or not line)
    page["has_lorem_ipsum"] = "lorem ipsum" in "\n".join(lines).lower()
    step("num_lines_javascript", lambda line: not JAVASCRIPT_ANY_CASE.search(line))
    page["has_curly_bracket"] = any("{" in line for line in lines)
    step("num_lines_policy", lambda line: not POLICY_ANY_CASE.search(line))
    return _finish(page, [line for line in lines if line], "\n".join(lines).strip())


def c4_dolma(text: str, min_words: int = 3, end_marks: bool = True) -> Page:
    lines = text.split("\n")
    page = _page(text, lines)
    page["has_lorem_ipsum"] = "lorem ipsum" in text.lower()
    page["has_curly_bracket"] = "{" in text
    page["has_javascript"] = "javascript" in text.lower()
    kept, remaining = [], ""
    for number, line in enumerate(lines):
        no_mark = end_marks and not line.strip().endswith((".", "?", "!", '"'))
        few_words = len(line.split()) < min_words
        page["num_lines_no_end_mark"] += no_mark
        page["num_lines_few_words"] += few_words
        if not no_mark and not few_words:
            kept.append(line)
            remaining += line + ("\n" if number + 1 < len(lines) else "")
    return _finish(page, kept, remaining)


REFERENCES = {
    "paper": c4_paper,
    "tfds": c4_tfds,
    "datatrove": c4_datatrove,
    "dclm": c4_dclm,
    "dolma": c4_dolma,
}
