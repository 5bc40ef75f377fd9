"""Conversations to tokens: ids, how much each counts in the loss, and where the assistant's turns are.

What an assistant says is found in the rendered text, by the template's `{% generation %}` markers where it has them,
else by rendering the conversation up to each reply and comparing. Then the places are found again in the tokens: the
text is cut there, and the tokens of the parts have to be those of the whole, one for one. What fails either comparison
is refused, so that no mask is off by a token.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from training.data.chat_templates import ChatTemplate
from training.data.conversations import Conversation, conversation_of
from training.data.errors import ChatError, ConversationError

TrainOn = Literal["assistant", "last_assistant", "all"]
TooLong = Literal["truncate", "drop"]

_MARKER = re.compile(r"<\|[^<>|\s]{1,40}\|>|<(?:start|end)_of_turn>")
"""How special tokens of chats are spelled."""

_PROBE = [
    {"role": "user", "content": "A question"},
    {"role": "assistant", "content": "An answer"},
    {"role": "user", "content": "Another question"},
    {"role": "assistant", "content": "The last answer"},
]


class Turn(NamedTuple):
    """An assistant's turn, from the first token that the model is to write to the token that ends the turn.

    Attributes:
        message: number of the message, from 0.
        start: its first token.
        end: the token after its last.
        weight: of each of its tokens in the loss.
    """

    message: int
    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class EncodedConversation:
    """A conversation as tokens.

    Attributes:
        ids: uint32[n].
        loss_weights: float32[n]; 0 for what is not learnt. The first token, which nothing precedes, has always 0.
        turns: the turns that were looked for: those whose weight differs from the rest of the conversation.
        num_cut: tokens that were cut off because the conversation is too long.
        num_bytes: UTF-8 bytes of the messages.
    """

    ids: npt.NDArray[np.uint32]
    loss_weights: npt.NDArray[np.float32]
    turns: tuple[Turn, ...]
    num_cut: int
    num_bytes: int


@dataclass(frozen=True, kw_only=True)
class ChatSettings:
    """What is learnt from a conversation, and how long it may be.

    Attributes:
        train_on: `assistant`: all that assistants say. `last_assistant`: the last reply only. `all`: every token. In
            each of them a message's `weight` counts for its turn, 0 masks it.
        max_tokens: the most tokens of a conversation; None for no bound.
        too_long: what happens to longer ones: `truncate` cuts them on the right, and drops those of which nothing that
            is learnt remains; `drop` drops them all.
        plain_markers: let markers such as `<|user|>` that the template writes be spelled in several tokens where the
            tokenizer has no such token, as Tulu's are.

    Raises:
        ChatError: a value is unknown or out of its range.
    """

    train_on: TrainOn = "assistant"
    max_tokens: int | None = None
    too_long: TooLong = "truncate"
    plain_markers: bool = False

    def __post_init__(self) -> None:
        for name, choices in (("train_on", get_args(TrainOn)), ("too_long", get_args(TooLong))):
            if getattr(self, name) not in choices:
                raise ChatError(f"{name} is {getattr(self, name)!r}: expected one of {', '.join(choices)}")
        if self.max_tokens is not None and self.max_tokens < 2:
            raise ChatError(f"max_tokens is {self.max_tokens}: expected at least 2")


@dataclass(frozen=True)
class _Cut:
    """A rendered conversation and the places where its turns begin and end, in characters."""

    text: str
    turns: tuple[Turn, ...]

    @property
    def parts(self) -> list[str]:
        bounds = [0, *(place for turn in self.turns for place in (turn.start, turn.end)), len(self.text)]
        return [self.text[start:end] for start, end in pairwise(bounds)]


class Chat:
    """A tokenizer with a chat template.

    Args:
        tokenizer: content of a tokenizer.json.
        template: turns messages into text.
        settings: what is learnt.

    Attributes:
        end_of_turn: the special token that ends an assistant's turn, None where the template has none: then nothing
            teaches the model to stop.
        special_ids: ids of the special tokens.

    Raises:
        ChatError: the template stumbles over a plain conversation of four messages, does not render its beginning as it
            renders the whole, writes special tokens that the tokenizer lacks, or writes the first one twice.
    """

    def __init__(self, tokenizer: bytes | str, template: ChatTemplate, settings: ChatSettings | None = None) -> None:
        self.template, self.settings = template, settings or ChatSettings()
        self._library = Tokenizer.from_str(tokenizer if isinstance(tokenizer, str) else tokenizer.decode())
        self._library.no_truncation()
        self._library.no_padding()
        special = {
            number: token.content for number, token in self._library.get_added_tokens_decoder().items() if token.special
        }
        self.special_ids = frozenset(special)
        self._special = sorted(special.values(), key=lambda token: (-len(token), token))
        self._spelled = re.compile("|".join(map(re.escape, self._special)) or r"(?!)")
        self.end_of_turn: str | None = None
        try:
            self._check()
        except ConversationError as error:
            raise ChatError(
                f"{template.name} cannot be used ({error.reason}, tried on a plain conversation of four messages): "
                f"{error.detail}"
            ) from error

    @classmethod
    def of(cls, tokenizer: Any, settings: ChatSettings | None = None, *, template: str | None = None) -> "Chat":
        """The chat of a fast tokenizer of `transformers`, with its own template unless another is given.

        Raises:
            ChatError: it has no template, or see the class.
        """
        source = template if template is not None else tokenizer.chat_template
        if not isinstance(source, str):
            raise ChatError(f"{tokenizer.name_or_path or 'the tokenizer'} has no chat template: give one")
        named = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
        made = ChatTemplate(source=source, special_tokens=named)
        return cls(tokenizer.backend_tokenizer.to_str(), made, settings)

    def encode(self, conversation: Any) -> EncodedConversation:
        """One conversation as tokens.

        Args:
            conversation: a list of messages or a record, see `conversation_of`.

        Raises:
            ConversationError: it cannot be used; the reason says why.
        """
        (found,) = self.encode_batch([conversation])
        if isinstance(found, ConversationError):
            raise found
        return found

    def encode_batch(self, conversations: Sequence[Any]) -> list[EncodedConversation | ConversationError]:
        """Conversations as tokens, in their order; for each that cannot be used the error that says why."""
        return self._encode(conversations, self.settings.max_tokens)

    def _encode(self, conversations: Sequence[Any], most: int | None) -> list[EncodedConversation | ConversationError]:
        cuts: list[_Cut | ConversationError] = []
        sizes = []
        for given in conversations:
            try:
                conversation = conversation_of(given)
                cuts.append(self._cut(conversation))
                sizes.append(conversation.num_bytes)
            except ConversationError as error:
                cuts.append(error)
                sizes.append(0)
        texts = [text for cut in cuts if isinstance(cut, _Cut) for text in (cut.text, *cut.parts)]
        ids = iter(self._ids(texts))
        found: list[EncodedConversation | ConversationError] = []
        for cut, size in zip(cuts, sizes, strict=True):
            if isinstance(cut, ConversationError):
                found.append(cut)
                continue
            whole, parts = next(ids), [next(ids) for _ in cut.parts]
            try:
                found.append(self._bounded(self._encoded(cut, whole, parts, size), most))
            except ConversationError as error:
                found.append(error)
        return found

    def _ids(self, texts: list[str]) -> list[list[int] | str]:
        """Ids of texts, special tokens of the template as such and none added; or what the library says."""
        try:
            return [encoding.ids for encoding in self._library.encode_batch_fast(texts, add_special_tokens=False)]
        except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
            if len(texts) == 1:
                return [str(error)]
            return [ids for text in texts for ids in self._ids([text])]

    def _cut(self, conversation: Conversation) -> _Cut:
        """Render a conversation, and find the turns whose weight differs from the rest."""
        messages = conversation.messages
        for place, message in enumerate(messages):
            spelled = self._spelled.search(message["content"])
            if spelled is not None:
                raise ConversationError(
                    "chat.special_token", f"message {place + 1} spells the special token {spelled[0]}"
                )
        replies = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
        rest = 1.0 if self.settings.train_on == "all" else 0.0
        if not replies and not rest:
            raise ConversationError("chat.no_assistant", "no message is an assistant's: there is nothing to learn")
        weights = {place: _default(conversation.weights[place]) for place in replies}
        if self.settings.train_on == "last_assistant":
            weights |= dict.fromkeys(replies[:-1], 0.0)
        wanted = {place: weight for place, weight in weights.items() if weight != rest}
        rendered = self.template.render(messages)
        if self.template.has_markers:
            spans = _marked_spans(rendered.marked, replies)
            turns = [(place, *self._with_end(rendered.text, *spans[place])) for place in wanted]
        else:
            turns = [(place, *self._compared(rendered.text, messages, place)) for place in wanted]
        return _Cut(rendered.text, tuple(Turn(*turn, wanted[turn[0]]) for turn in turns))

    def _with_end(self, text: str, start: int, end: int) -> tuple[int, int]:
        """A marked span, and the token that ends the turn where the template leaves it outside."""
        token = self.end_of_turn
        if token and not text[start:end].rstrip().endswith(token) and text.startswith(token, end):
            end += len(token)
        return start, end

    def _compared(self, text: str, messages: Sequence[Mapping[str, Any]], place: int) -> tuple[int, int]:
        """Where a reply stands: behind the text up to it with the prompt for it, up to what ends the turn."""
        before = self.template.render(messages[:place], add_generation_prompt=True).text
        after = self.template.render(messages[: place + 1]).text
        for shorter, what in ((before, f"the {place} messages before a reply"), (after, f"{place + 1} messages")):
            if not text.startswith(shorter):
                other = next((i for i, (a, b) in enumerate(zip(text, shorter, strict=False)) if a != b), len(text))
                raise ConversationError(
                    "chat.unstable_template",
                    f"the template writes {what} differently when more follow: {shorter[other : other + 40]!r} becomes "
                    f"{text[other : other + 40]!r}. Train on the last reply only, or give a template with "
                    "{% generation %} markers",
                )
        if len(after) < len(before):
            raise ConversationError("chat.unstable_template", "the template's prompt for a reply is longer than it")
        return len(before), len(before) + len(self._without_tail(after[len(before) :]))

    def _without_tail(self, said: str) -> str:
        """A turn up to the special token that ends it: the white space behind that is never to be written."""
        bare = said.rstrip()
        return bare if any(bare.endswith(token) for token in self._special) else said

    def _encoded(
        self, cut: _Cut, whole: list[int] | str, parts: Sequence[list[int] | str], num_bytes: int
    ) -> EncodedConversation:
        said = next((ids for ids in (whole, *parts) if isinstance(ids, str)), None)
        if isinstance(whole, str) or said is not None:
            raise ConversationError("chat.tokenizer_error", f"the tokenizer says: {said}")
        places = np.cumsum([0, *map(len, parts)]).tolist()
        if [token for part in parts for token in part] != whole:
            places = self._aligned(cut, whole)
        ids = np.array(whole, np.uint32)
        rest = 1.0 if self.settings.train_on == "all" else 0.0
        weights = np.full(ids.size, rest, np.float32)
        turns = []
        for number, turn in enumerate(cut.turns):
            start, end = places[2 * number + 1 : 2 * number + 3]
            weights[start:end] = turn.weight
            turns.append(Turn(turn.message, start, end, turn.weight))
        weights[:1] = 0
        if not weights.any():
            raise ConversationError("chat.nothing_supervised", "the weights of all that could be learnt are 0")
        return EncodedConversation(ids, weights, tuple(turns), 0, num_bytes)

    def _aligned(self, cut: _Cut, whole: list[int]) -> list[int]:
        """Where the parts begin in the tokens, for tokenizers that write a part alone otherwise: by all before it."""
        parts = cut.parts
        texts = ["".join(parts[:number]) for number in range(1, len(parts))]
        places = [0]
        for text, ids in zip(texts, self._ids(texts) if texts else [], strict=True):
            if isinstance(ids, str) or ids != whole[: len(ids)]:
                raise ConversationError(
                    "chat.unaligned_tokens",
                    f"a token crosses the border of a turn, after {text[-30:]!r}: the tokenizer merges what the model "
                    "is given with what it is to write",
                )
            places.append(len(ids))
        return [*places, len(whole)]

    def _bounded(self, found: EncodedConversation, most: int | None) -> EncodedConversation:
        size = len(found.ids)
        if most is None or size <= most:
            return found
        if self.settings.too_long == "drop" or not found.loss_weights[:most].any():
            why = "" if self.settings.too_long == "drop" else ", and nothing of the first of them is learnt"
            raise ConversationError("chat.too_long", f"it has {size:,} tokens, more than {most:,}{why}")
        turns = tuple(turn._replace(end=min(turn.end, most)) for turn in found.turns if turn.start < most)
        return EncodedConversation(found.ids[:most], found.loss_weights[:most], turns, size - most, found.num_bytes)

    def _check(self) -> None:
        """Try the template on a plain conversation."""
        text = self.template.render(_PROBE).text
        missing = sorted({marker for marker in _MARKER.findall(text) if self._library.token_to_id(marker) is None})
        if missing and not self.settings.plain_markers:
            flags = " ".join(f"--special '{token}'" for token in ("<|endoftext|>", *missing))
            raise ChatError(
                f"{self.template.name} writes {', '.join(missing)}, and the tokenizer has no such "
                f"{'token' if len(missing) == 1 else 'tokens'}: train one that has them (`winnow train-tokenizer "
                f"{flags}`), give another template, or allow markers that are plain text (plain_markers)"
            )
        tail = text[text.rfind(_PROBE[-1]["content"]) + len(_PROBE[-1]["content"]) :]
        ends = self._spelled.findall(tail)
        self.end_of_turn = ends[0] if ends else None
        if not self.template.has_markers:
            self._check_prompt(text)
        (found,) = self._encode([_PROBE], None)
        if isinstance(found, ConversationError):
            raise found
        bos = self._library.token_to_id(self.template.special_tokens.get("bos_token", ""))
        if bos is not None and found.ids[:2].tolist() == [bos, bos]:
            raise ChatError(f"{self.template.name} begins with the token {bos} twice: it should write it once")

    def _check_prompt(self, text: str) -> None:
        """Raise where a template gives no prompt for a reply, but writes something before it."""
        with_prompt = self.template.render(_PROBE[:-1], add_generation_prompt=True).text
        if with_prompt != self.template.render(_PROBE[:-1]).text or not text.startswith(with_prompt):
            return
        said, reply = text[len(with_prompt) :].lstrip(), _PROBE[-1]["content"]
        if not said.startswith(reply):
            raise ChatError(
                f"{self.template.name} writes {said[: said.find(reply)]!r} before a reply and leaves it out of "
                "add_generation_prompt: where a reply begins cannot be told. Mark it with {% generation %}, or write "
                "what is before it under {% if add_generation_prompt %} too"
            )


def _default(weight: float | None) -> float:
    return 1.0 if weight is None else weight


def _marked_spans(marked: Sequence[tuple[int, int]], replies: Sequence[int]) -> dict[int, tuple[int, int]]:
    if len(marked) != len(replies):
        raise ConversationError(
            "chat.unmarked_turn",
            f"the template marks {len(marked)} turns with {{% generation %}}, and {len(replies)} messages are "
            "an assistant's",
        )
    return dict(zip(replies, marked, strict=True))
