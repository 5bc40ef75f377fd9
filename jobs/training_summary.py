"""How a training run went, told in one screen."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.printable import printable
from curation.report.axes import duration, short
from curation.report.training_run import TrainingRun, domains_of, warnings_of
from jobs.flags import show_warnings
from jobs.write_training_report import told
from training.run_history import RunHistory


def show_run(history: RunHistory, console: Console, *, model: Path | None = None, report: Path | None = None) -> None:
    """Print how a run went: losses by domain before and after, speed, where things are, warnings.

    Args:
        history: the run.
        console: where to print.
        model: the folder of the finished model, where there is one.
        report: the page, where one was written.
    """
    run = told(history)
    if run.evals["step"]:
        console.print(_table(run))
    for line in _lines(run):
        console.print(Text(line))
    if run.status == "failed":
        message = str((run.ended or {}).get("message") or "")
        console.print(Text(f"FAILED at step {history.last_step:,}. {message}".rstrip(), style="bold red"))
    show_warnings(warnings_of(run), console)
    checkpoints = run.of("checkpoint")
    if checkpoints:
        console.print(f"Newest checkpoint: {history.folder / str(checkpoints[-1]['path'])}", soft_wrap=True)
    if model is not None:
        console.print(f"Model: {model}", soft_wrap=True)
    if report is not None:
        console.print(f"Report: {report}", soft_wrap=True)


def _table(run: TrainingRun) -> Table:
    steps, losses = run.evals["step"], run.evals["loss"]
    table = Table(title="Evaluation loss, nat per token", title_justify="left", title_style="bold", show_footer=True)
    table.add_column("domain", "all")
    table.add_column(f"step {steps[0]:,}", _loss(losses[0]), justify="right")
    table.add_column(f"step {steps[-1]:,}", _loss(losses[-1]), justify="right")
    table.add_column("change", f"{losses[-1] - losses[0]:+.3f}", justify="right")
    table.add_column("tokens", f"{run.tokens:,}", justify="right")
    table.add_column("epochs", "", justify="right")
    for one in domains_of(run):
        first, last, _ = one.losses or (None, None, None)
        change = "" if first is None or last is None else f"{last - first:+.3f}"
        epochs = "" if one.epochs is None else f"{one.epochs:.2f}"
        name = Text(printable(one.name))
        table.add_row(name, _loss(first), _loss(last), change, f"{one.tokens:,}", epochs)
    return table


def _lines(run: TrainingRun) -> list[str]:
    total = run.run.get("total_steps")
    done = int(run.steps["step"][-1]) if run.steps["step"] else 0
    steps = f"{done:,} of {total:,} steps" if total else f"{done:,} steps"
    lines = [f"{steps}, {run.tokens:,} tokens, {duration(sum(run.seconds.values()))}."]
    speed, mfu = run.over_time("tokens_per_s"), run.over_time("mfu")
    if speed is not None:
        lines.append(f"{short(speed)} tokens/s" + (f", MFU {mfu:.1%}." if mfu is not None else "."))
    if run.entropy is not None and run.evals["step"]:
        under = run.entropy - run.evals["loss"][-1]
        says = f"the evaluation loss is {under:.3f} below it" if under > 0 else "the evaluation loss is not below it"
        lines.append(f"The unigram entropy is {run.entropy:.3f}: {says}.")
    return lines


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
