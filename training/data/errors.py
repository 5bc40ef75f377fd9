"""Errors that a user can cause and mend: each message says what was expected, what came, where, and what to do."""


class DataError(ValueError):
    """Something in the shards, the settings or the state that the user can put right."""


class ManifestError(DataError):
    """A manifest that is missing, is not Winnow's, or contradicts itself."""


class ShardError(DataError):
    """A shard that is missing, damaged, or not what the manifest says it is."""


class WeightsError(DataError):
    """Domain weights that cannot be followed, or a change of them that comes too late."""


class StateError(DataError):
    """A state that was saved for another corpus, other settings or another version."""


class ChatError(DataError):
    """A chat template that cannot be used, or not with this tokenizer or these settings."""


class ConversationError(DataError):
    """A conversation that cannot become tokens; the rest of a corpus can do without it.

    Attributes:
        reason: short stable string, for instance `chat.no_assistant`.
        detail: one line for people.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ExhaustedError(DataError):
    """Every domain that has weight has been read as often as it may be."""


class MixingError(DataError):
    """Domain weights that cannot be updated: settings that contradict each other, or losses that are missing."""


class ReferenceLossError(DataError):
    """Reference losses that are missing, damaged, of other data, or that no scaling law goes through."""
