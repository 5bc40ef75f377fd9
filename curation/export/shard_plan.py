"""How many shards an export has, and where each of them goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from curation.export.shard import EVAL, TRAIN, shard_path

Split = tuple[str, bool]
"""A domain, and whether its held-out part is meant."""


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """How many shards each domain and split has; all shards are numbered through.

    Attributes:
        counts: number of shards by (domain, held out).
    """

    counts: Mapping[Split, int]
    firsts: Mapping[Split, int] = field(init=False)

    def __post_init__(self) -> None:
        firsts, total = {}, 0
        for split, count in sorted(self.counts.items()):
            firsts[split] = total
            total += count
        object.__setattr__(self, "firsts", firsts)

    @property
    def num_shards(self) -> int:
        """Number of all shards."""
        return sum(self.counts.values())

    def paths(self) -> list[str]:
        """The path of each shard, by its number."""
        return [
            shard_path(domain, EVAL if is_eval else TRAIN, number)
            for (domain, is_eval), count in sorted(self.counts.items())
            for number in range(count)
        ]
