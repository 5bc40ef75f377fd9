"""Planted evaluation items are found, all of them, at their place; texts that hold none are never said to."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.contamination import contamination, words_of
from references.packing import gzipped
from references.texts import real_texts

from curation.signals.contamination import Contamination, rules
from curation.signals.contamination_index import (
    ContaminationError,
    ContaminationIndex,
    EvaluationItem,
    open_index,
)
from curation.text.batch import TextBatch
from jobs.index_evaluation_sets import read_items

WORDS = ("the", "The", "a", "cat", "sat,", "on", "(mat)", "İstanbul", "ΣΑΣ", "x_y", "3.5", "naïve", "漢字")


def index_of(texts: list[str], **more: Any) -> ContaminationIndex:
    return ContaminationIndex(items=tuple(EvaluationItem("set", str(i), t) for i, t in enumerate(texts)), **more)


def joined(draw: random.Random, count: int) -> str:
    return "".join(draw.choice(WORDS) + draw.choice((" ", "  ", "\n", ", ", " - ")) for _ in range(count))


@pytest.mark.parametrize("seed", range(6))
def test_finds_what_plain_python_finds(seed: int) -> None:
    draw = random.Random(seed)
    items = [joined(draw, draw.choice((3, 7, 8, 9, 11, 12, 20))) for _ in range(12)]
    items += [items[0], items[5] + joined(draw, 3)]
    texts = [joined(draw, draw.choice((0, 5, 30))) + draw.choice([*items, ""]) + joined(draw, 4) for _ in range(60)]
    index = index_of(items, size=12, least_words=8)
    found = index.matches(TextBatch.from_texts([*texts, None, ""]))
    assert set(index.too_short) == {i for i, item in enumerate(items) if len(words_of(item)) < 8}
    for number, text in enumerate(texts):
        places, held = contamination(text, items, 12, 8)
        assert (number in found) == bool(held)
        if held:
            match = found[number]
            assert match.num_matches == len(places)
            best = min(held, key=lambda one: (-held[one][0] / held[one][1], -held[one][0], one))
            assert (match.item, match.num_covered, match.num_ngrams) == (best, *held[best])
            own, span = words_of(items[best]), words_of(text[match.start : match.end])
            assert any(own[i : i + len(span)] == span for i in range(len(own) - len(span) + 1))
            assert len(span) >= min(12, len(own))
    assert len(texts) not in found


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=4), st.text(max_size=200))
def test_any_texts(items: list[str], text: str) -> None:
    places, held = contamination(text, items, 9, 8)
    found = index_of(items, size=9).matches(TextBatch.from_texts([text]))
    assert {doc: (match.num_matches, match.item) for doc, match in found.items()} == (
        {0: (len(places), min(held, key=lambda one: (-held[one][0] / held[one][1], -held[one][0], one)))}
        if held
        else {}
    )


def test_evaluation_sets_planted_into_real_documents(shared: Path, tmp_path: Path) -> None:
    files = [shared / "data" / "instruct" / f"target_{name}.jsonl.gz" for name in ("mmlu_dev", "bbh_some_tasks")]
    items = read_items(files)
    assert {item.evaluation_set for item in items} == {"target_mmlu_dev", "target_bbh_some_tasks"}
    index = ContaminationIndex(items=tuple(items))
    path = tmp_path / "evals.index"
    path.write_bytes(index.to_bytes())
    signal = Contamination.of(str(path))
    texts = real_texts(shared, per_file=60)
    clean = signal.measure(TextBatch.from_texts(texts)).to_pylist()
    assert [row["num_matches"] for row in clean] == [0] * len(texts)
    draw = random.Random(5)
    wanted = draw.sample(sorted(set(range(len(items))) - set(index.too_short)), 300)
    planted = []
    for number in wanted:
        text = draw.choice(texts)
        place = draw.randrange(len(text) + 1)
        planted.append((place, text[:place] + "\n" + items[number].text + "\n" + text[place:]))
    rows = signal.measure(TextBatch.from_texts([text for _, text in planted])).to_pylist()
    for number, (place, text), row in zip(wanted, planted, rows, strict=True):
        assert row["num_matches"] >= 1
        assert row["frac_item"] == 1.0
        named = next(one for one in items if (one.evaluation_set, one.item) == (row["evaluation_set"], row["item"]))
        # Some items stand in a set twice, or one in the other.
        assert named == items[number] or " ".join(words_of(named.text)) in " ".join(words_of(text))
        assert row["min_char"] <= place + 1 + len(items[number].text)
        assert row["max_char"] > place


def test_case_punctuation_and_lines_hide_nothing() -> None:
    item = "Which of the following statements about photosynthesis in green plants is false, and why?"
    index = index_of([item])
    hidden = "...\nWHICH of the\nfollowing statements -- about photosynthesis in green plants is false; and why"
    (match,) = index.matches(TextBatch.from_texts([hidden])).values()
    assert hidden[match.start : match.end] == hidden.strip(".\n")
    changed = hidden.replace("green", "brown")
    assert index.matches(TextBatch.from_texts([changed])) == {}


def test_short_items_that_begin_alike_are_told_apart() -> None:
    begin = "one two three four five six seven eight"
    index = index_of([f"{begin} nine", f"{begin} ten", begin])
    found = index.matches(TextBatch.from_texts([f"x {begin} ten y", f"{begin} eleven", "one two three"]))
    assert {doc: match.item for doc, match in found.items()} == {0: 1, 1: 2}


def test_the_file_gives_the_index_again_and_names_are_kept(tmp_path: Path) -> None:
    index = index_of(["a b c d e f g h i j k l m n", "too short"], size=10, least_words=9)
    again = ContaminationIndex.from_bytes(index.to_bytes(), "x")
    assert again == index
    assert again.items == index.items
    assert index.to_bytes() == again.to_bytes()
    assert index.too_short == (1,)


def test_an_index_that_has_changed_or_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evals.index"
    with pytest.raises(ContaminationError, match=r"cannot be read"):
        Contamination.of(str(path))
    path.write_bytes(index_of(["a b c d e f g h i"]).to_bytes())
    signal = Contamination.of(str(path))
    signal.open()
    path.write_bytes(index_of(["b c d e f g h i j"]).to_bytes())
    open_index.cache_clear()
    with pytest.raises(ContaminationError, match=r"name the new one in the recipe"):
        signal.open()
    path.write_bytes(b"not an index")
    with pytest.raises(ContaminationError, match=r"is no index of evaluation items"):
        Contamination.of(str(path)).open()
    with pytest.raises(ValueError, match="both needed"):
        Contamination(index=str(path), sha256="")
    for size in (7, 51):
        with pytest.raises(ContaminationError, match="expected 8 to 50"):
            index_of([], size=size)


def test_the_rule_drops_what_matches() -> None:
    (rule,) = rules()
    assert rule.bound_text() == "contamination.num_matches <= 0"
    assert rules(max_matches=3)[0].max == 3


def test_records_without_a_field_are_named(tmp_path: Path) -> None:
    path = tmp_path / "evals.jsonl.gz"
    lines = [{"question": "what is it", "choices": ["a", "b"], "id": "q1"}, {"question": "why", "id": "q2"}]
    path.write_bytes(gzipped("\n".join(map(json.dumps, lines)).encode()))
    with pytest.raises(
        ContaminationError, match=r"evals.jsonl.gz, record 2 has no choices: its fields are id, question"
    ):
        read_items([path])
    items = read_items([path], fields=["question"])
    assert items == [EvaluationItem("evals", "q1", "what is it"), EvaluationItem("evals", "q2", "why")]
    path.write_bytes(gzipped(b'{"body": "x"}'))
    with pytest.raises(ContaminationError, match="has none of the usual fields"):
        read_items([path])
    path.write_bytes(gzipped(b'{"text": 3}'))
    with pytest.raises(ContaminationError, match="expected text, or a list of texts"):
        read_items([path])
    path.write_bytes(gzipped(b'{"text": "a"}\n{"text"'))
    with pytest.raises(ContaminationError, match="line 2 is no JSON"):
        read_items([path])
