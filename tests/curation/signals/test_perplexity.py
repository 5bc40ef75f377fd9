"""Perplexity beside cc_net's steps in plain Python, its buckets, and models that are none."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from references import ccnet as reference
from references.arpa import NgramModel
from references.texts import any_texts, hard_texts, random_hard_texts, real_texts

from curation.signals.language import Language
from curation.signals.perplexity import Perplexity, PerplexityError, read_cutoffs, rules
from curation.text.batch import TextBatch
from curation.text.ccnet_plain import plain_form
from curation.text.kenlm_file import LanguageModelError

GERMAN = [
    "Die Katze sitzt auf der Matte und schläft. Der Hund läuft durch den Garten und bellt die Nachbarn an.",
    "Im Jahre 1871 wurde das Gebäude fertig, das heute noch steht. Niemand weiß, wer es bezahlt hat.",
    "Wer morgens früh aufsteht, hat mehr vom Tag; das sagen jedenfalls die Leute, die früh aufstehen.",
]
CUTOFFS = ",en,de\n0,0,0\n30,80,20\n60,120,30\n"


@pytest.fixture(scope="module")
def texts(shared: Path) -> list[str]:
    return [text[:3000] for text in real_texts(shared, per_file=30, seed=2)]


@pytest.fixture(scope="module")
def folder(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, NgramModel]]:
    folder = tmp_path_factory.mktemp("lm_sp")
    models = {
        "en": reference.make_models(folder, "en", texts[::2]),
        "de": reference.make_models(folder, "de", GERMAN, pieces=60, order=2),
    }
    return folder, models


@pytest.fixture(scope="module")
def signal(folder: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Perplexity:
    cutoffs = tmp_path_factory.mktemp("cutoffs") / "cutoff.csv"
    cutoffs.write_text(CUTOFFS)
    return Perplexity.of(str(folder[0]), cutoffs=str(cutoffs))


def test_the_plain_form_is_cc_nets() -> None:
    made = ["", " ", "ÀÉÎ 1２٣ „x“ — Ω…", "a\nb\r\tc\x7f\x85d\xa0e", "  １９９９年。「はい」", "İSTANBUL ﬁ ǅ e\u0301"]
    for text in [*made, *random_hard_texts(300, seed=4), "".join(map(chr, range(1, 0x3000)))]:
        assert plain_form(text) == reference.plain_form(text), text


@settings(max_examples=300, deadline=None)
@given(text=any_texts | hard_texts)
def test_the_plain_form_of_any_text(text: str) -> None:
    assert plain_form(text) == reference.plain_form(text)


def test_perplexity_is_cc_nets(
    signal: Perplexity, folder: tuple[Path, dict[str, NgramModel]], texts: list[str]
) -> None:
    from sentencepiece import SentencePieceProcessor

    pieces = {name: SentencePieceProcessor(model_file=f"{folder[0]}/{name}.sp.model") for name in ("en", "de")}
    asked = [*texts, *GERMAN, "Le chat est assis sur le tapis et il dort depuis ce matin.", "12345 67890"]
    told = Language(newline="nothing").measure(TextBatch.from_texts(asked)).to_pylist()
    rows = signal.measure(TextBatch.from_texts(asked)).to_pylist()
    cutoffs = {"en": (80, 120), "de": (20, 30)}
    seen = set()
    for text, found, row in zip(asked, told, rows, strict=True):
        name = found["label"]
        if round(found["score"], 2) < 0.5:
            expected: tuple[float | None, str | None] = (None, None)
        elif name not in cutoffs:
            expected = (None, "all")
        else:
            value = reference.perplexity(text, pieces[name], folder[1][name])
            assert value is not None
            head, tail = cutoffs[name]
            expected = (value, "head" if value < head else "middle" if value < tail else "tail")
        assert row["ccnet_perplexity"] == (None if expected[0] is None else pytest.approx(expected[0], abs=0.1001)), (
            text
        )
        assert row["ccnet_bucket"] == expected[1], text
        seen.add((name if name in cutoffs else "other", expected[1]))
    assert {("en", "head"), ("en", "middle"), ("en", "tail"), ("other", "all"), ("de", "head")} <= seen, seen


def test_a_row_does_not_depend_on_its_batch(signal: Perplexity, texts: list[str]) -> None:
    some: list[str | None] = [*texts[:20], None, "", " \n", *GERMAN]
    whole = signal.measure(TextBatch.from_texts(some)).to_pylist()
    assert whole == [signal.measure(TextBatch.from_texts([text])).to_pylist()[0] for text in some]
    assert whole[20:22] == [{"ccnet_perplexity": None, "ccnet_bucket": None}] * 2


def test_text_like_the_models_surprises_less(signal: Perplexity, texts: list[str]) -> None:
    """Words in another order are more surprising, for nearly every text that the model has not seen."""
    unseen = texts[1::2]
    turned = [" ".join(text.split()[::-1]) for text in unseen]
    found, other = (signal.measure(TextBatch.from_texts(some))["ccnet_perplexity"] for some in (unseen, turned))
    pairs = [(a, b) for a, b in zip(found.to_pylist(), other.to_pylist(), strict=True) if a and b]
    assert len(pairs) > 50
    assert sum(a < b for a, b in pairs) > 0.9 * len(pairs)


def test_cutoffs_by_hand_and_without(folder: tuple[Path, Any], texts: list[str]) -> None:
    batch = TextBatch.from_texts(texts[:10])
    by_hand = Perplexity.of(str(folder[0]), languages=("en",), cutoffs={"en": (1e9, 1e9)})
    assert set(by_hand.measure(batch)["ccnet_bucket"].to_pylist()) <= {"head", "all", None}
    without = Perplexity.of(str(folder[0]), languages=("en",))
    assert set(without.measure(batch)["ccnet_bucket"].to_pylist()) <= {"all", None}
    assert rules()[0].one_of == ("head", "middle", "all")


def test_what_cannot_be(folder: tuple[Path, Any], signal: Perplexity, tmp_path: Path) -> None:
    models = str(folder[0])
    with pytest.raises(PerplexityError, match=r"no model at .*fr\.sp\.model"):
        Perplexity.of(models, languages=("fr",))
    with pytest.raises(PerplexityError, match="holds no language model"):
        Perplexity.of(str(tmp_path))
    with pytest.raises(ValueError, match="no language is given"):
        Perplexity(models=models, languages=())
    with pytest.raises(ValueError, match="2 languages and 1 sha256"):
        Perplexity(models=models, languages=("en", "de"), sha256=("0",))
    with pytest.raises(ValueError, match=r"cutoffs of 'en', 5\.0 and 3\.0"):
        Perplexity.of(models, cutoffs={"en": (5, 3)})
    with pytest.raises(ValueError, match="cutoffs of 'fr'"):
        Perplexity.of(models, cutoffs={"fr": (3, 5)})
    with pytest.raises(PerplexityError, match=r"has the sha256 .*Perplexity.of"):
        replace(signal, sha256=("0" * 64, *signal.sha256[1:])).open()


@pytest.mark.parametrize("table", ["", "en,de\n1,2\n", ",en\n30,x\n60,5\n", ",en\n30,4\n", ",en\n30\n60\n", "\xff"])
def test_cutoffs_that_are_none(table: str, tmp_path: Path) -> None:
    path = tmp_path / "cutoff.csv"
    path.write_bytes(table.encode("latin-1"))
    with pytest.raises(PerplexityError, match="are no table of percentiles"):
        read_cutoffs(str(path), ["en"])


def test_files_that_are_no_models(folder: tuple[Path, Any], tmp_path: Path) -> None:
    for ending, failure, says in (
        (".sp.model", PerplexityError, "is no SentencePiece model"),
        (".arpa.bin", LanguageModelError, "no binary of KenLM's"),
    ):
        made = tmp_path / ending[1:]
        made.mkdir()
        for path in folder[0].glob("en.*"):
            shutil.copy(path, made)
        (made / f"en{ending}").write_bytes(b"not a model at all")
        with pytest.raises(failure, match=says):
            Perplexity.of(str(made)).open()


def test_without_sentencepiece(folder: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "models"
    shutil.copytree(folder[0], made)
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(PerplexityError, match=r"winnow\[perplexity\]"):
        Perplexity.of(str(made)).open()
