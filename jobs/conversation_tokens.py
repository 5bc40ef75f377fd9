"""Conversations of many files as tokens: which could be used, and why the others could not."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from curation.export.shard import RowFormat
from curation.progress import advance
from curation.sources.listing import SourceFile
from jobs.conversation_files import Records, dataset_of, read_records
from training.data.chat import Chat, EncodedConversation
from training.data.conversations import conversation_of
from training.data.errors import ConversationError

SCHEMA = pa.schema(
    [
        ("doc_id", pa.string()),
        ("dataset", pa.string()),
        ("file", pa.string()),
        ("record", pa.int64()),
        ("record_id", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("split", pa.string()),
        ("num_messages", pa.int32()),
        ("num_tokens", pa.int32()),
        ("num_supervised_tokens", pa.int32()),
        ("num_special_tokens", pa.int32()),
        ("num_cut_tokens", pa.int32()),
        ("num_bytes", pa.int64()),
    ]
)
"""Columns of the table beside the shards: every conversation that was read, and what became of it."""

Row = dict[str, Any]


@dataclass
class Tokenized:
    """Every conversation that was read, in the order of files and records.

    Attributes:
        rows: by the columns of `SCHEMA`.
        groups: of each row a hash of its messages: what says the same is held out together.
        ids: of each usable conversation its tokens, in the type of the shards; None of the others.
        loss_weights: float16, likewise.
    """

    rows: list[Row] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    ids: list[NDArray[Any] | None] = field(default_factory=list)
    loss_weights: list[NDArray[np.float16] | None] = field(default_factory=list)

    def read(
        self,
        files: Mapping[str, SourceFile],
        chat: Chat,
        rows: RowFormat,
        *,
        dataset_field: str | None,
        id_field: str,
    ) -> None:
        """Read and tokenize files.

        Args:
            files: by name.
            chat: makes tokens of them.
            rows: says in which type.
            dataset_field: the field that names the dataset; None, and where it is missing: the file's name does.
            id_field: the field with the user's own id.
        """
        special = np.array(sorted(chat.special_ids), np.int64)
        fields = (id_field, *([] if dataset_field is None else [dataset_field]))
        for name in sorted(files):
            plain = dataset_of(files[name])
            for some in read_records(files[name], fields):
                datasets = [_dataset(record, dataset_field, plain) for record in some.records]
                self._add(name, some, datasets, chat, rows, special, id_field)
                advance(len(some.records), some.num_bytes)

    def _add(
        self,
        file: str,
        some: Records,
        datasets: list[str],
        chat: Chat,
        rows: RowFormat,
        special: NDArray[np.int64],
        id_field: str,
    ) -> None:
        for number, record, dataset, found in zip(
            some.numbers, some.records, datasets, _encoded(chat, some.records), strict=True
        ):
            row: Row = dict.fromkeys(SCHEMA.names) | {
                "doc_id": hashlib.blake2b(f"{file}\0{number}".encode(), digest_size=16).hexdigest(),
                "dataset": dataset,
                "file": file,
                "record": number,
                "record_id": _record_id(record, id_field),
            }
            self.rows.append(row)
            if isinstance(found, ConversationError):
                row |= {"reason": found.reason, "detail": found.detail[:300]}
                self.groups.append(row["doc_id"])
                self.ids.append(None)
                self.loss_weights.append(None)
                continue
            messages = conversation_of(record).messages
            row |= {
                "num_messages": len(messages),
                "num_tokens": len(found.ids),
                "num_supervised_tokens": int((found.loss_weights > 0).sum()),
                "num_special_tokens": int(np.isin(found.ids, special).sum()),
                "num_cut_tokens": found.num_cut,
                "num_bytes": found.num_bytes,
            }
            self.groups.append(_group(messages))
            self.ids.append(found.ids.astype(rows.token_dtype))
            self.loss_weights.append(found.loss_weights.astype(np.float16))

    def table(self) -> pa.Table:
        """All rows."""
        return pa.Table.from_pylist(self.rows, SCHEMA)


def _encoded(chat: Chat, records: list[Any]) -> list[EncodedConversation | ConversationError]:
    """What becomes of each record; those that could not be read keep the error that says so."""
    good = iter(chat.encode_batch([record for record in records if not isinstance(record, ConversationError)]))
    return [record if isinstance(record, ConversationError) else next(good) for record in records]


def _dataset(record: Any, name: str | None, plain: str) -> str:
    found = record.get(name) if name is not None and isinstance(record, dict) else None
    if found is None or found == "":
        return plain
    return found if isinstance(found, str) else orjson.dumps(found, option=orjson.OPT_SORT_KEYS, default=str).decode()


def _record_id(record: Any, name: str) -> str | None:
    found = record.get(name) if isinstance(record, dict) else None
    return None if found is None else str(found)


def _group(messages: Any) -> str:
    content = orjson.dumps([[message["role"], message["content"]] for message in messages])
    return hashlib.blake2b(content, digest_size=16).hexdigest()
