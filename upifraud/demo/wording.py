"""Numbers as people in India and on call read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

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
