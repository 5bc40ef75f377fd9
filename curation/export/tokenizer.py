"""A tokenizer as an export sees it: one file, its special tokens, and texts to token ids in batches."""

import hashlib
import json
import threading
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tokenizers import Tokenizer

from curation.export.settings import ExportError, ExportSettingsError

_CHUNK_BYTES = 1 << 20
"""Text that the library is given at once: what it builds on the way takes a hundred times the room of the ids."""

_USUAL_EOS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eos|>", "<｜end▁of▁sentence｜>", "[EOS]")
"""What tokenizers call the end of a text, where nothing beside them says so."""


@dataclass(frozen=True)
class Encoded:
    """Token ids of some texts.

    Attributes:
        ids: uint32, of all texts, one after the other.
        lengths: int64[n]; ids of each text.
        failed: numbers of the texts that the library could not tokenize (they have no ids) and what it said.
    """

    ids: NDArray[np.uint32]
    lengths: NDArray[np.int64]
    failed: Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class ExportTokenizer:
    """A fast tokenizer with the special tokens that stand around documents.

    Attributes:
        content: the bytes of its `tokenizer.json`.
        name: how the user named it.
        eos: the token behind every document.
        bos: the token before every document; None for none.
        pad: the token that fills rows; None for the end-of-text token.

    Raises:
        ExportError: the file is no tokenizer, or draws at random.
        ExportSettingsError: the tokenizer has no such token.
    """

    content: bytes = field(repr=False)
    name: str
    eos: str
    bos: str | None = None
    pad: str | None = None

    def __post_init__(self) -> None:
        for token in (self.eos, self.bos, self.pad):
            if token is not None and self.library.token_to_id(token) is None:
                raise ExportSettingsError(
                    f"the tokenizer {self.name} has no token {token!r}; {special_tokens_said(self.library)}"
                )

    @cached_property
    def library(self) -> Tokenizer:
        """The tokenizer as the library knows it, with nothing that changes or shortens what it is given."""
        return open_library(self.content, self.name)

    @cached_property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def vocab_size(self) -> int:
        """One more than the largest token id: the rows that an embedding needs."""
        return max(self.library.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    @cached_property
    def special_ids(self) -> dict[str, int | None]:
        """Ids of `bos` (None where none is set before documents), `eos`, `pad` and `unk` (None where there is none)."""
        unk = getattr(self.library.model, "unk_token", None)
        return {
            "bos": None if self.bos is None else self._id(self.bos),
            "eos": self._id(self.eos),
            "pad": self._id(self.eos if self.pad is None else self.pad),
            "unk": self.library.token_to_id(unk) if isinstance(unk, str) else None,
        }

    def _id(self, token: str) -> int:
        found = self.library.token_to_id(token)
        assert found is not None
        return int(found)

    def token_dtype(self, asked: str | None) -> str:
        """The width of ids on disk.

        Raises:
            ExportSettingsError: the vocabulary does not fit into the width that was asked for.
        """
        if asked == "uint16" and self.vocab_size > 1 << 16:
            raise ExportSettingsError(
                f"the tokenizer {self.name} has ids up to {self.vocab_size - 1:,}, and uint16 holds ids up to 65,535: "
                "leave --token-dtype out, or give uint32"
            )
        return asked or ("uint16" if self.vocab_size <= 1 << 16 else "uint32")

    def encode(self, texts: pa.Array) -> Encoded:
        """Token ids of texts, without special tokens; what looks like a special token in a text is plain text.

        Args:
            texts: strings, no nulls.
        """
        parts: list[bytes] = []
        lengths: list[int] = []
        failed: dict[int, str] = {}
        for start, end in _chunks(texts):
            found = self._encode(texts.slice(start, end - start).to_pylist(), start, failed)
            parts.append(b"".join(found))
            lengths += [len(ids) for ids in found]
        return Encoded(np.frombuffer(b"".join(parts), np.uint32), np.array(lengths, np.int64), failed)

    def _encode(self, texts: list[str], start: int, failed: dict[int, str]) -> list["array[int]"]:
        try:
            encodings = self.library.encode_batch_fast(texts, add_special_tokens=False)
        except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
            if len(texts) == 1:
                failed[start] = str(error)
                return [array("I")]
            return [ids for i, text in enumerate(texts) for ids in self._encode([text], start + i, failed)]
        # An array takes a list at 4 ns a token; NumPy takes 13, and from the Python side the ids come as lists only.
        return [array("I", encoding.ids) for encoding in encodings]


def _chunks(texts: pa.Array) -> list[tuple[int, int]]:
    """Ranges of texts of about `_CHUNK_BYTES`, at least one text each."""
    if not len(texts):
        return []
    ends = np.cumsum(np.asarray(pc.binary_length(texts), np.int64))
    firsts = np.flatnonzero(np.diff(ends // _CHUNK_BYTES, prepend=-1))
    bounds = [*firsts.tolist(), len(texts)]
    return list(pairwise(bounds))


def open_library(content: bytes, name: str) -> Tokenizer:
    """The tokenizer of a file, without truncation and padding; what looks like a special token is plain text to it.

    Raises:
        ExportError: the file is no tokenizer, or draws at random.
    """
    try:
        settings = json.loads(content)
        dropout = (settings.get("model") or {}).get("dropout")
        library = Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises nothing narrower
        raise ExportError(
            f"{name} is no tokenizer of the `tokenizers` library ({error}): give the tokenizer.json of a fast tokenizer"
        ) from error
    if dropout:
        raise ExportError(
            f"the tokenizer {name} drops merges at random (dropout {dropout}), so that no two exports would be the "
            'same: set "dropout" to null in its tokenizer.json'
        )
    library.no_truncation()
    library.no_padding()
    library.encode_special_tokens = True
    return library


def special_tokens_said(library: Tokenizer) -> str:
    """Which special tokens a tokenizer has, for error messages."""
    special = [token.content for _, token in sorted(library.get_added_tokens_decoder().items()) if token.special]
    if not special:
        return "it has no special tokens at all"
    return "its special tokens are " + ", ".join(special[:20]) + (", ..." if len(special) > 20 else "")


def usual_eos(library: Tokenizer, said: str | None) -> str | None:
    """The end-of-text token: what a file beside the tokenizer names, else one of the usual, if just one is there.

    Args:
        library: the tokenizer.
        said: what the file beside it says.
    """
    if said is not None and library.token_to_id(said) is not None:
        return said
    found = [token for token in _USUAL_EOS if library.token_to_id(token) is not None]
    return found[0] if len(found) == 1 else None


_lock = threading.Lock()
_open: dict[tuple[str, str, str | None, str | None], ExportTokenizer] = {}


def opened_once(content: bytes, name: str, eos: str, bos: str | None, pad: str | None) -> ExportTokenizer:
    """The tokenizer, opened once per process however many tasks ask for it."""
    key = (hashlib.sha256(content).hexdigest(), eos, bos, pad)
    with _lock:
        if key not in _open:
            _open.clear()
            _open[key] = ExportTokenizer(content=content, name=name, eos=eos, bos=bos, pad=pad)
            _ = _open[key].library
        return _open[key]


def said_token(settings: Mapping[str, Any], name: str) -> str | None:
    """A special token from the content of a tokenizer_config.json or special_tokens_map.json."""
    value = settings.get(name)
    if isinstance(value, Mapping):
        value = value.get("content")
    return value if isinstance(value, str) and value else None
