"""Errors of a training run that a user can cause and mend; each message says what, where, and what to do."""


class TrainError(ValueError):
    """A run that cannot begin or cannot go on."""


class ConfigError(TrainError):
    """A config that is not usable: an unknown field, a value out of its range, fields that contradict each other."""


class LaunchError(TrainError):
    """Processes that do not find together: a port in use, ranks that are missing, variables that contradict."""


class CheckpointError(TrainError):
    """A checkpoint that is missing, damaged, of something else, or that there is no room for."""


class DivergedError(TrainError):
    """A loss that is no number or too large, or gradients that stay so; what is needed to look has been saved."""
