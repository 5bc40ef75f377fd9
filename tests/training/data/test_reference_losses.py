"""Tables of reference losses: written, read, and held against an export."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from references.token_shards import Row, random_rows, write_export

from training.data import read_manifest
from training.data.errors import ReferenceLossError
from training.data.reference_losses import (
    ReferenceLosses,
    evaluation_hashes,
    measured,
    read_reference_losses,
    write_reference_losses,
)

LOSSES = {"books": 2.5, "web pages": 3.25, "ärzte/..": 1.75, "held": 2.0}
HEAD = '{"format": "winnow-reference-losses", "version": 1, '
TOKENS = {"books": 300, "web pages": 301, "ärzte/..": 302, "held": 90}


@pytest.fixture
def table(export: Path) -> ReferenceLosses:
    return measured(LOSSES, read_manifest(export), tokens=TOKENS, model="small", num_params=1234, date="2026-01-02")


def test_a_table_that_was_measured_here_fits(export: Path, table: ReferenceLosses) -> None:
    manifest = read_manifest(export)
    assert table.check(manifest) == ()
    assert table.check(manifest, TOKENS) == ()
    assert table.tokenizer == manifest.tokenizer.sha256
    assert table.row_length == 32


def test_what_is_written_is_read(tmp_path: Path, table: ReferenceLosses) -> None:
    path = tmp_path / "new" / "losses.json"
    write_reference_losses(replace(table, losses={"a": 0.1 + 0.2}), path)
    write_reference_losses(table, path)
    assert read_reference_losses(path) == table
    assert [one.name for one in path.parent.iterdir()] == ["losses.json"]
    assert json.loads(path.read_text())["losses"] == LOSSES
    bare = ReferenceLosses(losses={"format": 1 / 3})
    write_reference_losses(bare, path)
    assert read_reference_losses(path) == bare


def test_a_table_by_hand_is_taken_with_a_note(export: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"books": 2, "web pages": 3.25, "ärzte/..": 1.75, "format": 4}')
    table = read_reference_losses(path)
    assert table == ReferenceLosses(losses={"books": 2, "web pages": 3.25, "ärzte/..": 1.75, "format": 4})
    unused, unknown = table.check(read_manifest(export))
    assert unused == "the reference loss of 'format' is not used: the export has no such domain"
    assert "does not say which tokenizer and evaluation rows and row length it was measured with" in unknown


def test_a_domain_that_is_not_trained_on_needs_no_loss(export: Path, table: ReferenceLosses) -> None:
    losses = {name: loss for name, loss in LOSSES.items() if name != "held"}
    assert replace(table, losses=losses).check(read_manifest(export)) == ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"losses": {"book": 2.5, "web pages": 3.25, "ärzte/..": 1.75}},
            r"there is none for domain 'books' \(did you mean it by 'book'\?\)",
        ),
        ({"tokenizer": "0" * 64}, "losses per token of another tokenizer .sha256 0000"),
        ({"row_length": 64}, "measured on rows of 64 tokens, and the export has 32"),
        ({"evaluation": {"books": "1" * 64}}, "those of 'books' were measured on other evaluation rows"),
        ({"tokens": TOKENS | {"books": 7}}, "the loss of 'books' is the mean of 7 tokens, and 300 are evaluated here"),
    ],
)
def test_a_table_of_other_data(export: Path, table: ReferenceLosses, changed: dict[str, object], said: str) -> None:
    with pytest.raises(ReferenceLossError, match=said):
        replace(table, **changed).check(read_manifest(export), TOKENS)  # type: ignore[arg-type]


def test_evaluation_rows_are_known_again_whatever_is_trained_on(
    export: Path, rows: dict[str, dict[str, list[Row]]], tmp_path: Path
) -> None:
    here = evaluation_hashes(read_manifest(export))
    assert sorted(here) == sorted(LOSSES)
    more = {name: dict(splits) for name, splits in rows.items()}
    more["books"]["train"] = random_rows(5, 40, 32, 1000, "more")
    write_export(tmp_path / "more", more, row_length=32)
    assert evaluation_hashes(read_manifest(tmp_path / "more")) == here
    more["books"]["eval"] = random_rows(6, 11, 32, 1000, "others")
    write_export(tmp_path / "others", more, row_length=32)
    others = evaluation_hashes(read_manifest(tmp_path / "others"))
    assert {name for name in here if others[name] != here[name]} == {"books"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[1]", "is no table: expected an object such as"),
        ('{"books": "low"}', "field losses.books is 'low', expected a number"),
        ('{"books": true}', "field losses.books is True, expected a number"),
        ('{"books": -1}', "the reference loss of 'books' is -1: expected a finite number above 0"),
        ("{}", "names no domain"),
        ('{"format": "winnow-shards", "version": 1}', "is 'winnow-shards', version 1: expected 'winnow-reference-lo"),
        (HEAD + '"losses": {"a": 1}, "modell": "x"}', "field 'modell' is unknown"),
        (HEAD + '"row_length": 1}', "the field 'losses' is missing"),
        (HEAD + '"losses": {"a": 1}, "tokens": {"a": 1.5}}', "field tokens.a is 1.5, expected a whole number"),
        (HEAD + '"losses": {"a": 1}, "evaluation": []}', "field evaluation is \\[\\], expected an object"),
        (HEAD + '"losses": {"a": 1}, "row_length": "9"}', "row_length is '9'"),
        (HEAD + '"losses": {"a": 1}, "num_params": 0}', "num_params is 0"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(ReferenceLossError, match=said) as error:
        read_reference_losses(path)
    assert str(path) in str(error.value)


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(ReferenceLossError, match="is missing"):
        read_reference_losses(tmp_path / "none.json")
    with pytest.raises(ReferenceLossError, match="is a folder"):
        read_reference_losses(tmp_path)
    with pytest.raises(ReferenceLossError, match=r"cannot write .*: Is a directory"):
        write_reference_losses(ReferenceLosses(losses={"a": 1.0}), tmp_path)
    with pytest.raises(ReferenceLossError, match="the reference loss of 'a' is nan"):
        ReferenceLosses(losses={"a": float("nan")})
