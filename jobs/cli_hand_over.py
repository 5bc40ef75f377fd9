"""The commands that hand a corpus over to training: token shards, a tokenizer of its own, and the way back."""

from typing import Annotated, Literal

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

TokenizerOption = Annotated[
    str, typer.Option("--tokenizer", "-t", help="A tokenizer.json, a folder that holds one, or OWNER/NAME on the hub.")
]


def add_commands(app: typer.Typer) -> None:
    """Add `export`, `train-tokenizer` and `trace` to the command."""
    app.command(epilog="Example: winnow export -o lake/ --tokenizer tokenizer.json --to shards/")(export)
    app.command(
        name="train-tokenizer", epilog="Example: winnow train-tokenizer -o lake/ --to tokenizer.json --vocab-size 32000"
    )(train_tokenizer)
    app.command(epilog="Example: winnow convert shards/ --format mds --to mds/")(convert)
    app.command(epilog="Example: winnow trace shards/qa/train-00000.arrow:7:100")(trace)


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
        str | None, typer.Option(help="Token behind every document.", show_default="what the tokenizer's folder says")
    ] = None,
    bos: Annotated[str | None, typer.Option(help="Token before every document.", show_default="none")] = None,
    pad: Annotated[
        str | None, typer.Option(help="Token that fills rows.", show_default="the tokenizer's, else --eos")
    ] = None,
    shard_mb: Annotated[float, typer.Option(help="Text that a shard holds, about.")] = 64,
    token_dtype: Annotated[
        Literal["uint16", "uint32"] | None, typer.Option(help="Width of a token id.", show_default="what the ids need")
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


def train_tokenizer(
    out: OutOption,
    to: Annotated[str, typer.Option(help="The file to write.")] = "tokenizer.json",
    vocab_size: Annotated[int, typer.Option(help="Tokens, the 256 bytes and the special tokens included.")] = 32_000,
    special: Annotated[
        list[str] | None,
        typer.Option(help="A special token, repeatable; the first ends a text.", show_default="<|endoftext|>"),
    ] = None,
    min_frequency: Annotated[int, typer.Option(help="A pair that is rarer is not merged.")] = 2,
    max_mb: Annotated[float, typer.Option(help="Text to train on; of more, a sample of documents.")] = 1000,
    seed: Annotated[int, typer.Option(help="Chooses the sample.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file that is there.")] = False,
    engine: EngineOption = None,
    master: MasterOption = None,
    delta_jars: JarsOption = None,
    conf: ConfOption = None,
) -> None:
    """Train a byte-level BPE tokenizer on the kept texts: the same lake and settings make the same file."""
    from curation.export.train_bpe import TokenizerTraining
    from curation.session import open_session
    from jobs.display import Bars
    from jobs.lake import Lake
    from jobs.train_tokenizer import check_target, train

    with failing_plainly():
        training = TokenizerTraining(
            vocab_size=vocab_size,
            special_tokens=tuple(special) if special else TokenizerTraining.special_tokens,
            min_frequency=min_frequency,
            max_bytes=int(max_mb * 1e6),
            seed=seed,
        )
        check_target(to, overwrite=overwrite)
        with open_session(engine_config(engine, master, delta_jars, conf)) as session:
            done = train(Lake(session, out), training, to, Bars(session, ERR))
        OUT.print(
            f"{done.vocab_size:,} tokens from {done.num_documents:,} documents, {done.num_bytes / 1e6:,.1f} MB "
            f"({done.share:.1%} of the kept text), {done.seconds:.1f} s."
        )
        if done.vocab_size < vocab_size:
            OUT.print(f"{vocab_size:,} were asked for: the text has no further pair that occurs {min_frequency} times.")
        OUT.print(f"Tokenizer: {to} (sha256 {done.sha256[:16]})", soft_wrap=True)


def convert(
    shards: Annotated[str, typer.Argument(help="The folder of a finished export.")],
    to: Annotated[str, typer.Option(help="The folder to write; it may not be there yet.")],
    kind: Annotated[
        Literal["parquet", "memmap", "megatron", "mds"],
        typer.Option("--format", help="Rows: parquet, mds (mosaicml-streaming). Documents: memmap (OLMo), megatron."),
    ],
) -> None:
    """Write an export in the format of another training library."""
    from jobs.convert_shards import convert as stage

    with failing_plainly():
        written = stage(shards, to, kind)
    for name, size in written.items():
        OUT.print(f"{name}: {size / 1e6:,.1f} MB")
    OUT.print(f"Written: {to}", soft_wrap=True)


def trace(
    wanted: Annotated[str, typer.Argument(metavar="SHARD:ROW[:TOKEN]", help="A shard's file and a row, from 0.")],
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="The lake.", show_default="the one that the export was made from")
    ] = None,
    as_json: JsonOption = False,
    chars: Annotated[int, typer.Option(help="Characters of each piece to print.")] = 200,
) -> None:
    """Tell which documents, or conversations, stand behind a row or one of its tokens: from which files, and why."""
    from jobs.trace_conversation import are_conversations, show_conversations, trace_conversations
    from jobs.trace_row import lake_of, open_place, show
    from jobs.trace_row import trace as trace_place

    with failing_plainly():
        place = open_place(wanted)
        if are_conversations(place):
            show_conversations(trace_conversations(place), OUT, as_json=as_json, num_chars=chars)
            return
        show(trace_place(place, lake_of(place, out)), OUT, as_json=as_json, num_chars=chars)
