"""Importance weights against plain Python, classifiers' scores against the fastText library, and what cannot be."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import redpajama as reference
from references.texts import any_texts, hard_texts, random_hard_texts, real_texts

from curation.signals import language
from curation.signals.importance_counts import (
    CorpusCounts,
    ImportanceCounts,
    ImportanceError,
    count_corpus,
    tokens_of,
)
from curation.signals.list_files import ListError
from curation.signals.redpajama_models import RedPajamaModels
from curation.text.batch import TextBatch
from curation.text.fasttext_file import ModelFileError
from curation.text.word_table import hash_of

SOURCE = ["the cat sat on the mat", "a dog, and a cat!", "nothing at all here"]
TARGET = ["def cat(dog): return dog", "import dog", "return 1"]
BUCKETS = 97
THREADS = 12  # with fewer than eleven the library leaves a part of the matrix uninitialised, and training ends in NaN


def counts_of(source: list[str], **targets: list[str]) -> ImportanceCounts:
    made = {
        name: count_corpus(name, [TextBatch.from_texts(texts)], buckets=BUCKETS)
        for name, texts in {"source": source, **targets}.items()
    }
    return ImportanceCounts(made.pop("source"), tuple(made.values()))


@pytest.fixture(scope="module")
def signal(tmp_path_factory: pytest.TempPathFactory) -> RedPajamaModels:
    path = tmp_path_factory.mktemp("counts") / "importance"
    path.write_bytes(counts_of(SOURCE, code=TARGET).to_bytes())
    return RedPajamaModels.of(importance=str(path))


def check(signal: RedPajamaModels, texts: list[str]) -> None:
    rows = signal.measure(TextBatch.from_texts(texts)).to_pylist()
    for text, row in zip(texts, rows, strict=True):
        found = (row["rps_doc_code_importance"], row["rps_doc_code_importance_length_correction"])
        if text:
            assert found == pytest.approx(reference.importance(text, SOURCE, TARGET, BUCKETS), rel=1e-9, abs=1e-9), text
        else:
            assert found == (None, None)


def test_tokens_are_the_peers() -> None:
    texts = random_hard_texts(400, seed=3)
    tokens = tokens_of(TextBatch.from_texts(texts))
    for k, text in enumerate(texts):
        expected = [hash_of(token) for token in reference.tokens_of(text)]
        assert tokens.hashes[tokens.offsets[k] : tokens.offsets[k + 1]].tolist() == expected, text


def test_counts_are_those_of_every_token_and_pair() -> None:
    found = count_corpus("one", [TextBatch.from_texts(SOURCE[:1]), TextBatch.from_texts(SOURCE[1:])], buckets=BUCKETS)
    expected = np.zeros(BUCKETS, np.int64)
    for text in SOURCE:
        for bucket, n in reference.buckets_of(text, BUCKETS).items():
            expected[bucket] += n
    assert found.counts.tolist() == expected.tolist()
    assert (found.num_documents, found.num_tokens) == (3, 6 + 7 + 4)


def test_real_texts(signal: RedPajamaModels, shared: Path) -> None:
    check(signal, [*real_texts(shared, per_file=20), ""])


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(any_texts | hard_texts, max_size=4))
def test_any_text(signal: RedPajamaModels, texts: list[str]) -> None:
    check(signal, texts)


def test_a_row_does_not_depend_on_its_batch(signal: RedPajamaModels, shared: Path) -> None:
    texts: list[str | None] = [*real_texts(shared, per_file=10), None, ""]
    whole = signal.measure(TextBatch.from_texts(texts)).to_pylist()
    assert whole == [signal.measure(TextBatch.from_texts([text])).to_pylist()[0] for text in texts]
    assert list(whole[-2].values()) == [None, None]


def test_texts_like_the_target_weigh_more(shared: Path, tmp_path: Path) -> None:
    """Half of the documents fit the counts, and of the other half code is told from all else."""
    texts = real_texts(shared, per_file=200, seed=5)
    random.Random(1).shuffle(texts)
    is_code = [text.count(";\n") + text.count(":\n") + text.count(")\n") > 20 for text in texts]
    half = len(texts) // 2
    target = [text for text, code in zip(texts[:half], is_code, strict=False) if code]
    path = tmp_path / "importance"
    made = [
        count_corpus(name, [TextBatch.from_texts(some)]) for name, some in (("source", texts[:half]), ("code", target))
    ]
    path.write_bytes(ImportanceCounts(made[0], (made[1],)).to_bytes())
    rows = RedPajamaModels.of(importance=str(path)).measure(TextBatch.from_texts(texts[half:]))
    per_char = rows["rps_doc_code_importance"].to_numpy() / [len(text) for text in texts[half:]]
    code = np.array(is_code[half:])
    better = (per_char[code][:, None] > per_char[~code][None, :]).mean()
    assert code.sum() > 20
    assert better > 0.95, better


@pytest.fixture(scope="module")
def library() -> Any:
    found = pytest.importorskip("fasttext")
    found.FastText.eprint = lambda *_: None
    return found


def test_scores_are_the_librarys(library: Any, tmp_path: Path, shared: Path) -> None:
    known = [text.replace("\n", " ")[:300] for text in real_texts(shared, per_file=10)]
    (tmp_path / "train.txt").write_text(
        "".join(f"__label__{'wiki' if k % 3 else 'cc'} {text}\n" for k, text in enumerate(known))
    )
    path = str(tmp_path / "palm.bin")
    options = {"minCount": 1, "dim": 10, "verbose": 0, "thread": THREADS}
    library.train_supervised(str(tmp_path / "train.txt"), **options).save_model(path)
    signal = RedPajamaModels.of(palm=path)
    signal.open()
    texts = [
        *random_hard_texts(200, seed=8),
        *real_texts(shared, per_file=20, seed=2),
        "a\x1cb\x85c\u2028d\n",
        " \u00a0x",
    ]
    model = library.load_model(path)
    seen = set()
    for text, row in zip(texts, signal.measure(TextBatch.from_texts(texts)).to_pylist(), strict=True):
        labels, scores = model.predict(" ".join(text.splitlines()).strip()) if text else ((), ())
        expected = None
        if labels:
            seen.add(labels[0])
            expected = pytest.approx(1 - scores[0] if labels[0] == "__label__cc" else scores[0], abs=1e-5)
        assert row == {"rps_doc_ml_palm_score": expected}, text
    assert seen == {"__label__cc", "__label__wiki"}


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    path = str(Path(language.__file__).parent / "models" / "lid.176.ftz")
    with pytest.raises(ModelFileError, match=r"no label 'cc' .* its labels are en, .*: train it"):
        RedPajamaModels.of(wikiref=path).open()
    other = tmp_path / "other.bin"
    other.write_bytes(Path(path).read_bytes())
    named = RedPajamaModels.of(wikiref=str(other))
    other.write_bytes(Path(path).read_bytes() + b"\0")
    with pytest.raises(ListError, match=r"other\.bin has the sha256 "):
        named.open()
    with pytest.raises(ModelFileError, match="no fastText model at nowhere"):
        RedPajamaModels.of(palm="nowhere")
    with pytest.raises(ImportanceError, match="cannot be read"):
        RedPajamaModels.of(importance=str(tmp_path / "nowhere"))
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(ImportanceError, match="holds no counts of corpora: make them with `winnow fit-importance`"):
        RedPajamaModels.of(importance=str(tmp_path / "junk"))
    with pytest.raises(ValueError, match="nothing is given"):
        RedPajamaModels()
    with pytest.raises(ValueError, match="1 files, 0 sha256"):
        RedPajamaModels(palm=path)


def test_corpora_that_cannot_be(tmp_path: Path) -> None:
    one = CorpusCounts("source", np.ones(3, np.int64), 3, 1)
    for names, said in (((), "expected one or more"), (("a", "a"), "different names"), (("A b",), "names a column")):
        targets = tuple(CorpusCounts(name, np.ones(3, np.int64), 3, 1) for name in names)
        with pytest.raises(ImportanceError, match=said):
            ImportanceCounts(one, targets)
    with pytest.raises(ImportanceError, match="different numbers of buckets"):
        ImportanceCounts(one, (CorpusCounts("a", np.ones(4, np.int64), 3, 1),))
    with pytest.raises(ImportanceError, match="has no token in 2 documents"):
        count_corpus("empty", [TextBatch.from_texts([" ", ""])])
    with pytest.raises(ImportanceError, match="expected 2 or more"):
        count_corpus("few", [TextBatch.from_texts(["a"])], buckets=1)
