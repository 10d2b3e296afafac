"""The terminal view: all panels in the room of a terminal, 80 x 24 and more, each drawn from the picture alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from simulator.parameters import REAL_FRAUD_RATE
from upifraud.demo.picture import Picture
from upifraud.demo.plan import FRAUD_RATE
from upifraud.demo.quality import FLAGS
from upifraud.demo.run import Phase
from upifraud.demo.words import bar, chart, duration, indian_time, log_share, rupees, share

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from stream.wire import Alert, Reason
    from upifraud.demo.picture import Picture


VERDICTS: Final = {"ALLOW": "green", "REVIEW": "yellow", "HOLD": "dark_orange", "BLOCK": "bold red"}
"""Verdicts with the style of each, the strictest last."""
_PHASE_STYLES: Final = {
    Phase.STARTING: "black on cyan",
    Phase.WARMING_UP: "black on yellow",
    Phase.LIVE: "bold white on green",
    Phase.CATCHING_UP: "black on yellow",
    Phase.STOPPING: "black on cyan",
}


def header(picture: Picture, width: int) -> RenderableType:
    """Draw two lines: what is going on, and what kind of traffic it is."""
    first = Text(" upi-fraud-stream ", style="bold", no_wrap=True, overflow="ellipsis")
    first.append(f" {picture.phase.upper()} ", style=_PHASE_STYLES[picture.phase])
    if picture.progress is not None:
        room = max(8, min(30, width - 72))
        done = bar(picture.progress.share, room)
        first.append(f" {done}", style="cyan").append("·" * (room - len(done)), style="bright_black")
        first.append(f" {picture.progress.words}")
    right = Text(f"{picture.elapsed:.0f} s ", style="bright_black")
    if picture.simulated_ms is not None:
        right = Text(f"{indian_time(picture.simulated_ms)} ", style="bright_black")
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1, no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(first, right)
    second = Text(f" {traffic(picture)}", style="bright_black", no_wrap=True, overflow="ellipsis")
    outer = Table.grid(expand=True)
    outer.add_row(grid)
    outer.add_row(second)
    return outer


def traffic(picture: Picture) -> str:
    """Say what is sent, how fast, and how its frauds were raised."""
    raised = f"frauds raised to {share(FRAUD_RATE)} (real: {REAL_FRAUD_RATE * 1e6:.0f} in a million)"
    if picture.phase is Phase.WARMING_UP:
        return f"as fast as it goes · {raised} · Ctrl-C ends"
    return f"{picture.plan.rate:,.0f}/s, open loop · {raised} · Ctrl-C ends"


def throughput(picture: Picture, width: int, height: int) -> RenderableType:
    """Draw the rate, its course, and how far behind the worker is."""
    reading = picture.reading
    rate = f"{picture.rate:,.0f}/s "
    rows = max(1, height - 3)
    drawn = [Text(line, style="cyan") for line in chart(picture.rates, width - len(rate), rows)]
    lines = [Text(" " * len(rate)).append_text(line) for line in drawn[:-1]]
    lines.append(Text(rate, style="bold cyan").append_text(drawn[-1]))
    lines.append(Text(f"{reading.consumed:,} of {picture.sent:,} sent are done"))
    behind = Text("lag ").append(f"{reading.lag_records:,}", style="bold" if reading.lag_records else "")
    lines.append(behind.append(f" records, {duration(reading.lag_seconds)}"))
    if height > len(lines):
        lines.append(Text(f"{reading.outcomes:,} outcomes, {reading.duplicates:,} duplicates"))
    return _stack(lines)


def latency(picture: Picture, width: int, height: int) -> RenderableType:
    """Draw the end-to-end quantiles, and what the stages take of a micro-batch."""
    found = picture.latency
    lines = [
        Text("end to end  p50 ")
        .append(duration(found.p50), style="bold")
        .append("  p99 ")
        .append(duration(found.p99), style="bold")
    ]
    if height <= max(len(found.stages), 3):
        return _stack(lines + _in_words(found.stages, width, height - 1))
    longest = max((seconds for _, seconds in found.stages), default=0.0)
    for name, seconds in found.stages:
        line = Text(f"{name:<9}{duration(seconds):>7} ")
        lines.append(line.append(bar(seconds / longest if longest else 0.0, width - 17), style="cyan"))
    return _stack(lines)


def _in_words(stages: tuple[tuple[str, float], ...], width: int, height: int) -> list[Text]:
    """Draw the stages one after the other, without the quickest ones where there is no room for all."""
    kept = dict(stages)
    while True:
        lines = [Text()]
        for name, seconds in kept.items():
            milliseconds = f"{seconds * 1e3:.{1 if seconds < 0.01 else 0}f}"
            if len(lines[-1]) + len(name) + len(milliseconds) + 1 > width:
                lines.append(Text())
            lines[-1].append(f"{name} ", style="bright_black").append(f"{milliseconds} ")
        if len(lines) <= height or not kept:
            return lines[:height]
        del kept[min(kept, key=lambda name: kept[name])]


def verdicts(picture: Picture, width: int, height: int) -> RenderableType:
    """Draw the verdict mix; bars on a logarithmic scale, or only one would be seen. Then dead letters, given room."""
    counts = picture.reading.verdicts
    total = picture.reading.judged
    most = max(counts.values(), default=0)
    lines = []
    for name, style in VERDICTS.items():
        count = counts.get(name, 0)
        words = f"{name:<6} {count:>9,} {share(count / total if total else None, 2):>8} "
        lines.append(Text(words, style=style).append(bar(log_share(count, most), width - len(words)), style=style))
    dead = sorted(picture.reading.dead_letters.items(), key=lambda pair: -pair[1])
    if dead and height > len(lines):
        lines.append(Text(f"{sum(count for _, count in dead):,} dead letters:", style="bright_black"))
        room = height - len(lines)
        lines += [Text(f"  {reason:<22}{count:>6,}", style="bright_black") for reason, count in dead[:room]]
    return _stack(lines)


def truth(picture: Picture, width: int, height: int) -> RenderableType:
    """Draw precision and recall against the switch's truth."""
    quality = picture.quality
    if quality is None:
        return Text("measured in the live traffic, once windows are full", style="bright_black")
    room = max(0, (width - 27) // 2)
    lines = [Text(f"{'flagged':<8}{'alerts':>6}{'precision':>{room + 7}}{'recall':>{room + 7}}", style="bright_black")]
    for flag in FLAGS:
        style, precision, recall = VERDICTS[flag], quality.precision[flag], quality.recall[flag]
        line = Text(f"{flag + ('' if flag == FLAGS[-1] else '+'):<8}", style=style).append(f"{precision.of:>6,}")
        for part in (precision, recall):
            line.append(f" {bar(part.share or 0.0, room):<{room}}", style=style).append(
                f"{share(part.share):>6}", style="bold"
            )
        lines.append(line)
    for name, part in list(quality.typologies.items())[: max(0, height - len(lines))]:
        words = f"{name:<18}{part.hits:>4} of {part.of:<4} "
        lines.append(Text(words).append(bar(part.share or 0.0, width - len(words)), style="cyan"))
    return _stack(lines)


def _stack(lines: list[Text]) -> RenderableType:
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)


