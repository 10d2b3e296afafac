"""What the HOLDs of a micro-batch leave to be ended, in the transaction of their verdicts.

It goes behind the COPY in one query, so it costs no call of its own and nothing where nobody is held. A trigger on
verdicts_by_day would do the same for 0.4 us a payment, held or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stream.verdict_store.binary import POSTGRES_EPOCH_MS

if TYPE_CHECKING:
    from stream.verdict_store.columns import VerdictRows

_HOLD: Final = 2

# A payment whose day was removed may come once more. A hold that has ended stays ended.
_INSERT: Final = """
INSERT INTO open_holds (transaction_id, event_time, hold_until)
SELECT * FROM (VALUES {rows}) AS held (transaction_id, event_time, hold_until)
WHERE NOT EXISTS (
    SELECT FROM resolutions AS r WHERE r.transaction_id = held.transaction_id AND r.event_time = held.event_time
)
ON CONFLICT DO NOTHING
"""


def open_holds(rows: VerdictRows) -> str:
    """Return the statement that opens the holds of some rows; empty where there are none."""
    held = (rows.numbers["verdict"] == _HOLD).nonzero()[0].tolist()
    if not held:
        return ""
    values = (
        f"({_text(rows.transaction_id[row])}, {_time(int(rows.event_time[row]))}, {_time(int(rows.hold_until[row]))})"
        for row in held
    )
    return _INSERT.format(rows=", ".join(values))


def _text(value: bytes) -> str:
    """Write a text as a literal: hexadecimal digits, so nothing in it can be taken for SQL."""
    return f"convert_from('\\x{value.hex()}', 'UTF8') COLLATE \"C\""


def _time(epoch_ms: int) -> str:
    """Write a time as a literal; a negative one is NULL. Counted from 2000, where the server's own count is exact."""
    if epoch_ms < 0:
        return "NULL::timestamptz"
    return f"timestamptz '2000-01-01 00:00:00+00' + {epoch_ms - POSTGRES_EPOCH_MS} * interval '1 millisecond'"
