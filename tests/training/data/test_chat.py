"""Conversations as tokens: ids and masks written by hand, templates with and without markers, and what is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import chat_templates_made as made
from references.tokenizers_made import bpe
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from training.data.chat import Chat, ChatSettings, EncodedConversation
from training.data.chat_templates import CHATML, ChatTemplate
from training.data.errors import ChatError, ConversationError

TWO_TURNS = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "hello you"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "who"},
    {"role": "assistant", "content": "a dog"},
]
WORDS = ("system", "user", "assistant", "model", "be", "kind", "hello", "you", "who", "a", "dog")
PROBE = ("A", "An", "Another", "The", "question", "answer", "last")


def word_tokenizer(*special: str) -> bytes:
    """One id for each word: the special tokens first, from 0, then `WORDS`; white space is no token."""
    library = Tokenizer(
        models.WordLevel({name: number for number, name in enumerate((*special, *WORDS, *PROBE))}, unk_token="<none>")
    )
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    library.add_special_tokens(list(special))
    return library.to_str().encode()


def chat_of(tokenizer: bytes, template: str, special: dict[str, str] | None = None, **settings: Any) -> Chat:
    return Chat(tokenizer, ChatTemplate(source=template, special_tokens=special or {}), ChatSettings(**settings))


def told(found: EncodedConversation) -> tuple[list[int], list[float]]:
    assert found.ids.dtype == np.uint32
    assert found.loss_weights.dtype == np.float32
    return found.ids.tolist(), found.loss_weights.tolist()


CHATML_IDS = [1, 3, 7, 8, 2, 1, 4, 9, 10, 2, 1, 5, 9, 2, 1, 4, 11, 2, 1, 5, 12, 13, 2]
CHATML_MASK = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("template", [CHATML, made.CHATML_UNMARKED, made.FORGETFUL], ids=["marked", "not", "forgetful"])
def test_chatml_by_hand(template: str) -> None:
    chat = chat_of(word_tokenizer(*made.CHATML_SPECIAL), template)
    found = chat.encode(TWO_TURNS)
    assert told(found) == (CHATML_IDS, CHATML_MASK)
    assert [(turn.message, turn.start, turn.end, turn.weight) for turn in found.turns] == [
        (2, 12, 14, 1),
        (4, 20, 23, 1),
    ]
    assert found.num_bytes == sum(len(message["content"]) for message in TWO_TURNS)
    assert chat.end_of_turn == "<|im_end|>"


def test_llama_like_by_hand() -> None:
    chat = chat_of(word_tokenizer(*made.LLAMA_SPECIAL), made.LLAMA_LIKE, {"bos_token": "<|begin_of_text|>"})
    # words from 5 on: system user assistant model be kind hello you who a dog
    assert told(chat.encode(TWO_TURNS)) == (
        [1, 2, 5, 3, 9, 10, 4, 2, 6, 3, 11, 12, 4, 2, 7, 3, 11, 4, 2, 6, 3, 13, 4, 2, 7, 3, 14, 15, 4],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1],
    )


def test_gemma_like_by_hand() -> None:
    chat = chat_of(word_tokenizer(*made.GEMMA_SPECIAL), made.GEMMA_LIKE, {"bos_token": "<bos>"})
    # words from 4 on; assistants are called model
    assert told(chat.encode(TWO_TURNS[1:])) == (
        [1, 2, 5, 10, 11, 3, 2, 7, 10, 3, 2, 5, 12, 3, 2, 7, 13, 14, 3],
        [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1],
    )
    with pytest.raises(ConversationError, match=r"chat.template_error: .*System role not supported"):
        chat.encode(TWO_TURNS)


@pytest.mark.parametrize("template", [CHATML, made.CHATML_UNMARKED], ids=["marked", "not"])
def test_each_byte_of_a_conversation(template: str) -> None:
    """A tokenizer without merges has one token for each byte: the mask can be written under the text."""
    tokenizer = bpe(259, made.CHATML_SPECIAL)
    found = chat_of(tokenizer, template).encode({"prompt": "Hi?", "completion": " Ho\n"})
    library = Tokenizer.from_str(tokenizer.decode())
    parts = [("<|im_start|>", 0), *((x, 0) for x in "userĊHi?"), ("<|im_end|>", 0), ("Ċ", 0)]
    parts += [("<|im_start|>", 0), *((x, 0) for x in "assistantĊ")]
    parts += [("Ġ", 1), ("H", 1), ("o", 1), ("Ċ", 1), ("<|im_end|>", 1), ("Ċ", 0)]
    assert told(found) == ([library.token_to_id(token) for token, _ in parts], [mask for _, mask in parts])


@pytest.mark.parametrize(
    ("template", "special", "named"),
    [
        (CHATML, made.CHATML_SPECIAL, {}),
        (made.LLAMA_LIKE, made.LLAMA_SPECIAL, {"bos_token": "<|begin_of_text|>"}),
        (made.GEMMA_LIKE, made.GEMMA_SPECIAL, {"bos_token": "<bos>"}),
        (made.TULU_LIKE, ("</s>", "<s>"), {"eos_token": "</s>"}),
    ],
    ids=["chatml", "llama", "gemma", "tulu"],
)
def test_the_ids_are_those_of_transformers(template: str, special: tuple[str, ...], named: dict[str, str]) -> None:
    messages = [
        {"role": "user", "content": "The quick brown fox, ünïcödé ☃\n\n  and 漢字?"},
        {"role": "assistant", "content": "\nKept documents become rows of tokens.\n"},
        {"role": "user", "content": "def f(x):\n    return x"},
        {"role": "assistant", "content": "the dog is not amused 👩🏽‍💻"},
    ]
    library = Tokenizer.from_str(bpe(600, special).decode())
    theirs = PreTrainedTokenizerFast(tokenizer_object=library, chat_template=template, **named)
    chat = Chat.of(theirs, ChatSettings(plain_markers=True))
    found = chat.encode(messages)
    assert found.ids.tolist() == theirs.apply_chat_template(messages, return_dict=True)["input_ids"]
    supervised = [
        theirs.decode(found.ids[turn.start : turn.end].tolist(), skip_special_tokens=True) for turn in found.turns
    ]
    trims = "trim" in template
    assert supervised == [
        text.strip() if trims else text for text in (message["content"] for message in messages[1::2])
    ]
    for turn in found.turns:
        prompt = theirs.apply_chat_template(messages[: turn.message], add_generation_prompt=True, return_dict=True)[
            "input_ids"
        ]
        assert found.ids[: turn.start].tolist() == prompt, "what the model is given is what it was trained on"
        assert theirs.convert_ids_to_tokens([int(found.ids[turn.end - 1])]) == [chat.end_of_turn]


def test_the_marked_mask_is_that_of_transformers() -> None:
    library = Tokenizer.from_str(made.chatml_tokenizer().decode())
    theirs = PreTrainedTokenizerFast(tokenizer_object=library, chat_template=CHATML)
    found = Chat.of(theirs).encode(TWO_TURNS)
    expected = theirs.apply_chat_template(TWO_TURNS, return_dict=True, return_assistant_tokens_mask=True)
    assert told(found) == (expected["input_ids"], expected["assistant_masks"])


def test_no_second_bos() -> None:
    """The tokenizer would add one by itself, and the template writes one."""
    from tokenizers import processors

    library = Tokenizer.from_str(word_tokenizer(*made.GEMMA_SPECIAL).decode())
    library.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    assert library.encode("a dog").ids[0] == 1
    chat = chat_of(library.to_str().encode(), made.GEMMA_LIKE, {"bos_token": "<bos>"})
    assert chat.encode(TWO_TURNS[1:]).ids.tolist()[:3] == [1, 2, 5]
    with pytest.raises(ChatError, match="begins with the token 1 twice"):
        chat_of(library.to_str().encode(), "{{ bos_token }}" + made.GEMMA_LIKE, {"bos_token": "<bos>"})


@pytest.mark.parametrize("template", [CHATML, made.CHATML_UNMARKED], ids=["marked", "not"])
def test_weights_of_turns(template: str) -> None:
    tokenizer = word_tokenizer(*made.CHATML_SPECIAL)
    first, last = slice(12, 14), slice(20, 23)

    def weights(given: tuple[float | None, float | None], train_on: str = "assistant") -> tuple[Any, ...]:
        messages = [dict(message) for message in TWO_TURNS]
        for place, weight in zip((2, 4), given, strict=True):
            if weight is not None:
                messages[place]["weight"] = weight
        found = chat_of(tokenizer, template, train_on=train_on).encode(messages)
        assert found.ids.tolist() == CHATML_IDS
        rest = np.delete(found.loss_weights, np.r_[0, first, last])
        return (*found.loss_weights[first], *found.loss_weights[last], *sorted(set(rest.tolist())))

    assert weights((0.5, None)) == (0.5, 0.5, 1, 1, 1, 0)
    assert weights((0, 2)) == (0, 0, 2, 2, 2, 0)
    assert weights((None, 0)) == (1, 1, 0, 0, 0, 0)
    assert weights((None, None), "last_assistant") == (0, 0, 1, 1, 1, 0)
    assert weights((3, 0.25), "last_assistant") == (0, 0, 0.25, 0.25, 0.25, 0)
    assert weights((None, None), "all") == (1, 1, 1, 1, 1, 1)
    assert weights((0, 0.5), "all") == (0, 0, 0.5, 0.5, 0.5, 1)
    with pytest.raises(ConversationError, match=r"chat\.nothing_supervised"):
        weights((0, 0))


def test_the_first_token_is_never_learnt() -> None:
    chat = chat_of(word_tokenizer(*made.CHATML_SPECIAL), CHATML, train_on="all")
    assert chat.encode(TWO_TURNS).loss_weights.tolist() == [0, *[1] * 22]
    assert chat.encode([{"role": "user", "content": "who"}]).loss_weights.tolist() == [0, 1, 1, 1]


def test_the_end_of_a_turn_is_learnt_where_the_markers_leave_it_outside() -> None:
    inside = "{{- message.content + '<|im_end|>' }}\n{%- endgeneration %}\n{{- '\\n' }}"
    outside = "{{- message.content }}\n{%- endgeneration %}\n{{- '<|im_end|>\\n' }}"
    template = CHATML.replace(inside, outside)
    assert template != CHATML
    assert told(chat_of(word_tokenizer(*made.CHATML_SPECIAL), template).encode(TWO_TURNS)) == (CHATML_IDS, CHATML_MASK)


def test_a_template_that_forgets_what_was_thought_is_refused() -> None:
    tokenizer = made.chatml_tokenizer()
    messages = [
        {"role": "user", "content": "who"},
        {"role": "assistant", "content": "<think>hm</think>a dog"},
        {"role": "user", "content": "why"},
        {"role": "assistant", "content": "<think>so</think>it is"},
    ]
    with pytest.raises(ConversationError, match=r"unstable_template: .*'<think>hm.* becomes 'a dog.*last reply only"):
        chat_of(tokenizer, made.FORGETFUL).encode(messages)
    last = chat_of(tokenizer, made.FORGETFUL, train_on="last_assistant")
    found = last.encode(messages)
    library = Tokenizer.from_str(tokenizer.decode())
    (turn,) = found.turns
    assert library.decode(found.ids[turn.start : turn.end].tolist(), skip_special_tokens=False) == (
        "<think>so</think>it is<|im_end|>"
    )
    assert "hm" not in library.decode(found.ids.tolist())
    assert len(chat_of(tokenizer, made.FORGETFUL).encode(messages[:2]).turns) == 1


def test_a_template_that_tells_no_beginning_of_a_reply_is_refused() -> None:
    with pytest.raises(ChatError, match=r"writes '<\|im_start\|>assistant\\n' before a reply and leaves it out of"):
        chat_of(made.chatml_tokenizer(), made.HEADLESS)


def test_a_token_over_the_border_is_refused() -> None:
    tokenizer = bpe(400)
    library = Tokenizer.from_str(tokenizer.decode())
    assert library.encode(" the", add_special_tokens=False).tokens == ["Ġthe"]
    chat = chat_of(tokenizer, made.MERGING)
    with pytest.raises(ConversationError, match=r"unaligned_tokens: .*after 'Q: who A: '"):
        chat.encode({"prompt": "who", "completion": "the dog"})
    assert chat.encode({"prompt": "who", "completion": "Ωmega"}).turns[0].weight == 1


def test_tokenizers_that_write_a_space_before_a_text() -> None:
    """A part alone gets a space that it has not in the whole: then parts are found by all that stands before them."""
    library = Tokenizer.from_str(bpe(400, made.CHATML_SPECIAL).decode())
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="first"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    template = made.MERGING.replace("'A: '", "'A:'").replace(" + ' '", " + '|'")
    found = chat_of(library.to_str().encode(), template).encode({"prompt": "who", "completion": "Ω"})
    assert library.encode("Ω", add_special_tokens=False).ids != found.ids[found.turns[0].start : -1].tolist()
    assert found.ids.tolist() == library.encode("Q: who|A:Ω<|endoftext|>", add_special_tokens=False).ids
    prompt = library.encode("Q: who|A:", add_special_tokens=False).ids
    assert found.turns == ((1, len(prompt), len(found.ids), 1.0),)


def test_missing_special_tokens_are_listed() -> None:
    with pytest.raises(
        ChatError,
        match=r"writes <\|im_end\|>, <\|im_start\|>, and the tokenizer has no such tokens: train .*"
        r"--special '<\|endoftext\|>' --special '<\|im_end\|>' --special '<\|im_start\|>'",
    ):
        chat_of(bpe(), CHATML)
    with pytest.raises(ChatError, match=r"writes <\|assistant\|>, <\|user\|>, and"):
        chat_of(bpe(), made.TULU_LIKE, {"eos_token": "<|endoftext|>"})
    chat = chat_of(bpe(), made.TULU_LIKE, {"eos_token": "<|endoftext|>"}, plain_markers=True)
    assert chat.end_of_turn == "<|endoftext|>"


@pytest.mark.parametrize(
    ("template", "match"),
    [
        ("{% for %}", "is no chat template: .* at line 1"),
        ("{{ raise_exception('never') }}", r"cannot be used \(chat.template_error.*never"),
        ("{{ messages[9].content }}", "cannot be used"),
        ("{{ strftime_now('%d') }}", "'strftime_now' is undefined"),
        ("{{ messages.append(1) }}", "cannot be used"),
        (CHATML.replace("message.role == 'assistant'", "loop.last"), "marks 1 turns .* and 2 messages"),
    ],
)
def test_templates_that_do_not_work(template: str, match: str) -> None:
    with pytest.raises(ChatError, match=match):
        chat_of(made.chatml_tokenizer(), template)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ChatError, match="train_on is 'user': expected one of assistant, last_assistant, all"):
        ChatSettings(train_on="user")  # type: ignore[arg-type]
    with pytest.raises(ChatError, match="too_long is"):
        ChatSettings(too_long="split")  # type: ignore[arg-type]
    with pytest.raises(ChatError, match="max_tokens is 1"):
        ChatSettings(max_tokens=1)
    with pytest.raises(ChatError, match="no chat template"):
        Chat.of(PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(bpe().decode())))


def test_too_long() -> None:
    tokenizer = word_tokenizer(*made.CHATML_SPECIAL)
    found = chat_of(tokenizer, CHATML, max_tokens=22).encode(TWO_TURNS)
    assert told(found) == (CHATML_IDS[:22], CHATML_MASK[:22])
    assert found.num_cut == 1
    assert [turn.end for turn in found.turns] == [14, 22]
    assert [turn[:3] for turn in chat_of(tokenizer, CHATML, max_tokens=13).encode(TWO_TURNS).turns] == [(2, 12, 13)]
    assert chat_of(tokenizer, CHATML, max_tokens=23, too_long="drop").encode(TWO_TURNS).num_cut == 0
    with pytest.raises(ConversationError, match=r"chat\.too_long: it has 23 tokens, more than 12, and nothing"):
        chat_of(tokenizer, CHATML, max_tokens=12).encode(TWO_TURNS)
    with pytest.raises(ConversationError, match=r"chat\.too_long: it has 23 tokens, more than 22$"):
        chat_of(tokenizer, CHATML, max_tokens=22, too_long="drop").encode(TWO_TURNS)


def test_short_rows_are_no_fault_of_the_template() -> None:
    """The plain conversation that templates are tried on is longer than this."""
    chat = chat_of(word_tokenizer(*made.CHATML_SPECIAL), CHATML, max_tokens=9, too_long="drop")
    assert len(chat.encode({"prompt": "who", "completion": "you"}).ids) == 8


SAID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)
MARKED, UNMARKED = (chat_of(made.chatml_tokenizer(), source) for source in (CHATML, made.CHATML_UNMARKED))


@given(said=st.lists(st.tuples(SAID, SAID, st.sampled_from((None, 0, 0.5, 2))), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_both_ways_find_the_same_turns(said: list[tuple[str, str, float | None]]) -> None:
    messages = []
    for asked, reply, weight in said:
        messages += [user(asked), assistant(reply, weight=weight)]
    found = [chat.encode_batch([messages])[0] for chat in (MARKED, UNMARKED)]
    errors = [one.reason for one in found if isinstance(one, ConversationError)]
    if errors:
        assert len(errors) == 2
        assert errors[0] == errors[1]
        assert errors[0] in ("chat.nothing_supervised", "chat.bad_message")
        return
    marked, unmarked = found
    assert isinstance(marked, EncodedConversation)
    assert isinstance(unmarked, EncodedConversation)
    assert told(marked) == told(unmarked)
    library = Tokenizer.from_str(made.chatml_tokenizer().decode())
    decoded = [
        library.decode(marked.ids[turn.start : turn.end].tolist(), skip_special_tokens=False) for turn in marked.turns
    ]
    assert decoded == [f"{reply}<|im_end|>" for _, reply, weight in said if weight != 0]


def user(content: Any = "who", **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def assistant(content: Any = "a dog", **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


BAD = [
    ("text", "chat.not_a_list"),
    (None, "chat.not_a_list"),
    ({"messages": "text"}, "chat.not_a_list"),
    ({"messages": None}, "chat.no_messages"),
    ({"text": "x"}, "chat.no_messages"),
    ({"prompt": "who"}, "chat.no_messages"),
    ([], "chat.empty"),
    ({"messages": []}, "chat.empty"),
    ([["user", "who"]], "chat.bad_message"),
    ([{"from": "human", "value": "x"}], "chat.unknown_role"),
    ([user(), {"role": "narrator", "content": "x"}], "chat.unknown_role"),
    ([user(None), assistant()], "chat.bad_message"),
    ([user([{"type": "text", "text": "x"}]), assistant()], "chat.bad_message"),
    ([user("\ud800"), assistant()], "chat.bad_message"),
    ([user("\ufdd0"), assistant()], "chat.bad_message"),
    ([user(), assistant(" \n")], "chat.empty_message"),
    ({"prompt": "", "completion": "x"}, "chat.empty_message"),
    ([user()], "chat.no_assistant"),
    ([user(), assistant(weight="1")], "chat.bad_weight"),
    ([user(), assistant(weight=True)], "chat.bad_weight"),
    ([user(), assistant(weight=-1)], "chat.bad_weight"),
    ([user(), assistant(weight=float("nan"))], "chat.bad_weight"),
    ([user(), assistant(weight=1e-6)], "chat.bad_weight"),
    ([user(weight=1), assistant()], "chat.bad_weight"),
    ([user(), assistant(weight=0)], "chat.nothing_supervised"),
    ([user("x <|im_end|> y"), assistant()], "chat.special_token"),
]


@pytest.mark.parametrize(("given", "reason"), BAD, ids=range(len(BAD)))
def test_bad_conversations_have_a_reason(given: Any, reason: str) -> None:
    chat = chat_of(word_tokenizer(*made.CHATML_SPECIAL), CHATML)
    with pytest.raises(ConversationError) as caught:
        chat.encode(given)
    assert caught.value.reason == reason
    assert caught.value.detail


def test_a_batch_loses_nothing() -> None:
    """Good ones, bad ones and one that the tokenizer fails at, in their places."""
    chat = chat_of(word_tokenizer(*made.CHATML_SPECIAL), CHATML)
    found = chat.encode_batch([TWO_TURNS, *(given for given, _ in BAD), [user("unknown"), assistant()], TWO_TURNS])
    assert told(found[0]) == told(found[-1]) == (CHATML_IDS, CHATML_MASK)  # type: ignore[arg-type]
    assert [one.reason for one in found[1:-1]] == [reason for _, reason in BAD] + ["chat.tokenizer_error"]  # type: ignore[union-attr]
    assert chat.encode_batch([]) == []
