"""The commands that train and measure models."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from jobs.flags import ERR, OUT, JsonOption

DeviceOption = Annotated[
    Literal["cpu", "cuda"] | None, typer.Option(help="What to train on.", show_default="GPUs where there are any")
]


def add_commands(app: typer.Typer) -> None:
    """Add the commands to `winnow`."""
    app.command(
        epilog="Example: winnow train demo shards/ -o runs/first --set optimizer.lr=1e-3  |  "
        "torchrun --nproc-per-node 8 -m jobs.train_lm pretrain_125m shards/ -o runs/125m"
    )(train)
    app.command(epilog="Example: winnow presets --json pretrain_125m > mine.json")(presets)
    app.command(epilog="Example: winnow evaluate meta-llama/Llama-3.2-1B shards/ --to reference.json")(evaluate)
    app.command(
        name="fit-reference",
        epilog="Example: winnow fit-reference 7b.json 13b.json 70b.json --num-params 1.3e9 --to reference.json",
    )(fit_reference)
    app.command(epilog="Example: winnow generate runs/first/model --prompt 'The first' -p 'We show'")(generate)


def train(
    preset: Annotated[
        str, typer.Argument(help="A preset (see `winnow presets`), a .py or .json file, or a run's folder.")
    ],
    shards: Annotated[str | None, typer.Argument(help="The export to train on.", show_default="the preset's")] = None,
    out: Annotated[str, typer.Option("--out", "-o", help="The run's folder; a run that is there goes on.")] = "run",
    model: Annotated[str | None, typer.Option(help="Go on with this model: a folder or a name on the hub.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field: optimizer.lr=1e-3; repeatable.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Remove the run that is there.")] = False,
    device: DeviceOption = None,
    local_rank: Annotated[int | None, typer.Option("--local_rank", hidden=True)] = None,
) -> None:
    """Train a language model: a new one, a checkpoint further, or on conversations. Killed, it goes on where it was."""
    if local_rank is not None:  # the launcher `deepspeed` says it twice; the variables count
        os.environ.setdefault("LOCAL_RANK", str(local_rank))
    with failing_plainly():
        from jobs.preset_file import load_preset, with_places
        from jobs.train_lm import train as job
        from training.config import changed

        config = with_places(changed(load_preset(preset), assignments or []), shards=shards, model=model)
        first = os.environ.get("RANK", "0") == "0"
        done = job(config, out, overwrite=overwrite, device=device, note=_note)
        if first:
            _tell(Path(out), nothing_done=done is None)
        if done is not None and done.reason == "interrupted":
            raise typer.Exit(130)


def _note(message: str) -> None:
    ERR.print(Text(f"Note: {message}", style="yellow"))


def _tell(folder: Path, *, nothing_done: bool) -> None:
    from jobs.training_summary import show_run
    from jobs.write_training_report import write_training_report
    from training.run_history import read_run

    if nothing_done:
        OUT.print(f"Nothing to do: the run in {folder} is done.", soft_wrap=True)
    report = write_training_report(folder)
    model = folder / "model"
    show_run(read_run(folder), OUT, model=model if model.is_dir() else None, report=report)


def presets(
    json: Annotated[str | None, typer.Option(help="Print this preset as JSON, to be changed and trained.")] = None,
) -> None:
    """List the training runs that come with Winnow, or print one as JSON."""
    with failing_plainly():
        from jobs.preset_file import load_preset, preset_names, what_it_is
        from training.config import to_json

        if json is not None:
            print(to_json(load_preset(json)), end="")  # noqa: T201 - plain text for a file
            return
        table = Table.grid(padding=(0, 2))
        for name in preset_names():
            table.add_row(f"[bold]{name}[/bold]", what_it_is(name))
        OUT.print(table)


def evaluate(
    model: Annotated[str, typer.Argument(help="A Hugging Face model: a folder or a name on the hub.")],
    shards: Annotated[str, typer.Argument(help="The export whose held-out rows are read.")],
    to: Annotated[str | None, typer.Option(help="File for the table of reference losses.")] = None,
    max_tokens_per_domain: Annotated[int, typer.Option(help="0 for all.")] = 1_000_000,
    batch_size: Annotated[int, typer.Option(help="Rows at a time.")] = 8,
    precision: Annotated[Literal["bf16", "fp32"], typer.Option(help="That the model computes in.")] = "bf16",
    any_tokenizer: Annotated[bool, typer.Option("--any-tokenizer", help="Although its tokenizer is another.")] = False,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a model's loss on each domain's held-out rows; a table that dynamic batch loading can use."""
    with failing_plainly():
        import json

        from jobs.evaluate_model import evaluate as job

        found = job(
            model,
            shards,
            to,
            max_tokens_per_domain=max_tokens_per_domain or None,
            batch_size=batch_size,
            precision=precision,
            any_tokenizer=any_tokenizer,
            device=device,
        )
        if as_json:
            print(json.dumps({"loss": found.mean, "losses": dict(found.table.losses)}))  # noqa: T201
            return
        table = Table("domain", "loss (nat)", "tokens", title="Held-out loss", title_justify="left")
        for name, loss in sorted(found.table.losses.items()):
            table.add_row(name, f"{loss:.4f}", f"{(found.table.tokens or {}).get(name, 0):,}")
        table.add_section()
        table.add_row("all", f"{found.mean:.4f}", f"{sum((found.table.tokens or {}).values()):,}")
        OUT.print(table)
        if to is not None:
            OUT.print(f"Reference losses: {to}", soft_wrap=True)


