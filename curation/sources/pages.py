"""WARC and WET files to pieces: a document for each page or converted text, and the place it can be found again."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

from curation.sources.extraction import extract_page
from curation.sources.http_response import HttpResponse, parse_response
from curation.sources.listing import SourceFile
from curation.sources.members import read_members
from curation.sources.piece import PIECE_BYTES, Piece, Rejected, to_documents
from curation.sources.record import RecordFault
from curation.sources.settings import Ingest
from curation.sources.unpack import RawStream
from curation.sources.warc import WarcRecord, read_records

_HTML = ("text/html", "application/xhtml+xml")
_KEPT_HEADERS = ("content-language", "last-modified", "x-robots-tag")
_KEPT_FIELDS = {
    "warc-date": "crawl_date",
    "warc-type": "warc_type",
    "warc-refers-to": "refers_to",
    "warc-payload-digest": "payload_digest",
    "warc-truncated": "truncated",
    "warc-identified-content-language": "identified_languages",
}
_STATUS_OK = range(200, 300)


def read_warc(raw: RawStream, file: SourceFile, config: Ingest) -> Iterator[Piece]:
    """Read a WARC or WET file. The first record of the file is record 1, of whatever type.

    Pages are in records of type `response` and `resource`, texts in `conversion`. Records of other types are counted
    (`Piece.skipped`) and passed over, as they are no pages. `record_id` is WARC-Record-ID.

    Args:
        raw: the file's stored bytes.
        file: the file.
        config: extractor and limits.
    """
    rows = _Pages(file, config)
    members = read_members(raw, file.packing, config.limits)
    num_bytes = file.size if file.packing == "plain" and file.size else None
    for record in read_records(members, config.limits, packed=file.packing == "gzip", num_bytes=num_bytes):
        if isinstance(record, Rejected):
            rows.rejected.append(record)
        else:
            rows.add(record)
        if rows.num_bytes >= PIECE_BYTES:
            yield rows.piece()
            rows = _Pages(file, config)
    yield rows.piece()


class _Pages:
    """Documents of one file, until they are enough for a piece."""

    def __init__(self, file: SourceFile, config: Ingest) -> None:
        self._file = file
        self._config = config
        self._rows: list[tuple[int, str, str | None, str | None, bytes]] = []
        self._skipped: Counter[str] = Counter()
        self.rejected: list[Rejected] = []
        self.num_bytes = 0

    def add(self, record: WarcRecord) -> None:
        """Make a document of a record, or say why not."""
        self.num_bytes += len(record.block)
        kind = record.headers.get("warc-type", "").lower()
        if kind not in ("response", "resource", "conversion"):
            self._skipped[kind or "without a type"] += 1
            return
        try:
            text, found = self._text(record, kind)
        except RecordFault as fault:
            raw = bytes(record.block[: self._config.limits.max_raw_bytes])
            url = record.headers.get("warc-target-uri", "no address")
            self.rejected.append(Rejected(record.number, fault.reason, f"{fault.detail} ({url[:200]})", raw))
            return
        url = record.headers.get("warc-target-uri", "").removeprefix("<").removesuffix(">")
        metadata = orjson.dumps(_metadata(record) | found, None, orjson.OPT_SORT_KEYS)
        self._rows.append((record.number, text, record.headers.get("warc-record-id"), url or None, metadata))

    def _text(self, record: WarcRecord, kind: str) -> tuple[str, dict[str, Any]]:
        if kind == "conversion":
            return _converted(record)
        response = _response(record, kind, self._config)
        content_type = response.headers.get("content-type", "")
        if response.status not in _STATUS_OK:
            raise RecordFault("http.status", f"the server answered with status {response.status}, not with the page")
        if not _is_html(content_type):
            raise RecordFault("html.not_html", f"its content type is {content_type[:80]!r}")
        text, charset = extract_page(response.body, self._config.extractor, content_type)
        found: dict[str, Any] = {"charset": charset, "content_type": content_type}
        if kind == "response":
            kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
            found |= {"http_status": response.status, "http_headers": kept}
        return text, found

    def piece(self) -> Piece:
        """What has been read so far."""
        return Piece(len(self._rows), self.rejected, self.num_bytes, self._build, self._skipped)

    def _build(self) -> pa.RecordBatch:
        numbers, texts, record_ids, urls, metadata = zip(*self._rows, strict=True) if self._rows else ([],) * 5
        return to_documents(
            self._file.name,
            list(numbers),
            pa.array(texts, pa.string()),
            pa.array(record_ids, pa.string()),
            pa.array([self._file.source] * len(numbers), pa.string()),
            pa.array(urls, pa.string()),
            pa.array(metadata, pa.string()),
        )


def _converted(record: WarcRecord) -> tuple[str, dict[str, Any]]:
    """The text of a conversion record, which the standard's users write in UTF-8."""
    content_type = record.headers.get("content-type", "text/plain")
    if not content_type.lower().startswith("text/plain"):
        raise RecordFault("text.not_a_string", f"a conversion to {content_type[:80]!r}, expected text/plain")
    try:
        text = str(record.block, "utf-8")
    except UnicodeDecodeError as error:
        raise RecordFault("text.invalid_utf8", f"byte {error.start} of the text is not UTF-8") from error
    if not text.strip():
        raise RecordFault("text.empty", "the record holds no text")
    return text, {"charset": "utf-8", "content_type": content_type}


def _response(record: WarcRecord, kind: str, config: Ingest) -> HttpResponse:
    if kind == "response" and not record.headers.get("warc-target-uri", "").lower().lstrip("<").startswith("dns:"):
        is_cut = "warc-truncated" in record.headers
        return parse_response(record.block, max_bytes=config.limits.max_record_bytes, is_cut=is_cut)
    return HttpResponse(200, {"content-type": record.headers.get("content-type", "")}, bytes(record.block))


def _is_html(content_type: str) -> bool:
    """Whether a page may be HTML by its type; one without a type is looked into."""
    kind = content_type.partition(";")[0].strip().lower()
    return not kind or kind in _HTML


def _metadata(record: WarcRecord) -> dict[str, Any]:
    """Where a record is, and what its own header says of it."""
    found: dict[str, Any] = {
        name: record.headers[field] for field, name in _KEPT_FIELDS.items() if field in record.headers
    }
    found |= {"record_offset": record.offset, "record_num_bytes": record.num_bytes}
    if record.inner_offset:
        found["record_inner_offset"] = record.inner_offset
    return found
