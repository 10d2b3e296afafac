"""The panels of the terminal view; each is drawn from the picture alone, and in the room that it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from simulator.parameters import REAL_FRAUD_RATE
from upifraud.demo.bars import bar, chart, log_share
from upifraud.demo.marks import FLAGS
from upifraud.demo.picture import Phase, Picture
from upifraud.demo.plan import FRAUD_RATE
from upifraud.demo.wording import duration, indian_time, share

if TYPE_CHECKING:
    from rich.console import RenderableType

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
    marks = picture.marks
    if marks is None:
        return Text("measured in the live traffic, once windows are full", style="bright_black")
    room = max(0, (width - 27) // 2)
    lines = [Text(f"{'flagged':<8}{'alerts':>6}{'precision':>{room + 7}}{'recall':>{room + 7}}", style="bright_black")]
    for flag in FLAGS:
        style, precision, recall = VERDICTS[flag], marks.precision[flag], marks.recall[flag]
        line = Text(f"{flag + ('' if flag == FLAGS[-1] else '+'):<8}", style=style).append(f"{precision.of:>6,}")
        for part in (precision, recall):
            line.append(f" {bar(part.share or 0.0, room):<{room}}", style=style).append(
                f"{share(part.share):>6}", style="bold"
            )
        lines.append(line)
    for name, part in list(marks.typologies.items())[: max(0, height - len(lines))]:
        words = f"{name:<18}{part.hits:>4} of {part.of:<4} "
        lines.append(Text(words).append(bar(part.share or 0.0, width - len(words)), style="cyan"))
    return _stack(lines)


def _stack(lines: list[Text]) -> RenderableType:
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
