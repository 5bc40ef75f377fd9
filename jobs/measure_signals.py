"""Job: documents -> signals. Only documents that have not been measured with these settings are read."""

import sys
from collections.abc import Callable
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from curation.measure import measured
from jobs.lake_figures import num_rows, total
from jobs.stage import StageResult, Work, Written, identity, record, stage_key, timed, up_to_date

_KEY = ["doc_id", "content_hash"]


def measure(work: Work) -> StageResult:
    """Measure every document that is not measured yet, and forget documents that are no more."""
    lake, recipe = work.lake, work.recipe
    documents = lake.read("documents")
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
    new = documents.join(signals.select(*_KEY), _KEY, "left_anti")
    stale = signals.join(documents.select(*_KEY), _KEY, "left_anti").count()
    still_there = signals.join(documents.select(*_KEY), _KEY, "left_semi") if stale else signals
    written.num_rows, written.carried_bytes = new.count(), _text_bytes(still_there)
    written.notes.append(f"{written.num_rows} new documents measured, {stale} old rows removed")
    rows = measured(work.recipe.signals)(new)
    with work.display.stage("measure", written.num_rows):
        if stale or not written.num_rows:  # Sail makes no commit where it appends nothing
            lake.write("signals", still_there.unionByName(rows), info=info())
        else:
            lake.write("signals", rows, info=info(), mode="append")


def _text_bytes(signals: DataFrame) -> int:
    return int(signals.agg(F.sum("num_bytes")).collect()[0][0] or 0)


if __name__ == "__main__":
    from jobs.cli import main

    main(["measure", *sys.argv[1:]])
