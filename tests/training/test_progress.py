"""The progress bar: two lines that fit the terminal, plain lines now and then where there is none."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from training.progress import TrainingBar, in_words


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def record(step: int, **more: Any) -> dict[str, Any]:
    found = {
        "step": step,
        "loss": 3.25,
        "lr": 6e-4,
        "tokens_per_s": 12_345.0,
        "mfu": 0.417,
        "loss_by_domain": {"web": 3.5, "code": 2.5, "arxiv": 3.0, "qa": None},
    }
    return found | more


def drawn(width: int, *records: dict[str, Any], total: int = 1000) -> list[str]:
    """What a terminal of that width shows after the steps, a second each."""
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None, legacy_windows=False)
    clock = Clock()
    bar = TrainingBar(total, console=console, clock=clock)
    with bar:
        for one in records:
            clock.now += 1
            bar.step(one)
        lines = console.render_lines(bar, pad=False)
    return ["".join(segment.text for segment in line) for line in lines]


@pytest.mark.parametrize("width", [40, 80, 140])
def test_two_lines_that_fit(width: int) -> None:
    lines = drawn(width, record(100), record(200))
    assert len(lines) == 2
    assert all(len(line) <= width for line in lines)
    assert lines[0].startswith("step 200/1,000")
    assert "loss 3.250" in lines[1]


def test_what_a_wide_terminal_shows() -> None:
    top, below = drawn(140, record(100), record(200))
    assert "20%" in top
    assert "8 s left" in top  # 800 steps at 100 in a second, of which the first 100 tell nothing
    assert below.rstrip() == ("loss 3.250  lr 6.00e-04  12.3k tokens/s  MFU 42%  web 3.50  arxiv 3.00  code 2.50")


def test_the_worst_domains_come_first_and_the_last_known_loss_counts() -> None:
    many = {f"domain-{number:02d}": float(number) for number in range(30)}
    (_, below) = drawn(80, record(1, loss_by_domain=many), record(2, loss_by_domain={"domain-05": 99.0}))
    assert "domain-05 99.00" in below
    assert "domain-28" not in below


def test_what_is_not_known_is_left_out() -> None:
    (_, below) = drawn(80, {"step": 1, "loss": None, "skipped_steps": 2, "mfu": None})
    assert below.rstrip() == "loss not finite  2 skipped"


def plain(num_steps: int, seconds: float, **settings: Any) -> list[str]:
    """What goes to a file, `seconds` for each step."""
    out, clock = StringIO(), Clock()
    console = Console(file=out, width=80, force_terminal=False)
    with TrainingBar(num_steps, console=console, clock=clock, **settings) as bar:
        for step in range(settings.get("first_step", 0) + 1, num_steps + 1):
            clock.now += seconds
            bar.step(record(step))
            if step == num_steps // 2:
                bar.say("saved [bold] checkpoint\x1b[2J")
    return out.getvalue().splitlines()


def test_a_plain_line_now_and_then() -> None:
    lines = plain(100, 1.0)
    steps = [line.split("  ")[0] for line in lines if line.startswith("step")]
    assert steps == [f"step {step}/100" for step in (1, 11, 21, 31, 41, 51, 61, 71, 81, 91, 100)]
    assert "saved [bold] checkpoint?[2J" in lines
    assert lines[0] == ("step 1/100  loss 3.250  lr 6.00e-04  12.3k tokens/s  MFU 42%  web 3.50  arxiv 3.00  code 2.50")
    assert lines[1].endswith("code 2.50  1 min 29 s left")
    assert "left" not in lines[-1]


def test_slow_steps_are_all_told_and_a_short_run_twice() -> None:
    assert len(plain(4, 60.0)) == 5
    assert [line.split("  ")[0] for line in plain(50, 0.01) if "step" in line] == ["step 1/50", "step 50/50"]


def test_a_resumed_run_reckons_from_where_it_began() -> None:
    lines = plain(200, 2.0, first_step=100)
    assert lines[0].startswith("step 101/200")
    assert lines[1].startswith("step 106/200")
    assert lines[1].endswith("3 min 08 s left")  # 94 steps of 2 s


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7_500, "2 h 05 min"),
        (86_399, "1 d 00 h"),
        (273_600, "3 d 04 h"),
    ],
)
def test_time_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
