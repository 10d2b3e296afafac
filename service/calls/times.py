"""Times in bodies: epoch milliseconds, or RFC 3339 with an offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from service.door.problems import unprocessable

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_ms(value: int | str, field: str) -> int:
    """Return a time as epoch milliseconds; raises Problem with 422 where it is none."""
    if isinstance(value, int):
        return value
    try:
        moment = msgspec.convert(value, datetime)
    except (msgspec.ValidationError, OverflowError):
        moment = datetime.min  # noqa: DTZ901 - stands for none, and has no zone
    if moment.tzinfo is None:
        raise unprocessable("bad-time", f"{field}: expected RFC 3339 with an offset")
    return (moment - _EPOCH) // timedelta(milliseconds=1)
