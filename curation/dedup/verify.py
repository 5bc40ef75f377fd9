"""Exact Jaccard similarity inside groups of candidates, and the choice of representatives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.dedup.shingles import Shingles, ShingleSets, shingle_sets
from curation.dedup.unionfind import find_root, unite
from curation.text.batch import TextBatch
from curation.text.kernel import inlined, kernel


@inlined
def least_overlap(size_a: int, size_b: int, threshold: float) -> int:
    """The smallest number of common elements with which sets of these sizes reach the Jaccard `threshold`."""
    overlap = int(threshold * (size_a + size_b) / (1.0 + threshold))
    while overlap > 0 and (overlap - 1) / (size_a + size_b - overlap + 1) >= threshold:
        overlap -= 1
    while overlap <= min(size_a, size_b) and overlap / (size_a + size_b - overlap) < threshold:
        overlap += 1
    return overlap


@inlined
def bounded_jaccard(hashes: NDArray[np.uint64], a: int, a_end: int, b: int, b_end: int, threshold: float) -> float:
    """Jaccard of the ascending sets `hashes[a:a_end]` and `hashes[b:b_end]`, or -1 where it is below `threshold`.

    Gives up as soon as the elements missing on one side rule the threshold out. Empty sets resemble nothing.
    """
    size_a, size_b = a_end - a, b_end - b
    if size_a == 0 or size_b == 0:
        return -1.0
    needed = least_overlap(size_a, size_b, threshold)
    spare_a, spare_b = size_a - needed, size_b - needed
    if spare_a < 0 or spare_b < 0:
        return -1.0
    a_start, b_start = a, b
    common = 0
    while a < a_end and b < b_end:
        left, right = hashes[a], hashes[b]
        common += left == right
        a += left <= right
        b += right <= left
        if a - a_start - common > spare_a or b - b_start - common > spare_b:
            return -1.0
    if common < needed:
        return -1.0
    return common / (size_a + size_b - common)


@inlined
def _link(
    hashes: NDArray[np.uint64],
    set_offsets: NDArray[np.int64],
    first: int,
    last: int,
    threshold: float,
    representative: NDArray[np.int64],
    cluster: NDArray[np.int64],
) -> tuple[int, int]:
    """Compare the pairs of one group that are neither compared nor connected yet, and unite those that resemble."""
    comparisons = 0
    verified = 0
    for i in range(first, last):
        for j in range(i + 1, last):
            compared_before = representative[i] == i and representative[j] >= i
            if compared_before or find_root(cluster, i) == find_root(cluster, j):
                continue
            comparisons += 1
            jaccard = bounded_jaccard(
                hashes, set_offsets[i], set_offsets[i + 1], set_offsets[j], set_offsets[j + 1], threshold
            )
            if jaccard >= 0.0:
                verified += 1
                unite(cluster, i, j)
    return comparisons, verified


@kernel
def _verify(
    hashes: NDArray[np.uint64],
    set_offsets: NDArray[np.int64],
    group_offsets: NDArray[np.int64],
    num_leaders: NDArray[np.int64],
    max_leaders: NDArray[np.int64],
    threshold: float,
    linked: bool,
    representative: NDArray[np.int64],
    similarity: NDArray[np.float64],
    cluster: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """See `verify_groups`. `counts` of a group: comparisons, and those that reached the threshold."""
    for i in range(len(representative)):
        representative[i] = -1
        similarity[i] = np.nan
        cluster[i] = i
    for group in range(len(group_offsets) - 1):
        first, last = group_offsets[group], group_offsets[group + 1]
        known = num_leaders[group]
        leaders = comparisons = verified = 0
        for i in range(first, last if known < 0 else first + known):
            if representative[i] >= 0:
                continue
            if leaders == max_leaders[group]:
                break
            leaders += 1
            representative[i] = i
            similarity[i] = 1.0
            for j in range(i + 1 if known < 0 else first + known, last):
                if representative[j] >= 0:
                    continue
                comparisons += 1
                jaccard = bounded_jaccard(
                    hashes, set_offsets[i], set_offsets[i + 1], set_offsets[j], set_offsets[j + 1], threshold
                )
                if jaccard >= 0.0:
                    verified += 1
                    representative[j] = i
                    similarity[j] = jaccard
                    unite(cluster, i, j)
        if linked:
            more, reached = _link(hashes, set_offsets, first, last, threshold, representative, cluster)
            comparisons += more
            verified += reached
        for i in range(first, last):
            cluster[i] = find_root(cluster, i)
        counts[group, 0], counts[group, 1] = comparisons, verified


@dataclass(frozen=True)
class VerifiedGroups:
    """What verification found, one entry per text.

    Attributes:
        representative: int64[n]; index of the text that stands for this one, its own where it stands for itself, -1
            where the allowed number of representatives was used up without a match.
        similarity: float64[n]; exact Jaccard with the representative, at least the threshold; NaN where there is none.
        cluster: int64[n]; index of the first text of those connected by verified pairs.
        counts: int64[g, 2]; of each group the pairs looked at, and those among them that reached the threshold.
    """

    representative: NDArray[np.int64]
    similarity: NDArray[np.float64]
    cluster: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def num_comparisons(self) -> int:
        """Pairs looked at in all groups."""
        return int(self.counts[:, 0].sum())


def verify_groups(
    batch: TextBatch,
    group_offsets: NDArray[np.int64],
    *,
    threshold: float,
    shingles: Shingles,
    linked: bool = True,
    num_leaders: NDArray[np.int64] | None = None,
    max_leaders: NDArray[np.int64] | None = None,
) -> VerifiedGroups:
    """Representatives within groups of texts, each group in order of preference, best first.

    The best text of a group becomes a representative; each text after it whose exact Jaccard with it reaches
    `threshold` joins it; so on with the best of the rest.

    Args:
        batch: the texts, group after group.
        group_offsets: int64[g + 1]; group k has the texts `group_offsets[k]:group_offsets[k + 1]`.
        threshold: least Jaccard similarity, in (0, 1].
        shingles: what the sets consist of.
        linked: also compare the texts of different representatives, so that any two texts of a group that reach the
            threshold share a `cluster`; without it a cluster is a representative and what joined it.
        num_leaders: int64[g]; the first so many texts of each group are representatives already, which do not resemble
            each other, and no other text becomes one; -1: none is known. None is -1 everywhere.
        max_leaders: int64[g]; most representatives of each group. None: no limit.
    """
    if not 0.0 < threshold <= 1.0:
        raise ValueError(f"expected a threshold in (0, 1], got {threshold}")
    return verify_sets(
        shingle_sets(batch, shingles),
        group_offsets,
        threshold=threshold,
        linked=linked,
        num_leaders=num_leaders,
        max_leaders=max_leaders,
    )


def verify_sets(
    sets: ShingleSets,
    group_offsets: NDArray[np.int64],
    *,
    threshold: float,
    linked: bool = True,
    num_leaders: NDArray[np.int64] | None = None,
    max_leaders: NDArray[np.int64] | None = None,
) -> VerifiedGroups:
    """`verify_groups` of shingle sets."""
    n, num_groups = len(sets.offsets) - 1, len(group_offsets) - 1
    representative, similarity, cluster = np.empty(n, np.int64), np.empty(n, np.float64), np.empty(n, np.int64)
    counts = np.empty((num_groups, 2), np.int64)
    _verify(
        sets.hashes,
        sets.offsets,
        group_offsets,
        np.full(num_groups, -1, np.int64) if num_leaders is None else num_leaders,
        np.full(num_groups, n, np.int64) if max_leaders is None else max_leaders,
        float(threshold),
        linked,
        representative,
        similarity,
        cluster,
        counts,
    )
    return VerifiedGroups(representative, similarity, cluster, counts)


@kernel
def _jaccard_pairs(
    hashes: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    for pair in range(len(left)):
        i, j = left[pair], right[pair]
        jaccard = bounded_jaccard(hashes, offsets[i], offsets[i + 1], offsets[j], offsets[j + 1], 0.0)
        out[pair] = max(jaccard, 0.0)


def jaccard_pairs(sets: ShingleSets, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """Exact Jaccard similarity, float64[p] in [0, 1], of texts `left[i]` and `right[i]`; 0 where a set is empty."""
    out = np.empty(len(left), np.float64)
    _jaccard_pairs(sets.hashes, sets.offsets, left.astype(np.int64), right.astype(np.int64), out)
    return out
