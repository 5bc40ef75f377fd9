"""The command that makes training data of conversations."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jobs.cli_hand_over import TokenizerOption
from jobs.flags import ERR, OUT, RootOption, failing_plainly

if TYPE_CHECKING:
    from curation.export.tokenizer import ExportTokenizer
    from training.data.chat_templates import ChatTemplate


def add_commands(app: typer.Typer) -> None:
    """Add `export-chat` to the command."""
    app.command(
        name="export-chat",
        epilog="Example: winnow export-chat pools/ -t tokenizer/ --to sft/ --mix gsm8k=5000 --mix flan=25%",
    )(export_chat)


def export_chat(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders or quoted patterns: JSONL (.gz, .zst) or Parquet of messages; prompt and completion; "
            "or instruction, input and output."
        ),
    ],
    tokenizer: TokenizerOption,
    to: Annotated[str, typer.Option(help="The folder (or URI) to write; one export each.")],
    chat_template: Annotated[
        str | None,
        typer.Option(help="A file of Jinja, or chatml.", show_default="the tokenizer's own; chatml where it has none"),
    ] = None,
    train_on: Annotated[
        Literal["assistant", "last-assistant", "all"],
        typer.Option(help="What is learnt: all replies, the last one, or every token. A message's weight counts too."),
    ] = "assistant",
    mix: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=COUNT, NAME=SHARE (0.25, 25%) or NAME=all: how much of a dataset; all of those not named."
        ),
    ] = None,
    dataset_field: Annotated[
        str | None, typer.Option(help="Field that names a record's dataset.", show_default="the file's name does")
    ] = None,
    id_field: Annotated[str, typer.Option(help="Field that holds your own id.")] = "id",
    row_length: Annotated[int, typer.Option(help="Tokens of a row, and the most of a conversation.")] = 2048,
    too_long: Annotated[
        Literal["truncate", "drop"], typer.Option(help="Conversations longer than a row: cut their end, or drop them.")
    ] = "truncate",
    eval_share: Annotated[float, typer.Option(help="Share of the conversations to hold out.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Chooses what is drawn, what is held out, and the order.")] = 1,
    plain_markers: Annotated[
        bool, typer.Option("--plain-markers", help="Let the template's <|markers|> be more than one token each.")
    ] = False,
    eos: Annotated[
        str | None, typer.Option(help="The tokenizer's end of text.", show_default="what its folder says")
    ] = None,
    pad: Annotated[
        str | None, typer.Option(help="Token that fills rows.", show_default="the tokenizer's, else --eos")
    ] = None,
    shard_mb: Annotated[float, typer.Option(help="Text that a shard holds, about.")] = 64,
    token_dtype: Annotated[
        Literal["uint16", "uint32"] | None, typer.Option(help="Width of a token id.", show_default="what the ids need")
    ] = None,
    input_root: RootOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the export that stands there.")] = False,
) -> None:
    """Write conversations as packed token shards with a loss weight for each token, so that only replies are learnt."""
    from curation.export.find_tokenizer import find_tokenizer
    from curation.export.settings import Export, ExportError
    from curation.sources.listing import find_files
    from curation.sources.settings import Ingest
    from jobs.conversation_mix import parse_mix
    from jobs.conversation_summary import show
    from jobs.display import Bars
    from jobs.export_conversations import ChatExport, export_conversations
    from training.data.chat import ChatSettings
    from training.data.errors import ChatError

    with failing_plainly():
        settings = ChatExport(
            rows=Export(
                row_length=row_length,
                eval_share=eval_share,
                domain="one",
                seed=seed,
                shard_bytes=int(shard_mb * (1 << 20)),
                token_dtype=token_dtype,
            ),
            chat=ChatSettings(
                train_on="last_assistant" if train_on == "last-assistant" else train_on,
                too_long=too_long,
                plain_markers=plain_markers,
            ),
            mix=parse_mix(mix or ()),
            dataset_field=dataset_field,
            id_field=id_field,
        )
        chosen = find_tokenizer(tokenizer, eos=eos, pad=pad)
        try:
            template = _template(chat_template, tokenizer, chosen)
        except ChatError as error:
            raise ExportError(str(error)) from error
        files = find_files(Ingest(inputs=tuple(inputs), root=input_root)).files
        display = Bars(None, ERR)
        done = export_conversations(files, chosen, template, settings, to, display, overwrite=overwrite)
        show(done, to, OUT)


def _template(given: str | None, name: str, tokenizer: "ExportTokenizer") -> "ChatTemplate":
    """The template that was asked for, with the tokenizer's special tokens by name."""
    from pathlib import Path

    from curation.export.find_chat_template import find_chat_template
    from curation.export.settings import ExportError
    from training.data.chat_templates import CHATML, ChatTemplate

    found = find_chat_template(name)
    special = {"eos_token": tokenizer.eos, **found.special_tokens}
    if given is None and found.template is not None:
        return ChatTemplate(source=found.template, name=f"the template of {name}", special_tokens=special)
    if given in (None, "chatml"):
        return ChatTemplate(source=CHATML, name="chatml", special_tokens=special)
    try:
        source = Path(str(given)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"--chat-template {given}: {error}. Give a file of Jinja, or chatml") from error
    return ChatTemplate(source=source, name=str(given), special_tokens=special)
