"""Draws that come out the same on every machine: keyed by what they are for, and computed without libm.

Nothing here depends on what was drawn before for something else, so any hour of the simulation can be made by itself.
Uniforms and normals are numpy's; exponentials, in which C libraries differ in the last bit, are computed from additions
and multiplications, which IEEE 754 fixes.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

T = TypeVar("T")

_WORD: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_BUFFERED: Final = 256


def _powers_of_two() -> NDArray[np.float64]:
    """Tabulate 2^(k/256), each correctly rounded."""
    with localcontext() as context:
        context.prec = 40
        return np.array([float(Decimal(2) ** (Decimal(k) / 256)) for k in range(256)])


_POWERS: Final = _powers_of_two()
_POWER_LIST: Final[list[float]] = _POWERS.tolist()
_LOG2_E: Final = 1.4426950408889634
_LN_2: Final = 0.6931471805599453


def exp(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return e^x within 1e-14 of it, relatively, and the same bits everywhere. Finite x of |x| < 700."""
    scaled = x * (_LOG2_E * 256)
    whole = np.floor(scaled)
    rest = (scaled - whole) * (_LN_2 / 256)
    series = 1.0 + rest * (1.0 + rest * (0.5 + rest * (1 / 6 + rest * (1 / 24))))
    steps = whole.astype(np.int64)
    result: NDArray[np.float64] = np.ldexp(_POWERS[steps & 255] * series, (steps >> 8).astype(np.int32))
    return result


def exp_one(x: float) -> float:
    """Return the same bits as `exp` for one number, at a tenth of the cost."""
    scaled = x * (_LOG2_E * 256)
    steps = math.floor(scaled)
    rest = (scaled - steps) * (_LN_2 / 256)
    series = 1.0 + rest * (1.0 + rest * (0.5 + rest * (1 / 6 + rest * (1 / 24))))
    return math.ldexp(_POWER_LIST[steps & 255] * series, steps >> 8)


def mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble each word; distinct words stay distinct (splitmix64's finaliser, Steele, Lea and Flood 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def mix_one(word: int) -> int:
    """Scramble one word as `mix` does."""
    word &= _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)


def key_for(*words: int) -> int:
    """Fold words into one key of 64 bits."""
    key = 0
    for word in words:
        key = mix_one((key + _GOLDEN) ^ (word & _WORD))
    return key


def hashed(key: int, words: NDArray[np.int64] | NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 random bits for each word, always the same for the same key and word."""
    return mix(mix(words.astype(np.uint64) + np.uint64(_GOLDEN)) ^ np.uint64(key))


def uniform(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Turn 64 random bits into a number in [0, 1)."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def chances(key: int, words: NDArray[np.int64] | NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each word, always the same for the same key and word."""
    return uniform(hashed(key, words))


def generator(*words: int) -> np.random.Generator:
    """Return a generator whose draws depend on nothing but the words."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(words))))


class Dice:
    """Single draws for stories told step by step, from one generator, in the order in which they are asked for."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._buffer: list[float] = []
        self._normal = NormalDist()

    def roll(self) -> float:
        """Return a number in [0, 1)."""
        if not self._buffer:
            self._buffer = self.rng.random(_BUFFERED).tolist()
        return self._buffer.pop()

    def chance(self, share: float) -> bool:
        """Say yes in this share of cases."""
        return self.roll() < share

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.roll()

    def whole(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return low + int(self.roll() * (high - low + 1))

    def pick(self, options: Sequence[T] | NDArray[Any]) -> T:
        """Return one of the options."""
        return options[int(self.roll() * len(options))]

    def around(self, median: float, spread: float) -> float:
        """Return a log-normal draw; `spread` is the standard deviation of its logarithm."""
        z = self._normal.inv_cdf(min(max(self.roll(), 1e-6), 1 - 1e-6))
        return median * exp_one(spread * z)

    def arrivals(self, mean: float) -> int:
        """Return how many independent events happen where `mean` are expected."""
        return int(self.rng.poisson(mean))
