"""Identities as keyed hashes: a VPA or device id never leaves the worker, and no one can guess it from its hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

KEY_BYTES = 16


class Identities:
    """Hashes identities with SipHash-2-4 under one secret key, equal for every worker of a deployment.

    SipHash (Aumasson, Bernstein 2012) is a pseudo-random function: without the key a hash tells nothing of the
    identity, and nobody can construct two VPAs that share a log.
    """

    def __init__(self, key: bytes, *, by_account: bool = False) -> None:
        """Take the key; by_account: a party is its account where that is known, and its VPA elsewhere."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"The identity key must be {KEY_BYTES} bytes, not {len(key)}.")
        self.k0 = np.uint64(int.from_bytes(key[:8], "little"))
        self.k1 = np.uint64(int.from_bytes(key[8:], "little"))
        self.by_account = by_account

    def hash(self, values: Sequence[bytes]) -> NDArray[np.uint64]:
        """Return one 64-bit hash a value; never 0, which stands for unknown. Empty values are unknown."""
        arena, ends = _arena(values)
        return _hash_all(arena, ends, self.k0, self.k1)

    def hash128(self, values: Sequence[bytes]) -> NDArray[np.uint64]:
        """Return two independent 64-bit hashes a value, shape [n, 2]: wide enough to serve as a unique key."""
        arena, ends = _arena(values)
        both = np.empty((len(ends), 2), dtype=np.uint64)
        both[:, 0] = _hash_all(arena, ends, self.k0, self.k1)
        both[:, 1] = _hash_all(arena, ends, ~self.k0, ~self.k1)
        return both

    def fingerprint(self) -> bytes:
        """Return 16 hex digits that tell this key from others and nothing else of it, and if parties are accounts."""
        digest: bytes = self.hash([b"upi-fraud-stream identity key"]).tobytes()
        return digest.hex().encode() + (b" by account" if self.by_account else b"")


def _arena(values: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    lengths = np.fromiter(map(len, values), dtype=np.int64, count=len(values))
    return np.frombuffer(b"".join(values), dtype=np.uint8), np.cumsum(lengths)


@njit(inner=True)
def _rotate(x: np.uint64, bits: np.uint64) -> np.uint64:
    return (x << bits) | (x >> (np.uint64(64) - bits))


@njit(inner=True)
def _round(v0: np.uint64, v1: np.uint64, v2: np.uint64, v3: np.uint64):  # type: ignore[no-untyped-def]
    v0 += v1
    # No literals: each would be a type of its own, and `_rotate` be compiled again.
    v1 = _rotate(v1, np.uint64(13)) ^ v0
    v0 = _rotate(v0, np.uint64(32))
    v2 += v3
    v3 = _rotate(v3, np.uint64(16)) ^ v2
    v0 += v3
    v3 = _rotate(v3, np.uint64(21)) ^ v0
    v2 += v1
    v1 = _rotate(v1, np.uint64(17)) ^ v2
    v2 = _rotate(v2, np.uint64(32))
    return v0, v1, v2, v3


@njit()
def siphash(arena: NDArray[np.uint8], start: int, end: int, k0: np.uint64, k1: np.uint64) -> np.uint64:
    """SipHash-2-4 of arena[start:end]."""
    v0 = k0 ^ np.uint64(0x736F6D6570736575)
    v1 = k1 ^ np.uint64(0x646F72616E646F6D)
    v2 = k0 ^ np.uint64(0x6C7967656E657261)
    v3 = k1 ^ np.uint64(0x7465646279746573)
    length = end - start
    at = start
    for _ in range(length // 8):
        word = np.uint64(0)
        for byte in range(8):
            word |= np.uint64(arena[at + byte]) << np.uint64(8 * byte)
        at += 8
        v3 ^= word
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= word
    word = np.uint64(length & 0xFF) << np.uint64(56)
    for byte in range(end - at):
        word |= np.uint64(arena[at + byte]) << np.uint64(8 * byte)
    v3 ^= word
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0 ^= word
    v2 ^= np.uint64(0xFF)
    for _ in range(4):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    digest: np.uint64 = v0 ^ v1 ^ v2 ^ v3
    return digest


@njit()
def _hash_all(arena: NDArray[np.uint8], ends: NDArray[np.int64], k0: np.uint64, k1: np.uint64) -> NDArray[np.uint64]:
    hashes = np.zeros(len(ends), dtype=np.uint64)
    start = 0
    for row in range(len(ends)):
        end = ends[row]
        if end > start:
            value = siphash(arena, start, end, k0, k1)
            hashes[row] = value if value != 0 else np.uint64(1)
        start = end
    return hashes
