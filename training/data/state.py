"""The state of a loader as a JSON object: all that is needed to go on with the next sample, and nothing more.

Its size depends on the number of domains and of changes of weights only.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from training.data.errors import StateError
from training.data.manifest import Manifest
from training.data.order import Change, Order, Position
from training.data.weights import ONE

FORMAT, VERSION = "winnow-loader", 1


def state_of(order: Order, manifest: Manifest, number: int) -> dict[str, Any]:
    """The state after all samples before `number`."""
    position = order.position(number)
    return {
        "format": FORMAT,
        "version": VERSION,
        "n": number,
        "manifest": manifest.sha256,
        "row_length": manifest.row_length,
        "seed": order.seed,
        "settings": asdict(order.settings),
        "block": {
            "start": position.start,
            "drawn": position.drawn.tolist(),
            "carry": position.carry.tolist(),
            "exhausted": [list(event) for event in position.exhausted],
        },
        "weights": [[change.start, change.weights.tolist()] for change in order.log],
    }


def resume(order: Order, manifest: Manifest, state: Any) -> int:
    """Bring an order to where a state was taken; gives the number of the next sample.

    Raises:
        StateError: the state is of something else; with all that differs.
    """
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise StateError(f"this is no state of a loader: expected an object whose format is {FORMAT!r}")
    if state.get("version") != VERSION:
        raise StateError(f"the state has version {state.get('version')!r}, and this code reads version {VERSION}")
    here = state_of(order, manifest, 0)
    differing = [
        f"{name} was {state.get(name)!r} and is {here[name]!r}"
        for name in ("manifest", "row_length", "seed", "settings")
        if state.get(name) != here[name]
    ]
    if differing:
        raise StateError(
            f"the state is of another sequence of samples than {manifest.where} with these settings gives: "
            f"{'; '.join(differing)}. Resume with the export and the settings that the state was saved with"
        )
    number, log, position = _read(state, len(order.names))
    if not (log and log[0].start == 0 and position.start <= number <= position.start + order.settings.block):
        raise StateError(f"the state contradicts itself: sample {number} is not in the block at {position.start}")
    order.resume(log, position)
    return number


def _read(state: dict[str, Any], num_domains: int) -> tuple[int, list[Change], Position]:
    try:
        block = state["block"]
        log = [Change(int(start), np.array(weights, dtype=np.int64)) for start, weights in state["weights"]]
        exhausted = tuple((int(sample), int(domain)) for sample, domain in block["exhausted"])
        drawn, carry = (np.array(block[name], dtype=np.int64) for name in ("drawn", "carry"))
        position, number = Position(int(block["start"]), drawn, carry, exhausted), int(state["n"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise StateError(f"the state is damaged ({type(error).__name__}: {error}): use an earlier one") from None
    sizes = {drawn.shape, carry.shape, *(change.weights.shape for change in log)}
    sums = drawn.sum() == position.start and carry.sum() == 0
    starts = [change.start for change in log]
    if (
        sizes != {(num_domains,)}
        or not sums
        or any(change.weights.sum() != ONE or (change.weights < 0).any() for change in log)
        or sorted(set(starts)) != starts
    ):
        raise StateError("the state is damaged: its counts or weights do not add up. Use an earlier one")
    return number, log, position
