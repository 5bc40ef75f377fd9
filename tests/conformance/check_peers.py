"""`make conformance`: the peers themselves, asked about thousands of documents, and nothing that may differ.

Not among the tests that `make test` finds, for it takes a quarter of an hour and installs the peers; what it proves is
repeated there on recorded answers. Shown with `-s`: how many documents and values were compared.
"""

import json
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from benchmarks.peers import HERE as BENCHMARKS
from benchmarks.peers import peers_python
from conformance import workers
from conformance.answers import Family, compare
from conformance.documents import Document, hard_documents, real_documents
from conformance.families import FAMILIES, FAST
from references.ccnet import make_models
from references.texts import FILES, real_texts

from curation.text.batch import TextBatch
from curation.text.ccnet_plain import plain_form
from curation.text.kenlm import load_language_model

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


def test_every_n_gram_score_is_kenlm_s(shared: Path, tmp_path: Path) -> None:
    """On a model of five words, of the pieces of real documents; the model is built as KenLM builds it."""
    from sentencepiece import SentencePieceProcessor

    texts = [*real_texts(shared, per_file=1000 // len(FILES)), *(one.text for one in hard_documents())]
    make_models(tmp_path, "en", [text[:2000] for text in texts[:400]], pieces=2000, order=5)
    pieces = SentencePieceProcessor(model_file=str(tmp_path / "en.sp.model"))
    plain = [plain_form(text) for text in texts]
    # KenLM takes a line up to the first NUL, which a plain form has not.
    lines = [" ".join(found) for found in pieces.encode(plain, out_type=str)] + [text for text in plain if text]
    asked = tmp_path / "lines.json"
    asked.write_text(json.dumps(lines), encoding="utf-8")
    try:
        python = peers_python("kenlm", print)
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"the environment of KenLM cannot be made: {error}")
    model = tmp_path / "en.arpa.bin"
    command = [str(python), str(BENCHMARKS / "perplexity_peer.py"), str(model), str(asked), "--repeat", "0"]
    theirs = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["scores"]
    ours = load_language_model(model).score(TextBatch.from_texts(lines)).tolist()
    differences = [line[:80] for line, a, b in zip(lines, ours, theirs, strict=True) if a != b]
    print(f"kenlm: {len(lines):,} lines, {len(differences)} scores differ")  # noqa: T201
    assert len(lines) > 1500
    assert not differences
