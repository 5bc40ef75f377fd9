"""Job: evaluation sets (JSONL, Parquet) -> one file of items that documents are compared with."""

import gzip
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from curation.printable import one_line
from curation.signals.contamination_index import ContaminationError, ContaminationIndex, EvaluationItem
from jobs.page_file import write_file

USUAL_FIELDS = (("question", "choices"), ("prompt", "completion"), ("instruction", "input", "output"), ("text",))
"""Fields that are taken where none are named: the first of these groups whose fields the first record has."""

_SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".json.gz", ".parquet")


def read_items(
    files: Sequence[str | Path], *, fields: Sequence[str] = (), id_field: str = "id", set_field: str | None = None
) -> list[EvaluationItem]:
    """The items of some files, each a record.

    Args:
        files: JSONL (plain or gzip) or Parquet files; a folder stands for those in it.
        fields: fields whose texts are put together, a list by its parts; none: see `USUAL_FIELDS`.
        id_field: names an item; where it is not there, the record's number does.
        set_field: names the set of an item; None: the file's name does.

    Raises:
        ContaminationError: a file cannot be read, or a record lacks a field.
    """
    found: list[EvaluationItem] = []
    for path in _listed(files):
        name = path.name.partition(".")[0]
        taken: Sequence[str] = fields
        for number, record in enumerate(_records(path), start=1):
            where = f"{path}, record {number}"
            taken = taken or _usual(record, where)
            given = {set_field, *taken} - {None}
            missing = sorted(str(one) for one in given if record.get(str(one)) is None)
            if missing:
                raise ContaminationError(
                    f"{where} has no {', '.join(missing)}: its fields are {', '.join(sorted(record))}; name those to "
                    "take by --field"
                )
            text = " ".join(_text(record[one], f"{where}, field {one}") for one in taken)
            found.append(
                EvaluationItem(
                    name if set_field is None else str(record[set_field]), str(record.get(id_field, number)), text
                )
            )
    return found


def index_evaluation_sets(
    items: Sequence[EvaluationItem], to: str | Path, *, size: int = 13, least_words: int = 8
) -> ContaminationIndex:
    """Write the index of some items; under its name it is there whole or not at all.

    Raises:
        ContaminationError: there are no items that can be looked for, a size is out of bounds, or it cannot be written.
    """
    index = ContaminationIndex(items=tuple(items), size=size, least_words=least_words)
    if len(index.too_short) == len(items):
        raise ContaminationError(
            f"none of the {len(items)} items has {least_words} words or more, so that nothing can be looked for: take "
            "more fields of each (--field)"
        )
    write_file(index.to_bytes(), Path(to), ContaminationError, "the index")
    return index


def show_index(index: ContaminationIndex, to: str | Path, console: Console) -> None:
    """Print what an index holds, and how a recipe names it."""
    items, short = Counter(one.evaluation_set for one in index.items), Counter[str]()
    for number in index.too_short:
        short[index.items[number].evaluation_set] += 1
    table = Table(title="Evaluation items", title_justify="left", title_style="bold")
    table.add_column("set")
    table.add_column("items", justify="right")
    table.add_column(f"below {index.least_words} words, not looked for", justify="right")
    for name, count in sorted(items.items()):
        table.add_row(one_line(name), f"{count:,}", f"{short[name]:,}")
    console.print(table)
    console.print(f"Index: {to}, {index.size} words to an n-gram", soft_wrap=True)
    console.print("In a recipe (with rules=(*contamination.rules(),)):")
    console.print(f"  contamination.Contamination.of({str(to)!r})", markup=False, highlight=False, soft_wrap=True)


def _listed(files: Sequence[str | Path]) -> Iterator[Path]:
    for one in map(Path, files):
        inside = sorted(path for path in one.glob("*") if path.name.endswith(_SUFFIXES)) if one.is_dir() else [one]
        if not inside:
            raise ContaminationError(f"{one} holds no file of {', '.join(_SUFFIXES)}")
        for path in inside:
            if not path.is_file():
                raise ContaminationError(f"there is no file {path}")
            if not path.name.endswith(_SUFFIXES):
                raise ContaminationError(f"{path} is not one of {', '.join(_SUFFIXES)}")
            yield path


def _records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        if path.suffix == ".parquet":
            for batch in pq.ParquetFile(path).iter_batches():
                yield from batch.to_pylist()
            return
        content = path.read_bytes()
        lines = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, pa.ArrowInvalid) as error:
        raise ContaminationError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ContaminationError(f"{path}, line {number} is no JSON: {error}") from error
        if not isinstance(record, dict):
            raise ContaminationError(f"{path}, line {number} is no JSON object")
        yield record


def _usual(record: dict[str, Any], where: str) -> tuple[str, ...]:
    for group in USUAL_FIELDS:
        if all(record.get(name) is not None for name in group):
            return group
    raise ContaminationError(
        f"{where} has none of the usual fields ({'; '.join(', '.join(one) for one in USUAL_FIELDS)}): its fields are "
        f"{', '.join(sorted(record))}; name those to take by --field"
    )


def _text(value: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    raise ContaminationError(f"{where} is {type(value).__name__}: expected text, or a list of texts")


if __name__ == "__main__":
    from jobs.cli import main

    main(["index-evaluation", *sys.argv[1:]])
