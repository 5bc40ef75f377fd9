"""The commands that prepare a run: indexes of evaluation sets, a look at pages and their text."""

from typing import Annotated

import typer

from jobs.flags import OUT, FormatOption, HtmlOption, InputOption, failing_plainly


def add_commands(app: typer.Typer) -> None:
    """Add the commands to `winnow`."""
    app.command(
        name="index-evaluation",
        epilog="Example: winnow index-evaluation evals/mmlu.jsonl.gz evals/bbh.jsonl --to evals.index",
    )(index_evaluation)
    app.command(
        name="fit-importance",
        epilog="Example: winnow fit-importance --source 'crawl/*.jsonl.gz' --target wikipedia=wiki/ --to importance",
    )(fit_importance)
    app.command(name="preview-pages", epilog="Example: winnow preview-pages -i crawl.warc.gz --limit 20")(preview_pages)


def index_evaluation(
    files: Annotated[list[str], typer.Argument(help="JSONL (plain or gzip) or Parquet files, or folders of them.")],
    to: Annotated[str, typer.Option(help="The file to write.")],
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            help="A field whose text belongs to an item; repeatable.",
            show_default="question and choices, ...",
        ),
    ] = None,
    id_field: Annotated[str, typer.Option(help="The field that names an item.")] = "id",
    set_field: Annotated[
        str | None, typer.Option(help="The field that names an item's set.", show_default="the file's name")
    ] = None,
    size: Annotated[int, typer.Option("--words", help="Words of an n-gram, 8 to 50.")] = 13,
    least_words: Annotated[int, typer.Option(help="An item of so many words is still looked for, as a whole.")] = 8,
) -> None:
    """Index evaluation sets, so that documents that hold their items can be dropped (signal `contamination`)."""
    from jobs.index_evaluation_sets import index_evaluation_sets, read_items, show_index

    with failing_plainly():
        items = read_items(files, fields=fields or (), id_field=id_field, set_field=set_field)
        show_index(index_evaluation_sets(items, to, size=size, least_words=least_words), to, OUT)


def fit_importance(
    source: Annotated[list[str], typer.Option(help="Files, folders or patterns that documents come from; repeatable.")],
    targets: Annotated[
        list[str],
        typer.Option("--target", help="NAME=FILES of what they should be like; repeatable, a name too."),
    ],
    to: Annotated[str, typer.Option(help="The file to write.")],
    text_field: Annotated[str, typer.Option(help="The field that holds the text.")] = "text",
    buckets: Annotated[int, typer.Option(min=2, help="How many numbers words and pairs are told apart by.")] = 10_000,
) -> None:
    """Count the words of corpora, so that documents can be weighed by them (signal `redpajama_models`)."""
    from curation.sources.settings import Ingest
    from jobs.fit_importance import fit_importance as fit
    from jobs.fit_importance import show_counts

    named: dict[str, list[str]] = {}
    for target in targets:
        name, equals, files = target.partition("=")
        if not (name and equals and files):
            raise typer.BadParameter(f"{target!r}: expected NAME=FILES, such as wikipedia=wiki/", param_hint="--target")
        named.setdefault(name, []).append(files)
    with failing_plainly():
        configs = {name: Ingest(inputs=tuple(files), text_field=text_field) for name, files in named.items()}
        done = fit(Ingest(inputs=tuple(source), text_field=text_field), configs, to, OUT, buckets=buckets)
        show_counts(*done, to, OUT)


def preview_pages(
    inputs: InputOption,
    to: Annotated[str, typer.Option(help="The HTML file to write.")] = "pages.html",
    limit: Annotated[int, typer.Option(min=1, max=500, help="Pages to show.")] = 8,
    skip: Annotated[int, typer.Option(min=0, help="Pages to pass over before.")] = 0,
    html_field: HtmlOption = None,
    input_format: FormatOption = None,
) -> None:
    """Show pages beside the text that each extractor makes of them, line by line, before a crawl is read."""
    from curation.sources.settings import Ingest
    from jobs.preview_pages import preview_pages as preview

    with failing_plainly():
        config = Ingest(inputs=tuple(inputs), html_field=html_field, format=input_format)
        preview(config, to, OUT, limit=limit, skip=skip)
