"""How far a run is: a bar and its newest numbers on a terminal, a plain line now and then where there is none."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_WINDOW = 100  # steps that the time left is reckoned from
_BAR = 40
_GAP = "  "
_PLAIN = 150  # width of a line where there is no terminal


class TrainingBar:
    """The progress of a run, on the error stream; used in a `with` block, by one process of the run.

    On a terminal two lines are drawn again and again: the bar, and below it the loss, the learning rate, speed and as
    many domains as fit, those with the highest loss first. Elsewhere (a file, a scheduler's log) a line is printed
    after the first step, then about every `every_s` seconds, and after the last step.

    Args:
        total_steps: steps (updates) of the whole run.
        first_step: updates that were done before, where the run is resumed.
        console: where to draw.
        every_s: seconds between two plain lines.
        clock: gives seconds.
    """

    def __init__(
        self,
        total_steps: int,
        *,
        first_step: int = 0,
        console: Console | None = None,
        every_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total_steps
        self._done = first_step
        self._console = console or Console(stderr=True)
        self._every_s = every_s
        self._clock = clock
        self._times: deque[tuple[float, int]] = deque(maxlen=_WINDOW + 1)
        self._said_at: float | None = None
        self._said_step: int | None = None
        self._newest: Mapping[str, Any] = {}
        self._losses: dict[str, float] = {}
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(get_renderable=self.__rich__, console=self._console, transient=True, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._newest:
            self._print_line()  # what the bar said last stays, also where it is gone

    def step(self, record: Mapping[str, Any]) -> None:
        """Show a step.

        Args:
            record: the fields of the log's line `step`; `step`, `loss`, `lr`, `tokens_per_s`, `mfu` and
                `loss_by_domain` are shown, and any but `step` may be missing or None.
        """
        self._done = int(record["step"])
        now = self._clock()
        self._times.append((now, self._done))
        self._newest = record
        for domain, loss in (record.get("loss_by_domain") or {}).items():
            if loss is not None:
                self._losses[domain] = loss
        if self._live is None and (self._said_at is None or now - self._said_at >= self._every_s):
            self._print_line()

    def say(self, message: str) -> None:
        """Print a line that stays: above the bar where there is one."""
        self._console.print(Text(_plain(message)), soft_wrap=True)

    def _print_line(self) -> None:
        if self._done == self._said_step:
            return
        self._said_at, self._said_step = self._clock(), self._done
        parts = [f"step {self._done:,}/{self._total:,}", *self._numbers()]
        left = self._left()
        after = f"{_GAP}{left} left" if left else ""
        room = self._console.width if self._console.is_terminal else _PLAIN
        line = self._filled(_GAP.join(parts), room - len(after))
        self._console.print(Text(line + after), soft_wrap=True)

    def __rich__(self) -> RenderableType:
        """The two lines for a terminal, cut to its width."""
        width = self._console.width
        top = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(3):
            top.add_column(no_wrap=True)
        left = self._left()
        words = f"step {self._done:,}/{self._total:,}"
        more = f"{self._done / max(self._total, 1):4.0%}" + (f"  {left} left" if left else "")
        room = max(8, min(_BAR, width - len(words) - len(more) - 5))
        top.add_row(Text(words), ProgressBar(total=max(self._total, 1), completed=self._done, width=room), Text(more))
        line = self._filled(_GAP.join(self._numbers()), width)
        return Group(top, Text(line, no_wrap=True, overflow="ellipsis"))

    def _numbers(self) -> list[str]:
        found = []
        loss, rate = self._newest.get("loss"), self._newest.get("lr")
        speed, mfu = self._newest.get("tokens_per_s"), self._newest.get("mfu")
        if self._newest:
            found.append("loss not finite" if loss is None or not math.isfinite(loss) else f"loss {loss:.3f}")
        if rate is not None:
            found.append(f"lr {rate:.2e}")
        if speed is not None:
            found.append(f"{_short(speed)} tokens/s")
        if mfu is not None:
            found.append(f"MFU {mfu:.0%}")
        if self._newest.get("skipped_steps"):
            found.append(f"{self._newest['skipped_steps']:,} skipped")
        return found

    def _filled(self, line: str, width: int) -> str:
        """The line with as many domains and their newest losses as fit, the highest loss first."""
        worst = sorted(self._losses.items(), key=lambda one: (-one[1], one[0]))
        for name, loss in worst if len(worst) > 1 else ():
            part = f"{_GAP}{_plain(name)} {loss:.2f}"
            if len(line) + len(part) > width:
                break
            line += part
        return line

    def _left(self) -> str:
        """The time left at the pace of the last steps, evaluations and checkpoints included.

        The first step of a process counts for nothing: it takes what many do.
        """
        if len(self._times) < 2 or self._done >= self._total:
            return ""
        (first, before), (last, now) = self._times[0], self._times[-1]
        return in_words((last - first) / (now - before) * (self._total - now)) if now > before else ""


def in_words(seconds: float) -> str:
    """A length of time: `42 s`, `3 min 20 s`, `2 h 05 min`, `3 d 04 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02d} h"


def _short(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.0f}"


def _plain(text: str) -> str:
    """The text without anything that a terminal would act on."""
    return "".join(char if char.isprintable() else "?" for char in text)
