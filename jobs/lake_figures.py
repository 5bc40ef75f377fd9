"""Figures of whole tables, from Delta's log or one column of the files where these are at hand, else by the engine."""

from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyspark.sql import functions as F

from jobs.lake import Lake


def num_rows(lake: Lake, table: str) -> int:
    """Rows of a table as it is now. Its log knows them: no file is opened."""
    if lake.is_local:
        files = pa.table(DeltaTable(lake.location(table)).get_add_actions(flatten=True))
        if "num_records" in files.column_names and not files["num_records"].null_count:
            return int(pc.sum(files["num_records"]).as_py() or 0)
    return int(lake.read(table).count())


def total(lake: Lake, table: str, column: str) -> int:
    """Sum of a column of whole numbers, nulls left out."""
    if lake.is_local:
        with suppress(DeltaError):  # a table that uses what only the engine understands
            batches = DeltaTable(lake.location(table)).to_pyarrow_dataset().to_batches(columns=[column])
            return sum(int(pc.sum(batch.column(0)).as_py() or 0) for batch in batches)
    return int(lake.read(table).agg(F.sum(column)).collect()[0][0] or 0)
