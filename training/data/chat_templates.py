"""Chat templates: messages to text, and which of it an assistant says.

A template is what tokenizers carry under that name: Jinja in a sandbox, with the settings and the names that Hugging
Face's `apply_chat_template` gives it. Departure: there is no `strftime_now`, because a text that says which day it was
made is another one tomorrow; the templates that know the name fall back to a day of their own where it is missing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from training.data.errors import ChatError, ConversationError

CHATML = """\
{%- for message in messages %}
{%- if message.role == 'assistant' %}
{{- '<|im_start|>assistant\\n' }}
{%- generation %}
{{- message.content + '<|im_end|>' }}
{%- endgeneration %}
{{- '\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
"""The template of tokenizers that have none: ChatML, the assistant's words marked, no system prompt of its own."""

BEGIN, END = "\ufdd0", "\ufdd1"
"""Stand in a rendered text where the assistant's words begin and end. Unicode says that no text has these."""

Message = Mapping[str, Any]


class _Generation(Extension):
    """`{% generation %}...{% endgeneration %}`: what the assistant says."""

    tags = {"generation"}  # noqa: RUF012 - how Jinja declares it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_marked"), [], [], body).set_lineno(line)

    def _marked(self, caller: Any) -> str:
        return BEGIN + str(caller()) + END


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    made.filters["tojson"] = _tojson
    made.globals["raise_exception"] = _raise
    return made


@dataclass(frozen=True)
class Rendered:
    """A conversation as text.

    Attributes:
        text: what is to become tokens.
        marked: where the template says that an assistant speaks: (begin, end) in characters, in order.
    """

    text: str
    marked: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class ChatTemplate:
    """A template with the special tokens that it may name.

    Attributes:
        source: Jinja.
        name: what it is called in messages.
        special_tokens: `bos_token`, `eos_token` and so on, as the tokenizer has them.

    Raises:
        ChatError: it is no Jinja.
    """

    source: str
    name: str = "the chat template"
    special_tokens: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _ = self._compiled

    @cached_property
    def _compiled(self) -> jinja2.Template:
        try:
            return _environment().from_string(self.source)
        except jinja2.TemplateSyntaxError as error:
            raise ChatError(f"{self.name} is no chat template: {error.message}, at line {error.lineno}") from error

    @cached_property
    def has_markers(self) -> bool:
        """Whether it says by `{% generation %}` what an assistant says."""
        blocks = _environment().parse(self.source).find_all(nodes.CallBlock)
        return any(isinstance(block.call.node, nodes.ExtensionAttribute) for block in blocks)

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> Rendered:
        """The messages as text, and after them the beginning of an assistant's turn if that is asked for.

        Raises:
            ConversationError: the template refuses the messages, or stumbles over them (`chat.template_error`).
        """
        try:
            text = self._compiled.render(
                messages=messages,
                tools=None,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self.special_tokens,
            )
        except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            said = " ".join(str(error).split())[:300] or type(error).__name__
            raise ConversationError("chat.template_error", f"{self.name} says: {said}") from error
        return _without_marks(text)


def _without_marks(text: str) -> Rendered:
    parts: list[str] = []
    marked: list[tuple[int, int]] = []
    size = begin = depth = 0
    for piece in text.replace(END, BEGIN + END).split(BEGIN):
        if piece.startswith(END):
            depth -= 1
            if depth == 0:
                marked.append((begin, size))
            plain = piece[1:]
        else:
            if parts:  # the first piece stands before all marks
                depth += 1
                begin = size if depth == 1 else begin
            plain = piece
        parts.append(plain)
        size += len(plain)
    return Rendered("".join(parts), tuple(marked))
