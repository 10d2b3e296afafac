"""Numbers as people in India and on call read them, and small drawings in characters."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


_IST = timezone(timedelta(hours=5, minutes=30), "IST")


def rupees(paise: int, sign: str = "₹") -> str:
    """Write an amount with lakhs and crores set apart: 12345678 paise is ₹1,23,456.78."""
    whole, rest = divmod(paise, 100)
    head, tail = divmod(whole, 1_000)
    if not head:
        return f"{sign}{whole}.{rest:02d}"
    groups = [f"{tail:03d}"]
    while head >= 100:
        head, group = divmod(head, 100)
        groups.insert(0, f"{group:02d}")
    return f"{sign}{','.join([str(head), *groups])}.{rest:02d}"


def duration(seconds: float | None) -> str:
    """Write a duration in two or three digits with its unit; a dash where there is none."""
    if seconds is None:
        return "-"
    if not seconds:
        return "0 s"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 0.010:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def share(part: float | None, digits: int = 0) -> str:
    """Write a share in per cent; a dash where there is none."""
    return "-" if part is None else f"{part * 100:.{digits}f} %"


def indian_time(epoch_ms: int) -> str:
    """Write a time as it is in India, to the minute: Thu 01 Jan 2026 14:05."""
    return f"{datetime.fromtimestamp(epoch_ms / 1000, UTC).astimezone(_IST):%a %d %b %Y %H:%M}"


_LEVELS: Final = " ▁▂▃▄▅▆▇█"
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


def chart(values: Sequence[float], width: int, height: int = 1) -> list[str]:
    """Draw the last `width` values, none below zero, as lines of text; the largest at full height, the newest right."""
    shown = values[-width:] if width > 0 else ()
    top = max(shown, default=0.0) or 1.0
    steps = [max(1, int(value / top * 8 * height)) for value in shown]
    lines = [
        "".join(_LEVELS[min(max(step - 8 * row, 0), 8)] for step in steps).rjust(max(width, 0)) for row in range(height)
    ]
    return lines[::-1]


def bar(share: float, width: int) -> str:
    """Draw a share from 0 to 1 as a bar of at most `width` characters; anything above 0 can be seen."""
    eighths = max(round(min(max(share, 0.0), 1.0) * width * 8), 1 if share > 0 and width > 0 else 0)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def log_share(count: int, most: int) -> float:
    """Return the share of a bar on a logarithmic scale: 0 for none, 1 for the most."""
    return math.log1p(count) / math.log1p(most) if count > 0 and most > 0 else 0.0
