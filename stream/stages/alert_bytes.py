"""The compiled loop that puts alerts of ALLOWs together, byte by byte: template, texts, numbers, times and ids.

An alert's id is a version 5 UUID (RFC 9562), which is a SHA-1 (RFC 3174) of the namespace and the transaction_id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.compiled import njit
from model.risk_score import points_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIECES = 13
"""Pieces of the template: what stands before, between and behind what differs."""
STATES = 4
BEFORE_WORDS = PIECES + 1 + STATES
"""Behind the template come `null`, the feature states, and feature and code of every reason."""

OF_A_ROW = 36 + 2 * 23 + 2 * 20
"""Bytes of an id, two times, and two whole numbers at most."""

_BLOCK, _WORDS = 64, 80
_MASK = 0xFFFFFFFF


class Texts(NamedTuple):
    """Texts in one run of bytes."""

    text: NDArray[np.uint8]
    end: NDArray[np.int64]


@njit()
def render(  # type: ignore[no-untyped-def]
    which, rows, words, ids, texts, numbers, reasons, namespace, knots, points, out, ends
):
    """Write the alerts of `which` of the rows, one after the other, and set where each ends.

    rows: `NUMBERS` of the micro-batch; words: pieces, null, states, and what stands before each reason's number; ids:
    as they came; texts: ids, payers and payees as they stand between quotes; numbers: n scores, n margins, then the
    reasons' contributions, each with a comma behind it; reasons [n, k]: index into the words, -1 where there is none;
    knots and points: of the map of risk scores, empty where there is none.
    """
    n = len(which)
    number_end = np.empty((2 + reasons.shape[1]) * n, dtype=np.int64)
    _find_commas(numbers, number_end)
    block = np.empty(_BLOCK, dtype=np.uint8)
    schedule = np.empty(_WORDS, dtype=np.uint64)
    digest = np.empty(5, dtype=np.uint64)
    at = 0
    for row in range(n):
        one = rows[which[row]]
        _hash(namespace, ids, row, block, schedule, digest)
        at = _uuid(out, _text(out, at, words, 0), digest)
        at = _text(out, _text(out, at, words, 1), texts, row)
        at = _time(out, _text(out, at, words, 2), one.event_time)
        at = _time(out, _text(out, at, words, 3), one.decided_at)
        at = _number(out, _text(out, at, words, 4), numbers, number_end, row)
        at = _number(out, _text(out, at, words, 5), numbers, number_end, n + row)
        at = _text(out, at, words, 6)
        for place in range(reasons.shape[1]):
            if reasons[row, place] < 0:
                break
            if place > 0:
                out[at] = 44  # a comma
                at += 1
            at = _text(out, at, words, BEFORE_WORDS + reasons[row, place])
            at = _number(out, at, numbers, number_end, 2 * n + row * reasons.shape[1] + place)
            out[at] = 125  # a closing brace
            at += 1
        at = _text(out, _text(out, at, words, 7), texts, n + row)
        at = _text(out, _text(out, at, words, 8), texts, 2 * n + row)
        at = _whole(out, _text(out, at, words, 9), one.amount_paise)
        at = _text(out, _text(out, at, words, 10), words, PIECES + 1 + np.int64(one.feature_state))
        at = _text(out, at, words, 11)
        at = _whole(out, at, points_of(one.score, knots, points)) if len(knots) else _text(out, at, words, PIECES)
        at = _text(out, at, words, 12)
        ends[row] = at


@njit(inner=True)
def _find_commas(numbers, number_end):  # type: ignore[no-untyped-def]
    number = 0
    for at in range(len(numbers)):
        if numbers[at] == 44:
            number_end[number] = at
            number += 1


@njit(inner=True)
def _copy(out, at, source, first, end):  # type: ignore[no-untyped-def]
    to, given = out[at : at + end - first], source[first:end]  # slices: no index can be negative
    for byte in range(end - first):
        to[byte] = given[byte]
    return at + end - first


@njit(inner=True)
def _text(out, at, texts, number):  # type: ignore[no-untyped-def]
    return _copy(out, at, texts.text, texts.end[number - 1] if number > 0 else 0, texts.end[number])


@njit(inner=True)
def _number(out, at, numbers, number_end, number):  # type: ignore[no-untyped-def]
    return _copy(out, at, numbers, number_end[number - 1] + 1 if number > 0 else 0, number_end[number])


@njit(inner=True)
def _whole(out, at, value):  # type: ignore[no-untyped-def]
    """Write a whole number, not negative."""
    digits = 1
    above = value // 10
    while above > 0:
        digits += 1
        above //= 10
    _digits(out, at, value, digits)
    return at + digits


@njit(inner=True)
def _digits(out, at, value, digits):  # type: ignore[no-untyped-def]
    for place in range(digits):
        out[at + digits - 1 - place] = 48 + value % 10
        value //= 10


@njit(inner=True)
def _time(out, at, epoch_ms):  # type: ignore[no-untyped-def]
    """Write a time as RFC 3339 with milliseconds, but for the Z; days to dates by Hinnant's `civil_from_days`."""
    day = epoch_ms // 86_400_000
    left = epoch_ms - day * 86_400_000
    shifted = day + 719_468
    era = shifted // 146_097
    day_of_era = shifted - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    _digits(out, at + 8, day_of_year - (153 * month + 2) // 5 + 1, 2)
    month = month + 3 if month < 10 else month - 9
    _digits(out, at + 5, month, 2)
    _digits(out, at, year_of_era + era * 400 + (1 if month <= 2 else 0), 4)
    _digits(out, at + 11, left // 3_600_000, 2)
    _digits(out, at + 14, left // 60_000 % 60, 2)
    _digits(out, at + 17, left // 1000 % 60, 2)
    _digits(out, at + 20, left % 1000, 3)
    out[at + 4] = out[at + 7] = 45  # -
    out[at + 10] = 84  # T
    out[at + 13] = out[at + 16] = 58  # :
    out[at + 19] = 46  # .
    return at + 23


@njit(inner=True)
def _uuid(out, at, digest):  # type: ignore[no-untyped-def]
    for byte in range(16):
        value = (digest[byte >> 2] >> np.uint64(24 - 8 * (byte & 3))) & np.uint64(0xFF)
        if byte == 6:
            value = (value & np.uint64(0x0F)) | np.uint64(0x50)
        if byte == 8:
            value = (value & np.uint64(0x3F)) | np.uint64(0x80)
        if byte == 4 or byte == 6 or byte == 8 or byte == 10:
            out[at] = 45  # -
            at += 1
        for digit in (value >> np.uint64(4), value & np.uint64(15)):
            out[at] = (48 if digit < 10 else 87) + digit
            at += 1
    return at


@njit(inner=True)
def _hash(namespace, ids, row, block, schedule, digest):  # type: ignore[no-untyped-def]
    """Set the SHA-1 of the namespace and an id: five words of 32 bits."""
    first = ids.end[row - 1] if row > 0 else 0
    head = len(namespace)
    size = head + ids.end[row] - first
    digest[0], digest[1], digest[2] = 0x67452301, 0xEFCDAB89, 0x98BADCFE
    digest[3], digest[4] = 0x10325476, 0xC3D2E1F0
    blocks = (size + 9 + _BLOCK - 1) // _BLOCK
    for number in range(blocks):
        for byte in range(_BLOCK):
            at = number * _BLOCK + byte
            value = np.int64(0)
            if at < head:
                value = np.int64(namespace[at])
            elif at < size:
                value = np.int64(ids.text[first + at - head])
            elif at == size:
                value = np.int64(0x80)
            elif at >= blocks * _BLOCK - 8:
                value = ((size * 8) >> (8 * (blocks * _BLOCK - 1 - at))) & 0xFF
            block[byte] = value
        _mix(block, schedule, digest)


@njit(inner=True)
def _mix(block, schedule, digest):  # type: ignore[no-untyped-def]
    mask = np.uint64(_MASK)
    for word in range(16):
        at = 4 * word
        schedule[word] = (
            (np.uint64(block[at]) << np.uint64(24))
            | (np.uint64(block[at + 1]) << np.uint64(16))
            | (np.uint64(block[at + 2]) << np.uint64(8))
            | np.uint64(block[at + 3])
        )
    for word in range(16, _WORDS):
        mixed = schedule[word - 3] ^ schedule[word - 8] ^ schedule[word - 14] ^ schedule[word - 16]
        schedule[word] = _turned(mixed, 1)
    a, b, c, d, e = digest[0], digest[1], digest[2], digest[3], digest[4]
    for word in range(_WORDS):
        if word < 20:
            chosen = ((b & c) | ((b ^ mask) & d)) + np.uint64(0x5A827999)
        elif word < 40:
            chosen = (b ^ c ^ d) + np.uint64(0x6ED9EBA1)
        elif word < 60:
            chosen = ((b & c) | (b & d) | (c & d)) + np.uint64(0x8F1BBCDC)
        else:
            chosen = (b ^ c ^ d) + np.uint64(0xCA62C1D6)
        following = (_turned(a, 5) + chosen + e + schedule[word]) & mask
        a, b, c, d, e = following, a, _turned(b, 30), c, d
    digest[0] = (digest[0] + a) & mask
    digest[1] = (digest[1] + b) & mask
    digest[2] = (digest[2] + c) & mask
    digest[3] = (digest[3] + d) & mask
    digest[4] = (digest[4] + e) & mask


@njit(inner=True)
def _turned(word, bits):  # type: ignore[no-untyped-def]
    """Turn 32 bits left."""
    return ((word << np.uint64(bits)) | (word >> np.uint64(32 - bits))) & np.uint64(_MASK)
