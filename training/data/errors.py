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


class ExhaustedError(DataError):
    """Every domain that has weight has been read as often as it may be."""
