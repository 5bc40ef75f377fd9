"""Whether the texts of a lake still give the tokens that stand in a row, and from where on they do not."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from curation.export.tokenizer import open_library


@dataclass(frozen=True)
class Retokenizer:
    """The tokenizer beside the shards, as the export used it.

    Attributes:
        content: the bytes of its file.
        described: what the manifest says of the export's tokenizer.
    """

    content: bytes
    described: Mapping[str, Any]

    @classmethod
    def beside(cls, folder: Path, manifest: Mapping[str, Any]) -> "Retokenizer":
        """The tokenizer in an export's folder."""
        return cls((folder / manifest["tokenizer"]["file"]).read_bytes(), manifest["tokenizer"])

    @cached_property
    def library(self) -> Tokenizer:
        """The tokenizer as its library knows it."""
        return open_library(self.content, self.described["file"])

    @property
    def is_the_exports(self) -> bool:
        """Whether it is the file that the export was made with."""
        expected: str = self.described["sha256"]
        return hashlib.sha256(self.content).hexdigest() == expected

    def tokens(self, text: str) -> list[int]:
        """The tokens of a document, special tokens around it included."""
        special = self.described["special_ids"]
        ids = self.library.encode(text, add_special_tokens=False).ids
        return [*([] if special["bos"] is None else [special["bos"]]), *ids, special["eos"]]

    def difference(self, piece: tuple[int, ...], start: int, offset: int, text: str) -> dict[str, Any] | None:
        """The first token of a piece that the document's text does not give; None where all are as it gives them.

        Args:
            piece: the tokens in the shard.
            start: the piece's first token in the row.
            offset: the piece's first token in the document.
            text: the document's text.

        Returns:
            `token` and `document_token`, its place in the row and in the document; `in_shard` and `from_text`, the ids
            (the latter None where the document ends before it) and `in_shard_text` and `from_text_text`, what they say.
        """
        given = self.tokens(text)[offset : offset + len(piece)]
        for place, (here, there) in enumerate(zip_longest(piece, given)):
            if here != there:
                return {
                    "token": start + place,
                    "document_token": offset + place,
                    "in_shard": here,
                    "from_text": there,
                    "in_shard_text": self._said(here),
                    "from_text_text": self._said(there),
                }
        return None

    def _said(self, token: int | None) -> str | None:
        return None if token is None else self.library.decode([token], skip_special_tokens=False)


def agreement_said(difference: Mapping[str, Any] | None) -> str:
    """What is said of a piece: whether the lake's text gives its tokens."""
    if difference is None:
        return "as the lake's text gives them"
    gives = f"token {difference['from_text']} ({difference['from_text_text']!r})"
    return (
        f"NOT what the lake's text gives: the first difference is at token {difference['token']:,} of the row, token "
        f"{difference['document_token']:,} of the document, where {difference['in_shard']} "
        f"({difference['in_shard_text']!r}) stands and the text gives "
        + ("no further token" if difference["from_text"] is None else gives)
    )


def warning_of(differences: list[Mapping[str, Any] | None], versions: Mapping[str, Any], *, same: bool) -> str | None:
    """What is to be said above all pieces; None where nothing is.

    Args:
        differences: of each piece.
        versions: the versions of the tables that were read.
        same: whether the tokenizer is the export's.
    """
    changed = sum(difference is not None for difference in differences)
    if same and not changed:
        return None
    reasons = []
    if not same:
        reasons.append("the tokenizer beside the shards is another than the one that the manifest names")
    if changed:
        reasons.append(
            f"{changed} of {len(differences)} pieces are not what the documents at version {versions['documents']} "
            "give now" + (": the lake was made anew or is another, or the tokenizer's library has changed" * same)
        )
    return "; ".join(reasons)
