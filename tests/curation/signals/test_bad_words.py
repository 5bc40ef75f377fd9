"""Bad words: against regular expressions, on made and on real texts."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.bad_words import bad_words
from references.texts import real_texts

from curation.signals.bad_words import DIALECTS, BadWords, Dialect, rules
from curation.signals.list_files import ListError
from curation.text.batch import TextBatch

WORDS = ["darn", "Heck", "darn heck", "héck", "d@rn!", "@rn", "his", "she", "漢字", "_a", "a"]


def write(folder: Path, words: list[str], name: str = "en") -> str:
    path = folder / name
    path.write_text("\n".join(words) + "\n")
    return str(path)


def counts(signal: BadWords, texts: list[str | None]) -> list[tuple[int, int]]:
    return [tuple(row.values()) for row in signal.measure(TextBatch.from_texts(texts)).to_pylist()]


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        ("tfds", "Darn, it! darning (HECK) undarn darn_", 2),
        ("tfds", "darn heck", 3),
        ("tfds", "d@rn!x d@rn! @rn", 2),
        ("dclm", "Darn, it! darning (HECK) undarn darn_", 2),
        ("dclm", "d@rn!x d@rn! x@rn", 4),
        ("dolma", "Darn, it! darn (HECK) heck", 2),
        ("dolma", "xdarn heckx", 1),
        ("redpajama", "d-arn, Darn\n\nHECK! he\u0301ck", 5),
        ("redpajama", "darnit", 0),
    ],
)
def test_by_hand(tmp_path: Path, dialect: Dialect, text: str, expected: int) -> None:
    signal = BadWords.of(write(tmp_path, WORDS), dialect=dialect)
    assert counts(signal, [text])[0][0] == expected == bad_words(text, WORDS, dialect)[0]


def test_japanese_has_no_words_to_stand_between(tmp_path: Path) -> None:
    path = write(tmp_path, ["漢字"], "ja")
    assert counts(BadWords.of(str(tmp_path), language="ja"), ["これ漢字です"]) == [(1, 1)]
    assert counts(BadWords.of(path, language="en"), ["これ漢字です"]) == [(0, 0)]


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=150, deadline=None)
@given(st.lists(st.text("aAb @_é漢\n.İΣ", min_size=1, max_size=4), min_size=1), st.text("aAb @_é漢\n.İΣ", max_size=40))
def test_any_texts(tmp_path_factory: pytest.TempPathFactory, dialect: Dialect, words: list[str], text: str) -> None:
    words = [word.strip() for word in words if word.strip() and "\n" not in word.strip() and "  " not in word]
    if words:
        signal = BadWords.of(write(tmp_path_factory.mktemp("list"), words), dialect=dialect)
        assert counts(signal, ["a", text, ""])[1] == bad_words(text, words, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_real_texts(tmp_path: Path, shared: Path, dialect: Dialect) -> None:
    words = ["the", "of the", "cell", "disease", "import", "e.g.", "\\", "treatment of", "été", "-", "self", "in"]
    texts = real_texts(shared, per_file=30)
    signal = BadWords.of(write(tmp_path, words), dialect=dialect)
    expected = [bad_words(text, words, dialect) for text in texts]
    assert counts(signal, list(texts)) == expected
    assert sum(number for number, _ in expected) > 1000


def test_lists_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ListError, match="cannot be read"):
        BadWords.of(str(tmp_path / "none"))
    (tmp_path / "latin").write_bytes(b"one\ntwo\ncaf\xe9\n")
    with pytest.raises(ListError, match="latin, line 3: not UTF-8"):
        BadWords.of(str(tmp_path / "latin"))
    (tmp_path / "empty").write_text("# nothing\n\n")
    with pytest.raises(ListError, match="no entry"):
        BadWords.of(str(tmp_path / "empty"))
    with pytest.raises(ListError, match=r"no list for the language 'xx'; it has empty, latin"):
        BadWords.of(str(tmp_path), language="xx")
    path = write(tmp_path, ["one"])
    signal = BadWords.of(path)
    write(tmp_path, ["one", "two"])
    with pytest.raises(ListError, match=r"BadWords\.of\(path\) does"):
        replace(signal, language="fr").open()
    assert BadWords.of(path) != signal


def test_lines_of_other_systems(tmp_path: Path) -> None:
    (tmp_path / "en").write_bytes(b"\xef\xbb\xbfdarn\r\n\r\n# a comment\r\n  heck \r\ndarn\r\n")
    assert counts(BadWords.of(str(tmp_path)), ["darn heck\r\n darn"]) == [(3, 2)]


def test_rules() -> None:
    assert rules("dolma")[0].on == "bad_words_dolma.num_bad_words"
    with pytest.raises(ValueError, match="choose one of tfds"):
        rules("x")  # type: ignore[arg-type]
