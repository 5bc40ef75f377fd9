"""`make conformance`: the peers themselves, asked about thousands of documents, and nothing that may differ.

Not among the tests that `make test` finds, for it takes a quarter of an hour and installs the peers; what it proves is
repeated there on recorded answers. Shown with `-s`: how many documents and values were compared.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conformance import workers
from conformance.answers import Family, compare
from conformance.documents import Document, hard_documents, real_documents
from conformance.families import FAMILIES, FAST

Ask = Callable[[str], tuple[list[Document], list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def ask(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """All documents, and the answers of a peer about them, asked once."""
    documents = [*real_documents(shared), *hard_documents()]

    @cache
    def answers(peer: str) -> list[dict[str, Any]] | workers.UnavailableError:
        try:
            return workers.ask(peer, documents, tmp_path_factory.mktemp(peer))
        except workers.UnavailableError as error:
            return error

    def asked(peer: str) -> tuple[list[Document], list[dict[str, Any]]]:
        found = answers(peer)
        if isinstance(found, workers.UnavailableError):
            pytest.skip(str(found))
        return documents, found

    return asked


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family.peer}-{family.name}")
def test_every_decision_and_every_value_is_the_peer_s(family: Family, ask: Ask) -> None:
    documents, answers = ask(family.peer)
    found = compare(family, documents, [answer[family.name] for answer in answers])
    print(f"{family.peer} {family.name}: {found.told()}")  # noqa: T201
    assert found.documents > 0.95 * len(documents)
    assert not found.differences


@pytest.mark.parametrize("name", FAST)
def test_without_spacy_nearly_every_decision_is_the_peer_s(name: str, ask: Ask) -> None:
    documents, answers = ask("datatrove")
    real = [place for place, one in enumerate(documents) if not one.id.startswith("hard:")]
    found = compare(FAST[name], [documents[n] for n in real], [answers[n][name] for n in real])
    print(f"datatrove {name}, fast: {found.decisions / found.documents:.2%} of the decisions are the same")  # noqa: T201
    assert found.decisions >= 0.95 * found.documents


def test_dolma_drops_every_text_without_words(ask: Ask) -> None:
    documents, answers = ask("dolma")
    blank = [answer for one, answer in zip(documents, answers, strict=True) if not one.text.split()]
    assert blank
    assert all("word_count <" in answer["gopher"]["reasons"] for answer in blank)
