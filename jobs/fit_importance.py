"""Job: a source and some targets (JSONL, Parquet, Delta, WARC) -> one file of counts that documents are weighed by."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from curation.printable import one_line
from curation.signals.importance_counts import SOURCE, CorpusCounts, ImportanceCounts, ImportanceError, count_corpus
from curation.sources.listing import find_files
from curation.sources.piece import Rejected
from curation.sources.settings import Ingest
from curation.sources.unpack import FileFaultError
from curation.sources.work import read_here
from curation.text.batch import TextBatch
from jobs.page_file import write_file


@dataclass
class LeftOut:
    """What could not be read: how many records and files, and the first of them.

    Attributes:
        count: records, and files of which the rest could not be read.
        example: the first, for people; empty if there is none.
    """

    count: int = 0
    example: str = field(default="")

    def add(self, file: str, rejected: Rejected) -> None:
        """Count one."""
        where = file if rejected.record is None else f"{file}, record {rejected.record}"
        self.example = self.example or f"{where}: {rejected.reason}, {rejected.detail}"
        self.count += 1


def fit_importance(
    source: Ingest, targets: Mapping[str, Ingest], to: str | Path, console: Console, *, buckets: int = 10_000
) -> tuple[ImportanceCounts, LeftOut]:
    """Count the features of a source and of targets, and write them; under its name the file is there whole or not.

    Records that cannot be read are left out and counted, as an ingest would quarantine them.

    Args:
        source: what the documents to be weighed are from.
        targets: by name what they should be like.
        to: the file to write.
        console: where progress is shown.
        buckets: how many numbers features are told apart by.

    Raises:
        ImportanceError: a corpus has no token, or the file cannot be written.
        InputError: an input is not there.
    """
    left_out = LeftOut()
    found = [
        count_corpus(name, _texts(name, config, left_out, console), buckets=buckets)
        for name, config in ((SOURCE, source), *targets.items())
    ]
    counts = ImportanceCounts(found[0], tuple(found[1:]))
    write_file(counts.to_bytes(), Path(to), ImportanceError, "the counts")
    return counts, left_out


def _texts(name: str, config: Ingest, left_out: LeftOut, console: Console) -> Iterator[TextBatch]:
    files = find_files(config).files
    for file in track(files, f"Counting {name}", console=console, transient=True):
        try:
            for piece in read_here(file, config):
                for rejected in piece.rejected:
                    left_out.add(file.name, rejected)
                if piece.num_documents:
                    yield TextBatch.from_arrow(piece.build().column("text"))
        except FileFaultError as fault:
            left_out.add(file.name, Rejected(None, fault.reason, fault.detail))


def show_counts(counts: ImportanceCounts, left_out: LeftOut, to: str | Path, console: Console) -> None:
    """Print what was counted, and how a recipe names it."""
    table = Table(title="Corpora", title_justify="left", title_style="bold")
    for name in ("corpus", "documents", "tokens", "tokens of a document"):
        table.add_column(name, justify="left" if name == "corpus" else "right")
    for one in (counts.source, *counts.targets):
        table.add_row(*_cells(one))
    console.print(table)
    if left_out.count:
        console.print(f"{left_out.count:,} could not be read and are left out, such as", markup=False)
        console.print(f"  {one_line(left_out.example, 200)}", markup=False, highlight=False)
    console.print(f"Counts: {to}, {len(counts.source.counts):,} buckets", soft_wrap=True)
    console.print("In a recipe's signals:")
    call = f"redpajama_models.RedPajamaModels.of(importance={str(to)!r})"
    console.print(f"  {call}", markup=False, highlight=False, soft_wrap=True)


def _cells(corpus: CorpusCounts) -> Sequence[str]:
    mean = corpus.num_tokens / max(1, corpus.num_documents)
    return one_line(corpus.name), f"{corpus.num_documents:,}", f"{corpus.num_tokens:,}", f"{mean:,.1f}"


if __name__ == "__main__":
    from jobs.cli import main

    main(["fit-importance", *sys.argv[1:]])
