"""Runs a demo and shows it until it ends: as a live view of the terminal, or as plain lines; then the summary."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from upifraud.demo.errors import UnaccountedError
from upifraud.demo.picture import picture_of
from upifraud.demo.run import DemoRun, Phase
from upifraud.demo.summary import account_of, summary
from upifraud.demo.view import VERDICTS, View
from upifraud.demo.words import duration, rupees, share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import FrameType

    from local.resolver import Wanted
    from stream.wire import Alert
    from upifraud.demo.picture import Picture
    from upifraud.demo.plan import Plan
    from upifraud.demo.summary import Account


def line_of(picture: Picture) -> str:
    """Return what is going on in one line."""
    reading, found = picture.reading, picture.latency
    words = [f"{picture.elapsed:6.1f} s", f"{picture.phase:<11}"]
    if picture.progress is not None:
        words.append(picture.progress.words)
    if not reading.judged:
        words.append(f"{picture.sent:,} sent, no verdict yet")
        return "  ".join(words)
    words.append(f"{picture.rate:,.0f}/s")
    words.append(f"lag {reading.lag_records:,} ({duration(reading.lag_seconds)})")
    words.append(f"p50 {duration(found.p50)} p99 {duration(found.p99)}")
    words.append(" ".join(f"{name} {reading.verdicts.get(name, 0):,}" for name in VERDICTS))
    if picture.quality is not None:
        precision, recall = picture.quality.precision["REVIEW"], picture.quality.recall["REVIEW"]
        words.append(f"precision {share(precision.share)} recall {share(recall.share)}")
    return "  ".join(words)


def alert_line(alert: Alert) -> str:
    """Return an alert in one line, with its strongest reason."""
    amount = rupees(alert.amount_paise, "Rs ")
    reason = alert.reasons[0].words if alert.reasons else "no single reason"
    text = f"          {alert.verdict} {alert.score:.3f}  {amount}  {alert.payer_vpa} -> {alert.payee_vpa}: {reason}"
    return text.encode("ascii", "replace").decode()


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


_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PICTURE_SECONDS: Final = 0.25


def show(plan: Plan, wanted: Wanted, directory: Path, environ: Mapping[str, str], *, keep: bool = False) -> Account:
    """Run a demo, show it on stdout, end it in good order and print the summary; raises what made it fail.

    SIGINT, SIGTERM and SIGHUP end it early, which is no failure.
    """
    console = Console(highlight=False)
    notes: list[str] = []
    run = DemoRun(plan, wanted, directory, environ, keep=keep, note=notes.append)
    with _on_signals(run.stop):
        run.start()
        try:
            with screen_on(console) as screen:
                _watch(run, screen, notes)
        finally:
            # Also where the terminal is gone and drawing failed: no process may be left behind.
            if run.running:
                run.stop()
            run.join()
    account = account_of(run)
    if account.reading.judged:
        console.print(summary(account, plan, run.kafka))
    if run.failure is not None:
        raise run.failure
    if keep:
        console.print(f"The servers run on; their settings: {directory}/env", soft_wrap=True)
        console.print(f"To end them: upifraud down --wipe --state-dir {directory}", soft_wrap=True)
    if differences := account.differences():
        raise UnaccountedError(
            f"Expected the worker's counts to be what the switch sent, got: {'; '.join(differences)}. This is a "
            f"mistake in the program; the worker's log, {run.worker.log}, may say more."
        )
    return account


def _watch(run: DemoRun, screen: Screen, notes: list[str]) -> None:
    while run.running:
        run.look_after()
        screen.show(picture_of(run, time.monotonic(), tuple(notes)))
        time.sleep(_PICTURE_SECONDS)
    screen.show(picture_of(run, time.monotonic(), tuple(notes)))


@contextmanager
def _on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` for every signal that would end us, until the block is left."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
