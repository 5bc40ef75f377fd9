"""Worker of the other side: NeMo Curator's filters over JSONL of texts, each document's answers to JSONL.

The filters are Curator's own, with the limits of its English pipeline. Of its packages only the modules that they are
in are imported, for the rest asks for Ray and more. Of n-grams that are equally frequent it takes one by the order of a
set, another in each run: here its sets keep the order of what is put in.
"""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGES = ("", ".stages", ".stages.text", ".stages.text.filters", ".stages.text.filters.heuristic")

Filter = Any


def load() -> tuple[Any, Any]:
    """The modules of the filters of strings and of repetitions."""
    spec = find_spec("nemo_curator")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    for package in (*PACKAGES, ".stages.text.filters.heuristic.repetition", ".stages.text.utils"):
        module = ModuleType(f"nemo_curator{package}")
        module.__path__ = [str(root.joinpath(*package.split(".")))]
        sys.modules[module.__name__] = module
    strings = import_module("nemo_curator.stages.text.filters.heuristic.string")
    repetitions: Any = import_module("nemo_curator.stages.text.filters.heuristic.repetition.repetition")
    repetitions.set = dict.fromkeys
    return strings, repetitions


def family(filters: dict[str, Filter]) -> Callable[[str], dict[str, Any]]:
    """What filters score, and which of them drop a text; one that fails, with nothing to measure, says nothing."""

    def run(text: str) -> dict[str, Any]:
        values = {}
        for name, one in filters.items():
            try:
                values[name] = one.score_document(text)
            except (ZeroDivisionError, ValueError):
                continue
        reasons = sorted(name for name, value in values.items() if not filters[name].keep_document(value))
        return {"reasons": reasons, "values": values}

    return run


def families() -> dict[str, Callable[[str], dict[str, Any]]]:
    """The filters of the English pipeline as they are grouped here; those with two limits stand there twice."""
    strings, repetitions = load()
    gopher = {
        "symbol_to_word": strings.SymbolsToWordsFilter(0.1),
        "word_count <": strings.WordCountFilter(50, sys.maxsize),
        "word_count >": strings.WordCountFilter(0, 100_000),
        "words_without_alphabets": strings.WordsWithoutAlphabetsFilter(0.8),
        "common_english_words": strings.CommonEnglishWordsFilter(2, stop_at_false=False),
        "mean_word_length <": strings.MeanWordLengthFilter(3, sys.maxsize),
        "mean_word_length >": strings.MeanWordLengthFilter(0, 10),
        "ellipsis": strings.EllipsisFilter(0.3),
        "bullet_ratio": strings.BulletsFilter(0.9),
    }
    repeated = {
        "repeated_lines": repetitions.RepeatedLinesFilter(0.7),
        "repeated_paragraphs": repetitions.RepeatedParagraphsFilter(0.7),
        "repeated_lines_char": repetitions.RepeatedLinesByCharFilter(0.8),
        "repeated_paragraphs_char": repetitions.RepeatedParagraphsByCharFilter(0.8),
    }
    for n, most in {2: 0.2, 3: 0.18, 4: 0.16}.items():
        repeated[f"top_{n}gram"] = repetitions.RepeatingTopNGramsFilter(n, most)
    for n, most in {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}.items():
        repeated[f"duplicate_{n}gram"] = repetitions.RepeatingDuplicateNGramsFilter(n, most)
    other = {
        "alpha_numeric": strings.NonAlphaNumericFilter(0.25),
        "numbers_ratio": strings.NumbersFilter(0.15),
        "urls_ratio": strings.UrlsFilter(0.2),
        "white_space": strings.WhiteSpaceFilter(0.25),
        "parentheses_ratio": strings.ParenthesesFilter(0.1),
        "boilerplate_string_ratio": strings.BoilerPlateStringFilter(True, 0.4),
        "punctuation": strings.PunctuationFilter(0.85),
        "max_word_length": strings.LongWordFilter(1000),
    }
    return {"gopher": family(gopher), "repetition": family(repeated), "curator": family(other)}


def main() -> None:
    """Arguments: a JSONL file of `id` and `text`, and the JSONL file of answers to write."""
    ask, answer = sys.argv[1:]
    asked = families()
    with open(ask, encoding="utf-8") as lines, open(answer, "w", encoding="utf-8") as out:  # noqa: PTH123
        for line in lines:
            document = json.loads(line)
            answers = {name: run(document["text"]) for name, run in asked.items()}
            out.write(json.dumps({"id": document["id"], "answers": answers}) + "\n")


if __name__ == "__main__":
    main()
