"""Signals that ask a run to end: it does so after the step under way, with a checkpoint."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def stopping(ask: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM and the first Ctrl-C end the run after the step under way; a second Ctrl-C ends it at once."""

    def asked(number: int, frame: Any) -> None:
        ask()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    kept: dict[signal.Signals, Any] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            kept[number] = signal.signal(number, asked)
    except ValueError:  # not the main thread: then signals are somebody else's
        kept = {}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
