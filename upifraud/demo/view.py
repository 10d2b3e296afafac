"""The terminal view: all panels in the room of a terminal, 80 x 24 and more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.layout import Layout
from rich.panel import Panel

from upifraud.demo import panels
from upifraud.demo.alerts_panel import alerts

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from upifraud.demo.picture import Picture

_ROOMY: Final = 36
"""Lines from which on panels show all they have."""
_TALL: Final = 46
"""Lines from which on all typologies of fraud are shown."""
_BORDER: Final = 2
_SIDES: Final = 4
"""Columns of a panel's border and padding."""


class View:
    """Draws a picture in whatever room it is given."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the panels out for these dimensions."""
        width, height = options.max_width, options.height or options.max_height
        yield from console.render(layout_of(self._picture, width, height), options.update_dimensions(width, height))


def layout_of(picture: Picture, width: int, height: int) -> Layout:
    """Return the panels in a layout for so many columns and lines."""
    upper, lower = (5, 6)
    if height >= _ROOMY:
        upper, lower = (11, 14 if height >= _TALL else 10)
    left = width // 2 - _SIDES
    right = width - width // 2 - _SIDES
    room = max(1, height - 2 - upper - lower - _BORDER)
    layout = Layout()
    layout.split_column(
        Layout(panels.header(picture, width), name="header", size=2),
        Layout(name="speed", size=upper),
        Layout(name="verdicts", size=lower),
        Layout(
            _panel(
                "newest alerts" if picture.alerts else "until the first alert", alerts(picture, width - _SIDES, room)
            ),
            name="alerts",
        ),
    )
    layout["speed"].split_row(
        Layout(_panel("throughput", panels.throughput(picture, left, upper - _BORDER))),
        Layout(_panel("latency (stages: ms a batch)", panels.latency(picture, right, upper - _BORDER))),
    )
    layout["verdicts"].split_row(
        Layout(_panel("verdicts (log scale)", panels.verdicts(picture, left, lower - _BORDER))),
        Layout(_panel(_against(picture), panels.truth(picture, right, lower - _BORDER))),
    )
    return layout


def _against(picture: Picture) -> str:
    frauds = picture.marks.recall["REVIEW"].of if picture.marks is not None else 0
    return f"against the truth: {frauds:,} frauds" if frauds else "against the switch's truth"


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="bright_black", padding=(0, 1))
