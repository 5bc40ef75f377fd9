"""The draws of an export in plain Python numbers."""

import hashlib
import math

_MASK = (1 << 64) - 1


def _stir(state: int, eight_bytes: int) -> int:
    state = (state ^ eight_bytes) * 0x9E3779B97F4A7C15 & _MASK
    return state ^ state >> 32


def _hash_bytes(data: bytes) -> int:
    state = len(data) * 0xD6E8FEB86659FD93 & _MASK
    steps = max(2, -(-len(data) // 8))
    for step in range(steps):
        state = _stir(state, int.from_bytes(data[8 * step : 8 * step + 8], "little"))
    state = state * 0xD6E8FEB86659FD93 & _MASK
    return state ^ state >> 29


def _mix64(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31


def drawn(text: str, seed: int, purpose: str) -> int:
    """The 64-bit hash of a string for a purpose."""
    salt = int.from_bytes(hashlib.blake2b(f"{seed}\0{purpose}".encode(), digest_size=8).digest(), "little")
    return _mix64(_hash_bytes(text.encode()) ^ salt)


def drawn_copy(doc_id: str, number: int, seed: int, purpose: str) -> int:
    """The 64-bit hash of a copy of a document."""
    return _mix64(drawn(doc_id, seed, purpose) + (number + 1) * 0x9E3779B97F4A7C15 & _MASK)


def repeats(doc_id: str, weight: float, seed: int) -> int:
    """How often a document is taken."""
    return math.floor(weight) + ((drawn(doc_id, seed, "repeat") >> 11) / 2**53 < weight - math.floor(weight))


def is_held_out(group: str, share: float, seed: int) -> bool:
    """Whether a document, with its cluster, is held out."""
    return (drawn(group, seed, "eval") >> 11) / 2**53 < share
