"""Finding the chat template that comes with a tokenizer, and the special tokens that it may name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.export.settings import ExportError
from curation.export.tokenizer import said_token

_TEMPLATE = "chat_template.jinja"
_CONFIG = "tokenizer_config.json"
_MAP = "special_tokens_map.json"
_NAMES = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")


@dataclass(frozen=True)
class FoundTemplate:
    """What a tokenizer says about chats.

    Attributes:
        template: Jinja; None where it has none.
        special_tokens: by the names that templates use.
    """

    template: str | None
    special_tokens: Mapping[str, str]


def find_chat_template(name: str) -> FoundTemplate:
    """What stands beside a tokenizer, found by the name that `find_tokenizer` takes.

    `chat_template.jinja` comes first, then `chat_template` in `tokenizer_config.json`; of several the one called
    `default`.

    Raises:
        ExportError: a file cannot be read or is no JSON.
    """
    files = _files(name)
    config, more = _json(files.get(_CONFIG)), _json(files.get(_MAP))
    said = {token: said_token(config, token) or said_token(more, token) for token in _NAMES}
    special = {token: value for token, value in said.items() if value is not None}
    own = files.get(_TEMPLATE)
    return FoundTemplate(_text(own) if own else _template(config.get("chat_template"), name), special)


def _template(said: Any, name: str) -> str | None:
    if said is None or isinstance(said, str):
        return said
    if isinstance(said, list):
        by_name = {one.get("name"): one.get("template") for one in said if isinstance(one, dict)}
        if isinstance(by_name.get("default"), str):
            return str(by_name["default"])
    raise ExportError(
        f"{name}: chat_template in its {_CONFIG} is neither a template nor a list of named ones with one called "
        "'default': give a template with --chat-template"
    )


def _files(name: str) -> dict[str, Path]:
    path = Path(name)
    if path.exists():
        folder = path if path.is_dir() else path.parent
        if path.is_file() and path.name != "tokenizer.json":
            return {}  # one of many in a folder: what else is there need not be its own
        return {file: folder / file for file in (_TEMPLATE, _CONFIG, _MAP) if (folder / file).is_file()}
    return _from_hub(name)


def _from_hub(name: str) -> dict[str, Path]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError

    repository, _, revision = name.partition("@")
    found = {}
    for file in (_TEMPLATE, _CONFIG, _MAP):
        try:
            found[file] = Path(hf_hub_download(repository, file, revision=revision or None))
        except EntryNotFoundError:
            continue  # few have all three
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ExportError(f"the hub did not give {file} of {name}: {first}") from error
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{path} cannot be read as text: {error}") from error


def _json(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise ExportError(f"{path} is not JSON ({error}): repair it, or remove it") from error
    return found if isinstance(found, dict) else {}
