import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.english_words import english_words
from references.texts import HARD_PIECES, any_texts, random_hard_texts, real_texts

from curation.text.batch import TextBatch, Words
from curation.text.blocks import hash_bytes

pieces = st.sampled_from(
    [
        *(
            "don",
            "'t",
            "n't",
            "’ll",
            "'s",
            "'",
            "Mr",
            ".",
            "..",
            "...",
            "…",
            "-",
            "--",
            "----",
            "–",
            "—",
            "/",
            ":",
            "~",
        ),
        *("a", "B", "é", "漢", "3", "10", "km", "%", "$", "€", "+", "^", "*", "(", ")", "“", "”", ",", "😀", "°", "²"),
        *("U.S", "e.g.", "http://", "www.", "www", "@", " ", " ", "\n", "\0"),
    ]
)


def cut(texts: list[str]) -> list[list[str]]:
    batch = TextBatch.from_texts(texts)
    words = batch.english_words
    return [_texts(batch, words, doc) for doc in range(len(texts))]


def _texts(batch: TextBatch, words: Words, doc: int) -> list[str]:
    found = []
    for word in range(words.offsets[doc], words.offsets[doc + 1]):
        start, end = words.start[word], words.end[word]
        text = batch.data[start:end].tobytes().decode()
        assert words.num_chars[word] == len(text)
        assert words.hash[word] == hash_bytes(batch.data, start, end)
        found.append(text)
    return found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world!", ["Hello", ",", "world", "!"]),
        ("I can't (won’t) say John's.", ["I", "ca", "n't", "(", "wo", "n’t", ")", "say", "John", "'s", "."]),
        (
            "Mr. Smith, e.g., of the U.S. army...",
            ["Mr.", "Smith", ",", "e.g.", ",", "of", "the", "U.S.", "army", "..."],
        ),
        (
            "a well-known and/or on/off e-mail",
            ["a", "well", "-", "known", "and/or", "on", "/", "off", "e", "-", "mail"],
        ),
        ("10km, $5.50 and 20%!", ["10", "km", ",", "$", "5.50", "and", "20", "%", "!"]),
        ("see https://a.b/c-d, www.x.org/y-z.", ["see", "https://a.b/c-d", ",", "www.x.org/y-z", "."]),
        ("1-2 a--b 3.5 end.Next a,b", ["1", "-", "2", "a", "--", "b", "3.5", "end", ".", "Next", "a", ",", "b"]),
        ('"“x”" ?!', ['"', "“", "x", "”", '"', "?", "!"]),
        ("", []),
        ("  \n", []),
    ],
)
def test_by_hand(text: str, words: list[str]) -> None:
    assert cut([text]) == [words]
    assert english_words(text) == words


def test_random_hard_texts() -> None:
    texts = random_hard_texts(1500, seed=41)
    assert cut(texts) == [english_words(text) for text in texts]


def test_real_texts(shared: Path) -> None:
    texts = real_texts(shared, per_file=40)
    assert cut(texts) == [english_words(text) for text in texts]


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(st.one_of(st.lists(pieces, max_size=30).map("".join), any_texts), max_size=4))
def test_any_text(texts: list[str]) -> None:
    assert cut(texts) == [english_words(text) for text in texts]


def test_many_signs_behind_a_word() -> None:
    for text in ("a" + "!" * 1000, "!" * 1000, "a" + "'" * 300 + "b", "." * 1000 + "a", *HARD_PIECES):
        assert cut([text]) == [english_words(text)]


def test_time_is_linear_in_the_length() -> None:
    """Of pieces in which every sign is a word; a quadratic step would take minutes here."""
    for text, parts in (("!" * 500_000, 500_000), ("a,b" * 200_000, 400_001), ("a" * 10**6 + "'" * 200, 201)):
        begin = time.thread_time()
        assert TextBatch.from_texts([text]).english_words.counts.tolist() == [parts]
        assert time.thread_time() - begin < 2


def test_nearly_all_words_are_spacy_s(shared: Path) -> None:
    pytest.importorskip("spacy", reason="spaCy, of the extra `spacy`, is not installed")
    texts = [text[:4000] for text in real_texts(shared, per_file=8, seed=3)]
    batch = TextBatch.from_texts(texts)
    data, spacy_words = batch.spacy_words
    same = total = 0
    for doc, mine in enumerate(cut(texts)):
        places = range(spacy_words.offsets[doc], spacy_words.offsets[doc + 1])
        theirs = [data[spacy_words.start[k] : spacy_words.end[k]].tobytes().decode() for k in places]
        total += len(theirs)
        same += len(set(_places(mine)) & set(_places(theirs)))
    assert same / total > 0.99


def _places(words: list[str]) -> list[tuple[int, str]]:
    """Each word with the number of characters before it, white space aside."""
    found, before = [], 0
    for word in words:
        found.append((before, word))
        before += len(word)
    return found
