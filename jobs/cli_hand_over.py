"""The commands that hand a corpus over to training: token shards, a tokenizer of its own, and the way back."""

from typing import Annotated, Literal

import typer

from jobs.flags import (
    ERR,
    OUT,
    ConfOption,
    EngineOption,
    JarsOption,
    MasterOption,
    OutOption,
    engine_config,
    failing_plainly,
)

TokenizerOption = Annotated[
    str, typer.Option("--tokenizer", "-t", help="A tokenizer.json, a folder that holds one, or OWNER/NAME on the hub.")
]


def add_commands(app: typer.Typer) -> None:
    """Add `export`, `train-tokenizer` and `trace` to the command."""
    app.command(epilog="Example: winnow export -o lake/ --tokenizer tokenizer.json --to shards/")(export)


def export(
    out: OutOption,
    tokenizer: TokenizerOption,
    to: Annotated[str, typer.Option(help="The folder (or URI) to write; one export each.")],
    row_length: Annotated[int, typer.Option(help="Tokens of a row.")] = 2048,
    packing: Annotated[
        Literal["best-fit", "concat", "none"],
        typer.Option(help="best-fit cuts no document that fits into a row; concat lets them run on; none: one each."),
    ] = "best-fit",
    eval_share: Annotated[float, typer.Option(help="Share of the documents to hold out, cluster by cluster.")] = 0.01,
    domain: Annotated[
        str, typer.Option(help="What divides the shards: source, metadata.FIELD, or one (no division).")
    ] = "source",
    seed: Annotated[
        int, typer.Option(help="Chooses what weights below one draw, what is held out, and the order.")
    ] = 1,
    eos: Annotated[
        str | None, typer.Option(help="Token behind every document. [default: what the tokenizer's folder says]")
    ] = None,
    bos: Annotated[str | None, typer.Option(help="Token before every document. [default: none]")] = None,
    pad: Annotated[
        str | None, typer.Option(help="Token that fills rows. [default: the tokenizer's, else --eos]")
    ] = None,
    shard_mb: Annotated[float, typer.Option(help="Text that a shard holds, about.")] = 64,
    token_dtype: Annotated[
        Literal["uint16", "uint32"] | None, typer.Option(help="Width of a token id. [default: what the ids need]")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the export that stands there.")] = False,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Write the kept documents as packed token shards with a manifest, for `training` or any reader of Arrow."""
    from curation.export.find_tokenizer import find_tokenizer
    from curation.export.settings import Export
    from curation.session import open_session
    from jobs.display import Bars
    from jobs.export_shards import export as stage
    from jobs.export_shards import row_format
    from jobs.export_summary import show
    from jobs.lake import Lake

    with failing_plainly():
        settings = Export(
            row_length=row_length,
            packing="best_fit" if packing == "best-fit" else packing,
            eval_share=eval_share,
            domain=domain,
            seed=seed,
            shard_bytes=int(shard_mb * (1 << 20)),
            token_dtype=token_dtype,
        )
        config = engine_config(engine, master, delta_jars, conf)
        chosen = find_tokenizer(tokenizer, eos=eos, bos=bos, pad=pad)
        row_format(settings, chosen)  # before an engine is started
        with open_session(config) as session:
            lake, display = Lake(session, out), Bars(session, ERR)
            done = stage(lake, chosen, settings, to, display, overwrite=overwrite, lake_name=out)
        show(done, to, OUT)
