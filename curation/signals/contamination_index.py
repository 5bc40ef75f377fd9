"""The word n-grams of evaluation items, in one file: built once, read by every worker, and looked up by kernels."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dedup.normalize import normalize_into, normalized, room_for
from curation.dedup.shingles import hash_shingles, hash_words
from curation.errors import WinnowError
from curation.signals.list_files import named_bytes, readable_bytes
from curation.text.batch import TextBatch
from curation.text.kernel import kernel
from curation.text.unicode import character_classes, lower_case

LEAST_WORDS, MOST_WORDS = 8, 50
"""Bounds of the size of an n-gram, and the fewest words of an item that is looked for."""

_VERSION = 1
_WORD = re.compile(r"\w+")
_BITS_PER_SLOT = 3  # as a power of two
_SCHEMA = pa.schema([("evaluation_set", pa.string()), ("item", pa.string()), ("text", pa.string())])


class ContaminationError(WinnowError):
    """An index of evaluation items that cannot be made or read."""


@dataclass(frozen=True)
class EvaluationItem:
    """One item of an evaluation set.

    Attributes:
        evaluation_set: the set's name.
        item: the item's name in it.
        text: what is looked for in documents.
    """

    evaluation_set: str
    item: str
    text: str


@kernel
def _ngrams_of(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    lower: NDArray[np.int32],
    classes: NDArray[np.uint16],
    size: int,
    ends: NDArray[np.int64],
) -> NDArray[np.uint64]:
    """Hashes of the n-grams of each text in their order; a shorter text is one n-gram, and one without words none."""
    longest = 0
    for doc in range(len(offsets) - 1):
        longest = max(longest, offsets[doc + 1] - offsets[doc])
    text = np.empty(room_for(longest), np.uint8)
    pieces, ngrams = np.empty(len(text) // 2 + 1, np.uint64), np.empty(len(text) // 2 + 1, np.uint64)
    found = np.empty(max(1024, len(data) // 2 + len(offsets)), np.uint64)
    total = 0
    ends[0] = 0
    for doc in range(len(offsets) - 1):
        n = normalize_into(data, offsets[doc], offsets[doc + 1], lower, text)
        count = hash_shingles(pieces, hash_words(text, n, classes, pieces), size, ngrams)
        found[total : total + count] = ngrams[:count]
        total += count
        ends[doc + 1] = total
    return found[:total]


@kernel
def _look_up(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    lower: NDArray[np.int32],
    classes: NDArray[np.uint16],
    sizes: NDArray[np.int64],
    bits: int,
    bitmap: NDArray[np.uint64],
    table: NDArray[np.int64],
    keys: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """Places where an n-gram of the index may stand: rows of document, word and place in `keys`, int64[m, 3].

    `table` holds places in `keys` by the uppermost bits of the hash, -1 where there is none; `bitmap` has a bit for
    each of eight parts of each slot, which nearly every n-gram of a text misses.
    """
    longest = 0
    for doc in range(len(offsets) - 1):
        longest = max(longest, offsets[doc + 1] - offsets[doc])
    text = np.empty(room_for(longest), np.uint8)
    pieces, ngrams = np.empty(len(text) // 2 + 1, np.uint64), np.empty(len(text) // 2 + 1, np.uint64)
    hits = np.empty((256, 3), np.int64)
    total = 0
    for doc in range(len(offsets) - 1):
        n = normalize_into(data, offsets[doc], offsets[doc + 1], lower, text)
        num_words = hash_words(text, n, classes, pieces)
        for size in sizes:
            if num_words < size:
                continue
            count = hash_shingles(pieces, num_words, size, ngrams)
            for word in range(count):
                bit = ngrams[word] >> np.uint64(64 - bits)
                if not (bitmap[np.int64(bit >> np.uint64(6))] >> (bit & np.uint64(63))) & np.uint64(1):
                    continue
                slot = np.int64(bit >> np.uint64(_BITS_PER_SLOT))
                while table[slot] >= 0 and keys[table[slot]] != ngrams[word]:
                    slot = (slot + 1) & (len(table) - 1)
                if table[slot] < 0:
                    continue
                if total == len(hits):
                    grown = np.empty((2 * total, 3), np.int64)
                    grown[:total] = hits
                    hits = grown
                hits[total, 0], hits[total, 1], hits[total, 2] = doc, word, table[slot]
                total += 1
    return hits[:total]


@kernel
def _fill(keys: NDArray[np.uint64], bits: int, table: NDArray[np.int64]) -> None:
    """Enter every key into a table that is all -1 and half empty at least."""
    for place in range(len(keys)):
        slot = np.int64(keys[place] >> np.uint64(64 - bits + _BITS_PER_SLOT))
        while table[slot] >= 0:
            slot = (slot + 1) & (len(table) - 1)
        table[slot] = place


@dataclass(frozen=True)
class Match:
    """The evaluation item that a text holds most of.

    Attributes:
        item: the item's number.
        num_matches: places of the text at which an n-gram of any item stands.
        num_covered: n-grams of the item that the text holds.
        num_ngrams: n-grams of the item.
        start: first character of the longest stretch that is the item's.
        end: the character after its last.
    """

    item: int
    num_matches: int
    num_covered: int
    num_ngrams: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class ContaminationIndex:
    """Evaluation items and their n-grams.

    Attributes:
        items: the items.
        size: words of an n-gram. An item of `least_words` to `size - 1` words is looked for as a whole, a shorter one
            is not.
        least_words: the fewest words of an item that is looked for.
    """

    items: tuple[EvaluationItem, ...] = field(repr=False)
    size: int = 13
    least_words: int = LEAST_WORDS

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ContaminationError: a size is out of bounds.
        """
        if not LEAST_WORDS <= self.size <= MOST_WORDS:
            raise ContaminationError(
                f"n-grams of {self.size} words: expected {LEAST_WORDS} to {MOST_WORDS}; shorter ones stand in texts "
                "that have never seen the item"
            )
        if not LEAST_WORDS <= self.least_words <= self.size:
            raise ContaminationError(
                f"least_words is {self.least_words}: expected {LEAST_WORDS} to {self.size}, the size of an n-gram"
            )

    @cached_property
    def too_short(self) -> tuple[int, ...]:
        """Numbers of the items that are too short to be looked for."""
        return tuple(number for number, words in enumerate(self._words) if len(words) < self.least_words)

    @cached_property
    def _words(self) -> tuple[list[str], ...]:
        texts = normalized(TextBatch.from_texts([one.text for one in self.items])).to_pylist()
        return tuple(_WORD.findall(text) for text in texts)

    @cached_property
    def _num_ngrams(self) -> NDArray[np.int64]:
        """Of each item; one for an item that is looked for as a whole."""
        return np.array([max(1, len(words) - self.size + 1) for words in self._words], np.int64)

    @cached_property
    def _postings(self) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Distinct hashes in order, where the postings of each begin, and the item and its word of each posting.

        An item that is looked for as a whole is found by its first `least_words` words.
        """
        num_words = np.array([len(words) for words in self._words], np.int64)
        is_whole = (num_words >= self.least_words) & (num_words < self.size)
        parts = [self._hashed(num_words >= self.size, self.size), self._hashed(is_whole, self.least_words)]
        hashes, owners, words = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        kept = ~is_whole[owners] | (words == 0)
        order = np.lexsort((words[kept], owners[kept], hashes[kept]))
        ordered = hashes[kept][order]
        firsts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else np.empty(0, np.int64)
        return ordered[firsts], np.append(firsts, len(ordered)), owners[kept][order], words[kept][order]

    def _hashed(self, chosen: NDArray[np.bool_], size: int) -> tuple[NDArray[np.uint64], NDArray[np.int64], Any]:
        """The n-grams of some items in their order: hash, item, and word of the item."""
        numbers = np.flatnonzero(chosen)
        batch = TextBatch.from_texts([self.items[number].text for number in numbers])
        ends = np.zeros(len(batch) + 1, np.int64)
        hashes = _ngrams_of(batch.data, batch.offsets, lower_case(), character_classes(), size, ends)
        rows = np.repeat(np.arange(len(batch)), np.diff(ends))
        return hashes, numbers[rows], np.arange(len(hashes)) - ends[rows]

    @cached_property
    def _table(self) -> tuple[int, NDArray[np.uint64], NDArray[np.int64]]:
        """The hashes as a table, and a bitmap before it."""
        keys = self._postings[0]
        slot_bits = max(6, (2 * len(keys)).bit_length())
        table, bits = np.full(1 << slot_bits, -1, np.int64), slot_bits + _BITS_PER_SLOT
        _fill(keys, bits, table)
        places = keys >> np.uint64(64 - bits)
        bitmap = np.zeros(1 << (bits - 6), np.uint64)
        np.bitwise_or.at(bitmap, (places >> np.uint64(6)).astype(np.int64), np.uint64(1) << (places & np.uint64(63)))
        return bits, bitmap, table

    def matches(self, batch: TextBatch) -> dict[int, Match]:
        """By number of the text, the item that it holds most of; texts without any are left out.

        Found by 64-bit hashes, then compared word by word. Only texts with a hit come back to Python.
        """
        keys = self._postings[0]
        if not len(keys):
            return {}
        lower, classes = lower_case(), character_classes()
        hits = _look_up(batch.data, batch.offsets, lower, classes, self._sizes, *self._table, keys)
        if not len(hits):
            return {}
        docs, begins = np.unique(hits[:, 0], return_index=True)
        texts = [batch.text(doc) or "" for doc in docs.tolist()]
        plain = normalized(TextBatch.from_texts(texts)).to_pylist()
        found = {}
        for doc, text, words, rows in zip(docs.tolist(), texts, plain, np.split(hits[:, 1:], begins[1:]), strict=True):
            match = self._match(text, _WORD.findall(words), rows)
            if match is not None:
                found[doc] = match
        return found

    @cached_property
    def _sizes(self) -> NDArray[np.int64]:
        """Words of the n-grams that are hashed, ascending."""
        lengths = {len(self._words[owner]) for owner in np.unique(self._postings[2]).tolist()}
        return np.array(sorted({self.size if one >= self.size else self.least_words for one in lengths}), np.int64)

    def _match(self, text: str, words: list[str], hits: NDArray[np.int64]) -> Match | None:
        """What a text with hits (int64[m, 2]: its word, and the place of the hash) holds."""
        at, postings = self._held(words, hits)
        if not len(at):
            return None
        items = self._postings[2][postings]
        found, num_held = np.unique(self._postings[2][np.unique(postings)], return_counts=True)
        chosen = np.lexsort((found, -num_held, -num_held / self._num_ngrams[found]))[0]
        best = int(found[chosen])
        own = np.unique(at[items == best]).tolist()
        start, end = _longest_run(own, min(len(self._words[best]), self.size))
        spans = [one.span() for one in _WORD.finditer(text)]
        return Match(
            item=best,
            num_matches=len(np.unique(at)),
            num_covered=int(num_held[chosen]),
            num_ngrams=int(self._num_ngrams[best]),
            start=spans[start][0],
            end=spans[end - 1][1],
        )

    def _held(self, words: list[str], hits: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of the hits those that are no accident: word of the text and posting, one for each item that has it."""
        _, firsts, owners, owned_words = self._postings
        at, held = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for word, key in hits.tolist():
            postings = np.arange(firsts[key], firsts[key + 1])
            own = self._words[owners[postings[0]]]
            if len(own) < self.size:  # looked for as a whole, and others may begin alike
                wholes = [self._words[owner] for owner in owners[postings].tolist()]
                postings = postings[[words[word : word + len(whole)] == whole for whole in wholes]]
            else:  # what is so of one posting is so of all
                begin = int(owned_words[postings[0]])
                if words[word : word + self.size] != own[begin : begin + self.size]:
                    continue
            at.append(np.full(len(postings), word))
            held.append(postings)
        return np.concatenate(at), np.concatenate(held)

    def to_bytes(self) -> bytes:
        """The file: an Arrow stream of the items, with the settings beside it."""
        columns = [[getattr(one, name) for one in self.items] for name in _SCHEMA.names]
        settings = {"version": _VERSION, "size": self.size, "least_words": self.least_words}
        schema = _SCHEMA.with_metadata({"winnow.contamination": json.dumps(settings)})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, schema) as writer:
            writer.write_table(pa.table([pa.array(column, pa.string()) for column in columns], schema=schema))
        content: bytes = sink.getvalue().to_pybytes()
        return content

    @staticmethod
    def from_bytes(content: bytes, name: str) -> "ContaminationIndex":
        """The index that `to_bytes` wrote.

        Raises:
            ContaminationError: it is none, or of another version.
        """
        try:
            table = pa.ipc.open_file(content).read_all()
            settings = json.loads((table.schema.metadata or {})[b"winnow.contamination"])
        except (pa.ArrowInvalid, KeyError, ValueError) as error:
            raise ContaminationError(
                f"{name} is no index of evaluation items: make one with `winnow index-evaluation`"
            ) from error
        if settings["version"] != _VERSION:
            raise ContaminationError(f"{name} is of version {settings['version']}, expected {_VERSION}: make it anew")
        items = tuple(EvaluationItem(**row) for row in table.to_pylist())
        return ContaminationIndex(items=items, size=settings["size"], least_words=settings["least_words"])


def _longest_run(words: Sequence[int], size: int) -> tuple[int, int]:
    """First word, and the word after the last, of the longest stretch that n-grams at these words cover."""
    best = start = words[0]
    reached, length = start + size, size
    for word in words[1:]:
        if word > reached:
            start = word
        reached = word + size
        if reached - start > length:
            best, length = start, reached - start
    return best, best + length


def read_index(path: str) -> bytes:
    """The bytes of an index: a local file, or a URI that Arrow can read.

    Raises:
        ContaminationError: there is none.
    """
    return readable_bytes(path, ContaminationError, "the index of evaluation items")


@lru_cache(maxsize=4)
def open_index(path: str, sha256: str) -> ContaminationIndex:
    """The index, opened once per process.

    Raises:
        ContaminationError: there is none, or it has changed since the recipe named it.
    """
    remedy, what = "`Contamination.of(path)`", "the index of evaluation items"
    return ContaminationIndex.from_bytes(named_bytes(path, sha256, remedy, ContaminationError, what), path)
