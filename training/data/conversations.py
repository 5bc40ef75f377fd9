"""Records to conversations: the shapes that instruction data comes in, checked message by message."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.data.chat_templates import BEGIN, END
from training.data.errors import ConversationError

ROLES = ("system", "user", "assistant", "tool")
LEAST_WEIGHT, LARGEST_WEIGHT = 2.0**-10, 1024.0
"""Bounds of a weight above 0: what 16-bit floats carry with three digits."""

SHAPES = "messages; prompt and completion; instruction, input (optional) and output"


@dataclass(frozen=True)
class Conversation:
    """Messages that a template can be given.

    Attributes:
        messages: each with `role`, `content` and whatever else it came with, `weight` left out.
        weights: of each message in the loss; None where nothing is said.
    """

    messages: tuple[Mapping[str, Any], ...]
    weights: tuple[float | None, ...]

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of all contents."""
        return sum(len(message["content"].encode()) for message in self.messages)


def conversation_of(given: Any) -> Conversation:
    """The conversation that a record, or a list of messages, is.

    Args:
        given: a list of messages, or a record with the fields `messages`; or `prompt` and `completion`, as texts or as
            lists of messages; or `instruction`, `output` and perhaps `input`, which follows the instruction after an
            empty line. The first of these that is there counts.

    Raises:
        ConversationError: it is none; the reason says why.
    """
    if isinstance(given, Mapping):
        given = _messages_of(given)
    if not isinstance(given, list | tuple):
        raise ConversationError("chat.not_a_list", f"the messages are {_kind(given)}, expected a list of messages")
    if not given:
        raise ConversationError("chat.empty", "the list of messages is empty")
    found = [_message(message, place) for place, message in enumerate(given)]
    return Conversation(tuple(message for message, _ in found), tuple(weight for _, weight in found))


def _messages_of(record: Mapping[str, Any]) -> Any:
    if record.get("messages") is not None:
        return record["messages"]
    if record.get("prompt") is not None and record.get("completion") is not None:
        return [*_turns(record["prompt"], "user"), *_turns(record["completion"], "assistant")]
    if record.get("instruction") is not None and record.get("output") is not None:
        asked, more = record["instruction"], record.get("input")
        if isinstance(asked, str) and isinstance(more, str) and more.strip():
            asked = f"{asked}\n\n{more}"
        return [*_turns(asked, "user"), *_turns(record["output"], "assistant")]
    fields = ", ".join(sorted(map(str, record)))[:200] or "none"
    raise ConversationError("chat.no_messages", f"expected the fields {SHAPES}; the record has: {fields}")


def _turns(given: Any, role: str) -> list[Any]:
    return given if isinstance(given, list) else [{"role": role, "content": given}]


def _message(given: Any, place: int) -> tuple[dict[str, Any], float | None]:
    where = f"message {place + 1}"
    if not isinstance(given, Mapping):
        raise ConversationError("chat.bad_message", f"{where} is {_kind(given)}, expected role and content")
    role, content = given.get("role"), given.get("content")
    if role not in ROLES:
        raise ConversationError("chat.unknown_role", f"{where} is of the role {role!r}, expected {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise ConversationError("chat.bad_message", f"the content of {where} is {_kind(content)}, expected text")
    if not content.strip() and role != "system":
        raise ConversationError("chat.empty_message", f"{where} ({role}) says nothing")
    if BEGIN in content or END in content or not _is_unicode(content):
        raise ConversationError("chat.bad_message", f"{where} holds a character that Unicode keeps out of texts")
    message = {str(name): value for name, value in given.items() if name != "weight"}
    return message, _weight(given.get("weight"), str(role), where)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _weight(given: Any, role: str, where: str) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ConversationError("chat.bad_weight", f"the weight of {where} is {_kind(given)}, expected a number")
    if given != 0 and not LEAST_WEIGHT <= given <= LARGEST_WEIGHT:
        raise ConversationError(
            "chat.bad_weight", f"the weight of {where} is {given}, expected 0, or {LEAST_WEIGHT} to {LARGEST_WEIGHT:g}"
        )
    if given != 0 and role != "assistant":
        raise ConversationError("chat.bad_weight", f"{where} ({role}) has a weight: only assistants' messages may")
    return float(given)


def _kind(value: Any) -> str:
    names: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"),
        (int, f"the number {value}"),
        (float, f"the number {value}"),
        (str, "a text"),
        (Mapping, "an object"),
        (list, "a list"),
    )
    return "missing" if value is None else next((name for kind, name in names if isinstance(value, kind)), "odd")
