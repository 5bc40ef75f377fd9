"""Reference losses: how low each domain's loss should come, and what they were measured on."""

import contextlib
import difflib
import errno
import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

import orjson

from training.data.errors import ReferenceLossError
from training.data.manifest import Manifest

FORMAT, VERSION = "winnow-reference-losses", 1


@dataclass(frozen=True, kw_only=True)
class ReferenceLosses:
    """A table of reference losses. What is not known of its origin is None; then nothing can be checked against it.

    Attributes:
        losses: by domain, mean loss over its evaluation rows in nat per token.
        model: which model they are of, in words or as a path.
        num_params: parameters of that model, embeddings included; a scaling law is fitted over it.
        tokenizer: sha256 of the tokenizer's file.
        evaluation: by domain, the hash of its evaluation rows (`evaluation_hashes`).
        row_length: tokens of each row, padding included.
        tokens: by domain, supervised tokens that the loss is the mean of.
        date: when they were measured, as ISO 8601 writes it.
        note: anything else worth keeping, such as how they were fitted.

    Raises:
        ReferenceLossError: a loss is no finite number above 0, or there is none.
    """

    losses: Mapping[str, float]
    model: str | None = None
    num_params: int | None = None
    tokenizer: str | None = None
    evaluation: Mapping[str, str] | None = None
    row_length: int | None = None
    tokens: Mapping[str, int] | None = None
    date: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if not self.losses:
            raise ReferenceLossError("a table of reference losses names no domain: expected one loss at least")
        for name, loss in self.losses.items():
            if isinstance(loss, bool) or not isinstance(loss, int | float) or not isfinite(loss) or loss <= 0:
                raise ReferenceLossError(
                    f"the reference loss of {name!r} is {loss!r}: expected a finite number above 0, in nat per token"
                )
        if self.num_params is not None and (type(self.num_params) is not int or self.num_params < 1):
            raise ReferenceLossError(f"num_params is {self.num_params!r}: expected a whole number of at least 1")

    def check(self, manifest: Manifest, tokens: Mapping[str, int] | None = None) -> tuple[str, ...]:
        """Make sure that the table belongs to an export that is to be trained on.

        Args:
            manifest: of that export.
            tokens: by domain, supervised tokens that a run evaluates, where it knows them already.

        Returns:
            Notes, one sentence each: what could not be checked, and domains that the export does not have.

        Raises:
            ReferenceLossError: a domain with training rows has no loss; or tokenizer, row length or evaluation rows are
                others than those of the export. With all that differs.
        """
        domains = [name for name, num in manifest.rows().items() if num]
        problems = [_missing(name, self.losses) for name in domains if name not in self.losses]
        if self.tokenizer not in (None, manifest.tokenizer.sha256):
            problems.append(
                f"they are losses per token of another tokenizer (sha256 {self.tokenizer}) than the export's "
                f"({manifest.tokenizer.sha256})"
            )
        if self.row_length not in (None, manifest.row_length):
            problems.append(
                f"they were measured on rows of {self.row_length} tokens, and the export has {manifest.row_length}"
            )
        here = evaluation_hashes(manifest)
        problems += [
            f"those of {name!r} were measured on other evaluation rows than the export has"
            for name in domains
            if self.evaluation is not None and name in self.losses and self.evaluation.get(name) != here.get(name)
        ]
        problems += [
            f"the loss of {name!r} is the mean of {self.tokens[name]:,} tokens, and {tokens[name]:,} are evaluated here"
            for name in domains
            if self.tokens and tokens and name in self.tokens and name in tokens and self.tokens[name] != tokens[name]
        ]
        if problems:
            raise ReferenceLossError(
                f"the reference losses do not belong to {manifest.where}: {'; '.join(problems)}. Differences between "
                "losses would mean nothing: measure them on this export"
            )
        return self._notes(sorted(set(self.losses) - set(manifest.domains)))

    def _notes(self, unknown: list[str]) -> tuple[str, ...]:
        notes = [f"the reference loss of {name!r} is not used: the export has no such domain" for name in unknown]
        unsaid = {"tokenizer": self.tokenizer, "evaluation rows": self.evaluation, "row length": self.row_length}
        missing = [what for what, known in unsaid.items() if known is None]
        if missing:
            notes.append(
                f"the table of reference losses does not say which {' and '.join(missing)} it was measured with: a "
                "domain whose loss is of other data will take over or die out, and nothing here can tell"
            )
        return tuple(notes)


def evaluation_hashes(manifest: Manifest) -> dict[str, str]:
    """By domain, a sha256 that names its evaluation rows; domains without any are left out.

    It does not change where an export is written again with other training rows.
    """
    found = {}
    for name, domain in manifest.domains.items():
        if domain.eval.num_rows:
            shards = "".join(f"{shard.num_rows} {shard.sha256}\n" for shard in domain.eval.shards)
            found[name] = hashlib.sha256(shards.encode()).hexdigest()
    return found


