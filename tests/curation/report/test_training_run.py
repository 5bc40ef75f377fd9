"""The page of a run: counted again by hand, everything escaped, whole for runs that hardly began."""

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from references.export_page import tables, text_of
from references.html_check import Closed

from curation.report.axes import duration
from curation.report.training_run import TrainingRun, training_run_page

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">\x00</style></title>&amp;'
NAN = math.nan


def made(*names: str, num_steps: int = 10, every: int = 1, evaluated: bool = True, **more: Any) -> TrainingRun:
    """A run of domains with equal weights, 100 tokens a step of the first, 200 of the second and so on."""
    steps = list(range(every, num_steps + 1, every))
    share = 1 / len(names)
    at = steps[4::5] if evaluated else []
    by_domain = {name: [100 * (number + 1)] * len(steps) for number, name in enumerate(names)}
    found = TrainingRun(
        title="run",
        as_of="2026-01-02T03:04:05.678+00:00",
        run={
            "config": {"optimizer": {"name": "adamw", "betas": [0.9, 0.95]}, "seed": 1, "resume": None},
            "domains": list(names),
            "rows": dict.fromkeys(names, 40),
            "num_params": 1_234_567,
            "total_steps": 20,
            "manifest": "ab" * 32,
            "unigram_entropy": 7.5,
        },
        ended={"event": "end", "step": num_steps, "reason": "done", "message": "", "time": "2026-01-02T03:04:05"},
        steps={
            "step": steps,
            "sample": [8 * step for step in steps],
            "tokens": [1000 * step for step in steps],
            "loss": [5 - step / 10 for step in steps],
            "lr": [1e-3] * len(steps),
            "grad_norm": [1.0] * len(steps),
            "skipped_steps": [0] * len(steps),
            "seconds": [2.0] * len(steps),
            "tokens_per_s": [500.0] * len(steps),
            "mfu": [0.25] * len(steps),
            "loss_by_domain": {name: [4.0] * len(steps) for name in names},
            "tokens_by_domain": by_domain,
            "weights": {name: [share] * len(steps) for name in names},
        },
        evals={
            "step": at,
            "loss": [4 - step / 10 for step in at],
            "seconds": [3.0] * len(at),
            "loss_by_domain": {name: [3 + number - step / 10 for step in at] for number, name in enumerate(names)},
            "tokens_by_domain": {name: [10] * len(at) for name in names},
        },
        updates={"step": []} | {name: {} for name in ("before", "after", "reference", "excess")},
        events=({"event": "start", "time": "2026-01-02T03:00:00.000+00:00"},),
        alarms=(),
    )
    return replace(found, **more)


def test_figures_of_the_page() -> None:
    html = training_run_page(made("en", "de"))
    page, said = tables(html), text_of(html)
    assert page["by-domain"]["de"] == ["2,000", "66.7\u00a0%", "40", "40", "1.00", "50.0\u00a0%", "50.0\u00a0%"]
    assert page["by-domain"]["en"][:3] == ["1,000", "33.3\u00a0%", "40"]
    assert page["by-loss"]["de"] == ["3.500", "3.000", "3.000", "20.09"]  # e^3
    assert page["by-time"] == {"training": ["20 s", "76.9\u00a0%"], "evaluation": ["6.0 s", "23.1\u00a0%"]}
    for told in (
        "3.000evaluation loss, nat per token; 3.500 at step 5",
        "10ktokens trained on",
        "26 sat 500 tokens/s",
        "1.235M parameters",
        "25.0\u00a0% MFU",
        "0 updates skipped",
        "resumed 0 times",
        "Nothing to warn about.",
        "step 10 of 20",
        "2026-01-02 03:04 UTC",
    ):
        assert told in said, told


def test_steps_that_were_not_logged_count_too() -> None:
    page = tables(training_run_page(made("en", "de", num_steps=100, every=5)))
    assert page["by-domain"]["de"][:3] == ["20,000", "66.7\u00a0%", "400"]
    assert page["by-time"]["training"][0] == "3 min 20 s"


def test_a_domain_that_is_exhausted_leaves_its_samples_to_the_others() -> None:
    base = made("a", "b", "c", num_steps=20)  # 160 samples: a may give 40, the others share what it leaves
    weights = {"a": [0.5] * 20, "b": [0.25] * 20, "c": [0.25] * 20}
    run = dict(base.run) | {"config": {"data": {"max_epochs_per_domain": 1}}, "rows": {"a": 40, "b": 1000, "c": 1000}}
    page = tables(training_run_page(replace(base, run=run, steps=base.steps | {"weights": weights})))
    assert [page["by-domain"][name][2] for name in "abc"] == ["40", "60", "60"]


def test_updates_of_the_weights() -> None:
    steps = made("en", "de").steps | {"weights": {"en": [0.5] * 5 + [0.25] * 5, "de": [0.5] * 5 + [0.75] * 5}}
    updates = {
        "step": [5, 10],
        "before": {},
        "after": {},
        "reference": {"en": [2.0, 2.0], "de": [3.0, 3.0]},
        "excess": {"en": [0.5, 0.25], "de": [1.0, 0.0]},
    }
    page = tables(training_run_page(made("en", "de", steps=steps, updates=updates)))
    assert page["by-loss"]["en"][-2:] == ["2.000", "0.250"]
    assert page["by-loss"]["de"][-2:] == ["3.000", "0.000"]
    assert page["by-domain"]["en"][2:] == ["30", "40", "0.75", "50.0\u00a0%", "25.0\u00a0%"]  # 8 * (5 / 2 + 5 / 4)
    assert page["by-domain"]["de"][2:] == ["50", "40", "1.25", "50.0\u00a0%", "75.0\u00a0%"]


