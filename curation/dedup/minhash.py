"""MinHash signatures and the band keys under which similar documents meet."""

import math
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dedup.exact import hash128, mix64
from curation.dedup.normalize import normalize_into, room_for
from curation.dedup.shingles import Shingles, shingle_into
from curation.text.batch import TextBatch
from curation.text.kernel import inlined, kernel
from curation.text.unicode import character_classes, lower_case

MERSENNE_61 = (1 << 61) - 1
_NO_MINIMUM = 0xFFFFFFFFFFFFFFFF
_WORDS = Shingles()
_LANES = 32  # shingles are padded to full vectors: the minimum does not mind a repeated one
_UNROLLED = 4  # permutations that share one load of a shingle


def collision_probability(similarity: float, *, bands: int, rows: int) -> float:
    """Chance, in [0, 1], that two documents of a Jaccard `similarity` share at least one band: 1 - (1 - s**r)**b.

    Reference: Leskovec, Rajaraman & Ullman, "Mining of Massive Datasets", section 3.4.2.
    """
    if not 0.0 <= similarity <= 1.0:
        raise ValueError(f"expected a Jaccard similarity in [0, 1], got {similarity}")
    return 1.0 - (1.0 - similarity**rows) ** bands


@dataclass(frozen=True, kw_only=True)
class MinHash:
    """How documents are sketched: `bands` x `rows` permutations of the hashes of their shingles.

    Attributes:
        shingles: what the sets consist of.
        bands: keys per document; documents that share one are compared.
        rows: permutations per band.
        family: `affine64`: h -> a*h + b modulo 2**64 with a odd, a bijection, so that permuting never makes two
            shingles equal. `mersenne61`: h -> (a*(h mod p) + b) mod p with p = 2**61 - 1, the textbook's 2-universal
            family, computed without overflow; about half as fast.
        seed: of the permutations; two sketches are comparable only if all settings agree.

    Both families are 2-universal, not min-wise independent: unbiasedness rests on the shingle hashes, which are
    mixed before (measured in the tests against exact Jaccard: no bias, and the variance of a binomial).

    Reference: Broder 1997, "On the resemblance and containment of documents"; Indyk & Motwani 1998 for the bands; the
    defaults are FineWeb's (Penedo et al. 2024, appendix), with verification behind them that FineWeb has not.
    """

    shingles: Shingles = field(default_factory=Shingles)
    bands: int = 14
    rows: int = 8
    family: Literal["affine64", "mersenne61"] = "affine64"
    seed: int = 1

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: a number is out of range, or `family` is unknown.
        """
        if self.bands < 1 or self.rows < 1:
            raise ValueError(f"expected at least one band and one row, got {self.bands} bands x {self.rows} rows")
        if self.family not in ("affine64", "mersenne61"):
            raise ValueError(f"expected MinHash.family 'affine64' or 'mersenne61', got {self.family!r}")
        if self.seed < 0:
            raise ValueError(f"expected MinHash.seed of at least 0, got {self.seed}")

    @property
    def num_perm(self) -> int:
        """Permutations in use."""
        return self.bands * self.rows

    def recall(self, similarity: float) -> float:
        """Chance that a pair of this Jaccard similarity becomes a candidate."""
        return collision_probability(similarity, bands=self.bands, rows=self.rows)

    @classmethod
    def for_threshold(
        cls,
        threshold: float,
        *,
        num_perm: int = 112,
        recall: float = 0.99,
        shingles: Shingles = _WORDS,
        seed: int = 1,
    ) -> "MinHash":
        """The sharpest banding that finds a pair at exactly `threshold` with a chance of at least `recall`.

        It has the most rows (the fewest false candidates) with which at most `num_perm` permutations reach the recall,
        and then the fewest bands. Peers weigh misses against false candidates instead (`optimal_banding`); where every
        candidate is verified, a false one costs time only, a missed one is lost.

        Raises:
            ValueError: an argument is out of range, or no banding of `num_perm` permutations reaches the recall.
        """
        if not 0.0 < threshold <= 1.0 or not 0.0 < recall < 1.0 or num_perm < 1:
            raise ValueError(
                f"expected 0 < threshold <= 1, 0 < recall < 1 and num_perm >= 1, got {threshold}, {recall}, {num_perm}"
            )
        for rows in range(num_perm, 0, -1):
            for bands in range(1, num_perm // rows + 1):
                if collision_probability(threshold, bands=bands, rows=rows) >= recall:
                    return cls(shingles=shingles, bands=bands, rows=rows, seed=seed)
        raise ValueError(
            f"no banding of {num_perm} permutations finds pairs of Jaccard {threshold} with probability {recall}: "
            f"allow more permutations or ask for less recall"
        )


def optimal_banding(
    threshold: float, num_perm: int, *, false_positive_weight: float = 0.5, false_negative_weight: float = 0.5
) -> tuple[int, int]:
    """Bands and rows of at most `num_perm` permutations with the least weighted area of error around `threshold`.

    The areas are those under the collision probability left of the threshold and above it on the right.

    Reference: Zhu et al. 2016, "LSH Ensemble", section 5; the choice of datasketch, text-dedup and Data-Juicer.
    """
    best = (math.inf, 0, 0)
    left = (np.arange(512) + 0.5) / 512 * threshold
    right = threshold + (np.arange(512) + 0.5) / 512 * (1.0 - threshold)
    for bands in range(1, num_perm + 1):
        for rows in range(1, num_perm // bands + 1):
            false_positives = float(np.mean(1.0 - (1.0 - left**rows) ** bands)) * threshold
            false_negatives = float(np.mean((1.0 - right**rows) ** bands)) * (1.0 - threshold)
            error = false_positive_weight * false_positives + false_negative_weight * false_negatives
            if error < best[0]:
                best = (error, bands, rows)
    return best[1], best[2]


@cache
def permutations(settings: MinHash) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The factors a and the terms b of the permutations, uint64[num_perm] each, functions of the seed alone."""
    generator = np.random.Generator(np.random.Philox(settings.seed))
    # drawn in pairs, so that more permutations of one seed begin with the fewer
    if settings.family == "affine64":
        drawn = generator.integers(0, 1 << 64, size=(settings.num_perm, 2), dtype=np.uint64)
        drawn[:, 0] |= np.uint64(1)
    else:
        drawn = generator.integers(0, MERSENNE_61, size=(settings.num_perm, 2), dtype=np.uint64)
        drawn[:, 0] = np.maximum(drawn[:, 0], 1)
    return np.ascontiguousarray(drawn[:, 0]), np.ascontiguousarray(drawn[:, 1])


