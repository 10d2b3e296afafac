"""Compiled code that turns the places of a payment's fields into a row of columns, or leaves the row unfilled.

A row is filled only where every field is ordinary: `stream.decode.payment` would read the same from it.

Limits and codes come in as arguments, because compiled code is cached by the age of this file alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.compiled import njit
from stream.decode.scan import ABSENT, NUMBER, TEXT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream.decode.scan import Spans

FIELDS = (
    "transaction_id", "event_time", "payer_vpa", "payee_vpa", "amount_paise", "rrn", "flow", "type", "initiation",
    "status", "mcc", "device_id", "device_bound_at", "sim_changed_at", "payer_bank", "payee_bank", "latitude",
    "longitude", "payer_app", "remarks_hash",
)  # fmt: skip
"""The fields, each known by its place here."""
(
    _ID, _EVENT_TIME, _PAYER, _PAYEE, _AMOUNT, _RRN, _FLOW, _TYPE, _INITIATION, _STATUS, _MCC, _DEVICE, _BOUND_AT,
    _CHANGED_AT, _PAYER_BANK, _PAYEE_BANK, _LATITUDE, _LONGITUDE, _PAYER_APP, _REMARKS_HASH,
) = range(len(FIELDS))  # fmt: skip

TEXTS = 4
"""Texts that are copied out of each record: transaction id, payer, payee, device."""


_NO = -(2**63 - 1)
"""The answer where a field is not ordinary; no field has this value."""
_MAX_DIGITS = 18
_EXACT_DIGITS = 15
_NEAR = 1e-6
"""How near to the edge of its cell a long decimal is left to exact arithmetic; cells are 1 wide."""


class Rules(NamedTuple):
    """What the compiled code has to know of the wire format."""

    code_names: NDArray[np.uint8]
    """The names of all codes end to end, field by field, each field's from code 1 on."""
    code_ends: NDArray[np.int64]
    code_first: NDArray[np.int64]
    """By field, and once more at the end: where its codes begin."""
    max_transaction_id: int
    min_vpa: int
    max_vpa: int
    max_amount: int
    max_rrn: int
    max_mcc: int
    last_time: int
    unknown_time: int
    unknown_mcc: int


class Record(NamedTuple):
    """Where the fields of one record stand in the arena."""

    arena: NDArray[np.uint8]
    what: NDArray[np.int8]
    start: NDArray[np.int32]
    end: NDArray[np.int32]


class Columns(NamedTuple):
    """What is filled, a row a record."""

    filled: NDArray[np.bool_]
    event_time: NDArray[np.int64]
    amount_paise: NDArray[np.int64]
    place: NDArray[np.uint32]
    kind: NDArray[np.uint32]
    mcc: NDArray[np.int32]
    device_bound_at: NDArray[np.int64]
    sim_changed_at: NDArray[np.int64]
    same_bank: NDArray[np.int8]
    unusable: NDArray[np.uint32]
    """A bit for each field that was there but counts as unknown."""


@njit()
def _same(arena: NDArray[np.uint8], start: int, end: int, other: NDArray[np.uint8], first: int, last: int) -> bool:
    """Whether arena[start:end] equals other[first:last]."""
    if end - start != last - first:
        return False
    differing = np.uint8(0)
    for step in range(end - start):
        differing |= arena[np.uint64(start + step)] ^ other[np.uint64(first + step)]
    return bool(differing == 0)


@njit()
def _whole(arena: NDArray[np.uint8], start: int, end: int) -> int:
    """Return the number in arena[start:end] if it is an integer from 0 on of up to 18 digits."""
    if end - start > _MAX_DIGITS:
        return _NO
    number = 0
    for at in range(start, end):
        if not 48 <= arena[at] <= 57:
            return _NO
        number = number * 10 + (arena[at] - 48)
    return number


