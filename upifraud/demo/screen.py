"""Where the demo is shown: a live terminal view, or plain lines where there is no terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from rich.live import Live
from rich.text import Text

from upifraud.demo.lines import alert_line, line_of
from upifraud.demo.picture import Phase
from upifraud.demo.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from upifraud.demo.picture import Picture

_LINE_SECONDS: Final = 1.0
_LINE_SLACK: Final = 0.1
_NOTES_ONLY: Final = (Phase.STARTING, Phase.STOPPING)


class Screen(Protocol):
    """Shows one picture after the other."""

    def show(self, picture: Picture) -> None:
        """Show this picture."""


class TerminalScreen:
    """The whole terminal; what was on it comes back at the end."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, picture: Picture) -> None:
        """Draw the picture in place of the last one."""
        self._live.update(View(picture), refresh=True)


class LineScreen:
    """A line a second, notes as they come, and at most one new alert a line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0
        self._notes = 0
        self._alert = ""

    def show(self, picture: Picture) -> None:
        """Print what is new."""
        for note in picture.notes[self._notes :]:
            self._print(f"{picture.elapsed:6.1f} s  {note}")
        self._notes = len(picture.notes)
        if picture.phase in _NOTES_ONLY or picture.elapsed < self._next:
            return
        self._next = picture.elapsed + _LINE_SECONDS - _LINE_SLACK
        self._print(line_of(picture))
        if picture.alerts and picture.alerts[0].alert_id != self._alert:
            self._alert = picture.alerts[0].alert_id
            self._print(alert_line(picture.alerts[0]))

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True, highlight=False)
        self._console.file.flush()


@contextmanager
def screen_on(console: Console) -> Iterator[Screen]:
    """Yield the screen that fits: the terminal if it can be drawn on, else lines."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield LineScreen(console)
        return
    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        yield TerminalScreen(live)