def test_what_a_page_warns_of() -> None:
    base = made("a", "b")
    run = replace(
        base,
        alarms=((3, "the weight of a is at its cap"), (6, "the weight of a is at its cap")),
        events=(
            *base.events,
            {"event": "warning", "step": 3, "message": "the weight of a is at its cap", "time": "t"},
            {"event": "warning", "step": 4, "message": "slow", "time": "t"},
            {"event": "resume", "step": 2, "path": "p", "time": "t"},
            {"event": "end", "step": 10, "reason": "interrupted", "message": "signal 15", "time": "t"},
        ),
        ended={"event": "end", "step": 10, "reason": "interrupted", "message": "signal 15", "time": "t"},
        steps=base.steps | {"loss": [*base.steps["loss"][:9], NAN], "skipped_steps": [0] * 9 + [1]},
    )
    html = training_run_page(run)
    said = text_of(html)
    for line in (
        "5 warnings",
        "the weight of a is at its cap (2 times, steps 3 to 6)",
        "slow (step 4)",
        "The loss was not finite (step 10).",
        "1 of 10 updates was skipped, because a gradient was not finite.",
        "The run was interrupted: signal 15.",
        "resumed 1 time",
    ):
        assert line in said, line
    assert "Nothing to warn about." not in said
    assert "curve resumed" in html


def test_many_warnings_are_cut() -> None:
    events = [{"event": "warning", "step": at, "message": f"warning {at}", "time": "t"} for at in range(300)]
    html = training_run_page(made("a", events=events))
    assert "And 280 more, in the run" in text_of(html)
    assert "And 200 more, in the run" in text_of(html)
    assert len(html) < 60_000


def test_a_failure_is_told_first() -> None:
    failed = {"event": "end", "step": 3, "reason": "failed", "message": "row 7 of web", "time": "t"}
    said = text_of(training_run_page(made("a", num_steps=3, evaluated=False, ended=failed)))
    assert said.index("The run failed at step 3. row 7 of web") < said.index("Loss by domain")
    assert "Nothing to warn about." not in said


@pytest.mark.parametrize("name", [EVIL, "<script>alert(1)</script>", "", " ", "\u202eevil", "a" * 5000])
def test_names_stay_text(name: str) -> None:
    run = made(name, "other", title=name)
    run = replace(
        run,
        run=dict(run.run) | {"config": {name: {name: name}}, "device": name, "winnow": name},
        ended={"event": "end", "step": 1, "reason": "failed", "message": name, "time": name},
        events=({"event": "warning", "step": 1, "message": name, "time": name},),
        alarms=((1, name),),
    )
    html = training_run_page(run)
    assert "<script" not in html
    assert "<img" not in html
    assert "\x00" not in html
    Closed(html)
    assert {(name or "(empty)").translate({0: "\u2400"}), "other"} <= set(tables(html, strip=False)["by-domain"])


BARE: dict[str, Any] = {"num_steps": 0, "evaluated": False, "ended": None}


@pytest.mark.parametrize(
    "found",
    [
        made("en", "de"),
        made("all", evaluated=False),
        made("all", **BARE),
        made("all", "two", **BARE, run={}),
        made("all", num_steps=1, ended=None, run={"config": {}, "unigram_entropy": {"all": 7.0}}),
        made(*(f"d{number}" for number in range(300))),
        made("all", steps=made("all").steps | {"loss": [NAN] * 10, "mfu": [NAN] * 10, "grad_norm": [NAN] * 10}),
        made("a", "b", updates={"step": [5]} | {name: {} for name in ("before", "after", "reference", "excess")}),
    ],
    ids=["two", "no evaluation", "no step", "bare", "one step", "many", "not finite", "no excess"],
)
def test_every_page_is_whole(found: TrainingRun) -> None:
    html = training_run_page(found)
    Closed(html)
    assert html == training_run_page(found)
    assert not re.search(r"https?://(?!www\.w3\.org)", html)
    assert "nan" not in text_of(html).split()


def test_many_domains_are_cut_and_still_counted() -> None:
    html = training_run_page(made(*(f"d{number:03d}" for number in range(300))))
    assert len(html) < 400_000
    assert "And 100 more domains." in html
    assert "The 16 domains with most tokens." in html
    assert len(tables(html)["by-domain"]) == 200
    assert html.count("dashed") >= 8


def test_a_long_run_makes_a_small_page() -> None:
    html = training_run_page(made("a", "b", "c", num_steps=20_000))
    assert len(html) < 250_000


def test_settings_are_all_there() -> None:
    said = text_of(training_run_page(made("a")))
    for told in ("optimizer", "betas", "0.9, 0.95", "seed", "manifest", "ab" * 32, "num_params", "1,234,567"):
        assert told in said
    assert "resume" not in said.split("Settings")[-1]  # is not set


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (86_399, "1 d 00 h"),
        (273_600, "3 d 04 h"),
    ],
)
def test_time_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