@njit()
def _cell(arena: NDArray[np.uint8], start: int, end: int, limit: float, cells: float) -> int:
    """Return in which of the cells between -limit and limit the decimal lies, rounded as `pack_place` rounds it.

    Up to 15 digits the decimal is the nearest double, as any parser reads it. Beyond, it may be a few units in the last
    place off, so next to an edge, where that could matter, the answer is NO; so it is near the limits and beyond them.
    """
    negative = arena[start] == 45
    mantissa, digits, scale = 0, 0, 0.0
    for at in range(start + negative, end):
        byte = arena[at]
        if byte == 46:
            scale = 1.0
        elif not 48 <= byte <= 57:
            return _NO
        elif digits < _MAX_DIGITS:
            mantissa = mantissa * 10 + (byte - 48)
            digits += 1
            scale *= 10.0
        elif scale == 0.0:
            return _NO
    degrees = mantissa / scale if scale > 0.0 else float(mantissa)
    if degrees > limit - _NEAR:
        return _NO
    cell = ((-degrees if negative else degrees) + limit) / (2.0 * limit) * cells
    if digits > _EXACT_DIGITS and abs(cell - np.floor(cell) - 0.5) < _NEAR:
        return _NO
    return int(np.rint(cell))


@njit()
def _two(arena: NDArray[np.uint8], at: int) -> int:
    """Return two digits as a number; more than any number of four digits if they are none."""
    tens, ones = arena[at] - 48, arena[at + 1] - 48
    return tens * 10 + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else 1_000_000


@njit()
def _epoch_ms(arena: NDArray[np.uint8], start: int, end: int) -> int:
    """Return the RFC 3339 time in arena[start:end], from 1970 on, in capitals, no leap second."""
    if end - start < 20:
        return _NO
    year = _two(arena, start) * 100 + _two(arena, start + 2)
    month, day = _two(arena, start + 5), _two(arena, start + 8)
    hour, minute, second = _two(arena, start + 11), _two(arena, start + 14), _two(arena, start + 17)
    if arena[start + 4] != 45 or arena[start + 7] != 45 or arena[start + 10] != 84:  # - - T
        return _NO
    if arena[start + 13] != 58 or arena[start + 16] != 58:  # : :
        return _NO
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days_of = 31 - (month == 4 or month == 6 or month == 9 or month == 11) - (month == 2) * (2 if leap else 3)
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= days_of):
        return _NO
    if hour > 23 or minute > 59 or second > 59:
        return _NO
    at = start + 19
    ms, unit = 0, 100
    if arena[at] == 46:  # .
        at += 1
        while at < end and 48 <= arena[at] <= 57:
            ms += (arena[at] - 48) * unit
            unit //= 10
            at += 1
        if at == start + 20:
            return _NO
    ahead = 0
    if end - at == 6 and (arena[at] == 43 or arena[at] == 45) and arena[at + 3] == 58:  # +05:30
        if _two(arena, at + 1) > 23 or _two(arena, at + 4) > 59:
            return _NO
        ahead = (_two(arena, at + 1) * 60 + _two(arena, at + 4)) * (1 if arena[at] == 43 else -1)
    elif end - at != 1 or arena[at] != 90:  # Z
        return _NO
    # Days by the civil calendar with the year beginning in March, so that the leap day comes last (Hinnant 2013).
    years = year - (month <= 2)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days = years * 365 + years // 4 - years // 100 + years // 400 + day_of_year - 719_468
    epoch_ms = ((days * 24 + hour) * 60 + minute - ahead) * 60_000 + second * 1000 + ms
    return epoch_ms if epoch_ms >= 0 else _NO


@njit()
def _time(record: Record, row: int, field: int, last: int, absent: int) -> int:
    """Return a time from 1970 up to `last`."""
    what, start, end = record.what[row, field], record.start[row, field], record.end[row, field]
    if what == ABSENT:
        return absent
    epoch_ms = _NO
    if what == TEXT:
        epoch_ms = _epoch_ms(record.arena, start, end)
    elif what == NUMBER:
        epoch_ms = _whole(record.arena, start, end)
    return epoch_ms if epoch_ms <= last else _NO


