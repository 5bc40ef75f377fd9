"""Job: documents -> signals. Only documents that have not been measured with these settings are read."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from curation.measure import measured, measured_name
from curation.signals.signal import other_columns
from jobs.edit_documents import check_edited
from jobs.lake_figures import num_rows, total
from jobs.stage import StageResult, Work, Written, identity, record, stage_key, timed, up_to_date


def measure(work: Work) -> StageResult:
    """Measure every document that is not measured yet, and forget documents that are no more."""
    lake, recipe = work.lake, work.recipe
    documents = lake.read("documents")
    check_edited(work)
    key = stage_key(recipe, "measure", {"documents": identity(lake, "documents")})
    if up_to_date(lake, "signals", "measure", key):
        return StageResult("measure", skipped=True)
    settings = stage_key(recipe, "measure", {})

    def body(written: Written) -> None:
        def info() -> dict[str, Any]:
            return record(work, "measure", {"measure": key, "settings": settings}, ("documents",), written)

        if not up_to_date(lake, "signals", "settings", settings):
            written.num_rows = num_rows(lake, "documents")
            with work.display.stage("measure", written.num_rows):
                lake.write("signals", measured(recipe.signals)(documents), info=info())
        else:
            _add_new(work, written, info)
        written.num_bytes = total(lake, "signals", "num_bytes") - written.carried_bytes

    return timed("measure", body)


def _add_new(work: Work, written: Written, info: Callable[[], dict[str, Any]]) -> None:
    lake = work.lake
    documents, signals = lake.read("documents"), lake.read("signals")
    others = other_columns(work.recipe.signals)
    wanted = _keyed(documents, {column: column for column in others})
    present = _keyed(signals, {column: measured_name(column) for column in others})
    new = _without_keys(wanted.join(_keys(present), _keys(present).columns, "left_anti"))
    stale = present.join(_keys(wanted), _keys(wanted).columns, "left_anti").count()
    still_there = signals
    if stale:
        still_there = _without_keys(present.join(_keys(wanted), _keys(wanted).columns, "left_semi"))
    written.num_rows, written.carried_bytes = new.count(), _text_bytes(still_there)
    written.notes.append(f"{written.num_rows} new documents measured, {stale} old rows removed")
    rows = measured(work.recipe.signals)(new)
    with work.display.stage("measure", written.num_rows):
        if stale or not written.num_rows:  # Sail makes no commit where it appends nothing
            lake.write("signals", still_there.unionByName(rows), info=info())
        else:
            lake.write("signals", rows, info=info(), mode="append")


def _keyed(frame: DataFrame, columns: Mapping[str, str]) -> DataFrame:
    """`frame` with a key column, never null, for each column that is measured beside the text."""
    for column, name in columns.items():
        frame = frame.withColumn(f"_key_{column}", _never_null(F.col(name)))
    return frame


def _never_null(value: Column) -> Column:
    return F.coalesce(F.concat(F.lit("="), value), F.lit(""))


def _keys(frame: DataFrame) -> DataFrame:
    return frame.select("doc_id", "content_hash", *(name for name in frame.columns if name.startswith("_key_")))


def _without_keys(frame: DataFrame) -> DataFrame:
    return frame.select(*(name for name in frame.columns if not name.startswith("_key_")))


def _text_bytes(signals: DataFrame) -> int:
    return int(signals.agg(F.sum("num_bytes")).collect()[0][0] or 0)


if __name__ == "__main__":
    from jobs.cli import main

    main(["measure", *sys.argv[1:]])
