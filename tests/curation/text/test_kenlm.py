"""KenLM's models: scores against KenLM's own and against plain Python, and files that are none."""

import hashlib
import random
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.arpa import NgramModel

from curation.text.batch import TextBatch
from curation.text.kenlm import LanguageModel, load_language_model
from curation.text.kenlm_file import LanguageModelError, read_language_model
from curation.text.kenlm_kernels import AHEAD

SENTENCES = [
    "the cat sat on the mat",
    "the dog sat on the cat",
    "a dog and a cat sat",
    "naïve café déjà vu",
    "the cat saw the dog and the dog saw the cat",
    "internationalization of the antidisestablishmentarianism",
    "the the the the the the",
]
ASKED = [
    "",
    "the cat sat on the mat",
    "the cat sat on the zebra",
    "zebra",
    " \t the  cat\x0b\x0c\r\nsat ",
    "café déjà vu internationalization",
    "<s> the </s> <unk> cat",
    "the dog saw the cat and the dog sat on the mat " * 3,
]
KENLM = {
    2: (
        "45db7f15aee43939a0bd10b2c754dc0f08dbc24410f6b6be97c2ef2099b0173d",
        [
            -1.4065399169921875,
            -3.6600520610809326,
            -5.150912761688232,
            -3.114109992980957,
            -2.2340829372406006,
            -6.025799751281738,
            -104.56127166748047,
            -27.929113388061523,
        ],
    ),
    3: (
        "bfa74dccbf3a1ffa73dc143841af981c5e657425bdaf77d626b50b568e5a294c",
        [
            -1.4065399169921875,
            -3.2601780891418457,
            -5.927130222320557,
            -3.114109992980957,
            -2.232149124145508,
            -6.32682991027832,
            -104.98724365234375,
            -25.566225051879883,
        ],
    ),
    5: (
        "269daba44baaa5111ce4f209211a0c260330216783bb68f2f0dc748eba2f3902",
        [
            -1.4065399169921875,
            -2.5331790447235107,
            -6.1032209396362305,
            -3.114109992980957,
            -2.53317928314209,
            -6.627859115600586,
            -104.98724365234375,
            -30.308914184570312,
        ],
    ),
}
"""By order: sha256 of what KenLM 0.3.0's `build_binary` makes of the model of `SENTENCES`, its scores of `ASKED`."""


@cache
def counted(order: int) -> NgramModel:
    return NgramModel.count(SENTENCES, order)


def written(folder: Path, model: NgramModel) -> LanguageModel:
    path = folder / "model.bin"
    path.write_bytes(model.binary())
    return LanguageModel(read_language_model(path))


@pytest.fixture(scope="module", params=[2, 3, 5])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[NgramModel, LanguageModel]:
    model = counted(request.param)
    return model, written(tmp_path_factory.mktemp("model"), model)


@pytest.mark.parametrize("order", KENLM)
def test_the_tests_binary_is_kenlms(order: int) -> None:
    assert hashlib.sha256(counted(order).binary()).hexdigest() == KENLM[order][0]


@pytest.mark.parametrize("order", KENLM)
def test_scores_are_kenlms_to_the_last_bit(order: int, tmp_path: Path) -> None:
    found = written(tmp_path, counted(order)).score(TextBatch.from_texts(ASKED))
    assert found.tolist() == KENLM[order][1]


words = st.sampled_from(
    sorted({word for sentence in SENTENCES for word in sentence.split()} | {"zebra", "Ω", "x" * 40})
)


@settings(max_examples=200, deadline=None)
@given(sentences=st.lists(st.lists(words, max_size=3 * AHEAD).map(" ".join), max_size=5))
def test_any_sentence(both: tuple[NgramModel, LanguageModel], sentences: list[str]) -> None:
    model, ours = both
    found = ours.score(TextBatch.from_texts(sentences))
    assert found.tolist() == pytest.approx([model.score(one) for one in sentences], rel=1e-5, abs=1e-5)


def test_real_text(shared: Path, tmp_path: Path) -> None:
    lines = (shared / "data/README.md").read_text().split("\n") + (shared / "design.md").read_text().split("\n")
    model = NgramModel.count(lines[::2], 4)
    found = written(tmp_path, model).score(TextBatch.from_texts(lines))
    assert found.tolist() == pytest.approx([model.score(line) for line in lines], rel=1e-5, abs=1e-5)


def test_a_score_does_not_depend_on_its_batch(both: tuple[NgramModel, LanguageModel]) -> None:
    texts: list[str | None] = [*ASKED, None]
    whole = both[1].score(TextBatch.from_texts(texts)).tolist()
    assert whole == [both[1].score(TextBatch.from_texts([one])).tolist()[0] for one in texts]
    assert whole[-1] == whole[0]
    assert both[1].score(TextBatch.from_texts([])).shape == (0,)


def test_one_model_per_file(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(counted(2).binary())
    assert load_language_model(path) is load_language_model(str(path))
    path.unlink()
    path.write_bytes(counted(3).binary())
    assert load_language_model(path).order == 3


def with_layout(model: bytes, layout: int) -> bytes:
    return model[:96] + struct.pack("<I", layout) + model[100:]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "begins with b''"),
        (b"hello, this is no model", "no binary of KenLM's"),
        (counted(3).arpa().encode(), "build_binary"),
        (b"\n" + counted(3).arpa().encode(), "build_binary"),
        (b"mmap lm http://kheafield.com/code incomplete\n" + bytes(500), "not finished"),
        (b"mmap lm http://kheafield.com/code format version 4\n" + bytes(500), "another version"),
        (with_layout(counted(3).binary(), 2), "the layout 'trie'"),
        (with_layout(counted(3).binary(), 1), "rest costs"),
        (with_layout(counted(3).binary(), 77), "layout 77"),
        (counted(3).binary()[:100], "no binary"),
        (counted(3).binary()[:1000], "cut off"),
    ],
)
def test_what_is_no_model_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(LanguageModelError, match=says):
        load_language_model(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match="no language model at"):
        load_language_model(tmp_path / "none")


def test_broken_bytes_are_refused_or_harmless(tmp_path: Path) -> None:
    """A table that was changed within gives other numbers; nothing is read from outside of the file."""
    whole = counted(3).binary()
    draw = random.Random(1)
    refused = 0
    for k in range(300):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            content[draw.randrange(len(whole) if k % 2 else 160)] = draw.randrange(256)
        path = tmp_path / f"{k}.bin"
        path.write_bytes(content)
        try:
            model = LanguageModel(read_language_model(path))
        except LanguageModelError:
            refused += 1
            continue
        with np.errstate(all="ignore"):
            assert len(model.score(TextBatch.from_texts(ASKED))) == len(ASKED)
    assert refused > 100
