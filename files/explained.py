"""What is said of a row that the stream would refuse: its column, what came, and what a map can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from files.formats.json_file import object_of
from files.formats.piece import Refused
from files.rules.rule import named, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from files.maker import Message

_HINTS: Final = {
    ("event_time", "bad-time"): 'a map reads local times with zone = "Asia/Kolkata", and other writings with a format',
    ("reported_at", "bad-time"): 'a map reads local times with zone = "Asia/Kolkata", and other writings with a format',
    ("amount_paise", "wrong-type"): 'a map reads amounts: amount_paise = { column = "COLUMN", unit = "rupees" }',
    ("payer_vpa", "bad-vpa"): 'a map makes VPAs of any names: payer_vpa = { column = "COLUMN", handle = "mybank" }',
    ("payee_vpa", "bad-vpa"): 'a map makes VPAs of any names: payee_vpa = { column = "COLUMN", handle = "mybank" }',
    ("payer_vpa", "wrong-type"): 'a map makes VPAs of any values: payer_vpa = { column = "COLUMN", handle = "mybank" }',
    ("payee_vpa", "wrong-type"): 'a map makes VPAs of any values: payee_vpa = { column = "COLUMN", handle = "mybank" }',
    ("outcome", "out-of-range"): 'a map reads labels: outcome = { column = "COLUMN", fraud = [1], genuine = [0] }',
    ("outcome", "wrong-type"): 'a map reads labels: outcome = { column = "COLUMN", fraud = [1], genuine = [0] }',
    ("transaction_id", "out-of-range"): 'a map makes ids: transaction_id = { hash_of = ["COLUMN", "COLUMN"] }',
}


def explained(columns: Mapping[str, tuple[str, ...]], message: Message, reason: str, detail: str) -> Refused:
    """Return a refusal of the stream as one of a file: `detail` begins with the field, `columns` has each field's."""
    content = message.value.decode("utf-8", "replace")
    field, colon, expected = detail.partition(": ")
    if not colon or " " in field:
        return Refused(message.row, reason, detail, content=content)
    column = ", ".join(columns.get(field, (field,)))
    row = object_of(message.value) or {}
    came = "" if field not in row else f"{';' if ';' in expected else ','} got {shown(row[field])}"
    hint = _HINTS.get((field, reason))
    said = f"{named(field, column)}: {expected}{came}{f'; {hint}' if hint else ''}"
    return Refused(message.row, reason, said, column, content)
