"""What an export depends on besides the tables and the tokenizer."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from curation.errors import FlagError, WinnowError

Packing = Literal["best_fit", "concat", "none"]

ONE_DOMAIN = "all"
"""Name of the only domain where `domain` is `one`."""
NO_DOMAIN = "(none)"
"""Domain of documents without the metadata field that names it."""

LONGEST_ROW = 1 << 20
LARGEST_SEED = (1 << 63) - 1


class ExportError(WinnowError):
    """An export that cannot be made, or that is not whole."""


class ExportSettingsError(ExportError, FlagError):
    """Settings or flags of an export that contradict each other or make no sense."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """How kept documents become rows.

    Attributes:
        row_length: tokens of a row, 16 to 2**20.
        packing: `best_fit` puts whole documents together and cuts only those longer than a row; `concat` lets documents
            run on from row to row; `none` gives each document (or each piece of a row's length) a row of its own.
        eval_share: share of the documents that is held out, 0 <= share < 1; duplicates of one cluster go together.
        domain: what divides the shards: `source`, `metadata.<field>`, or `one` for no division.
        seed: chooses the draws (repeats, held-out documents) and the order.
        shard_bytes: text that a shard holds, about; UTF-8 bytes.
        token_dtype: width of a token id; None: uint16 where the vocabulary fits.

    Raises:
        ExportSettingsError: a value is out of its range.
    """

    row_length: int = 2048
    packing: Packing = "best_fit"
    eval_share: float = 0.01
    domain: str = "source"
    seed: int = 1
    shard_bytes: int = 64 << 20
    token_dtype: Literal["uint16", "uint32"] | None = None

    def __post_init__(self) -> None:
        if not 16 <= self.row_length <= LONGEST_ROW:
            raise ExportSettingsError(f"a row has 16 to {LONGEST_ROW:,} tokens, got {self.row_length}")
        if self.packing not in get_args(Packing):
            raise ExportSettingsError(f"unknown packing {self.packing!r}: expected {', '.join(get_args(Packing))}")
        if not 0 <= self.eval_share < 1:
            raise ExportSettingsError(f"the share that is held out is at least 0 and below 1, got {self.eval_share}")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ExportSettingsError(f"a seed is a number from 0 to 2**63 - 1, got {self.seed}")
        if self.shard_bytes < 1 << 10:
            raise ExportSettingsError(f"a shard holds at least 1024 bytes of text, got {self.shard_bytes}")
        if self.domain not in ("source", "one") and not re.fullmatch(r"metadata\.\S.*", self.domain):
            raise ExportSettingsError(
                f"unknown division {self.domain!r}: expected source, one, or metadata.FIELD with a field of the records"
            )
        if self.token_dtype not in (None, "uint16", "uint32"):
            raise ExportSettingsError(f"a token id is uint16 or uint32, got {self.token_dtype!r}")

    @property
    def metadata_field(self) -> str | None:
        """The metadata field that names the domain, if one does."""
        return self.domain.removeprefix("metadata.") if self.domain.startswith("metadata.") else None
