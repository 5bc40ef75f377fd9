"""Worker of the other side: datatrove's filters over JSONL of texts, each document's answers to JSONL.

A filter tells only why it drops a document. Its numbers come out of its own code all the same: the thresholds are
replaced by probes, which keep what they are compared with and let everything pass.
"""

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4ParagraphFilter,
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.base_filter import BaseFilter

SIZES = {"top": (2, 3, 4), "duplicate": (5, 6, 7, 8, 9, 10)}


class Probe:
    """A threshold that keeps what it is compared with and never fires."""

    __array_ufunc__ = None  # numpy's numbers leave the comparison to this side

    def __init__(self) -> None:
        self.seen: list[float] = []

    def __lt__(self, other: float) -> bool:
        self.seen.append(float(other))
        return False

    __gt__ = __lt__

    def take(self) -> list[float]:
        """What was seen since the last time."""
        seen, self.seen = self.seen, []
        return seen


def reason(one: BaseFilter, text: str) -> str | None:
    """Why a filter drops a text, None where it keeps it."""
    verdict = one.filter(Document(text, "0"))
    return verdict[1] if isinstance(verdict, tuple) else None if verdict else "dropped"


def probed(one: BaseFilter, places: dict[str, Probe], text: str) -> dict[str, float]:
    """The numbers that a filter compares; one that divides by nothing tells those before."""
    with contextlib.suppress(ZeroDivisionError):
        one.filter(Document(text, "0"))
    seen = {name: probe.take() for name, probe in places.items()}
    return {name: values[-1] for name, values in seen.items() if values}


def c4() -> Callable[[str], dict[str, Any]]:
    """C4QualityFilter."""
    plain = C4QualityFilter()
    lorem = C4QualityFilter(filter_curly_bracket=False, min_num_sentences=-1)
    curly = C4QualityFilter(filter_lorem_ipsum=False, min_num_sentences=-1)
    sentences, word = Probe(), Probe()
    all_lines: Any = {"filter_lorem_ipsum": False, "filter_curly_bracket": False}
    counting = C4QualityFilter(min_num_sentences=sentences, **all_lines)
    longest = C4QualityFilter(max_word_length=word, min_num_sentences=-1, **all_lines)
    counts: Counter[str] = Counter()
    for one in (plain, lorem, curly, longest):
        one.stat_update = lambda *_, **__: None
    counting.stat_update = lambda *names, **_: counts.update(names)
    columns = {
        "num_lines": "line-total",
        "num_kept_lines": "line-kept",
        "num_lines_long_word": "line-filter-too_long_word",
        "num_lines_no_end_mark": "line-filter-no_terminal_punc",
        "num_lines_few_words": "line-filter-too_few_words",
        "num_lines_javascript": "line-filter-javascript",
        "num_lines_policy": "line-filter-policy",
    }

    def run(text: str) -> dict[str, Any]:
        counts.clear()
        document = Document(text, "0")
        counting.filter(document)
        longest.filter(Document(text, "0"))
        values = {name: counts[counted] for name, counted in columns.items()}
        values["num_sentences"] = sentences.take()[-1]
        values["num_kept_chars"] = len(document.text)
        values["max_word_chars"] = max(word.take(), default=None)
        values["has_lorem_ipsum"] = reason(lorem, text) == "lorem_ipsum"
        values["has_curly_bracket"] = reason(curly, text) == "curly_bracket"
        return {"reason": reason(plain, text), "values": values}

    return run


def mc4() -> Callable[[str], dict[str, Any]]:
    """C4ParagraphFilter: it compares the third longest line, if there is one."""
    plain, probing, probe = C4ParagraphFilter(), C4ParagraphFilter(), Probe()
    probing.min_paragraph_len = probe

    def run(text: str) -> dict[str, Any]:
        third = probed(probing, {"third": probe}, text).get("third", 0)
        return {"reason": reason(plain, text), "values": {"three_long_lines": third >= 200}}

    return run


def fineweb() -> Callable[[str], dict[str, Any]]:
    """FineWebQualityFilter."""
    places = {
        "frac_lines_end_mark": Probe(),
        "frac_short_lines": Probe(),
        "frac_chars_duplicate_lines": Probe(),
        "newlines_per_word": Probe(),
    }
    settings: Any = dict(
        zip(
            ("line_punct_thr", "short_line_thr", "char_duplicates_ratio", "new_line_ratio"),
            places.values(),
            strict=True,
        )
    )
    plain, probing = FineWebQualityFilter(), FineWebQualityFilter(**settings)
    return lambda text: {"reason": reason(plain, text), "values": probed(probing, places, text)}


def gopher() -> Callable[[str], dict[str, Any]]:
    """GopherQualityFilter; its two ratios of symbols have one threshold."""
    arguments = {
        "num_words": "min_doc_words",
        "mean_word_length": "min_avg_word_length",
        "symbols": "max_symbol_word_ratio",
        "frac_lines_bullet": "max_bullet_lines_ratio",
        "frac_lines_ellipsis": "max_ellipsis_lines_ratio",
        "frac_words_with_letter": "max_non_alpha_words_ratio",
        "num_distinct_stop_words": "min_stop_words",
    }
    places = {name: Probe() for name in arguments}
    settings: Any = {argument: places[name] for name, argument in arguments.items()}
    settings |= {"max_doc_words": None, "max_avg_word_length": None}
    plain, probing = GopherQualityFilter(), GopherQualityFilter(**settings)

    def run(text: str) -> dict[str, Any]:
        with contextlib.suppress(ZeroDivisionError):
            probing.filter(Document(text, "0"))
        seen = {name: probe.take() for name, probe in places.items()}
        symbols = dict(zip(("ratio_hashes_to_words", "ratio_ellipses_to_words"), seen.pop("symbols"), strict=False))
        values = {name: found[-1] for name, found in seen.items() if found} | symbols
        return {"reason": reason(plain, text), "values": values}

    return run


def repetition() -> Callable[[str], dict[str, Any]]:
    """GopherRepetitionFilter."""
    arguments = {
        "frac_duplicate_paragraphs": "dup_para_frac",
        "frac_chars_duplicate_paragraphs": "dup_para_char_frac",
        "frac_duplicate_lines": "dup_line_frac",
        "frac_chars_duplicate_lines": "dup_line_char_frac",
    }
    places = {name: Probe() for name in arguments}
    settings: Any = {argument: places[name] for name, argument in arguments.items()}
    for kind, sizes in SIZES.items():
        found = {n: Probe() for n in sizes}
        places |= {f"{kind}_{n}gram": probe for n, probe in found.items()}
        settings["top_n_grams" if kind == "top" else "dup_n_grams"] = tuple(found.items())
    plain, probing = GopherRepetitionFilter(), GopherRepetitionFilter(**settings)
    return lambda text: {"reason": reason(plain, text), "values": probed(probing, places, text)}


FAMILIES = {"c4": c4, "mc4": mc4, "fineweb": fineweb, "gopher": gopher, "repetition": repetition}


def main() -> None:
    """Arguments: a JSONL file of `id` and `text`, and the JSONL file of answers to write."""
    ask, answer = sys.argv[1:]
    families = {name: make() for name, make in FAMILIES.items()}
    with open(ask, encoding="utf-8") as lines, open(answer, "w", encoding="utf-8") as out:  # noqa: PTH123
        for line in lines:
            document = json.loads(line)
            answers = {name: run(document["text"]) for name, run in families.items()}
            out.write(json.dumps({"id": document["id"], "answers": answers}) + "\n")


if __name__ == "__main__":
    main()