def fit_reference(
    tables: Annotated[list[str], typer.Argument(help="Tables of at least three model sizes (`winnow evaluate`).")],
    num_params: Annotated[float, typer.Option(help="Parameters of the model that the losses are wanted for.")],
    to: Annotated[str, typer.Option(help="File to write.")],
) -> None:
    """Reference losses for a size that no model has: a power law through those of at least three sizes."""
    with failing_plainly():
        from jobs.fit_reference_losses import fit_reference_losses

        fitted = fit_reference_losses(tables, int(num_params), to)
        for domain, loss in sorted(fitted.table.losses.items()):
            OUT.print(f"{domain}: {loss:.4f}")
        for warning in fitted.warnings:
            ERR.print(Text(f"Warning: {warning}", style="yellow"))
        OUT.print(f"Reference losses: {to}", soft_wrap=True)


def generate(
    model: Annotated[str, typer.Argument(help="A Hugging Face model: a folder or a name on the hub.")],
    prompts: Annotated[list[str], typer.Option("--prompt", "-p", help="How a text begins; repeatable.")],
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens to write.")] = 100,
    min_new_tokens: Annotated[int, typer.Option(help="Fewest tokens before the model may end the text.")] = 0,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest tokens; above it they are drawn.")] = 0.8,
    top_k: Annotated[int, typer.Option(help="Draw among so many of the likeliest tokens; 0: all.")] = 0,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 1,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a model go on with texts, as transformers' `generate` does it."""
    with failing_plainly():
        import json
        from dataclasses import asdict

        from curation.printable import printable
        from jobs.generate_text import Generation
        from jobs.generate_text import generate as job

        how = Generation(
            max_new_tokens=max_new_tokens,
            min_new_tokens=min_new_tokens,
            temperature=temperature,
            top_k=top_k,
            seed=seed,
        )
        written = job(model, prompts, how, device=device)
        if as_json:
            print(json.dumps([asdict(one) for one in written], ensure_ascii=False))  # noqa: T201
            return
        for one in written:
            shown = Text.assemble((printable(one.prompt), "bold"), printable(one.text))
            OUT.print(shown, end="\n\n", soft_wrap=True)


@contextmanager
def failing_plainly() -> Iterator[None]:
    """Turn what a user can mend into one message and exit code 1, 2 for wrong settings, 130 for Ctrl-C."""
    try:
        import training.config  # noqa: F401 - is the half that trains installed?
    except ModuleNotFoundError as error:
        ERR.print(Text(f"Error: {error.name} is missing: pip install 'winnow[train]'", style="bold red"))
        raise typer.Exit(1) from error
    from curation.errors import WinnowError
    from training.data import DataError
    from training.errors import ConfigError, LaunchError, TrainError
    from training.logs import LogError
    from training.schedules import ScheduleError

    try:
        yield
    except (TrainError, DataError, LogError, ScheduleError, WinnowError) as error:
        settings = isinstance(error, ConfigError | LaunchError | ScheduleError)
        rank = os.environ.get("RANK", "0")
        if rank == "0" or not settings:  # what is wrong with settings every rank finds
            before = "Error" if os.environ.get("WORLD_SIZE", "1") == "1" else f"Error on rank {rank}"
            ERR.print(Text(f"{before}: {error}", style="bold red"))
        raise typer.Exit(2 if settings else 1) from error
    except KeyboardInterrupt as error:
        ERR.print("Stopped. Run the same command again to go on from the newest checkpoint.")
        raise typer.Exit(130) from error
