"""The order of samples in plain Python, one sample after another, with fractions and loops."""

from fractions import Fraction
from math import ceil, floor, isqrt

import xxhash

MASK = (1 << 64) - 1
ONE = 1 << 40


def bits(key: int, counter: int) -> int:
    """splitmix64."""
    z = (key + 0x9E3779B97F4A7C15 * (counter + 1)) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def below(key: int, counter: int, bound: int) -> int:
    return ((bits(key, counter) >> 32) * bound) >> 32


def permutation(size: int, key: int) -> list[int]:
    if size < 2:
        return [0] * size
    side = max(8, isqrt(size) + 1)
    out = []
    for place in range(size):
        row = size
        left, right = divmod(place, side)
        while row >= size:
            for turn in range(8):
                left, right = right, (left + below(key, right * 8 + turn, side)) % side
            row = left * side + right
        out.append(row)
    return out


def epoch_rows(size: int, window: int, key: int) -> list[int]:
    """The rows of one epoch in the order in which they are read."""
    if window == 0 or window >= size:
        return permutation(size, key)
    full = size // window
    windows = permutation(full, bits(key, -2)) if full > 1 else [0]
    parts = [[one * window + row for row in permutation(window, bits(key, one))] for one in windows]
    short = [full * window + row for row in permutation(size - full * window, bits(key, full))]
    parts.insert(below(key, -1, full + 1), short)
    return [row for part in parts for row in part]


def divided(seats: int, weights: list[int], owed: list[Fraction]) -> list[int]:
    """How many samples of a block each domain gets."""
    accounts = [o + Fraction(w, ONE) * seats for w, o in zip(weights, owed, strict=True)]
    counts = [max(0, floor(account)) for account in accounts]
    rest = [account - count for account, count in zip(accounts, counts, strict=True)]
    while sum(counts) > seats:
        least = min((d for d in range(len(counts)) if counts[d] > 0), key=lambda d: (rest[d], d))
        counts[least] -= 1
        rest[least] += 1
    some = [d for d in range(len(counts)) if weights[d] > 0 and rest[d] > 0]
    if any(owed):
        some.sort(key=lambda d: (ceil((1 - rest[d]) / (Fraction(weights[d], ONE) * seats)), -rest[d], d))
    else:
        some.sort(key=lambda d: (-rest[d], d))
    for d in some[: seats - sum(counts)]:
        counts[d] += 1
    return counts


def without(weights: list[int], gone: set[int]) -> list[int]:
    left = [0 if d in gone else w for d, w in enumerate(weights)]
    total = sum(left)
    if total == 0:
        return left
    exact = [Fraction(w * ONE, total) for w in left]
    whole = [floor(x) for x in exact]
    first = sorted(range(len(left)), key=lambda d: (-(exact[d] - whole[d]), d))
    for d in first[: ONE - sum(whole)]:
        whole[d] += 1
    return whole


def handed_over(owed: list[Fraction], weights: list[int]) -> list[Fraction]:
    units = [int(o * ONE) for o in owed]
    lost = sum(u for u, w in zip(units, weights, strict=True) if w == 0)
    kept = [0 if w == 0 else u + lost * w // ONE for u, w in zip(units, weights, strict=True)]
    takers = [d for d, w in enumerate(weights) if w > 0]
    for d in takers[: sum(units) - sum(kept)]:
        kept[d] += 1
    return [Fraction(u, ONE) for u in kept]


class End(Exception):  # noqa: N818
    """No domain with weight has a row left."""


def sequence(
    rows: dict[str, int],
    changes: list[tuple[int, list[int]]],
    *,
    seed: int,
    block: int,
    max_epochs: int,
    window: int,
    num: int,
) -> list[tuple[int, int, int]]:
    """(domain, epoch, row) of the first `num` samples, or of all if there are fewer; weights are in 2^-40."""
    names = sorted(rows)
    keys = {name: xxhash.xxh3_64_intdigest(f"winnow order 1\0domain\0{seed}\0{name}".encode()) for name in names}
    block_key = xxhash.xxh3_64_intdigest(f"winnow order 1\0block\0{seed}\0".encode())
    drawn, owed = [0] * len(names), [Fraction(0)] * len(names)
    orders: dict[tuple[int, int], list[int]] = {}
    out: list[tuple[int, int, int]] = []
    while len(out) < num:
        start = len(out)
        given = [weights for first, weights in changes if first <= start][-1]
        cut = min((first for first, _ in changes if first > start), default=num)
        left = [rows[name] * max_epochs - count for name, count in zip(names, drawn, strict=True)]
        live = without(given, {d for d in range(len(names)) if left[d] <= 0 and given[d] > 0})
        if not any(live):
            return out
        owed = handed_over(owed, live)
        counts, free, weights, account = [0] * len(names), block, live, owed
        while free > 0 and any(weights):
            more = divided(free, weights, account)
            over = {d for d in range(len(names)) if more[d] > left[d]}
            if not over:
                counts = [a + b for a, b in zip(counts, more, strict=True)]
                break
            for d in over:
                counts[d] = left[d]
                free -= left[d]
            weights = without(weights, over)
            account = handed_over(account, weights) if any(weights) else account
        chosen = [d for d, count in enumerate(counts) for _ in range(count)]
        key = bits(block_key, start)
        for i in range(len(chosen) - 1, 0, -1):
            j = below(key, i, i + 1)
            chosen[i], chosen[j] = chosen[j], chosen[i]
        chosen = chosen[: cut - start]
        for d in chosen:
            epoch, place = divmod(drawn[d], rows[names[d]])
            if (d, epoch) not in orders:
                orders[d, epoch] = epoch_rows(rows[names[d]], window, bits(keys[names[d]], epoch))
            out.append((d, epoch, orders[d, epoch][place]))
            drawn[d] += 1
        for d in range(len(names)):
            owed[d] += Fraction(live[d], ONE) * len(chosen) - chosen.count(d)
    return out[:num]
