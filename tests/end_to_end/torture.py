"""Kill runs of `winnow` at any moment, start them again, and see that the lake comes out as if nothing had happened.

`make torture` kills a hundred runs; the tests use the same pieces for a few.
"""

import argparse
import itertools
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from end_to_end.killing import Moment, Profile, finished, kill_at, profiled
from end_to_end.lake_content import Content, check_clean, check_readable, compare, content
from end_to_end.workshop import Engine, State, Workshop


@dataclass(frozen=True)
class Story:
    """What happens to one lake.

    Attributes:
        name: of the story.
        before: state of the inputs that is already in the lake when the killing starts, None for no lake.
        states: states of the inputs for the first run and for those after the first kill.
        lasts: the next telling goes on with the same lake, the other way round, so that the lake grows old.
    """

    name: str
    before: State | None
    states: tuple[State, State]
    lasts: bool = False


STORIES = (
    Story("from nothing", None, ("first", "first")),
    Story("more files", "first", ("changed", "changed")),
    Story("a file is added after the kill", None, ("first", "added")),
    Story("a file is changed after the kill", "first", ("added", "changed")),
    Story("a file is withdrawn after the kill", None, ("added", "first")),
    Story("a file is changed to and fro", "added", ("changed", "added"), lasts=True),
)


@dataclass
class Torture:
    """Kills runs, starts them again and compares.

    Attributes:
        workshop: inputs and recipe, prepared.
        dice: chooses moments and stories.
        say: takes one line of progress.
        num_kills: runs killed so far.
        lake: the one that a story is told of.
    """

    workshop: Workshop
    dice: random.Random
    say: Callable[[str], None]
    num_kills: int = 0
    lake: Path = Path()
    _expected: dict[State, Content] = field(default_factory=dict)
    _profiles: dict[Engine, Profile] = field(default_factory=dict)

    def undisturbed(self, state: State) -> Path:
        """Where the lake is that was made in one undisturbed run from a state of the inputs."""
        return self.workshop.base / f"undisturbed-{state}"

    def expected(self, state: State) -> Content:
        """What a lake made in one undisturbed run from a state of the inputs holds."""
        if state not in self._expected:
            self.workshop.state(state)
            lake = self.undisturbed(state)
            self._profiles["sail"] = profiled(self.workshop, "sail", lake)
            self._expected[state] = content(lake)
        return self._expected[state]

    def lake_before(self, story: Story, name: str) -> Path:
        """A lake as it is before the killing starts."""
        if story.before:
            self.expected(story.before)
        self.lake = self.workshop.base / name
        shutil.rmtree(self.lake, ignore_errors=True)
        if story.before:
            shutil.copytree(self.undisturbed(story.before), self.lake)
        return self.lake

    def profile(self, engine: Engine) -> Profile:
        """What an undisturbed run does to an empty folder, and how long that takes."""
        expected = self.expected("first")
        if engine not in self._profiles:
            lake = self.workshop.base / f"undisturbed-{engine}"
            self.workshop.state("first")
            self._profiles[engine] = profiled(self.workshop, engine, lake)
            compare(content(lake), expected, f"undisturbed on {engine}")
        return self._profiles[engine]

    def tell(self, engine: Engine, story: Story, moments: Iterable[Moment], finish_on: Engine) -> None:
        """Kill at each of the moments until a run comes through, let one finish, and compare."""
        states, told = story.states, f"{engine}, {story.name}"
        lasting = self.workshop.base / f"lasting-{engine}"
        if not story.lasts:
            self.lake_before(story, "lake")
        elif not lasting.exists():
            self.lake_before(story, lasting.name)
        else:
            self.lake = lasting
            if _ingested(lasting)["qa.jsonl"] == _ingested(self.undisturbed(states[0]))["qa.jsonl"]:
                states = (states[1], states[0])
        for number, moment in enumerate(moments):
            self.workshop.state(states[min(number, 1)])
            killed = kill_at(self.workshop, engine, self.lake, moment)
            self.num_kills += killed
            self.say(f"{self.num_kills:>3} {told}: {'killed' if killed else 'was done'} {moment}")
            check_readable(self.lake)
            if not killed:
                break
        final = states[1]
        if final == "first" and "more.jsonl" in _ingested(self.lake):
            final = "added"  # a file that was read completely stays in the lake when it leaves the inputs
        expected = self.expected(final)
        self.workshop.state(states[1])
        finished(self.workshop.command(finish_on, self.lake), self.workshop.base)
        compare(content(self.lake), expected, told)
        check_clean(self.lake)

    def kill(self, engine: Engine, story: Story, num_kills: int) -> None:
        """Tell a story, with up to three kills in a row each time, until so many runs more were killed in it."""
        goal = self.num_kills + num_kills
        while self.num_kills < goal:
            profile = self.profile(engine)
            rounds = min(self.dice.choice((1, 2, 3)), goal - self.num_kills)
            moments = [profile.draw(self.dice, engine) for _ in range(rounds)]
            self.tell(engine, story, moments, finish_on=self.dice.choice((engine, "sail")))

    def go(self, num_kills: int, engines: Sequence[Engine]) -> None:
        """Tell all stories in turn until so many runs were killed, on each engine its share."""
        for number, engine in enumerate(engines):
            goal = num_kills * (number + 1) // len(engines)
            for story in itertools.cycle(STORIES):
                if self.num_kills >= goal:
                    break
                self.kill(engine, story, min(self.dice.choice((1, 2, 3)), goal - self.num_kills))


def _ingested(lake: Path) -> dict[str, str | None]:
    """The fingerprint of every file that the lake's ledger names."""
    try:
        files = DeltaTable(str(lake / "files")).to_pyarrow_table()
    except TableNotFoundError:
        return {}
    return dict(zip(files["name"].to_pylist(), files["fingerprint"].to_pylist(), strict=True))


def main() -> None:
    """Torture both engines, or one; exit code 1 where a lake came out wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="runs to kill [100]")
    parser.add_argument("--seed", type=int, help="draw what an earlier torture drew")
    parser.add_argument("--engine", choices=("sail", "spark"), action="append", help="one engine only [both]")
    parser.add_argument("--scale", type=int, default=500, help="documents in each larger input file [500]")
    chosen = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if chosen.seed is None else chosen.seed
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # not without ending the run that goes on
    folder = Path(tempfile.mkdtemp(prefix="winnow-torture-"))
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:5.0f} s {line}", flush=True)  # noqa: T201 - a command line

    say(f"seed {seed}, in {folder}")
    workshop = Workshop(folder / "shop", chosen.scale)
    workshop.prepare()
    torture = Torture(workshop, random.Random(seed), say)
    try:
        torture.go(chosen.kills, chosen.engine or ["sail", "spark"])
    except (AssertionError, DeltaError, pa.ArrowException, OSError) as error:
        say(f"WRONG: {error}\nThe lake is {torture.lake}; --seed {seed} draws the same stories and moments again.")
        sys.exit(1)
    shutil.rmtree(folder)
    say(f"{torture.num_kills} runs killed; every lake came out as if none had been.")


if __name__ == "__main__":
    main()
