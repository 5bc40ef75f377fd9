"""The commands that look and change nothing: a document's story, a lake's history."""

from typing import TYPE_CHECKING, Annotated

import typer

from jobs.flags import (
    ERR,
    OUT,
    ConfOption,
    EngineOption,
    JarsOption,
    JsonOption,
    MasterOption,
    OutOption,
    engine_config,
    failing_plainly,
)

if TYPE_CHECKING:
    from pathlib import Path

    from curation.session import EngineConfig


SampleOption = Annotated[
    int, typer.Option(min=1, help="Documents, about, that dialects are compared on: always the same ones.")
]


def add_commands(app: typer.Typer) -> None:
    """Add `report`, `keep-rates`, `dialects`, `show` and `history` to the command."""
    app.command(epilog="Example: winnow report -o lake/ --to report.html --by metadata.year")(report)
    app.command(name="keep-rates", epilog="Example: winnow keep-rates -o lake/ --by length --by metadata.license")(
        keep_rates
    )
    app.command(epilog="Example: winnow dialects -o lake/ --sample 50000")(dialects)
    app.command(epilog="Example: winnow show arxiv:cs/0512057 -o lake/")(show)
    app.command(epilog="Example: winnow history decisions --recipe 1 -o lake/ > again.json")(history)


def show(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="DOCUMENT", help="A doc_id (8 digits are enough), your own record id, or FILE:RECORD of the input."
        ),
    ],
    out: OutOption,
    as_json: JsonOption = False,
    at: Annotated[int | None, typer.Option(help="As decided in this version of `decisions`.")] = None,
    lines: Annotated[int, typer.Option(help="Lines of the text to print.")] = 12,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Tell the whole story of one document: where from, what was measured, which rules fired, what it duplicates."""
    from jobs.lake_reader import open_reader
    from jobs.show_document import show as show_story

    with failing_plainly():
        config = engine_config(engine, master, delta_jars, conf) if engine or master else None
        with open_reader(out, config) as reader:
            show_story(reader, wanted, OUT, as_json=as_json, at=at, num_lines=lines)


def history(
    out: OutOption,
    table: Annotated[str | None, typer.Argument(help="One table; all of them where none is named.")] = None,
    as_json: JsonOption = False,
    limit: Annotated[int | None, typer.Option(help="So many of the newest commits.")] = None,
    recipe: Annotated[
        int | None, typer.Option(help="Print the recipe that this version of the table recorded, as JSON.")
    ] = None,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """List the commits of a lake: when, by which stage and recipe, from which versions of what."""
    from jobs.lake_reader import open_reader
    from jobs.show_history import show_history

    with failing_plainly():
        config = engine_config(engine, master, delta_jars, conf) if engine or master else None
        with open_reader(out, config) as reader:
            show_history(reader, OUT, table, as_json=as_json, limit=limit, recipe=recipe)


def report(
    out: Annotated[
        str, typer.Option("--out", "-o", help="The lake, or the folder of a training run (which needs no engine).")
    ],
    to: Annotated[
        str | None, typer.Option(help="The file to write; else report.html in the lake or in the run's folder.")
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option(help="Also tell who is kept by metadata.FIELD of the records; repeatable.")
    ] = None,
    dialects: Annotated[
        bool, typer.Option("--dialects", help="Also tell whom other implementations of the rules would keep or drop.")
    ] = False,
    sample: SampleOption = 10_000,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Write one self-contained HTML page: what a lake kept, dropped and why; or how a training run went."""
    from training.run_history import is_run

    with failing_plainly():
        if is_run(out):
            from jobs.write_training_report import write_training_report

            target = write_training_report(out, to)
        else:
            config = engine_config(engine, master, delta_jars, conf)
            target = _report_of_lake(out, to, by or [], sample if dialects else None, config)
        OUT.print(f"Report: {target}", soft_wrap=True)


def keep_rates(
    out: OutOption,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="source, language, length (tenths by size) or metadata.FIELD; repeatable.",
            show_default="the first three",
        ),
    ] = None,
    as_json: JsonOption = False,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Tell who is dropped: documents kept by source, language, length, metadata; warn of rules that choose topics."""
    from curation.session import open_session
    from jobs.lake import Lake
    from jobs.show_keep_rates import show_keep_rates

    with failing_plainly(), open_session(engine_config(engine, master, delta_jars, conf)) as session:
        show_keep_rates(Lake(session, out), OUT, by or [], as_json=as_json)


def dialects(
    out: OutOption,
    sample: SampleOption = 10_000,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", "-r", help="Whose rules; see `winnow recipes`.", show_default="of the decisions"),
    ] = None,
    as_json: JsonOption = False,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Tell which documents other implementations of the recipe's rules would keep or drop, and why."""
    from curation.session import open_session
    from jobs.compare_dialects import dialects_of_lake, show_dialects
    from jobs.display import Bars
    from jobs.lake import Lake
    from jobs.lake_reader import EngineReader
    from jobs.recipe_file import load_recipe
    from jobs.recorded_recipe import recipe_of

    with failing_plainly():
        asked = None if recipe is None else load_recipe(recipe)
        with open_session(engine_config(engine, master, delta_jars, conf)) as session:
            lake = Lake(session, out)
            found = dialects_of_lake(lake, asked or recipe_of(EngineReader(lake)), sample, Bars(session, ERR))
        show_dialects(found, OUT, as_json=as_json)


def _report_of_lake(
    out: str, to: str | None, by: list[str], num_compared: int | None, config: "EngineConfig"
) -> "Path":
    from curation.session import open_session
    from jobs.display import Silent
    from jobs.lake import Lake
    from jobs.lake_reader import EngineReader
    from jobs.recorded_recipe import recipe_of
    from jobs.stage import Work
    from jobs.write_report import write_report

    with open_session(config) as session:
        lake = Lake(session, out)
        work = Work(lake, recipe_of(EngineReader(lake)), Silent())
        return write_report(work, to, by=by, num_compared=num_compared)
