"""What a signal is: a batch of texts in, named columns out."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import pyarrow as pa

from curation.text.batch import TextBatch


@runtime_checkable
class Signal(Protocol):
    """A named family of measurements of a text. Implementations are frozen, keyword-only dataclasses.

    The fields of the dataclass are the settings that change the numbers, nothing else, all of them plain JSON values.
    A value that is not defined for a text (the mean word length of an empty text) is null, never 0.

    A signal measures the column `text` of `documents`, unless it has an attribute `column` that names another of
    `COLUMNS`; the batch then holds that column's strings.
    """

    @property
    def name(self) -> str:
        """Name of the struct column that holds the measurements, for instance `gopher`."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the measurements. Counts are `num_*`, fractions in [0, 1] are `frac_*`."""
        ...

    def open(self) -> None:
        """Load what measuring needs (a model), once per process. Calling it again costs nothing."""
        ...

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """Measurements of each text of `batch`: as many rows, in the same order, with this signal's schema."""
        ...


@runtime_checkable
class OfEdited(Signal, Protocol):
    """A signal that looks at what edits cut as well; `measure` is for texts that nothing was cut out of."""

    def measure_edited(self, batch: TextBatch, cuts: pa.Array) -> pa.RecordBatch:
        """Measurements of each text of `batch`; `cuts` is `documents.cuts`, a list of `curation.tables.CUT` by text."""
        ...


COLUMNS = ("text", "url")
"""Columns of `documents` that a signal may measure."""


def column_of(signal: Signal) -> str:
    """The column of `documents` that `signal` measures: `text`, or what its attribute `column` says.

    Raises:
        ValueError: it is none of `COLUMNS`.
    """
    column: str = getattr(signal, "column", "text")
    if column not in COLUMNS:
        raise ValueError(f"signal {signal.name!r}: column={column!r} should be one of {', '.join(COLUMNS)}")
    return column


def other_columns(signals: Iterable[Signal]) -> tuple[str, ...]:
    """The columns beside `text` that any of the signals measures, in the order of `COLUMNS`."""
    wanted = {column_of(signal) for signal in signals}
    return tuple(column for column in COLUMNS if column in wanted and column != "text")