@inlined
def affine_mersenne61(value: np.uint64, a: np.uint64, b: np.uint64) -> np.uint64:
    """(a * value + b) mod 2**61 - 1 for a, b and value below 2**61 - 1, exact: the product has 122 bits."""
    prime = np.uint64(MERSENNE_61)
    low_mask = np.uint64(0xFFFFFFFF)
    a_high, a_low = a >> np.uint64(32), a & low_mask
    v_high, v_low = value >> np.uint64(32), value & low_mask
    bottom = a_low * v_low
    middle = a_high * v_low + a_low * v_high  # below 2**62: a_high and v_high have 29 bits
    top = a_high * v_high
    # product = top * 2**64 + middle * 2**32 + bottom, and 2**61 = 1 modulo the prime
    total = (top << np.uint64(3)) + (middle >> np.uint64(29)) + ((middle & np.uint64(0x1FFFFFFF)) << np.uint64(32))
    total += (bottom & prime) + (bottom >> np.uint64(61)) + b
    total = (total & prime) + (total >> np.uint64(61))
    return total - prime if total >= prime else total


@inlined
def sign_affine64(
    shingles: NDArray[np.uint64],
    count: int,
    a: NDArray[np.uint64],
    b: NDArray[np.uint64],
    signature: NDArray[np.uint64],
) -> None:
    """Write the minima over `shingles[:count]` of each permutation; array lengths as `_sketch` pads them."""
    if count > 0:
        padded = (count + _LANES - 1) // _LANES * _LANES
        for j in range(count, padded):
            shingles[j] = shingles[0]
        count = padded
    for p in range(0, len(signature), _UNROLLED):
        a0, a1, a2, a3 = a[p], a[p + 1], a[p + 2], a[p + 3]
        b0, b1, b2, b3 = b[p], b[p + 1], b[p + 2], b[p + 3]
        least0 = least1 = least2 = least3 = np.uint64(_NO_MINIMUM)
        for j in range(count):
            shingle = shingles[j]
            least0 = min(least0, shingle * a0 + b0)
            least1 = min(least1, shingle * a1 + b1)
            least2 = min(least2, shingle * a2 + b2)
            least3 = min(least3, shingle * a3 + b3)
        signature[p], signature[p + 1], signature[p + 2], signature[p + 3] = least0, least1, least2, least3