@njit()
def _is_vpa(record: Record, row: int, field: int, rules: Rules) -> bool:
    start, end = record.start[row, field], record.end[row, field]
    if record.what[row, field] != TEXT or not rules.min_vpa <= end - start <= rules.max_vpa:
        return False
    ats = 0
    for at in range(start, end):
        if record.arena[at] == 32:
            return False
        ats += record.arena[at] == 64
    return ats == 1


@njit()
def _code(record: Record, row: int, field: int, rules: Rules) -> int:
    """Return the code of an enum field; 0 where it is absent or has another name."""
    if record.what[row, field] != TEXT:
        return 0 if record.what[row, field] == ABSENT else _NO
    first = rules.code_first[field]
    for code in range(first, rules.code_first[field + 1]):
        begin = rules.code_ends[code - 1] if code > 0 else 0
        end = rules.code_ends[code]
        if _same(record.arena, record.start[row, field], record.end[row, field], rules.code_names, begin, end):
            return int(code - first + 1)
    return 0


@njit()
def _merchant_code(record: Record, row: int, rules: Rules) -> int:
    what, start, end = record.what[row, _MCC], record.start[row, _MCC], record.end[row, _MCC]
    if what == ABSENT:
        return rules.unknown_mcc
    code = _NO
    if what == TEXT and end - start == 4:
        code = _two(record.arena, start) * 100 + _two(record.arena, start + 2)
    elif what == NUMBER:
        code = _whole(record.arena, start, end)
    return code if 0 <= code <= rules.max_mcc else _NO


@njit()
def _place(record: Record, row: int) -> int:
    """Return the place as `pack_place` packs it."""
    packed = 0
    for field in (_LATITUDE, _LONGITUDE):
        if record.what[row, field] != ABSENT and record.what[row, field] != NUMBER:
            return _NO
    latitude = longitude = 0
    if record.what[row, _LATITUDE] == NUMBER:
        latitude = _cell(record.arena, record.start[row, _LATITUDE], record.end[row, _LATITUDE], 90.0, 65534.0)
    if record.what[row, _LONGITUDE] == NUMBER:
        longitude = _cell(record.arena, record.start[row, _LONGITUDE], record.end[row, _LONGITUDE], 180.0, 65535.0)
    if latitude == _NO or longitude == _NO:
        return _NO
    if record.what[row, _LATITUDE] == NUMBER and record.what[row, _LONGITUDE] == NUMBER:
        packed = (1 + latitude) << 16 | longitude
    return packed


@njit()
def _unusable_texts(record: Record, row: int, rules: Rules) -> int:
    """Return a bit for each text that is empty."""
    unusable = 0
    for field in (_RRN, _DEVICE, _PAYER_BANK, _PAYEE_BANK, _PAYER_APP, _REMARKS_HASH):
        start, end = record.start[row, field], record.end[row, field]
        if record.what[row, field] == TEXT:
            unusable |= (start == end) << field
        elif record.what[row, field] == NUMBER and field == _RRN:
            if not 0 <= _whole(record.arena, start, end) <= rules.max_rrn:
                return _NO
        elif record.what[row, field] != ABSENT:
            return _NO
    return unusable


@njit()
def _same_bank(record: Record, row: int) -> int:
    payer, payer_end = record.start[row, _PAYER_BANK], record.end[row, _PAYER_BANK]
    payee, payee_end = record.start[row, _PAYEE_BANK], record.end[row, _PAYEE_BANK]
    if (
        record.what[row, _PAYER_BANK] == ABSENT
        or record.what[row, _PAYEE_BANK] == ABSENT
        or payer == payer_end
        or payee == payee_end
    ):
        return -1
    return int(_same(record.arena, payer, payer_end, record.arena, payee, payee_end))


