"""What an edit is: a batch of texts in, what is to be cut out of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from curation.text.batch import TextBatch

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Cuts:
    """Pieces to be cut out of the texts of a batch, and what is put in their places.

    In order, none of them overlaps another or reaches over the end of its document; a piece may be empty.

    Attributes:
        document: int64[m]; the text's number in the batch.
        start: int64[m]; first byte in `TextBatch.data`.
        end: int64[m]; byte after the last.
        put: int64[m]; number in `puts` of what takes the piece's place.
        puts: texts; the first is empty.
    """

    document: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    put: NDArray[np.int64]
    puts: tuple[str, ...] = ("",)

    def __len__(self) -> int:
        """Number of pieces."""
        return len(self.document)


@runtime_checkable
class Edit(Protocol):
    """A named change of texts, each text by itself. Implementations are frozen, keyword-only dataclasses.

    The fields are the settings that change the result, nothing else, all of them plain JSON values.
    """

    @property
    def name(self) -> str:
        """Name by which `documents.cuts` tells what the edit cut."""
        ...

    def open(self) -> None:
        """Load what editing needs, once per process. Calling it again costs nothing."""
        ...

    def cuts(self, batch: TextBatch) -> Cuts:
        """What is to be cut out of each text of `batch`."""
        ...


@runtime_checkable
class CorpusEdit(Protocol):
    """A named change of texts that depends on the other texts. Implementations are as those of `Edit`."""

    @property
    def name(self) -> str:
        """Name by which `documents.cuts` tells what the edit cut."""
        ...

    def spans(self, documents: "DataFrame") -> "DataFrame":
        """What is to be cut out of each document.

        Args:
            documents: doc_id (string), text (string).

        Returns:
            doc_id (string), spans (array<struct<start: int, end: int>>): bytes of the UTF-8 text, in order and without
            overlap; documents of which nothing is cut may be left out.
        """
        ...
