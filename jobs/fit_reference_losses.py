"""Job: reference losses of models of several sizes -> those of a size that was never trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data.errors import ReferenceLossError
from training.data.reference_losses import ReferenceLosses, read_reference_losses, write_reference_losses
from training.data.scaling_law import Fit, far_from, fit_power_law


@dataclass(frozen=True)
class Fitted:
    """What was fitted and written.

    Attributes:
        table: the losses at the size asked for.
        fits: by domain, the law behind its loss.
        warnings: why not to trust them, one sentence each.
    """

    table: ReferenceLosses
    fits: Mapping[str, Fit]
    warnings: tuple[str, ...]


def fit_reference_losses(sources: Sequence[str | Path], num_params: int, to: str | Path) -> Fitted:
    """Fit a power law to each domain's losses, and write a table of what it gives at a size.

    Args:
        sources: tables of reference losses, each of a model of another size, measured on the same rows.
        num_params: parameters of the model to be trained, embeddings included.
        to: where to write the table.

    Raises:
        ReferenceLossError: a table cannot be read or does not name its size, there are fewer than three sizes, they are
            not of the same domains, rows and tokenizer, no law describes a domain, or the table cannot be written.
    """
    if num_params < 1:
        raise ReferenceLossError(f"num_params is {num_params}: expected the size of the model to be trained")
    tables = {str(source): read_reference_losses(source) for source in sources}
    by_size = _by_size(tables)
    fits = {
        domain: fit_power_law({size: table.losses[domain] for size, table in by_size.items()}, domain=domain)
        for domain in sorted(next(iter(by_size.values())).losses)
    }
    predicted = {domain: fit.law.loss(num_params) for domain, fit in fits.items()}
    below = [domain for domain, loss in predicted.items() if loss <= 0]
    if below:
        raise ReferenceLossError(
            f"at {num_params:,} parameters the laws of {', '.join(map(repr, below))} are below 0: the size is too far "
            "from the models that they were fitted to"
        )
    sizes = ", ".join(f"{size:,}" for size in by_size)
    table = ReferenceLosses(
        losses=predicted,
        num_params=num_params,
        tokenizer=_shared("tokenizer", tables),
        evaluation=_shared("evaluation", tables),
        row_length=_shared("row_length", tables),
        tokens=_shared("tokens", tables),
        note=f"A N^-B + C through the losses of models with {sizes} parameters",
    )
    write_reference_losses(table, to)
    far = far_from(list(by_size), num_params)
    warnings = (*([far] if far else []), *(warning for fit in fits.values() for warning in fit.warnings))
    return Fitted(table=table, fits=fits, warnings=warnings)


def _by_size(tables: Mapping[str, ReferenceLosses]) -> dict[int, ReferenceLosses]:
    """The tables by number of parameters, smallest first, if a law can be fitted to them."""
    found: dict[int, str] = {}
    for source, table in tables.items():
        if table.num_params is None:
            raise ReferenceLossError(f"{source} does not name the size of its model: add num_params to it")
        if table.num_params in found:
            raise ReferenceLossError(
                f"{source} and {found[table.num_params]} are both of {table.num_params:,} parameters: expected one each"
            )
        found[table.num_params] = source
    if len(found) < 3:
        largest = f", and {found[max(found)]} is the largest: use its losses as they are" if found else ""
        raise ReferenceLossError(
            f"{len(found)} sizes of model were given; a power law with a floor needs three{largest}"
        )
    names = {source: set(table.losses) for source, table in tables.items()}
    every = set().union(*names.values())
    for source, domains in names.items():
        if domains != every:
            raise ReferenceLossError(
                f"{source} lacks {', '.join(map(repr, sorted(every - domains)))}: measure it there too"
            )
    return {size: tables[found[size]] for size in sorted(found)}


def _shared(name: str, tables: Mapping[str, ReferenceLosses]) -> Any:
    """What all tables say of their origin; None where one does not say."""
    said = {source: getattr(table, name) for source, table in tables.items()}
    known = [value for value in said.values() if value is not None]
    others = [source for source, value in said.items() if value is not None and value != known[0]]
    if others:
        raise ReferenceLossError(
            f"{others[0]} was measured with another {name} than {next(iter(tables))}: measure all models on one export"
        )
    return known[0] if len(known) == len(said) else None
