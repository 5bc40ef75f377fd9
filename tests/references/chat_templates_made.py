"""Chat templates that tests use: of the kinds that models come with, without the name of any."""

from references.tokenizers_made import bpe

LLAMA_LIKE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
LLAMA_SPECIAL = ("<|end_of_text|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")

GEMMA_LIKE = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'assistant' %}{% set role = 'model' %}"
    "{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
GEMMA_SPECIAL = ("<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>")

CHATML_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML_UNMARKED = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
FORGETFUL = (  # leaves out what was thought before the last question
    "{% set found = namespace(last=-1) %}"
    "{% for message in messages %}{% if message.role == 'user' %}"
    "{% set found.last = loop.index0 %}{% endif %}{% endfor %}"
    "{% for message in messages %}{% set said = message.content %}"
    "{% if message.role == 'assistant' and loop.index0 < found.last and '</think>' in said %}"
    "{% set said = said.split('</think>')[1] %}{% endif %}"
    "{{ '<|im_start|>' + message.role + '\n' + said + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
HEADLESS = (  # writes a header before replies, and no prompt for them
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}"
)
TULU_LIKE = (
    "{% for message in messages %}{% if message.role == 'assistant' %}"
    "{{ '<|assistant|>\n' + message.content + eos_token + '\n' }}"
    "{% else %}{{ '<|' + message.role + '|>\n' + message.content + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
MERGING = (  # nothing stands between the prompt and the reply that keeps them from becoming one token
    "{% for message in messages %}{% if message.role == 'assistant' %}"
    "{{ 'A: ' + message.content + '<|endoftext|>' }}"
    "{% else %}{{ 'Q: ' + message.content + ' ' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'A: ' }}{% endif %}"
)


def chatml_tokenizer(vocab_size: int = 500) -> bytes:
    """A byte-level BPE tokenizer with ChatML's tokens."""
    return bpe(vocab_size, CHATML_SPECIAL)
