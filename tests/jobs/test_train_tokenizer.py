"""A tokenizer from a lake: the same file on both engines and from any partitioning."""

from dataclasses import replace
from pathlib import Path

import pytest
from references.small_lake import Doc, write
from references.tokenizers_made import TEXTS

from curation.export.settings import ExportError
from curation.export.train_bpe import TokenizerTraining, train_bpe
from curation.session import Session
from jobs.display import Silent
from jobs.lake import Lake
from jobs.train_tokenizer import Trained, check_target, train

DOCS = [Doc(f"{number:032x}", f"{TEXTS[number % 3]} {number}", kept=number % 5 > 0) for number in range(200)]
TRAINING = TokenizerTraining(vocab_size=500)


def trained(session: Session, lake: Path, to: Path, training: TokenizerTraining = TRAINING) -> Trained:
    return train(Lake(session, str(lake)), training, str(to), Silent())


def test_kept_texts_and_nothing_else(session: Session, tmp_path: Path) -> None:
    write(Lake(session, str(tmp_path / "lake")), DOCS, partitions=3)
    done = trained(session, tmp_path / "lake", tmp_path / "made" / "tokenizer.json")
    kept = [doc.text for doc in DOCS if doc.kept]
    assert (tmp_path / "made" / "tokenizer.json").read_bytes() == train_bpe([kept], TRAINING)
    assert (done.num_documents, done.num_bytes) == (len(kept), sum(len(text.encode()) for text in kept))
    assert done.share == 1


def test_a_sample_by_seed(session: Session, tmp_path: Path) -> None:
    """Chosen by document, so that it hangs neither on the engine nor on the partitioning."""
    write(Lake(session, str(tmp_path / "one")), DOCS)
    write(Lake(session, str(tmp_path / "four")), DOCS[::-1], partitions=4)
    some = replace(TRAINING, max_bytes=3000)
    first = trained(session, tmp_path / "one", tmp_path / "1.json", some)
    second = trained(session, tmp_path / "four", tmp_path / "2.json", some)
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    assert first.num_documents == second.num_documents
    assert 1500 < first.num_bytes < 5000
    assert trained(session, tmp_path / "one", tmp_path / "3.json", replace(some, seed=2)).sha256 != first.sha256


@pytest.mark.parametrize("session", ["sail"], indirect=True)
def test_nothing_to_train_on(session: Session, tmp_path: Path) -> None:
    write(Lake(session, str(tmp_path / "none")), [replace(doc, kept=False) for doc in DOCS])
    with pytest.raises(ExportError, match="keeps no text"):
        trained(session, tmp_path / "none", tmp_path / "t.json")
    write(Lake(session, str(tmp_path / "lake")), DOCS)
    with pytest.raises(ExportError, match="draws none of 160 kept documents"):
        trained(session, tmp_path / "lake", tmp_path / "t.json", replace(TRAINING, max_bytes=1))
    assert not (tmp_path / "t.json").exists()


def test_places_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is a folder"):
        check_target(str(tmp_path), overwrite=True)
    (tmp_path / "t.json").write_text("")
    with pytest.raises(ExportError, match="--overwrite"):
        check_target(str(tmp_path / "t.json"), overwrite=False)
    check_target(str(tmp_path / "t.json"), overwrite=True)
    with pytest.raises(ExportError, match="a file of this machine"):
        check_target("s3://bucket/t.json", overwrite=False)
