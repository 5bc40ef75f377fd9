"""Worker of the other side: dolma's taggers over JSONL of texts, each document's answers to JSONL.

Dolma's taggers only measure; what is dropped and cut out is said in its mixing configurations. Those of
`configs/c4-replication/mixer.yaml` and `configs/dolma-v1_6/mixing/cc-head.yaml` are repeated here, but for what is not
of these taggers, for the list of bad words, and for limits on names that no tagger writes.
"""

import json
import sys
from typing import Any

from dolma.core.data_types import Document
from dolma.core.registry import TaggerRegistry
from dolma.core.taggers import TAGGER_SCORE_PRECISION

GOPHER = (
    ("word_count", 50, 100_000),
    ("median_word_length", 3, 10),
    ("symbol_to_word_ratio", None, 0.1),
    ("fraction_of_words_with_alpha_character", 0.8, None),
    ("required_word_count", 2, None),
    ("fraction_of_lines_starting_with_bullet_point", None, 0.9),
    ("fraction_of_lines_ending_with_ellipsis", None, 0.3),
)
REPETITION = (
    ("fraction_of_duplicate_lines", None, 0.3),
    ("fraction_of_characters_in_duplicate_lines", None, 0.3),
    ("fraction_of_characters_in_duplicate_5grams", None, 0.15),
    ("fraction_of_characters_in_duplicate_6grams", None, 0.14),
    ("fraction_of_characters_in_duplicate_7grams", None, 0.13),
    ("fraction_of_characters_in_duplicate_8grams", None, 0.12),
    ("fraction_of_characters_in_duplicate_9grams", None, 0.11),
    ("fraction_of_characters_in_duplicate_10grams", None, 0.10),
)
FLAGS = ("has_curly_brace", "has_lorem_ipsum", "has_javascript")
CUT = ("lines_with_no_ending_punctuation", "lines_with_too_few_words")


def fired(limits: tuple[tuple[str, float | None, float | None], ...], values: dict[str, float]) -> list[str]:
    """The names whose values lie outside and the side; Dolma rounds what it measured before the mixer reads it."""
    values = {name: round(value, TAGGER_SCORE_PRECISION) for name, value in values.items()}
    low = [f"{name} <" for name, least, _ in limits if least is not None and values[name] < least]
    high = [f"{name} >" for name, _, most in limits if most is not None and name in values and values[name] > most]
    return sorted(low + high)


def gopher(text: str) -> dict[str, Any]:
    """gopher_v1: the quality rules and the repetitions. A text without n words has no value for n."""
    spans = TaggerRegistry.get("gopher_v1")().predict(Document(source="", id="0", text=text)).spans
    values = {span.type: span.score for span in spans}
    quality = {name: value for name, value in values.items() if name in {name for name, _, _ in GOPHER}}
    repeated = {name: value for name, value in values.items() if name not in quality and name != "character_count"}
    return {
        "gopher": {"reasons": fired(GOPHER, quality), "values": quality},
        "repetition": {"reasons": fired(REPETITION, repeated), "values": repeated},
    }


def c4(text: str, tagger: str) -> dict[str, Any]:
    """c4_v1 or c4_v2: flags, counts of lines, and the length of what is left when the marked spans are cut out."""
    spans = TaggerRegistry.get(tagger)().predict(Document(source="", id="0", text=text)).spans
    kinds = [span.type for span in spans]
    values: dict[str, Any] = {name: name in kinds for name in FLAGS} | {name: kinds.count(name) for name in CUT}
    values["line_count"] = next(span.score for span in spans if span.type == "line_count")
    cut = bytearray(len(text))
    for span in spans:
        if span.type in CUT:
            cut[span.start : span.end] = b"\1" * (min(span.end, len(text)) - span.start)
    values["kept_chars"] = cut.count(0)
    flags = (
        FLAGS[:2] if tagger == "c4_v1" else FLAGS
    )  # the configuration is for c4_v2: only that one's javascript drops
    return {"reasons": sorted(name for name in flags if values[name]), "values": values}


def main() -> None:
    """Arguments: a JSONL file of `id` and `text`, and the JSONL file of answers to write."""
    ask, answer = sys.argv[1:]
    with open(ask, encoding="utf-8") as lines, open(answer, "w", encoding="utf-8") as out:  # noqa: PTH123
        for line in lines:
            document = json.loads(line)
            text = document["text"]
            answers = gopher(text) | {tagger: c4(text, tagger) for tagger in ("c4_v1", "c4_v2")}
            out.write(json.dumps({"id": document["id"], "answers": answers}) + "\n")


if __name__ == "__main__":
    main()
