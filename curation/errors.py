"""Errors that a user can cause and mend: the command line prints their message without a traceback."""


class WinnowError(ValueError):
    """Something in the input, the settings or the place to write that the user can put right."""


class LakeError(WinnowError):
    """A table of the lake that is missing, is not Winnow's, or cannot be written."""


class EngineError(WinnowError):
    """An engine that cannot be started or reached."""


class FlagError(WinnowError):
    """Settings that contradict each other or make no sense."""
