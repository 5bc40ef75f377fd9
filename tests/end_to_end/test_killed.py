"""A run that is killed at any moment and started again leaves a lake as if nothing had happened."""

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable
from end_to_end.killing import Moment, Run, finished, kill_at
from end_to_end.lake_content import check_clean, check_readable, compare, content
from end_to_end.torture import STORIES, Story, Torture
from end_to_end.workshop import Engine, Workshop

from curation.session import Session


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory) -> Torture:
    """Inputs with duplicates, broken records and a broken file; the moments are the same every time."""
    workshop = Workshop(tmp_path_factory.mktemp("torture") / "shop", scale=100)
    workshop.prepare()
    return Torture(workshop, random.Random(4), print)


def test_the_torture_covers_every_table(torture: Torture) -> None:
    tables = torture.expected("first")
    assert {name: table.num_rows > 0 for name, table in tables.items()} == dict.fromkeys(tables, True)
    decisions = tables["decisions"]
    reasons = {reason for found in decisions["reasons"].to_pylist() for reason in found}
    assert {"dedup.not_representative", "sampling.not_drawn"} <= reasons
    assert 0 < sum(decisions["kept"].to_pylist()) < decisions.num_rows
    changed = torture.expected("changed")
    with pytest.raises(AssertionError, match="documents differs"):
        compare(changed, tables, "other inputs")


@pytest.mark.parametrize("story", STORIES[:5], ids=lambda story: story.name.replace(" ", "-"))
def test_killed_on_sail(torture: Torture, story: Story) -> None:
    before, num_kills = torture.num_kills, 1 if story.before else 2
    torture.kill("sail", story, num_kills)
    assert torture.num_kills == before + num_kills


@pytest.mark.parametrize("session", ["spark"], indirect=True)
def test_killed_on_spark(torture: Torture, session: Session) -> None:
    """Three kills in a row: while files are read, while signals are written, near the end; Sail takes it from there."""
    assert session.engine == "spark"
    dice, before = torture.dice, torture.num_kills
    ingest = [("_scratch/ingest_scan", "rows"), ("documents", "rows"), ("documents", "committed"), ("files", "rows")]
    late = [("clusters", "rows"), ("clusters", "committed"), ("decisions", "rows"), ("decisions", "committed")]
    moments = [
        Moment(dice.choice(ingest), dice.uniform(0, 0.1)),
        Moment(("signals", "rows"), dice.uniform(0, 0.1), "driver"),
        Moment(dice.choice(late), dice.uniform(0, 0.1)),
    ]
    torture.tell("spark", STORIES[3], moments, finish_on="sail")
    assert torture.num_kills == before + 3


def first_lake(torture: Torture, name: str) -> Path:
    """A complete lake of the first state of the inputs; the inputs have gone on since."""
    lake = torture.lake_before(STORIES[1], name)
    torture.expected("changed")
    torture.workshop.state("changed")
    return lake


def running(torture: Torture, engine: Engine, lake: Path) -> Run:
    return Run(torture.workshop.command(engine, lake), torture.workshop.base)


def until(run: Run, happens: Callable[[], bool]) -> None:
    """Wait for something that a run does."""
    while not happens():
        assert run.goes_on(), run.output()
        time.sleep(0.005)


def check_refused(torture: Torture, holder: Run, lake: Path) -> None:
    """A second run is told that the lake is taken, and changes nothing."""
    until(holder, lambda: holder.holds(lake))
    holder.to_all(signal.SIGSTOP)  # so that it still holds the lake when the other comes, however slow the machine
    with running(torture, "sail", lake) as other:
        code, said = other.finish()
    holder.to_all(signal.SIGCONT)
    assert code == 1, said
    assert said == f"Error: another run is writing to {lake}: wait until it ends, then run again\n"


def test_of_two_runs_at_once_one_wins(torture: Torture) -> None:
    """Whoever holds the lake goes on undisturbed; the other is told so, and has changed nothing."""
    lake = first_lake(torture, "two-runs")
    with running(torture, "sail", lake) as one:
        check_refused(torture, one, lake)
        code, said = one.finish()
    assert code == 0, said
    compare(content(lake), torture.expected("changed"), "two runs")
    check_clean(lake)


def test_two_runs_that_start_together(torture: Torture) -> None:
    lake = first_lake(torture, "together")
    with running(torture, "sail", lake) as one, running(torture, "sail", lake) as other:
        ends = [one.finish(), other.finish()]
    codes = sorted(code for code, _ in ends)
    assert codes in ([0, 0], [0, 1]), ends
    assert all("another run is writing" in said for code, said in ends if code), ends
    compare(content(lake), torture.expected("changed"), "two runs")
    check_clean(lake)


def test_a_killed_holder_leaves_no_lock(torture: Torture) -> None:
    lake = first_lake(torture, "no-lock")
    assert kill_at(torture.workshop, "sail", lake, Moment(None, 0.0))
    finished(torture.workshop.command("sail", lake), torture.workshop.base)


@pytest.mark.parametrize("session", ["sail", "spark"], indirect=True)
def test_ctrl_c(torture: Torture, session: Session) -> None:
    """Exit code 130, one plain line, at once; the lake is as the last complete step left it, and goes on from there."""
    engine: Engine = session.engine
    lake = first_lake(torture, f"ctrl-c-{engine}")
    before = {name: DeltaTable(str(lake / name)).version() for name in torture.expected("first")}
    with running(torture, engine, lake) as run:
        if engine == "spark":
            check_refused(torture, run, lake)
        until(run, (lake / "_scratch").exists)
        pressed = time.monotonic()
        run.to_all(signal.SIGINT)
        code, said = run.finish()
        assert code == 130, said
        assert said.strip() == "Stopped. Nothing half-done was kept: run the same command again to go on."
        assert time.monotonic() - pressed < 20
        assert run.emptied(20)
    now = {name: DeltaTable(str(lake / name)).version() for name in before}
    assert now["decisions"] == before["decisions"]  # seconds away; on a busy machine a first table may be through
    check_readable(lake)
    if now == before:
        compare(content(lake), torture.expected("first"), "after Ctrl-C")
    finished(torture.workshop.command("sail", lake), torture.workshop.base)
    compare(content(lake), torture.expected("changed"), "after Ctrl-C and another run")
    check_clean(lake)
