"""Training a byte-level BPE tokenizer: from texts to the bytes of a tokenizer.json."""

from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from curation.export.settings import LARGEST_SEED, ExportSettingsError

NUM_BYTES = 256


@dataclass(frozen=True, kw_only=True)
class TokenizerTraining:
    """How a tokenizer is trained.

    Attributes:
        vocab_size: tokens, the 256 bytes and the special tokens included.
        special_tokens: tokens that no text makes; the first stands for the end of a text.
        min_frequency: a pair of tokens that is rarer is not merged.
        max_bytes: text to train on; a sample of the documents, drawn by `seed`, where there is more.
        seed: chooses the sample.

    Raises:
        ExportSettingsError: a value is out of its range.
    """

    vocab_size: int = 32_000
    special_tokens: tuple[str, ...] = ("<|endoftext|>",)
    min_frequency: int = 2
    max_bytes: int = 1_000_000_000
    seed: int = 1

    def __post_init__(self) -> None:
        least = NUM_BYTES + len(self.special_tokens)
        if not least <= self.vocab_size <= 1 << 24:
            raise ExportSettingsError(
                f"a vocabulary has {least} tokens (the bytes and the special tokens) to {1 << 24:,}, "
                f"got {self.vocab_size}"
            )
        if not self.special_tokens or "" in self.special_tokens:
            raise ExportSettingsError("a tokenizer needs a special token for the end of a text, and none may be empty")
        if len(set(self.special_tokens)) < len(self.special_tokens):
            raise ExportSettingsError(f"a special token is named twice: {', '.join(self.special_tokens)}")
        if self.min_frequency < 1 or self.max_bytes < 1:
            raise ExportSettingsError("the least frequency and the bytes to train on are at least 1")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ExportSettingsError(f"a seed is a number from 0 to 2**63 - 1, got {self.seed}")


def train_bpe(texts: Iterable[list[str]], training: TokenizerTraining) -> bytes:
    """The tokenizer.json of a byte-level BPE tokenizer, which loses nothing of any text.

    The trainer counts words and breaks ties by the tokens themselves, so the result depends on the texts, not on their
    order, their batches or the number of threads.

    Args:
        texts: batches of texts.
        training: the settings.
    """
    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    library.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=training.vocab_size,
        min_frequency=training.min_frequency,
        special_tokens=list(training.special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    library.train_from_iterator(texts, trainer)
    return library.to_str(pretty=True).encode() + b"\n"
