"""How much of each dataset of conversations is taken: counts and shares, drawn without replacement.

Reference:
    Lambert et al. 2024, "Tulu 3": a mixture names datasets with a number of conversations of each, or a share. A count
    that a dataset does not have takes all of it; nothing is repeated, and that it fell short is said. What is drawn is
    a hash's choice: it depends on no order of files, and a larger count takes what a smaller one takes and more.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.export.draws import hashes_of
from curation.export.settings import ExportSettingsError

NOT_DRAWN = "mix.not_drawn"
"""The reason of usable conversations that the mixture left out."""


@dataclass(frozen=True)
class Amount:
    """How much of a dataset is wanted.

    Attributes:
        said: as the user wrote it.
        count: conversations; None where a share is wanted.
        share: of those that are usable, 0 to 1.
    """

    said: str
    count: int | None = None
    share: float = 1.0

    def of(self, num: int) -> int:
        """How many of `num` are taken; a share is rounded to the nearest, halves up."""
        return min(num, self.count) if self.count is not None else math.floor(self.share * num + 0.5)


ALL = Amount("all")


def parse_mix(entries: Iterable[str]) -> dict[str, Amount]:
    """The amounts that `NAME=COUNT`, `NAME=SHARE` and `NAME=all` say.

    A whole number is a count; a number with a point, or with % behind it, is a share.

    Raises:
        ExportSettingsError: an entry says something else, or a name comes twice.
    """
    found: dict[str, Amount] = {}
    for entry in entries:
        name, equals, said = entry.rpartition("=")
        if not equals or not name:
            raise ExportSettingsError(f"--mix {entry}: expected NAME=COUNT, NAME=SHARE or NAME=all")
        if name in found:
            raise ExportSettingsError(f"--mix names {name} twice, with {found[name].said} and {said}")
        found[name] = _amount(said.strip(), entry)
    return found


def _amount(said: str, entry: str) -> Amount:
    if said == "all":
        return ALL
    if said.isascii() and said.isdigit():
        return Amount(said, count=int(said))
    try:
        share = float(said.removesuffix("%")) / (100 if said.endswith("%") else 1)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise ExportSettingsError(
            f"--mix {entry}: expected a whole number (conversations), a share from 0.0 to 1.0 or 0% to 100%, or all. "
            "Nothing is repeated: train longer on a dataset by its weight in the loader"
        )
    return Amount(said, share=share)


def check_names(mix: Mapping[str, Amount], datasets: Iterable[str]) -> None:
    """Raise where the mixture names a dataset that is not there."""
    there = sorted(datasets)
    for name in mix:
        if name not in there:
            near = difflib.get_close_matches(name, there, 1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise ExportSettingsError(f"--mix names {name}: {meant}the datasets are {', '.join(there[:20])}")


def drawn(doc_ids: pa.Array, amount: Amount, seed: int) -> NDArray[np.bool_]:
    """Which of a dataset's usable conversations are taken: those with the least hashes."""
    order = np.argsort(hashes_of(doc_ids, seed, "mix"), kind="stable")
    taken = np.zeros(len(doc_ids), np.bool_)
    taken[order[: amount.of(len(doc_ids))]] = True
    return taken
