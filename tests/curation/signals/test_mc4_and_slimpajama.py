"""mC4's paragraphs and SlimPajama's length, beside plain Python."""

import heapq
import re
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from references.texts import any_texts, hard_texts, random_hard_texts, real_texts

from curation.signals import mc4, slimpajama
from curation.text.batch import TextBatch


def long_lines(text: str) -> tuple[int, int]:
    lines = text.split("\n")
    return len(lines), sum(len(line) >= 200 for line in lines)


def has_paragraphs(text: str) -> bool:
    lines = text.split("\n")
    return len(lines) >= 3 and min(heapq.nlargest(3, map(len, lines))) >= 200


def clean_length(text: str) -> int:
    lower = "".join(low if len(low := char.lower()) == 1 else char for char in text)
    return len(re.sub(r"\s+", " ", lower.translate(str.maketrans("", "", string.punctuation)).strip()))


def check(texts: list[str]) -> None:
    batch = TextBatch.from_texts(texts)
    lines, lengths = mc4.MC4().measure(batch).to_pylist(), slimpajama.SlimPajama().measure(batch).to_pylist()
    (paragraphs,), (short,) = mc4.rules(), slimpajama.rules()
    assert (paragraphs.min, short.min) == (3, 200)
    for text, row, length in zip(texts, lines, lengths, strict=True):
        assert (row["num_lines"], row["num_long_lines"]) == long_lines(text)
        assert (row["num_long_lines"] >= 3) == has_paragraphs(text)
        assert length["num_clean_chars"] == clean_length(text), text


def test_real_documents(shared: Path) -> None:
    texts = real_texts(shared, per_file=120)
    check(texts)
    assert len({has_paragraphs(text) for text in texts}) == 2
    assert any(clean_length(text) < 200 for text in texts)


def test_made_up_texts() -> None:
    check(random_hard_texts(300, 4))
    check(["x" * 199, "x" * 200, "x" * 201, "\n".join(["é" * 200] * 3), "\n".join(["é" * 199] * 9), " . ", "a . b", ""])


@settings(max_examples=150, deadline=None)
@given(any_texts | hard_texts)
def test_any_text(text: str) -> None:
    check([text])


def test_a_length_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        mc4.MC4(min_line_chars=0)
