"""Measuring on DataFrames: documents to signals, every text split once for all of them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from curation.progress import advance
from curation.signals.signal import OfEdited, Signal, column_of, other_columns
from curation.tables import SIGNALS
from curation.text.batch import TextBatch


def measured_name(column: str) -> str:
    """Name in `signals` of the copy of a column beside `text`: a row holds for that value of it alone."""
    return f"measured_{column}"


def signals_schema(signals: Sequence[Signal]) -> pa.Schema:
    """Columns of the table `signals`: its keys, the size of the text in bytes, and one struct per signal.

    Where a signal measures another column, `url`, there is a copy of it too, `measured_url`.
    """
    copies = [(measured_name(column), pa.string()) for column in other_columns(signals)]
    return pa.schema([*SIGNALS.schema, *copies, *((signal.name, pa.struct(list(signal.schema))) for signal in signals)])


def measured(signals: Sequence[Signal]) -> Callable[[DataFrame], DataFrame]:
    """A stage: documents (doc_id, content_hash, text, and what the signals ask for beside it) to signals, same rows."""
    chosen = tuple(signals)
    schema = signals_schema(chosen)
    others = other_columns(chosen)
    asked = ["doc_id", "content_hash", "text", *others]
    if any(isinstance(signal, OfEdited) for signal in chosen):
        asked.append("cuts")

    def per_batch(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for signal in chosen:
            signal.open()
        for batch in batches:
            texts = TextBatch.from_arrow(batch.column(2))
            read = {"text": texts} | {column: TextBatch.from_arrow(batch.column(column)) for column in others}
            found = (
                signal.measure_edited(texts, batch.column("cuts"))
                if isinstance(signal, OfEdited)
                else signal.measure(read[column_of(signal)])
                for signal in chosen
            )
            structs = [one.to_struct_array() for one in found]
            advance(len(texts), int(texts.offsets[-1] - texts.offsets[0]))
            keys = [batch.column(column).cast(pa.string()) for column in (0, 1)]
            copies = [batch.column(column).cast(pa.string()) for column in others]
            sizes = pa.array(np.diff(texts.offsets))
            yield pa.RecordBatch.from_arrays([*keys, sizes, *copies, *structs], schema=schema)

    def stage(documents: DataFrame) -> DataFrame:
        return documents.select(*asked).mapInArrow(per_batch, from_arrow_schema(schema))

    return stage
