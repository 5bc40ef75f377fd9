"""`winnow`: the jobs from a shell. Parses flags, opens an engine, runs stages, prints what happened."""

import atexit
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from jobs.cli_chat import add_commands as add_chat_commands
from jobs.cli_hand_over import add_commands as add_hand_over_commands
from jobs.cli_look import add_commands as add_look_commands
from jobs.cli_prepare import add_commands as add_prepare_commands
from jobs.cli_train import add_commands as add_train_commands
from jobs.flags import (
    OUT,
    ConfOption,
    EngineOption,
    ExtractorOption,
    FormatOption,
    HtmlOption,
    IdOption,
    InputOption,
    JarsOption,
    JsonOption,
    MasterOption,
    OutOption,
    RecipeOption,
    RootOption,
    SourceOption,
    TextOption,
    UrlOption,
    engine_config,
    failing_plainly,
    show_warnings,
    working,
)

if TYPE_CHECKING:
    from curation.session import EngineConfig
    from curation.sources.settings import Ingest
    from jobs.stage import StageResult, Work

app = typer.Typer(
    name="winnow",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from jobs.stage import code_version

        print(f"winnow {code_version()}")  # noqa: T201 - one plain line
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Curate text into versioned training data: ingest, edit, measure, deduplicate, decide, sample, export."""


@app.command(epilog="Example: winnow run -i 'data/**/*.jsonl.gz' -r fineweb_en -o lake/")
def run(
    inputs: InputOption,
    out: OutOption,
    recipe: RecipeOption,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
    id_field: IdOption = "id",
    text_field: TextOption = "text",
    source_field: SourceOption = "source",
    url_field: UrlOption = "url",
    input_root: RootOption = None,
    input_format: FormatOption = None,
    html_field: HtmlOption = None,
    extractor: ExtractorOption = "resiliparse",
) -> None:
    """Curate: ingest, edit, measure, deduplicate, decide and sample, then print what happened to every document."""
    from jobs.curate_corpus import curate
    from jobs.recipe_file import load_recipe

    with failing_plainly():
        reading = _ingest(
            inputs, input_root, text_field, id_field, source_field, url_field, input_format, html_field, extractor
        )
        chosen = load_recipe(recipe)
        with working(engine_config(engine, master, delta_jars, conf), out, chosen) as work:
            curate(work, reading, OUT)


@app.command(epilog="Example: winnow ingest -i more/part-*.parquet -o lake/ --text-field content")
def ingest(
    inputs: InputOption,
    out: OutOption,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
    id_field: IdOption = "id",
    text_field: TextOption = "text",
    source_field: SourceOption = "source",
    url_field: UrlOption = "url",
    input_root: RootOption = None,
    input_format: FormatOption = None,
    html_field: HtmlOption = None,
    extractor: ExtractorOption = "resiliparse",
) -> None:
    """Read files into the table `documents`; what cannot become a document goes to `quarantine` with its reason."""
    from curation.recipe import Recipe
    from jobs.ingest_documents import ingest as stage

    with failing_plainly():
        reading = _ingest(
            inputs, input_root, text_field, id_field, source_field, url_field, input_format, html_field, extractor
        )
        chosen = Recipe(name="ingest")
        with working(engine_config(engine, master, delta_jars, conf), out, chosen) as work:
            _report(stage(work, reading))


@app.command(epilog="Example: winnow edit -r c4_en -o lake/")
def edit(
    out: OutOption,
    recipe: RecipeOption,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Change the texts as the recipe says, in the table `documents`; what is cut stands beside each text."""
    from jobs.edit_documents import edit as stage

    _one_stage(stage, recipe, out, engine, master, delta_jars, conf)


@app.command(epilog="Example: winnow measure -r fineweb_en -o lake/")
def measure(
    out: OutOption,
    recipe: RecipeOption,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Measure the signals of the recipe on documents that have none yet, into the table `signals`."""
    from jobs.measure_signals import measure as stage

    _one_stage(stage, recipe, out, engine, master, delta_jars, conf)


@app.command(epilog="Example: winnow dedup -r fineweb_en -o lake/")
def dedup(
    out: OutOption,
    recipe: RecipeOption,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Find exact and near duplicates and verify them, into the table `clusters`."""
    from jobs.deduplicate_documents import deduplicate as stage

    _one_stage(stage, recipe, out, engine, master, delta_jars, conf)


@app.command(epilog="Example: winnow decide -o lake/ --what-if 'gopher.min_words=80 language.low_score=off'")
def decide(
    out: OutOption,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", "-r", help="A recipe; with --what-if, the one that decided last is the default."),
    ] = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(help="Show what other bounds would change, without writing: REASON.BOUND=VALUE or REASON=off."),
    ] = None,
    as_json: JsonOption = False,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Apply the recipe's rules to the stored signals, into the table `decisions`. Reads no text."""
    from jobs.decide_documents import decide_and_tell as stage

    if what_if:
        assignments = [word for entry in what_if for word in entry.split()]
        _what_if(out, recipe, assignments, as_json, engine_config(engine, master, delta_jars, conf))
    elif recipe is None:
        raise typer.BadParameter("name the recipe to decide by", param_hint="--recipe")
    else:
        _one_stage(stage, recipe, out, engine, master, delta_jars, conf)


def _what_if(out: str, recipe: str | None, assignments: list[str], as_json: bool, engine: "EngineConfig") -> None:
    from curation.session import open_session
    from jobs.lake import Lake
    from jobs.recipe_file import load_recipe
    from jobs.what_if import show_what_if

    with failing_plainly():
        chosen = None if recipe is None else load_recipe(recipe)
        with open_session(engine) as session:
            show_what_if(Lake(session, out), assignments, OUT, recipe=chosen, as_json=as_json)


@app.command(epilog="Example: winnow weigh -r mine.py -o lake/")
def weigh(
    out: OutOption,
    recipe: RecipeOption,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Measure how common each text that passes is among them, into the table `commonness`, for recipes that weight."""
    from jobs.weigh_documents import weigh as stage

    _one_stage(stage, recipe, out, engine, master, delta_jars, conf)


@app.command(epilog="Example: winnow sample -r demo -o lake/")
def sample(
    out: OutOption,
    recipe: RecipeOption,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Draw the recipe's budget from the documents that passed and weight them, in `decisions`. Reads no text."""
    from jobs.sample_documents import sample as stage

    _one_stage(stage, recipe, out, engine, master, delta_jars, conf)


@app.command(epilog="Example: winnow recipes --json fineweb_en > mine.json")
def recipes(
    json: Annotated[str | None, typer.Option(help="Print this recipe as JSON, to be changed and run again.")] = None,
) -> None:
    """List the recipes that come with Winnow, or print one as JSON."""
    from jobs.recipe_file import load_recipe, recipe_names

    with failing_plainly():
        if json is not None:
            print(load_recipe(json).to_json())  # noqa: T201 - plain text for a file
            return
        table = Table.grid(padding=(0, 2))
        for name in recipe_names():
            table.add_row(f"[bold]{name}[/bold]", load_recipe(name).says)
        OUT.print(table)


def _one_stage(
    stage: "Callable[[Work], StageResult]",
    recipe: str,
    out: str,
    engine: Literal["sail", "spark"] | None,
    master: str | None,
    delta_jars: list[str] | None,
    conf: list[str] | None,
) -> None:
    from jobs.recipe_file import load_recipe

    with failing_plainly():
        chosen = load_recipe(recipe)
        with working(engine_config(engine, master, delta_jars, conf), out, chosen) as work:
            _report(stage(work))


def _report(result: "StageResult") -> None:
    from jobs.summary import show_notes, stage_table

    OUT.print(stage_table([result]))
    show_notes([result], OUT)
    show_warnings(result.warnings, OUT)


def _ingest(
    inputs: list[str],
    root: str | None,
    text_field: str,
    id_field: str,
    source_field: str,
    url_field: str,
    input_format: Literal["jsonl", "parquet", "delta", "warc"] | None,
    html_field: str | None,
    extractor: Literal["resiliparse", "trafilatura", "none"],
) -> "Ingest":
    from curation.sources.settings import Ingest

    return Ingest(
        inputs=tuple(inputs),
        root=root,
        text_field=text_field,
        id_field=id_field,
        source_field=source_field,
        url_field=url_field,
        format=input_format,
        html_field=html_field,
        extractor=extractor,
    )


add_look_commands(app)
add_prepare_commands(app)
add_hand_over_commands(app)
add_chat_commands(app)
add_train_commands(app)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command and of every job file."""
    try:
        app(arguments if arguments is not None else sys.argv[1:], prog_name="winnow")
    except SystemExit as end:
        if end.code and "pysail" in sys.modules:
            # After Ctrl-C or an error Sail's threads may still be in Python: taking it down beneath them aborts.
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        raise


if __name__ == "__main__":
    main()
