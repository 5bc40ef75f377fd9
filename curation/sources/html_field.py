"""Pages in a column to their main text: what the readers of JSONL and Parquet do with `html_field`."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa

from curation.sources.extraction import extract_page
from curation.sources.piece import COLUMNS, Piece, Rejected, hashes
from curation.sources.record import RecordFault
from curation.sources.settings import Ingest


def extract_texts(pages: pa.Array, config: Ingest) -> tuple[pa.Array, dict[int, RecordFault]]:
    """The texts of pages as a string array, and by row why a page has none; those rows are null, as null pages are.

    Args:
        pages: strings or bytes.
        config: extractor and limits.
    """
    texts: list[str | None] = []
    faults: dict[int, RecordFault] = {}
    if pa.types.is_dictionary(pages.type):
        pages = pages.dictionary_decode()
    # As bytes also where they are text: Parquet's readers do not check that it is UTF-8.
    for row, data in enumerate(_each(pages.cast(pa.large_binary()))):
        try:
            texts.append(None if data is None else _extracted(data, config))
        except RecordFault as fault:
            texts.append(None)
            faults[row] = fault
    return pa.array(texts, pa.string()), faults


def _each(pages: pa.Array) -> Iterator[bytes | None]:
    """The values of a large_binary array, each copied once; Arrow's own scalars copy twice."""
    ends = np.frombuffer(pages.buffers()[1], np.int64)[pages.offset : pages.offset + len(pages) + 1].tolist()
    content = memoryview(pages.buffers()[2] or b"")
    for is_there, (start, end) in zip(pages.is_valid().to_pylist(), pairwise(ends), strict=True):
        yield content[start:end].tobytes() if is_there else None


def extracted(pieces: Iterator[Piece], config: Ingest) -> Iterator[Piece]:
    """Pieces whose texts are pages, as pieces of the pages' texts."""
    for piece in pieces:
        documents = piece.build()
        texts, faults = extract_texts(documents.column("text"), config)
        rejected = [
            Rejected(record, faults[row].reason, faults[row].detail, page[: config.limits.max_raw_bytes])
            for row in faults
            for record in [documents.column("origin")[row]["record"].as_py()]
            for page in [documents.column("text")[row].as_buffer().to_pybytes()]
        ]
        kept = np.setdiff1d(np.arange(len(documents)), list(faults))
        yield replace(
            piece,
            num_documents=len(kept),
            rejected=[*piece.rejected, *rejected],
            build=_Kept(documents, texts, pa.array(kept, pa.int64())).build,
        )


class _Kept:
    """The rows of a batch that have a text now."""

    def __init__(self, documents: pa.RecordBatch, texts: pa.Array, kept: pa.Array) -> None:
        self._documents, self._texts, self._kept = documents, texts, kept

    def build(self) -> pa.RecordBatch:
        columns = {name: self._documents.column(name).take(self._kept) for name in COLUMNS.names}
        columns["text"] = self._texts.take(self._kept)
        columns["content_hash"] = pa.array(hashes(columns["text"]), pa.string())
        return pa.RecordBatch.from_arrays([columns[name] for name in COLUMNS.names], schema=COLUMNS)


def _extracted(page: bytes, config: Ingest) -> str:
    if len(page) > config.limits.max_record_bytes:
        raise RecordFault(
            "record.too_large", f"the page has {len(page)} bytes, more than {config.limits.max_record_bytes}"
        )
    return extract_page(page, config.extractor)[0]
