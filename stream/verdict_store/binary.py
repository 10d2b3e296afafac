"""Values as PostgreSQL sends and receives them in binary; arrays are built from numpy without a call per element.

The formats are those of the types' receive and send functions (src/backend/utils/adt, array_recv and friends).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

POSTGRES_EPOCH_MS = 946_684_800_000
"""2000-01-01T00:00:00Z, from which PostgreSQL counts microseconds."""

_HEADER = struct.Struct(">iiIii")
_INT = struct.Struct(">q")
_FLOAT = struct.Struct(">d")
_NULL = -1


def timestamps(epoch_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return timestamptz as the server counts it."""
    return (epoch_ms - POSTGRES_EPOCH_MS) * 1000


def uuid_array(ids: NDArray[np.uint64]) -> bytes:
    """Return uuid[] of ids uint64 [n, 2], the high half first."""
    return _fixed_array(2950, 16, ids.astype(">u8"))


def int4_array(values: NDArray[np.integer]) -> bytes:
    """Return integer[]."""
    return _fixed_array(23, 4, values.astype(">i4"))


def int8_array(values: NDArray[np.integer]) -> bytes:
    """Return bigint[]."""
    return _fixed_array(20, 8, values.astype(">i8"))


def timestamptz_array(epoch_ms: NDArray[np.int64]) -> bytes:
    """Return timestamptz[]."""
    return _fixed_array(1184, 8, timestamps(epoch_ms).astype(">i8"))


def boolean_array(values: Sequence[bool]) -> bytes:
    """Return boolean[]."""
    return _fixed_array(16, 1, np.array(values, dtype=np.uint8))


def text_array(values: Sequence[bytes | None]) -> bytes:
    """Return text[]; None is NULL."""
    lengths = np.array([_NULL if value is None else len(value) for value in values], dtype=np.int64)
    arena = np.frombuffer(b"".join([value for value in values if value is not None]), dtype=np.uint8)
    return _header(25, len(values), has_nulls=None in values) + _length_prefixed(arena, lengths).tobytes()


def boolean(value: bool) -> bytes:
    """Return boolean."""
    return bytes([value])


def int4(value: int) -> bytes:
    """Return integer."""
    return struct.pack(">i", value)


def timestamptz(epoch_ms: int) -> bytes:
    """Return timestamptz."""
    return _INT.pack((epoch_ms - POSTGRES_EPOCH_MS) * 1000)


def float8(value: float) -> bytes:
    """Return double precision."""
    return _FLOAT.pack(value)


def to_int(cell: bytes) -> int:
    """Read smallint, integer or bigint."""
    return int.from_bytes(cell, "big", signed=True)


def to_float(cell: bytes) -> float:
    """Read double precision."""
    value: float = _FLOAT.unpack(cell)[0]
    return value


def to_epoch_ms(cell: bytes) -> int:
    """Read timestamptz."""
    return to_int(cell) // 1000 + POSTGRES_EPOCH_MS


def _header(oid: int, length: int, *, has_nulls: bool = False) -> bytes:
    return _HEADER.pack(1, has_nulls, oid, length, 1)


def _fixed_array(oid: int, width: int, values: NDArray[np.generic]) -> bytes:
    elements = np.empty(len(values), dtype=[("length", ">i4"), ("value", f"V{width}")])
    elements["length"] = width
    elements["value"] = np.ascontiguousarray(values).view(f"V{width}").ravel()
    return _header(oid, len(values)) + elements.tobytes()


@njit(inline="always")
def put_length(out: NDArray[np.uint8], at: int, length: int) -> int:
    """Write a field's length, -1 for NULL; return where its bytes go."""
    out[at] = (length >> 24) & 0xFF
    out[at + 1] = (length >> 16) & 0xFF
    out[at + 2] = (length >> 8) & 0xFF
    out[at + 3] = length & 0xFF
    return at + 4


@njit(inline="always")
def put_number(out: NDArray[np.uint8], at: int, number: int, width: int) -> int:
    """Write an integer of `width` bytes, or the bits of a real; return where the next goes."""
    to = out[at : at + width]
    for byte in range(width):
        to[byte] = (number >> (8 * (width - 1 - byte))) & 0xFF
    return at + width


@njit(inline="always")
def put_array_header(out: NDArray[np.uint8], at: int, oid: int, length: int) -> int:
    """Write what stands before the elements of an array without NULLs, 20 bytes; return where they go."""
    for word in (1, 0, oid, length, 1):
        at = put_number(out, at, word, 4)
    return at


@njit(inline="always")
def put_bytes(out: NDArray[np.uint8], at: int, source: NDArray[np.uint8], start: int, length: int) -> int:
    """Copy bytes; return where the next go."""
    # Slices, so that no index can be negative and the loop becomes a plain block copy; assigning one slice to the other
    # costs ten times as much at these lengths.
    to, given = out[at : at + length], source[start : start + length]
    for byte in range(length):
        to[byte] = given[byte]
    return at + length


@njit()
def _length_prefixed(arena: NDArray[np.uint8], lengths: NDArray[np.int64]) -> NDArray[np.uint8]:
    out = np.empty(4 * len(lengths) + len(arena), dtype=np.uint8)
    start = at = 0
    for length in lengths:
        at = put_length(out, at, length)
        at = put_bytes(out, at, arena, start, max(length, 0))
        start += max(length, 0)
    return out
