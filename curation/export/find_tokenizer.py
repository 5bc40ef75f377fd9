"""Finding a tokenizer by what the user calls it: a file, a folder, or a name on the hub."""

import json
from pathlib import Path
from typing import Any

from curation.export.settings import ExportError, ExportSettingsError
from curation.export.tokenizer import ExportTokenizer, open_library, said_token, special_tokens_said, usual_eos

_FILE = "tokenizer.json"
_BESIDE = ("tokenizer_config.json", "special_tokens_map.json")


def find_tokenizer(
    name: str, *, eos: str | None = None, bos: str | None = None, pad: str | None = None
) -> ExportTokenizer:
    """The tokenizer of that name.

    Args:
        name: a tokenizer.json, a folder that holds one, or the name of a model on the hub (`NAME@REVISION` for one
            revision).
        eos: the token behind every document; None: the one that the files beside the tokenizer name.
        bos: the token before every document; None for none.
        pad: the token that fills rows; None: the one that the files beside the tokenizer name, else `eos`.

    Raises:
        ExportError: there is no such tokenizer, or it is broken.
        ExportSettingsError: the tokenizer has no end-of-text token, or not the tokens asked for.
    """
    content, beside = _read(name)
    library = open_library(content, name)
    chosen = eos or usual_eos(library, beside.get("eos_token"))
    if chosen is None:
        raise ExportSettingsError(
            f"the tokenizer {name} does not say which token ends a text: name one with --eos; "
            + special_tokens_said(library)
        )
    said_pad = beside.get("pad_token")
    if pad is None and said_pad is not None and library.token_to_id(said_pad) is not None:
        pad = said_pad
    return ExportTokenizer(content=content, name=name, eos=chosen, bos=bos, pad=pad)


def _read(name: str) -> tuple[bytes, dict[str, str]]:
    path = Path(name)
    if path.is_dir():
        if not (path / _FILE).is_file():
            there = ", ".join(sorted(entry.name for entry in path.iterdir())[:8]) or "nothing"
            raise ExportError(
                f"{name} holds no {_FILE} (it holds {there}): a fast tokenizer has one; "
                "AutoTokenizer.from_pretrained(...).save_pretrained(FOLDER) of transformers writes it"
            )
        path = path / _FILE
    if path.is_file():
        beside = [path.parent / other for other in _BESIDE] if path.name == _FILE else []
        return _bytes_of(path), _said([other for other in beside if other.is_file()])
    if "/" in name.strip("/") and not name.startswith((".", "/", "~")) and name.count("/") == 1:
        return _from_hub(name)
    raise ExportError(f"no tokenizer {name}: give a {_FILE}, a folder that holds one, or OWNER/NAME on the hub")


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ExportError(f"the tokenizer {path} cannot be read: {error.strerror or error}") from error


def _said(files: list[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in files:
        try:
            settings: Any = json.loads(_bytes_of(path))
        except ValueError as error:
            raise ExportError(f"{path} is not JSON ({error}): repair it, or remove it and name --eos") from error
        for name in ("eos_token", "pad_token"):
            token = said_token(settings, name) if isinstance(settings, dict) else None
            if token is not None:
                found.setdefault(name, token)
    return found


def _from_hub(name: str) -> tuple[bytes, dict[str, str]]:
    repository, _, revision = name.partition("@")
    path = _fetched(repository, _FILE, revision, name)
    if path is None:
        raise ExportError(
            f"no tokenizer {name}: {repository} on the hub holds no {_FILE}, which a fast tokenizer has; "
            "AutoTokenizer.from_pretrained(...).save_pretrained(FOLDER) of transformers writes it: give that folder"
        )
    commit = path.parent.name  # what stands beside it is of the same revision, whatever happens meanwhile
    beside = [_fetched(repository, other, commit, name) for other in _BESIDE]
    return _bytes_of(path), _said([other for other in beside if other is not None])


def _fetched(repository: str, file: str, revision: str, name: str) -> Path | None:
    """A file from the hub, or from the cache of what was fetched before; None where the repository has no such file."""
    from huggingface_hub import errors, hf_hub_download
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it tells each of its retries; an error below says all
    try:
        return Path(hf_hub_download(repository, file, revision=revision or None))
    except errors.LocalEntryNotFoundError as error:
        if _known_to_be_none(repository, file, revision):
            return None
        raise ExportError(
            f"no tokenizer {name}: there is no such file or folder here, and the hub cannot be asked for {file} "
            f"({_first_line(error.__cause__ or error)}): go online, or give a {_FILE} or the folder that holds it"
        ) from error
    except errors.RemoteEntryNotFoundError:
        return None
    except errors.RevisionNotFoundError as error:
        raise ExportError(
            f"no tokenizer {name}: {repository} on the hub has no revision {revision!r}; give a branch, a tag or a "
            "commit behind the @, or leave it out"
        ) from error
    except errors.GatedRepoError as error:
        raise ExportError(
            f"the hub gives {repository} only to those who have accepted its terms: accept them on its page, and log "
            "in with `hf auth login` or set HF_TOKEN"
        ) from error
    except errors.HFValidationError as error:
        raise ExportError(
            f"no tokenizer {name}: there is no such file or folder here, and nothing on the hub can have that name "
            f"({_first_line(error)})"
        ) from error
    except errors.HfHubHTTPError as error:
        if not isinstance(error, errors.RepositoryNotFoundError) and error.response.status_code != 401:
            raise ExportError(f"the hub does not give {file} of {repository}: {_first_line(error)}") from error
        raise ExportError(
            f"no tokenizer {name}: there is no such file or folder here, and the hub has no {repository} or keeps it "
            "private: check the name; if it is private, log in with `hf auth login` or set HF_TOKEN"
        ) from error
    except OSError as error:
        raise ExportError(f"{file} of {repository} could not be fetched from the hub: {_first_line(error)}") from error


def _known_to_be_none(repository: str, file: str, revision: str) -> bool:
    """Whether the hub has said before that this revision has no such file."""
    from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache

    return try_to_load_from_cache(repository, file, revision=revision or None) is _CACHED_NO_EXIST


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
