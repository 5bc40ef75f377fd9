"""Edits in a lake: whatever the order of ingests, edits and kills, the texts are those of editing all at once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from references.edits import original_text
from references.ingests import rows, run, write
from typer.testing import CliRunner

from curation.edits.duplicate_pieces import DuplicateLines, DuplicateParagraphs, RepeatedParagraphs
from curation.edits.newlines import Newlines
from curation.edits.redact import RedactPii
from curation.errors import LakeError
from curation.recipe import Recipe, RecipeError
from curation.session import Session
from curation.signals import cuts
from curation.signals.gopher import Gopher
from curation.sources.piece import hashes
from curation.sources.settings import Ingest
from jobs.cli import app
from jobs.display import Silent
from jobs.edit_documents import edit
from jobs.ingest_documents import ingest_files
from jobs.lake import Lake
from jobs.measure_signals import measure
from jobs.stage import Work

sail_only = pytest.mark.parametrize("session", ["sail"], indirect=True)

EDITED = Recipe(name="edited", edits=(Newlines(most=1), RedactPii()), signals=(Gopher(), cuts.Cuts()))
OTHER = replace(EDITED, name="other", edits=(RedactPii(email="(mail)"),))
PLAIN = replace(EDITED, name="plain", edits=())
TEXTS = ["One\n\n\ntwo\n\nthree", "Write to a@b.com.\n\n\nOr not.", "é\n\n漢字 8.8.8.8", "nothing to change", "\n\n"]


class Killed(BaseException):
    """Stands for the end of the process."""


class DyingLake(Lake):
    """A lake whose process ends before its n-th commit."""

    survived = 0

    def write(self, *arguments: Any, **options: Any) -> int:
        if self.survived == 0:
            raise Killed
        self.survived -= 1
        return super().write(*arguments, **options)


def dying(lake: Lake, survived: int) -> Lake:
    made = DyingLake(lake.session, lake.path)
    made.survived = survived
    return made


@pytest.fixture
def lake(session: Session, tmp_path: Path) -> Lake:
    return Lake(session, str(tmp_path / "lake"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "data" / "a.jsonl", TEXTS)
    write(tmp_path / "data" / "b.jsonl.gz", [text * 2 for text in TEXTS])
    return tmp_path / "data"


def edited(lake: Lake, recipe: Recipe = EDITED) -> Any:
    return edit(Work(lake, recipe, Silent()))


def at_once(lake: Lake, data: Path, tmp_path: Path, recipe: Recipe = EDITED) -> list[dict[str, Any]]:
    """The rows of a new lake that reads and edits everything as it is now."""
    clean = Lake(lake.session, str(tmp_path / "clean"))
    run(clean, data)
    edited(clean, recipe)
    return rows(clean)


def test_texts_are_edited_and_come_back(lake: Lake, data: Path) -> None:
    run(lake, data)
    read = rows(lake)
    result = edited(lake)
    after = {row["doc_id"]: row for row in rows(lake)}
    assert "newlines: 8 of 10 documents changed, 0.00 MB cut" in result.notes
    texts = [after[row["doc_id"]]["text"] for row in read[:5]]
    assert texts == [
        "One\ntwo\nthree",
        "Write to |||EMAIL_ADDRESS|||.\nOr not.",
        "é\n漢字 |||IP_ADDRESS|||",
        TEXTS[3],
        "\n",
    ]
    for before in read:
        row = after[before["doc_id"]]
        assert row["content_hash"] == hashes(pa.array([row["text"]]))[0]
        assert original_text(row["text"], row["cuts"]) == before["text"]
        assert (row["cuts"] is None) == (row["text"] == before["text"])
        assert {name: row[name] for name in ("source", "origin", "metadata", "record_id")} == {
            name: before[name] for name in ("source", "origin", "metadata", "record_id")
        }
    assert edited(lake).skipped
    assert not edited(lake, PLAIN).skipped
    assert rows(lake) == read
    assert edited(lake, PLAIN).skipped


@sail_only
def test_another_recipe_begins_with_what_was_read(lake: Lake, data: Path, tmp_path: Path) -> None:
    run(lake, data)
    edited(lake)
    edited(lake, OTHER)
    assert rows(lake) == at_once(lake, data, tmp_path, OTHER)


@sail_only
def test_new_and_changed_files_are_edited_alone(lake: Lake, data: Path, tmp_path: Path) -> None:
    run(lake, data)
    edited(lake)
    write(data / "c.jsonl", ["new\n\n\nfile"])
    write(data / "a.jsonl", ["changed\n\n\nto a@b.com", *TEXTS])
    run(lake, data)
    result = edited(lake)
    assert result.num_rows == 7  # the rows of the new and the changed file
    assert rows(lake) == at_once(lake, data, tmp_path)


@sail_only
@pytest.mark.parametrize("survived", [0, 1])
def test_an_ingest_that_dies_on_an_edited_lake_is_made_good(
    lake: Lake, data: Path, tmp_path: Path, survived: int
) -> None:
    run(lake, data)
    edited(lake)
    write(data / "c.jsonl", ["new\n\n\nfile"])
    write(data / "a.jsonl", ["changed\n\n\nto a@b.com", *TEXTS])
    with pytest.raises(Killed):
        run(dying(lake, survived), data)
    if survived:
        edited(lake)  # of what the dead ingest left
    run(lake, data)
    edited(lake)
    assert rows(lake) == at_once(lake, data, tmp_path)


@sail_only
def test_an_edit_that_dies_has_changed_nothing(lake: Lake, data: Path, tmp_path: Path) -> None:
    run(lake, data)
    read = rows(lake)
    with pytest.raises(Killed):
        edited(dying(lake, 0))
    assert rows(lake) == read
    write(data / "c.jsonl", ["new\n\n\nfile"])
    run(lake, data)
    edited(lake)
    assert rows(lake) == at_once(lake, data, tmp_path)


@sail_only
def test_measuring_refuses_what_is_not_edited(lake: Lake, data: Path) -> None:
    run(lake, data)
    with pytest.raises(LakeError, match="10 documents are not as the edits of the recipe 'edited' make them"):
        measure(Work(lake, EDITED, Silent()))
    edited(lake)
    with pytest.raises(LakeError, match="run `winnow edit` with this recipe first"):
        measure(Work(lake, PLAIN, Silent()))
    measure(Work(lake, EDITED, Silent()))
    signals = {row["doc_id"]: row["cuts"] for row in lake.read("signals").toArrow().to_pylist()}
    for row in rows(lake):
        assert signals[row["doc_id"]]["num_pieces"] == len(row["cuts"] or ())
    words = [signals[row["doc_id"]] for row in rows(lake)[:2]]
    assert [(one["num_words_before"], one["frac_words_cut"]) for one in words] == [(3, 0.0), (6, 1 / 6)]


COPIES = replace(
    EDITED,
    name="copies",
    edits=(
        Newlines(most=1),
        DuplicateLines(),
        RedactPii(),
        RepeatedParagraphs(size=3, min_ngram=3),
        DuplicateParagraphs(),
    ),
)


def test_edits_of_the_whole_corpus(lake: Lake, data: Path, tmp_path: Path) -> None:
    write(
        data / "c.jsonl",
        ["Page of a site\nHome | About\nMine alone", "Page of a site\nHOME  about\na@b.com", "Home, about"],
    )
    run(lake, data)
    read = {row["doc_id"]: row["text"] for row in rows(lake)}
    edited(lake, COPIES)
    after = rows(lake)
    assert {row["doc_id"]: original_text(row["text"], row["cuts"]) for row in after} == read
    homes = [line for row in after for line in row["text"].split("\n") if line.lower().startswith("home")]
    assert len(homes) == 1
    assert sum("Page of a site" in row["text"] for row in after) == 1
    told = [cut for row in after for cut in row["cuts"] or () if cut["edit"] == "duplicate_lines"]
    assert any("Page of a site\n" in cut["text"] for cut in told)
    assert edited(lake, COPIES).skipped
    write(data / "d.jsonl", ["Home. About!\nnew"])
    run(lake, data)
    assert edited(lake, COPIES).num_rows == 14  # the others depend on it
    assert sum("home" in row["text"].lower() for row in rows(lake)) == 1
    assert rows(lake) == at_once(lake, data, tmp_path, COPIES)
    edited(lake, PLAIN)
    assert {row["doc_id"]: row["text"] for row in rows(lake)}.items() >= read.items()


@sail_only
def test_partitions_do_not_matter(lake: Lake, data: Path, tmp_path: Path) -> None:
    ingest_files(lake, Ingest(inputs=(str(data),)), num_tasks=5)
    edited(lake)
    assert rows(lake) == at_once(lake, data, tmp_path)


def test_the_command_and_the_story(data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.py"
    recipe.write_text(
        "from curation.edits.redact import RedactPii\nfrom curation.recipe import Recipe\n"
        "from curation.signals.gopher import Gopher\n"
        "RECIPE = Recipe(name='mine', edits=(RedactPii(),), signals=(Gopher(),))\n"
    )
    lake = str(tmp_path / "told")
    done = CliRunner().invoke(app, ["run", "-i", str(data), "-r", str(recipe), "-o", lake], env={"COLUMNS": "150"})
    assert done.exit_code == 0, done.output
    assert "edit: redact_pii: 4 of 10 documents changed" in done.output
    told = CliRunner().invoke(app, ["show", "a.jsonl:2", "-o", lake], env={"COLUMNS": "150"}).output
    assert "Write to |||EMAIL_ADDRESS|||." in told
    assert "redact_pii  a@b.com → |||EMAIL_ADDRESS|||" in told
    again = CliRunner().invoke(app, ["run", "-i", str(data), "-r", str(recipe), "-o", lake], env={"COLUMNS": "150"})
    assert "Nothing to do: every table is up to date." in again.output


def test_edits_are_part_of_a_recipe() -> None:
    assert Recipe.from_json(EDITED.to_json()) == EDITED
    assert EDITED.hash != OTHER.hash != PLAIN.hash
    assert PLAIN.hash == Recipe(name="p", signals=PLAIN.signals).hash
    with pytest.raises(RecipeError, match="two edits are called newlines"):
        Recipe(name="twice", edits=(Newlines(), Newlines(most=1)))
