"""Sums of squares in 128 bits: exact, so that no order of additions can change a standard deviation."""

from __future__ import annotations

import math

import numpy as np

from features.compiled import njit

MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
TWO_64 = 18446744073709551616.0


@njit(inline="always")
def multiply(a: np.uint64, b: np.uint64):  # type: ignore[no-untyped-def]  # a pair of uint64: high, low
    """Return the 128-bit product of two unsigned 64-bit numbers as (high, low)."""
    a_low, a_high = a & MASK, a >> HALF
    b_low, b_high = b & MASK, b >> HALF
    low = a_low * b_low
    middle = a_high * b_low + (low >> HALF)
    other = a_low * b_high + (middle & MASK)
    return a_high * b_high + (middle >> HALF) + (other >> HALF), (other << HALF) | (low & MASK)


@njit(inline="always")
def add(high: np.uint64, low: np.uint64, more_high: np.uint64, more_low: np.uint64):  # type: ignore[no-untyped-def]
    """Return the 128-bit sum as (high, low)."""
    total = low + more_low
    carry = np.uint64(1) if total < low else np.uint64(0)
    return high + more_high + carry, total


@njit()
def deviation(count: int, total: int, sq_high: np.uint64, sq_low: np.uint64) -> float:
    """Return the standard deviation with n in the denominator, rounded only in the last steps.

    n * sum(x^2) - sum(x)^2 is computed in 128-bit integers: exact while count * sum(x^2) < 2^127.
    """
    n = np.uint64(count)
    high, low = multiply(n, sq_low)
    high += n * sq_high
    s_high, s_low = multiply(np.uint64(total), np.uint64(total))
    borrow = np.uint64(1) if low < s_low else np.uint64(0)
    variance = np.float64(high - s_high - borrow) * TWO_64 + np.float64(low - s_low)
    return math.sqrt(variance) / np.float64(count)
