"""What a lake holds, and whether two lakes hold the same."""

import json
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

Content = dict[str, pa.Table]

KEYS = {
    "documents": ["doc_id"],
    "quarantine": ["file", "record", "reason"],
    "files": ["name"],
    "signals": ["doc_id"],
    "clusters": ["doc_id"],
    "decisions": ["doc_id"],
}


def content(lake: Path) -> Content:
    """What the tables of a lake hold, in a fixed order; checks on the way that no row stands twice.

    `ingest_id` names the run that read a file and may differ; that every row has the one of its file is checked.
    """
    tables: Content = {}
    for name, key in KEYS.items():
        try:
            found = DeltaTable(str(lake / name)).to_pyarrow_table()
        except TableNotFoundError:
            continue
        if "origin" in found.column_names:
            for part in ("file", "record"):
                found = found.append_column(part, pc.struct_field(found["origin"], part))
            found = found.drop_columns(["origin"])
        found = found.select(sorted(found.column_names)).sort_by([(column, "ascending") for column in key])
        # Sail marks literals as never null, Spark does not.
        tables[name] = found.cast(pa.schema([field.with_nullable(True) for field in found.schema]))
        rows = found.group_by(key).aggregate([([], "count_all")])
        if rows.num_rows != found.num_rows:
            twice = rows.filter(pc.greater(rows["count_all"], 1)).slice(0, 3).to_pylist()
            raise AssertionError(f"{name}: rows stand twice, for instance {twice}")
    return tables


def compare(found: Content, expected: Content, what: str) -> None:
    """Raise where two lakes do not hold the same."""
    if set(found) != set(expected):
        raise AssertionError(f"{what}: tables {sorted(found)}, expected {sorted(expected)}")
    ids = dict(zip(found["files"]["name"].to_pylist(), found["files"]["ingest_id"].to_pylist(), strict=True))
    for name in ("documents", "quarantine"):
        for file, ingest_id in zip(*(found[name][column].to_pylist() for column in ("file", "ingest_id")), strict=True):
            if ids[file] != ingest_id:
                raise AssertionError(f"{what}: {name} holds rows of {file} by {ingest_id}, the ledger says {ids[file]}")
    for name, table in expected.items():
        kept = [column for column in table.column_names if column != "ingest_id"]
        if not found[name].select(kept).equals(table.select(kept)):
            raise AssertionError(f"{what}: {name} differs: {_difference(found[name], table, kept)}")


def _difference(found: pa.Table, expected: pa.Table, columns: list[str]) -> str:
    if found.num_rows != expected.num_rows:
        return f"{found.num_rows} rows, expected {expected.num_rows}"
    for column in columns:
        for number, (one, other) in enumerate(
            zip(found[column].to_pylist(), expected[column].to_pylist(), strict=True)
        ):
            if one != other:
                return f"row {number}, {column}: {str(one)[:200]}, expected {str(other)[:200]}"
    return f"types {found.schema} and {expected.schema}"


def check_readable(lake: Path) -> None:
    """Raise where a table cannot be read or holds a row twice, or a report is not whole: at no moment may that be."""
    content(lake)
    report = lake / "report.html"
    if report.exists() and not report.read_text().rstrip().endswith("</html>"):
        raise AssertionError(f"{report} is half a page")


def check_clean(lake: Path) -> None:
    """Raise where a finished run left anything that belongs to no commit."""
    left = [str(path.relative_to(lake)) for path in (lake / "_scratch").rglob("*")]
    left += [path.name for path in lake.glob(".report*")]
    for name in KEYS:
        log = [json.loads(line) for path in (lake / name / "_delta_log").glob("*.json") for line in path.open()]
        named = {unquote(action["add"]["path"]) for action in log if "add" in action}
        for path in (lake / name).glob("*.parquet*"):
            belongs_to = path.name.removeprefix(".").removesuffix(".crc")  # a checksum of Hadoop's
            if belongs_to not in named and not _is_empty(path.with_name(belongs_to)):
                left.append(f"{name}/{path.name}")
    if left:
        raise AssertionError(f"{lake} holds files of no commit: {', '.join(left[:5])}")


def _is_empty(path: Path) -> bool:
    """Whether a Parquet file has no row; Spark writes such files and leaves them out of the commit."""
    return path.exists() and bool(pq.read_metadata(path).num_rows == 0)
