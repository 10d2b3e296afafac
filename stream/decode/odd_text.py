"""Compiled passes over the text of one odd record: each looks at a byte once, or twice, whatever the bytes.

Anybody who may write to a topic chooses these bytes, so no byte may cost more than a constant: a search that starts
again at every quote took 15 s for one record of 64 KiB. The interpreter's lock is not held meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HALF_PAIR = 6
"""Bytes of an escaped surrogate."""


def nests_deeper(value: bytes, limit: int) -> bool:
    """Whether more than `limit` brackets outside of strings are open at one place; exact where the value is JSON."""
    return bool(_nests_deeper(np.frombuffer(value, dtype=np.uint8), limit))


def without_half_pairs(value: bytes) -> bytes:
    """Return the value with each escaped surrogate that has no partner replaced by an escaped U+0000."""
    text = np.frombuffer(value, dtype=np.uint8).copy()
    _replace_half_pairs(text)
    return text.tobytes()


@njit()
def _nests_deeper(text: NDArray[np.uint8], limit: int) -> bool:
    depth = 0
    in_string = False
    at = 0
    while at < len(text):
        byte = text[at]
        if byte == 34:  # "
            in_string = not in_string
        elif in_string:
            at += byte == 92  # what a backslash escapes ends no string
        elif byte == 91 or byte == 123:  # [ {
            depth += 1
            if depth > limit:
                return True
        elif byte == 93 or byte == 125:  # ] }
            depth -= 1
        at += 1
    return False


@njit()
def _is_hexadecimal(byte: np.uint8) -> bool:
    return bool(48 <= byte <= 57 or 65 <= byte <= 70 or 97 <= byte <= 102)


@njit()
def _half_at(text: NDArray[np.uint8], at: int) -> int:
    """Return which half of a pair is escaped at a place: 1 the first, 2 the second, 0 neither."""
    if at + _HALF_PAIR > len(text) or text[at] != 92 or text[at + 1] != 117 or text[at + 2] | 32 != 100:  # \ u d
        return 0
    if not (_is_hexadecimal(text[at + 4]) and _is_hexadecimal(text[at + 5])):
        return 0
    digit = text[at + 3]
    if digit == 56 or digit == 57 or 97 <= digit | 32 <= 98:  # 8 9 a b
        return 1
    return 2 if 99 <= digit | 32 <= 102 else 0  # c d e f


@njit()
def _replace_half_pairs(text: NDArray[np.uint8]) -> None:
    at = 0
    while at < len(text):
        if text[at] != 92:
            at += 1
            continue
        half = _half_at(text, at)
        if half == 0:
            at += 2  # past any other escape, so that the second half of an escaped backslash starts nothing
        elif half == 1 and _half_at(text, at + _HALF_PAIR) == 2:
            at += 2 * _HALF_PAIR  # a pair: one character
        else:
            text[at + 2 : at + _HALF_PAIR] = 48  # \u0000
            at += _HALF_PAIR