@inlined
def sign_mersenne61(
    shingles: NDArray[np.uint64],
    count: int,
    a: NDArray[np.uint64],
    b: NDArray[np.uint64],
    signature: NDArray[np.uint64],
) -> None:
    """The same modulo 2**61 - 1."""
    signature[:] = np.uint64(_NO_MINIMUM)
    for j in range(count):
        reduced = shingles[j] % np.uint64(MERSENNE_61)
        for p in range(len(signature)):
            signature[p] = min(signature[p], affine_mersenne61(reduced, a[p], b[p]))


@inlined
def _band_key(signature: NDArray[np.uint64], band: int, rows: int) -> np.uint64:
    """The key of one band: its number and its minima, mixed."""
    key = np.uint64(band)
    for row in range(rows):
        key = mix64(key + signature[band * rows + row])
    return key


@kernel
def _band_keys(signatures: NDArray[np.uint64], rows: int, keys: NDArray[np.uint64]) -> None:
    for doc in range(keys.shape[0]):
        for band in range(keys.shape[1]):
            keys[doc, band] = _band_key(signatures[doc], band, rows)


def band_keys(signatures: NDArray[np.uint64], settings: MinHash) -> NDArray[np.uint64]:
    """The band keys, uint64[n, bands], that `sketch` makes beside these signatures, uint64[n, num_perm].

    Raises:
        ValueError: the signatures have another length than these settings make.
    """
    if signatures.ndim != 2 or signatures.shape[1] != settings.num_perm:
        raise ValueError(f"expected signatures of {settings.num_perm} numbers, got an array {signatures.shape}")
    keys = np.empty((len(signatures), settings.bands), np.uint64)
    _band_keys(np.ascontiguousarray(signatures), settings.rows, keys)
    return keys


def key_lists(keys: NDArray[np.uint64], present: NDArray[np.bool_]) -> pa.ListArray:
    """Band keys, uint64[n, bands], as list<int64>: one list per document, empty where it is not `present`."""
    offsets = np.zeros(len(present) + 1, np.int32)
    np.cumsum(present * keys.shape[1], out=offsets[1:])
    values = keys if present.all() else keys[present]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.reshape(-1).view(np.int64)))