_BAR: Final = 10
_FULL: Final = 4.0
"""Contribution (log-odds) of a full bar: the same for all alerts, so that they can be compared."""
_REASONS: Final = 3


def alerts(picture: Picture, width: int, height: int) -> Text:
    """Draw as many of the newest alerts as there is room for; before the first, how the start goes on."""
    if not picture.alerts:
        return _joined([Text(note, style="bright_black") for note in picture.notes[-height:]])
    reasons = _REASONS if height >= 5 * (_REASONS + 1) else _REASONS - 1
    lines: list[Text] = []
    for alert in picture.alerts:
        entry = [_headline(alert, width), *(_reason(reason) for reason in _towards_fraud(alert)[:reasons])]
        if lines and len(lines) + len(entry) > height:
            break
        lines.extend(entry)
    return _joined(lines[:height])


def _headline(alert: Alert, width: int) -> Text:
    style = VERDICTS[alert.verdict]
    line = Text(f"{alert.verdict:<6} {alert.score:5.3f} ", style=style)
    line.append(f"{rupees(alert.amount_paise):>15}  ", style="bold")
    line.append(f"{alert.payer_vpa} → {alert.payee_vpa}")
    if alert.feature_state != "FULL":
        line.append(f"  {alert.feature_state.lower()}", style="bright_black")
    line.truncate(width, overflow="ellipsis")
    return line


def _reason(reason: Reason) -> Text:
    drawn = bar(reason.contribution / _FULL, _BAR)
    line = Text(f"  {drawn:<{_BAR}}", style="red").append(f" {reason.contribution:+5.2f} ", style="bright_black")
    return line.append(reason.words)


def _towards_fraud(alert: Alert) -> list[Reason]:
    return [reason for reason in alert.reasons if reason.contribution > 0]


def _joined(lines: list[Text]) -> Text:
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)


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
        Layout(header(picture, width), name="header", size=2),
        Layout(name="speed", size=upper),
        Layout(name="verdicts", size=lower),
        Layout(
            _panel(
                "newest alerts" if picture.alerts else "until the first alert",
                alerts(picture, width - _SIDES, room),
                picture.api,
            ),
            name="alerts",
        ),
    )
    layout["speed"].split_row(
        Layout(_panel("throughput", throughput(picture, left, upper - _BORDER))),
        Layout(_panel("latency (stages: ms a batch)", latency(picture, right, upper - _BORDER))),
    )
    layout["verdicts"].split_row(
        Layout(_panel("verdicts (log scale)", verdicts(picture, left, lower - _BORDER))),
        Layout(_panel(_against(picture), truth(picture, right, lower - _BORDER))),
    )
    return layout


def _against(picture: Picture) -> str:
    frauds = picture.quality.recall["REVIEW"].of if picture.quality is not None else 0
    return f"against the truth: {frauds:,} frauds" if frauds else "against the switch's truth"


def _panel(title: str, content: RenderableType, below: str = "") -> Panel:
    return Panel(
        content,
        title=title,
        title_align="left",
        subtitle=Text(below) if below else None,
        subtitle_align="left",
        border_style="bright_black",
        padding=(0, 1),
    )
