"""JSON objects scanned by compiled code: where the known fields of each record stand, all records in one call.

The scanner understands less than JSON and never guesses. What it has no rule for (an escape, a character that is not
printable ASCII, a repeated name, more than 60 levels) it gives up on, as it does on everything that is not JSON; such a
record is read alone by `stream.decode.document`. So it has to be right only where it does not give up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.compiled import njit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ABSENT, TEXT, NUMBER, OTHER = 0, 1, 2, 3
"""What a field holds: nothing or null; a string; a number; true, false, an array or an object."""

MAX_ARENA = 2**31 - 1
"""Bytes that can be scanned in one call: places are 32 bits wide."""

_GIVE_UP = -1
_MAX_DEPTH = 60
_SLOTS = 1024
_PLAIN = np.array([32 <= byte <= 126 and byte not in b'"\\' for byte in range(256)])
"""The bytes of a string that stand for themselves."""


class Names(NamedTuple):
    """The names of the known fields, to be found by hash."""

    slots: NDArray[np.int8]
    """Field by slot, -1 where none; no two fields share a slot."""
    arena: NDArray[np.uint8]
    ends: NDArray[np.int64]


class Spans(NamedTuple):
    """Where the known fields stand in the arena: a row a record, a column a field, in the order of the names."""

    scanned: NDArray[np.bool_]
    """By record, False where the scanner gave up; the rest of such a row means nothing."""
    what: NDArray[np.int8]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    """Of a string without its quotes, of a number with its sign."""


def names_table(names: Sequence[str]) -> Names:
    """Prepare the names to be looked for; raises ValueError if two share a slot."""
    arena = np.frombuffer("".join(names).encode("ascii"), dtype=np.uint8)
    ends = np.cumsum([len(name) for name in names])
    slots = np.full(_SLOTS, -1, dtype=np.int8)
    for field, name in enumerate(names):
        slot = _slot(arena, int(ends[field]) - len(name), int(ends[field]))
        if slots[slot] >= 0:
            raise ValueError(f"{name} shares slot {slot} with {names[slots[slot]]}; change the number of slots.")
        slots[slot] = field
    return Names(slots, arena, ends)


def scan_objects(arena: NDArray[np.uint8], ends: NDArray[np.int64], names: Names) -> Spans:
    """Scan the records that lie end to end in the arena, each up to its end; at most `MAX_ARENA` bytes."""
    shape = (len(ends), len(names.ends))
    spans = Spans(
        scanned=np.zeros(len(ends), dtype=np.bool_),
        what=np.zeros(shape, dtype=np.int8),
        start=np.empty(shape, dtype=np.int32),
        end=np.empty(shape, dtype=np.int32),
    )
    _scan_all(arena, ends, names, spans)
    return spans


@njit()
def _slot(arena: NDArray[np.uint8], start: int, end: int) -> int:
    if end == start:
        return 0
    fifth = min(start + 4, end - 1)  # where payer and payee differ
    slot: int = (arena[start] + arena[end - 1] * 7 + arena[fifth] * 61 + (end - start) * 389) & (_SLOTS - 1)
    return slot


@njit()
def _after_space(arena: NDArray[np.uint8], at: int, end: int) -> int:
    while at < end and (arena[at] == 32 or arena[at] == 10 or arena[at] == 13 or arena[at] == 9):
        at += 1
    return at


@njit()
def _after_string(arena: NDArray[np.uint8], at: int, end: int) -> int:
    """Return where the string ends whose opening quote is at `at`."""
    place, last = np.uint64(at + 1), np.uint64(end)  # unsigned: an index that cannot be negative is not checked for it
    while place < last and _PLAIN[arena[place]]:
        place += np.uint64(1)
    return int(place) + 1 if place < last and arena[place] == 34 else _GIVE_UP


@njit()
def _after_literal(arena: NDArray[np.uint8], at: int, end: int) -> int:
    """Return where true, false or null ends."""
    if end - at >= 4:
        a, b, c, d = arena[at], arena[at + 1], arena[at + 2], arena[at + 3]
        if (a == 116 and b == 114 and c == 117 and d == 101) or (a == 110 and b == 117 and c == 108 and d == 108):
            return at + 4
        if a == 102 and b == 97 and c == 108 and d == 115 and end - at >= 5 and arena[at + 4] == 101:
            return at + 5
    return _GIVE_UP


@njit()
def _after_digits(arena: NDArray[np.uint8], at: int, end: int) -> int:
    """Return where the digits end; GIVE_UP if there is none."""
    start = at
    while at < end and 48 <= arena[at] <= 57:
        at += 1
    return at if at > start else _GIVE_UP


@njit()
def _after_number(arena: NDArray[np.uint8], at: int, end: int) -> int:
    """Return where the number ends that begins at `at`, by the grammar of RFC 8259."""
    if arena[at] == 45:  # -
        at += 1
    digits = at
    at = _after_digits(arena, at, end)
    if at > digits + 1 and arena[digits] == 48:
        return _GIVE_UP  # a leading zero
    if at != _GIVE_UP and at < end and arena[at] == 46:  # .
        at = _after_digits(arena, at + 1, end)
    if at != _GIVE_UP and at < end and (arena[at] == 101 or arena[at] == 69):  # e E
        at += 1
        if at < end and (arena[at] == 43 or arena[at] == 45):  # + -
            at += 1
        at = _after_digits(arena, at, end)
    return at


@njit()
def _after_scalar(arena: NDArray[np.uint8], at: int, end: int) -> int:
    byte = arena[at]
    if byte == 34:
        return _after_string(arena, at, end)
    if byte == 45 or 48 <= byte <= 57:
        return _after_number(arena, at, end)
    return _after_literal(arena, at, end)


@njit()
def _value_after_name(arena: NDArray[np.uint8], at: int, end: int) -> int:
    """Return where the value begins whose name ended before `at`."""
    at = _after_space(arena, at, end)
    if at >= end or arena[at] != 58:  # :
        return _GIVE_UP
    at = _after_space(arena, at + 1, end)
    return at if at < end else _GIVE_UP


@njit()
def _after_nested(arena: NDArray[np.uint8], at: int, end: int) -> int:
    """Return where the array or object ends that begins at `at`."""
    objects = np.uint64(arena[at] == 123)  # a bit for each open level, 1 for an object, the innermost lowest
    depth = 1
    opened, after = True, False  # just past a bracket; just past a value; neither is past a comma
    at += 1
    while True:
        at = _after_space(arena, at, end)
        if at >= end:
            return _GIVE_UP
        in_object = objects & np.uint64(1) == np.uint64(1)
        if (opened or after) and arena[at] == (125 if in_object else 93):
            at += 1
            depth -= 1
            if depth == 0:
                return at
            objects >>= np.uint64(1)
            opened, after = False, True
            continue
        if after:
            if arena[at] != 44:  # ,
                return _GIVE_UP
            at += 1
            after = False
            continue
        if in_object:
            at = _after_string(arena, at, end) if arena[at] == 34 else _GIVE_UP
            if at != _GIVE_UP:
                at = _value_after_name(arena, at, end)
            if at == _GIVE_UP:
                return _GIVE_UP
        if arena[at] == 123 or arena[at] == 91:
            if depth == _MAX_DEPTH:
                return _GIVE_UP
            depth += 1
            objects = (objects << np.uint64(1)) | np.uint64(arena[at] == 123)
            opened = True
            at += 1
            continue
        at = _after_scalar(arena, at, end)
        if at == _GIVE_UP:
            return _GIVE_UP
        opened, after = False, True


@njit()
def _field_named(arena: NDArray[np.uint8], start: int, end: int, names: Names) -> int:
    """Return the field whose name is arena[start:end], or -1."""
    field = names.slots[_slot(arena, start, end)]
    if field < 0:
        return -1
    first = names.ends[field - 1] if field > 0 else 0
    if names.ends[field] - first != end - start:
        return -1
    differing = np.uint8(0)
    for step in range(end - start):
        differing |= arena[np.uint64(start + step)] ^ names.arena[np.uint64(first + step)]
    return field if differing == 0 else -1


@njit()
def _scan(
    arena: NDArray[np.uint8],
    at: int,
    end: int,
    names: Names,
    spans: Spans,
    row: int,
) -> bool:
    """Note the known fields of the record arena[at:end]; False if it is not an object the scanner understands."""
    seen = np.uint64(0)
    at = _after_space(arena, at, end)
    if at >= end or arena[at] != 123:
        return False
    while True:
        at = _after_space(arena, at + 1, end)  # past the bracket or a comma
        if at >= end or arena[at] != 34:
            return False  # an empty object, too: whatever is asked for, it has not got it
        start = at
        at = _after_string(arena, start, end)
        if at == _GIVE_UP:
            return False
        field = _field_named(arena, start + 1, at - 1, names)
        start = _value_after_name(arena, at, end)
        if start == _GIVE_UP:
            return False
        byte = arena[start]
        nested = byte == 123 or byte == 91
        at = _after_nested(arena, start, end) if nested else _after_scalar(arena, start, end)
        if at == _GIVE_UP:
            return False
        if field >= 0:
            bit = np.uint64(1) << np.uint64(field)
            if seen & bit:
                return False
            seen |= bit
            quoted = byte == 34
            number = byte == 45 or 48 <= byte <= 57
            spans.what[row, field] = TEXT if quoted else NUMBER if number else ABSENT if byte == 110 else OTHER
            spans.start[row, field] = start + quoted
            spans.end[row, field] = at - quoted
        at = _after_space(arena, at, end)
        if at >= end:
            return False
        if arena[at] == 125:
            return bool(_after_space(arena, at + 1, end) == end)
        if arena[at] != 44:
            return False


@njit()
def _scan_all(
    arena: NDArray[np.uint8],
    record_ends: NDArray[np.int64],
    names: Names,
    spans: Spans,
) -> None:
    at = 0
    for row in range(len(record_ends)):
        end = record_ends[row]
        spans.scanned[row] = _scan(arena, at, end, names, spans, row)
        at = end