@kernel
def _sketch(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    lower: NDArray[np.int32],
    classes: NDArray[np.uint16],
    words: bool,
    size: int,
    a: NDArray[np.uint64],
    b: NDArray[np.uint64],
    mersenne: bool,
    rows: int,
    hashes: NDArray[np.uint64],
    num_shingles: NDArray[np.int64],
    keys: NDArray[np.uint64],
    signatures: NDArray[np.uint64],
) -> None:
    """Hash, count, band keys and (where `signatures` has rows) signature of each document, in one reading."""
    longest = 0
    for doc in range(len(offsets) - 1):
        longest = max(longest, offsets[doc + 1] - offsets[doc])
    text = np.empty(room_for(longest), np.uint8)
    room = (len(text) // 2 + 1 if words else len(text)) + _LANES
    pieces, shingles = np.empty(room, np.uint64), np.empty(room, np.uint64)
    signature = np.empty(len(a), np.uint64)
    for doc in range(len(offsets) - 1):
        n = normalize_into(data, offsets[doc], offsets[doc + 1], lower, text)
        hashes[doc, 0], hashes[doc, 1] = hash128(text, n)
        count = shingle_into(text, n, words, size, classes, pieces, shingles)
        num_shingles[doc] = count
        if mersenne:
            sign_mersenne61(shingles, count, a, b, signature)
        else:
            sign_affine64(shingles, count, a, b, signature)
        for band in range(keys.shape[1]):
            keys[doc, band] = _band_key(signature, band, rows)
        if len(signatures) > 0:
            signatures[doc] = signature[: signatures.shape[1]]


@dataclass(frozen=True)
class Sketches:
    """What a batch of texts is compared by.

    Attributes:
        hashes: uint64[n, 2]; high and low half of the hash of the normalised text.
        num_shingles: int64[n]; repeated shingles counted. Where it is 0 the document has no band keys.
        keys: uint64[n, bands]; keys of the bands, the number of the band mixed in.
        signatures: uint64[n, num_perm], or uint64[0, num_perm] where they were not asked for.
    """

    hashes: NDArray[np.uint64]
    num_shingles: NDArray[np.int64]
    keys: NDArray[np.uint64]
    signatures: NDArray[np.uint64]

    def keys_arrow(self) -> pa.ListArray:
        """The band keys as list<int64>, one list per document, empty where a document has no shingles.

        A key has 64 bits. Among `n` documents about n**2 / 2**65 pairs per band meet by accident: none for a billion
        documents, three for ten billion, and such a pair is then verified like any other, so that an accident costs a
        comparison and never a document. Keys of twice the width would double what is shuffled.
        """
        return key_lists(self.keys, self.num_shingles > 0)

    def signatures_arrow(self) -> pa.ListArray:
        """The signatures as list<int64> (the same 64 bits, signed), null where a document has no shingles."""
        absent = self.num_shingles == 0
        num_perm = self.signatures.shape[1]
        offsets = np.zeros(len(absent) + 1, np.int32)
        np.cumsum(~absent * num_perm, out=offsets[1:])
        values = self.signatures[~absent] if absent.any() else self.signatures
        return pa.ListArray.from_arrays(
            pa.array(offsets), pa.array(values.reshape(-1).view(np.int64)), mask=pa.array(absent)
        )


def sketch(batch: TextBatch, settings: MinHash, *, with_signatures: bool = False) -> Sketches:
    """Content hashes and band keys of the texts, from one reading; a null text is sketched like an empty one."""
    a, b = permutations(settings)
    padding = -len(a) % _UNROLLED
    a, b = np.pad(a, (0, padding)), np.pad(b, (0, padding))
    n = len(batch)
    sketches = Sketches(
        np.empty((n, 2), np.uint64),
        np.empty(n, np.int64),
        np.empty((n, settings.bands), np.uint64),
        np.empty((n if with_signatures else 0, settings.num_perm), np.uint64),
    )
    _sketch(
        batch.data,
        batch.offsets,
        lower_case(),
        character_classes(),
        settings.shingles.kind == "word",
        settings.shingles.size,
        a,
        b,
        settings.family == "mersenne61",
        settings.rows,
        sketches.hashes,
        sketches.num_shingles,
        sketches.keys,
        sketches.signatures,
    )
    return sketches


def estimate(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> float:
    """Estimated Jaccard similarity of two documents: the share of equal minima in their signatures."""
    if left.shape != right.shape or left.ndim != 1 or len(left) == 0:
        raise ValueError(f"expected two signatures of equal length, got shapes {left.shape} and {right.shape}")
    return float(np.mean(left == right))