@njit()
def _fill_row(record: Record, row: int, rules: Rules, latest_ms: int, columns: Columns) -> bool:
    """Fill a row; False if the record is not ordinary, and then the row means nothing."""
    if (
        record.what[row, _ID] != TEXT
        or not 1 <= record.end[row, _ID] - record.start[row, _ID] <= rules.max_transaction_id
    ):
        return False
    if (
        not _is_vpa(record, row, _PAYER, rules)
        or not _is_vpa(record, row, _PAYEE, rules)
        or record.what[row, _AMOUNT] != NUMBER
    ):
        return False
    amount = _whole(record.arena, record.start[row, _AMOUNT], record.end[row, _AMOUNT])
    event_time = _time(record, row, _EVENT_TIME, latest_ms, _NO)
    if not 1 <= amount <= rules.max_amount or event_time < 0:
        return False
    kind, unusable = 0, _unusable_texts(record, row, rules)
    shift = 0
    for field in (_STATUS, _FLOW, _TYPE, _INITIATION):  # the bytes of pack_kind, lowest first
        code = _code(record, row, field, rules)
        if code == _NO or unusable == _NO:
            return False
        kind |= code << shift
        unusable |= (code == 0 and record.what[row, field] == TEXT) << field
        shift += 8
    place = _place(record, row)
    mcc = _merchant_code(record, row, rules)
    device_bound_at = _time(record, row, _BOUND_AT, rules.last_time, rules.unknown_time)
    sim_changed_at = _time(record, row, _CHANGED_AT, rules.last_time, rules.unknown_time)
    if place == _NO or mcc == _NO or device_bound_at == _NO or sim_changed_at == _NO:
        return False
    columns.event_time[row] = event_time
    columns.amount_paise[row] = amount
    columns.place[row] = place
    columns.kind[row] = kind
    columns.mcc[row] = mcc
    columns.device_bound_at[row] = device_bound_at
    columns.sim_changed_at[row] = sim_changed_at
    columns.same_bank[row] = _same_bank(record, row)
    columns.unusable[row] = unusable
    return True


@njit()
def _copy(record: Record, row: int, field: int, text: NDArray[np.uint8], at: int) -> int:
    """Copy the field's text to text[at:]; return its length."""
    length = record.end[row, field] - record.start[row, field] if record.what[row, field] == TEXT else 0
    for step in range(length):
        text[np.uint64(at + step)] = record.arena[np.uint64(record.start[row, field] + step)]
    return int(length)


@njit()
def _copy_lower(record: Record, row: int, field: int, text: NDArray[np.uint8], at: int) -> int:
    length = _copy(record, row, field, text, at)
    for place in range(np.uint64(at), np.uint64(at + length)):
        text[place] |= np.uint8((65 <= text[place] <= 90) << 5)
    return length


@njit()
def fill_all(
    arena: NDArray[np.uint8],
    spans: Spans,
    rules: Rules,
    latest_ms: int,
    columns: Columns,
    texts: NDArray[np.uint8],
    text_ends: NDArray[np.int64],
) -> None:
    """Fill the row of every record that was scanned and is ordinary.

    `texts` [TEXTS, bytes of the arena] takes the texts of the filled rows end to end, VPAs in lower case; `text_ends`
    [TEXTS, records] says where each ends.
    """
    used = np.zeros(TEXTS, dtype=np.int64)
    record = Record(arena, spans.what, spans.start, spans.end)
    for row in range(len(spans.scanned)):
        if spans.scanned[row] and _fill_row(record, row, rules, latest_ms, columns):
            columns.filled[row] = True
            used[0] += _copy(record, row, _ID, texts[0], used[0])
            used[1] += _copy_lower(record, row, _PAYER, texts[1], used[1])
            used[2] += _copy_lower(record, row, _PAYEE, texts[2], used[2])
            used[3] += _copy(record, row, _DEVICE, texts[3], used[3])
        for text in range(TEXTS):
            text_ends[text, row] = used[text]
