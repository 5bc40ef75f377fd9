"""What the commands share: their flags, the engine that these open, and how errors are told."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from curation.recipe import Recipe
    from curation.session import EngineConfig
    from jobs.stage import Work

InputOption = Annotated[
    list[str],
    typer.Option(
        "--input", "-i", help="Files, folders or quoted patterns (`**` too), repeatable. JSONL, Parquet, Delta, WARC."
    ),
]
OutOption = Annotated[str, typer.Option("--out", "-o", help="The lake: a folder, or a URI with --engine spark.")]
RecipeOption = Annotated[
    str,
    typer.Option(
        "--recipe", "-r", help="A recipe's name (see `winnow recipes`), a .py or .json file, or LAKE/decisions@VERSION."
    ),
]
EngineOption = Annotated[
    Literal["sail", "spark"] | None,
    typer.Option(help="sail runs inside this process, without Java; spark is Apache Spark.", show_default="sail"),
]
MasterOption = Annotated[
    str | None, typer.Option(help="With spark: local[*], the URL of a cluster, or sc://host:port.", show_default=False)
]
JarsOption = Annotated[
    list[str] | None,
    typer.Option(help="With spark: jars of Delta Lake, or a folder of them; else fetched by Maven coordinates."),
]
ConfOption = Annotated[list[str] | None, typer.Option("--conf", help="With spark: a setting, key=value; repeatable.")]
IdOption = Annotated[str, typer.Option(help="Field that holds your own id.")]
TextOption = Annotated[str, typer.Option(help="Field that holds the text; dots reach into nested fields.")]
SourceOption = Annotated[str, typer.Option(help="Field that names the source; else the path does.")]
UrlOption = Annotated[str, typer.Option(help="Field that holds the address.")]
RootOption = Annotated[
    str | None, typer.Option(help="Folder that files are named from; else the part of --input without wildcards.")
]
FormatOption = Annotated[
    Literal["jsonl", "parquet", "delta", "warc"] | None, typer.Option(help="Format of every file; else by its name.")
]
HtmlOption = Annotated[
    str | None, typer.Option(help="Field that holds a page's HTML (text, or bytes in Parquet); the text is made of it.")
]
ExtractorOption = Annotated[
    Literal["resiliparse", "trafilatura", "none"],
    typer.Option(help="What makes text of HTML, in WARC files and --html-field; none keeps the HTML."),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

OUT, ERR = Console(), Console(stderr=True)
"""Where results go, and where progress and errors go."""


@contextmanager
def working(config: "EngineConfig", out: str, recipe: "Recipe") -> "Iterator[Work]":
    """An engine, a lake that can be written, and a display."""
    from curation.session import open_session
    from curation.text.batch import compiled_before
    from jobs.display import Bars
    from jobs.lake import Lake
    from jobs.stage import Work

    if config.engine == "spark" and ERR.is_terminal:
        ERR.print(Text("Starting Apache Spark (about 15 s; the first time it fetches the Delta jars) ...", style="dim"))
    if not compiled_before():
        OUT.print(Text("First run on this machine: kernels are compiled once, for about half a minute.", style="dim"))
    with open_session(config) as session:
        lake = Lake(session, out)
        with lake.held():
            yield Work(lake, recipe, Bars(session, ERR))


@contextmanager
def failing_plainly() -> Iterator[None]:
    """Turn what a user can mend into one message and exit code 1 (2 for wrong flags, 130 for Ctrl-C)."""
    from curation.errors import EngineError, FlagError, WinnowError
    from curation.recipe import RecipeError
    from curation.session import ENGINE_FAILURES

    try:
        yield
    except WinnowError as error:
        ERR.print(Text(f"Error: {error}", style="bold red"))
        raise typer.Exit(2 if isinstance(error, RecipeError | EngineError | FlagError) else 1) from error
    except KeyboardInterrupt as error:
        ERR.print("Stopped. Nothing half-done was kept: run the same command again to go on.")
        raise typer.Exit(130) from error
    except ENGINE_FAILURES as error:
        if os.environ.get("WINNOW_DEBUG"):
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        ERR.print(Text(f"Error: the engine failed: {_cause(lines)}", style="bold red"))
        ERR.print("What was committed before is whole; run the same command again to go on. WINNOW_DEBUG=1 shows all.")
        raise typer.Exit(1) from error


def _cause(lines: list[str]) -> str:
    """The line of an engine's error that says why: a full disk, a Python worker's last exception, the first line."""
    full = [line for line in lines if "No space left on device" in line or "Disk quota exceeded" in line]
    raised = full or [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)]
    return (raised or lines or ["no message"])[-1 if raised else 0][:600]


def engine_config(
    engine: Literal["sail", "spark"] | None, master: str | None, delta_jars: list[str] | None, conf: list[str] | None
) -> "EngineConfig":
    """The engine that the flags name.

    Raises:
        EngineError: the flags contradict each other.
    """
    from curation.errors import EngineError
    from curation.session import EngineConfig, in_spark_submit

    settings: dict[str, str] = {}
    for entry in conf or []:
        key, equals, value = entry.partition("=")
        if not equals:
            raise EngineError(f"--conf {entry}: expected key=value")
        settings[key] = value
    chosen = engine or ("spark" if master or delta_jars or in_spark_submit() else "sail")
    jars = tuple(jar for entry in delta_jars or [] for jar in entry.split(",") if jar)
    return EngineConfig(engine=chosen, master=master, delta_jars=jars, conf=settings)


def show_warnings(warnings: Sequence[str], console: Console) -> None:
    """Print what should be looked at, so that it is seen."""
    for warning in warnings:
        console.print(Text(f"WARNING: {warning}", style="bold yellow"))
