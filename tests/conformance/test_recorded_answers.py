"""What datatrove and Dolma answered about some hundred documents, and what is answered here."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conformance import recorded, workers
from conformance.answers import Family, compare
from conformance.documents import Document, hard_documents, real_documents
from conformance.families import FAMILIES, FAST

from curation.rules import Rule

OF_SPACY = {
    "c4": {"num_sentences"},
    "fineweb": {"newlines_per_word"},
    "gopher": {
        *("num_words", "mean_word_length", "frac_words_with_letter", "num_distinct_stop_words"),
        *("ratio_hashes_to_words", "ratio_ellipses_to_words"),
    },
    "repetition": {*(f"top_{n}gram" for n in (2, 3, 4)), *(f"duplicate_{n}gram" for n in range(5, 11))},
}
"""What datatrove counts of spaCy's words or sentences."""

every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family.peer}-{family.name}")


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[str, recorded.Answers]]:
    return recorded.read()[1]


@pytest.fixture(scope="module")
def documents(shared: Path, answers: dict[str, tuple[str, recorded.Answers]]) -> list[Document]:
    """The documents that answers are recorded about, in the order of the record."""
    known = {one.id: one for one in [*real_documents(shared), *hard_documents()]}
    found = [known[name] for name in answers]
    changed = [one.id for one in found if one.digest != answers[one.id][0]]
    assert not changed, f"texts are no more what the peers were asked about: python -m conformance.recorded: {changed}"
    return found


def theirs(family: Family, answers: dict[str, tuple[str, recorded.Answers]]) -> list[dict]:
    return [answer[family.peer][family.name] for _, answer in answers.values()]


def test_the_record_is_of_the_pinned_peers() -> None:
    versions, answers = recorded.read()
    assert versions == {peer: workers.pinned(peer) for peer in workers.KINDS}
    assert len(answers) >= 400


@every_family
def test_every_decision_and_every_value_is_the_peer_s(family: Family, documents, answers) -> None:
    if family.needs_spacy:
        pytest.importorskip("spacy", reason="spaCy, of the extra `spacy`, is not installed")
    found = compare(family, documents, theirs(family, answers))
    assert found.differences == []
    assert found.decisions == found.documents
    assert found.documents >= len(documents) - 20


@every_family
def test_most_reasons_of_the_peer_are_in_the_record(family: Family, answers) -> None:
    seen: set[str] = set()
    for answer in theirs(family, answers):
        seen |= set(answer.get("reasons", [answer.get("reason")])) - {None}
    rare = {reason for reason in family.reasons if reason not in seen}
    assert len(rare) <= len(family.reasons) // 3, rare


@pytest.mark.parametrize("name", FAST)
def test_without_spacy_all_but_its_values_are_the_peer_s(name: str, documents, answers) -> None:
    family = FAST[name]
    found = compare(family, documents, theirs(family, answers))
    values = {difference.split(": ")[0] for difference in found.differences}
    assert values <= {f"{name} decision"} | {f"{name}.{value}" for value in OF_SPACY[name]}
    assert found.decisions >= (0.98 if name in ("gopher", "repetition") else 0.9) * found.documents


@every_family
def test_a_difference_is_found(family: Family, documents, answers) -> None:
    if family.needs_spacy:
        pytest.importorskip("spacy", reason="spaCy, of the extra `spacy`, is not installed")
    wrong = [{**answer, "values": dict(answer["values"])} for answer in theirs(family, answers)]
    place = next(n for n, answer in enumerate(wrong) if documents[n].text.split() and answer["values"])
    name = next(name for name in wrong[place]["values"] if name not in family.apart)
    wrong[place]["values"][name] = float(wrong[place]["values"][name] or 0) + 1.5e-6
    assert [one.split(": ")[:2] for one in compare(family, documents, wrong).differences] == [
        [f"{family.name}.{name}", documents[place].id]
    ]
    strict = replace(family, rules=[Rule("any.thing", on=family.rules[0].on, min=1e9), *family.rules])
    if family.rules[0].one_of is None:
        assert compare(strict, documents, theirs(family, answers)).decisions < len(documents) / 10


def test_an_environment_that_cannot_be_made_is_said_plainly(monkeypatch, tmp_path: Path) -> None:
    def fail(*_: object) -> Path:
        raise subprocess.CalledProcessError(1, ["pip", "install"])

    monkeypatch.setattr(workers, "peers_python", fail)
    with pytest.raises(
        workers.UnavailableError, match=r"the environment of dolma cannot be made: .*pip.* exit status 1"
    ):
        workers.ask("dolma", hard_documents(), tmp_path)


def test_a_worker_that_fails_tells_why(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workers, "peers_python", lambda *_: Path(sys.executable))  # where dolma is not installed
    with pytest.raises(RuntimeError, match=r"the worker of dolma failed with 1:(?s:.*)No module named 'dolma'"):
        workers.ask("dolma", hard_documents()[:3], tmp_path)
