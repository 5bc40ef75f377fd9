"""The commands that look and change nothing: a document's story, a lake's history."""

from typing import Annotated

import typer

from jobs.flags import (
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


def add_commands(app: typer.Typer) -> None:
    """Add `report`, `show` and `history` to the command."""
    app.command(epilog="Example: winnow report -o lake/ --to report.html")(report)
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
    out: OutOption,
    to: Annotated[str | None, typer.Option(help="The file to write. [default: report.html in the lake]")] = None,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Write one self-contained HTML page about a lake: what was kept, what was dropped and why, with pictures."""
    from curation.session import open_session
    from jobs.display import Silent
    from jobs.lake import Lake
    from jobs.lake_reader import EngineReader
    from jobs.recorded_recipe import recipe_of
    from jobs.stage import Work
    from jobs.write_report import write_report

    with failing_plainly(), open_session(engine_config(engine, master, delta_jars, conf)) as session:
        lake = Lake(session, out)
        OUT.print(f"Report: {write_report(Work(lake, recipe_of(EngineReader(lake)), Silent()), to)}", soft_wrap=True)