def measured(
    losses: Mapping[str, float],
    manifest: Manifest,
    *,
    tokens: Mapping[str, int],
    model: str,
    num_params: int | None = None,
    date: str | None = None,
) -> ReferenceLosses:
    """The table of losses that a model has just been evaluated to on an export.

    Args:
        losses: by domain, mean loss over its evaluation rows, in nat per token.
        manifest: of that export.
        tokens: by domain, supervised tokens that were evaluated.
        model: which model it is.
        num_params: its parameters, embeddings included.
        date: when, as ISO 8601 writes it.

    Raises:
        ReferenceLossError: a loss is no finite number above 0.
    """
    hashes = evaluation_hashes(manifest)
    return ReferenceLosses(
        losses=dict(losses),
        model=model,
        num_params=num_params,
        tokenizer=manifest.tokenizer.sha256,
        evaluation={name: hashes[name] for name in sorted(losses) if name in hashes},
        row_length=manifest.row_length,
        tokens=dict(tokens),
        date=date,
    )


def read_reference_losses(path: str | Path) -> ReferenceLosses:
    """The table in a JSON file: one that was written here, or a plain object of losses by domain, written by hand.

    Raises:
        ReferenceLossError: the file is missing, no JSON, or not such a table; with file and field.
    """
    file = Path(path)
    try:
        record = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        raise ReferenceLossError(f"{file} is missing: expected a JSON file of reference losses") from None
    except IsADirectoryError:
        raise ReferenceLossError(f"{file} is a folder: expected a JSON file of reference losses") from None
    except orjson.JSONDecodeError as error:
        raise ReferenceLossError(f"{file} is not JSON: {error}. Expected a table of reference losses") from None
    if not isinstance(record, dict):
        raise ReferenceLossError(f'{file} is no table: expected an object such as {{"books": 2.1, "wiki": 1.8}}')
    if not isinstance(record.get("format"), str):  # a domain called "format" has a number
        record = {"losses": record}
    else:
        found, version = record.pop("format"), record.pop("version", None)
        if (found, version) != (FORMAT, VERSION):
            raise ReferenceLossError(
                f"{file} is {found!r}, version {version!r}: expected {FORMAT!r}, version {VERSION}"
            )
    _check_fields(file, record)
    try:
        return ReferenceLosses(**record)
    except ReferenceLossError as error:
        raise ReferenceLossError(f"{file}: {error}") from None


def write_reference_losses(table: ReferenceLosses, path: str | Path) -> None:
    """Write a table, whole or not at all; a file that stands there is replaced.

    Raises:
        ReferenceLossError: it cannot be written.
    """
    file = Path(path)
    known = {name: value for name, value in asdict(table).items() if value is not None}
    content = orjson.dumps({"format": FORMAT, "version": VERSION, **known}, option=orjson.OPT_INDENT_2)
    temporary = file.with_name(f".{file.name}-{secrets.token_hex(6)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as opened:
            opened.write(content + b"\n")
            opened.flush()
            os.fsync(opened.fileno())
        temporary.replace(file)
    except OSError as error:
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or str(error)
        raise ReferenceLossError(f"cannot write {file}: {why}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


_MAPPINGS = {"losses": (int, float), "evaluation": (str,), "tokens": (int,)}
_PLAIN: dict[str, type] = {
    "model": str,
    "num_params": int,
    "tokenizer": str,
    "row_length": int,
    "date": str,
    "note": str,
}


def _check_fields(file: Path, record: dict[str, Any]) -> None:
    unknown = sorted(set(record) - {one.name for one in fields(ReferenceLosses)})
    if unknown or "losses" not in record:
        what = f"the field {unknown[0]!r} is unknown" if unknown else "the field 'losses' is missing"
        raise ReferenceLossError(f"{file}: {what}; expected {', '.join(one.name for one in fields(ReferenceLosses))}")
    for name, value in record.items():
        if name in _MAPPINGS:
            if not isinstance(value, dict):
                raise ReferenceLossError(
                    f"{file}: field {name} is {value!r}, expected an object with a value for each domain"
                )
            for domain, one in value.items():
                if type(one) not in _MAPPINGS[name]:
                    raise ReferenceLossError(
                        f"{file}: field {name}.{domain} is {one!r}, expected {_said(_MAPPINGS[name])}"
                    )
        elif type(value) is not _PLAIN[name]:
            raise ReferenceLossError(f"{file}: field {name} is {value!r}, expected {_said((_PLAIN[name],))}")


def _said(types: tuple[type, ...]) -> str:
    return "text" if str in types else "a number" if float in types else "a whole number"


def _missing(name: str, losses: Mapping[str, float]) -> str:
    near = difflib.get_close_matches(name, list(losses), n=1)
    return f"there is none for domain {name!r}" + (f" (did you mean it by {near[0]!r}?)" if near else "")
