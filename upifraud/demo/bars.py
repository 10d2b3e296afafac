"""Small drawings in characters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

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
