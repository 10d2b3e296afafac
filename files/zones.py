"""Names of zones: what local times without one are to be read in."""

from __future__ import annotations

import re
from typing import Final
from zoneinfo import ZoneInfo

_OFFSET: Final = re.compile(r"[+-](?:0[0-9]|1[0-4]):[0-5][0-9]")


def check_zone(name: str) -> str:
    """Return the name if it is an IANA zone or an offset from UTC as +05:30; raises ValueError."""
    if _OFFSET.fullmatch(name):
        return name
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # not found, a folder of the database, a path out of it
        raise ValueError(f"expected a zone as Asia/Kolkata, or an offset from UTC as +05:30; got {name!r}") from None
    return name
