"""The windows and the constants of the window rules (docs/specs/online_store.md)."""

from __future__ import annotations

from typing import Final

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
MONTH: Final = 30 * DAY


def _ascending(windows: dict[str, int]) -> dict[str, int]:
    return dict(sorted(windows.items(), key=lambda window: window[1]))


WINDOWS: Final = _ascending(
    {
        "1m": MINUTE,
        "5m": 5 * MINUTE,
        "1h": HOUR,
        "24h": DAY,
        "7d": WEEK,
        "30d": MONTH,
    }
)
"""Window name to length in milliseconds, ascending. A new window is one line here: every windowed feature, the
store and the kernels follow."""

HORIZON: Final = 5 * MINUTE
"""H: how far behind the clock of a dense log a payment may be and still be measured at its own time; windows up to
this length are exact in every log."""

BLOCK: Final = 128
"""B: records in a block. A window is exact wherever it fits in the last one to two blocks of the log."""

SUPER: Final = 64
"""Blocks in a super-block, the second level of the summary tree."""

PANES: Final = 64
"""Panes a window is cut into where a log is dense: the far edge moves in steps of window / 64."""

FOLD_RECORDS: Final = 1_024
"""A fold that would remove fewer records than this is not worth its round trip."""

LONGEST: Final = max(WINDOWS.values())
EXPIRY: Final = LONGEST + DAY
"""Logs live this long after the last payment that refreshed them."""
