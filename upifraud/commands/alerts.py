"""`upifraud alerts`: a reference subscriber of the alerts topic."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from upifraud.publishing import brokers, stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.text import Text

    from stream.kafka.topic_reader import TopicReader
    from stream.wire import Alert, Reason

EPILOG = """
\b
Examples:
  upifraud alerts --follow                     alerts as they come, until Ctrl-C
  upifraud alerts --follow --json | jq .score  the messages themselves, one a line
  upifraud alerts --verdict BLOCK              what the topic has of one verdict, then end

\b
Alerts are delivered at least once. One that came before has the same alert_id and the same content; it is left out.
"""

REMEMBERED = 100_000
"""Alerts that are known again. A repeat follows its first delivery by as long as a worker takes to come back."""
STYLES: Final = {"ALLOW": "green", "REVIEW": "yellow", "HOLD": "red", "BLOCK": "bold white on red"}
_BAR: Final = 12
_FULL: Final = 4.0
"""Contribution (log-odds) of a full bar: the same for all alerts, so that they can be compared."""


@click.command(epilog=EPILOG)
@click.option("--follow", is_flag=True, help="Go on with alerts as they come; only new ones, unless --from-beginning.")
@click.option("--from-beginning", is_flag=True, help="With --follow: first those that the topic has.")
@click.option("--json", "as_json", is_flag=True, help="One message a line, as it was sent.")
@click.option(
    "--verdict",
    "verdicts",
    multiple=True,
    type=click.Choice(["REVIEW", "HOLD", "BLOCK", "ALLOW"], case_sensitive=False),
    help="Only this verdict; may be given several times.",
)
@click.option("--reasons", type=click.IntRange(0), default=3, show_default=True, help="Reasons shown of each alert.")
def command(*, follow: bool, from_beginning: bool, as_json: bool, verdicts: tuple[str, ...], reasons: int) -> None:
    """Show alerts, each once: the verdict, the payment, the score and the strongest reasons.

    Reads without joining a consumer group, so any number of these disturb nobody.
    """
    if from_beginning and not follow:
        raise click.UsageError("--from-beginning goes with --follow; without it all that the topic has is shown.")
    settings, config = brokers()
    from stream.errors import StreamError
    from stream.kafka.topic_reader import TopicReader

    stop = threading.Event()
    show = _printer(as_json=as_json, reasons=reasons)
    try:
        with stopping(stop.set), TopicReader(config, [settings.topic_alerts]) as reader:
            for value, alert in _alerts(reader, stop, follow=follow, from_beginning=from_beginning):
                if not verdicts or alert.verdict in verdicts:
                    show(value, alert)
    except StreamError as error:
        raise click.ClickException(str(error)) from error


def _alerts(
    reader: TopicReader, stop: threading.Event, *, follow: bool, from_beginning: bool
) -> Iterator[tuple[bytes, Any]]:
    """Yield every alert once, as it was sent and decoded; say on stderr what is none."""
    import msgspec

    from stream.wire import decode_alert

    seen: OrderedDict[str, None] = OrderedDict()
    records = reader.follow(stop.is_set, from_beginning=from_beginning) if follow else reader.until_end()
    for record in records:
        if stop.is_set():
            return
        value = record.value() or b""
        try:
            alert = decode_alert(value)
        except msgspec.DecodeError as error:
            click.echo(
                f"{record.topic()}, partition {record.partition()}, offset {record.offset()}: "
                f"expected an alert, got something else ({error}); left out.",
                err=True,
            )
            continue
        if alert.alert_id in seen:
            continue
        seen[alert.alert_id] = None
        if len(seen) > REMEMBERED:
            seen.popitem(last=False)
        yield value, alert


def _printer(*, as_json: bool, reasons: int) -> Callable[[bytes, Any], None]:
    if as_json:
        return lambda value, _alert: click.echo(value)
    from rich.console import Console

    console = Console(highlight=False)
    return lambda _value, alert: console.print(alert_text(alert, reasons), soft_wrap=True)


def alert_text(alert: Alert, reasons: int) -> Text:
    """Return the lines of one alert, with at most so many reasons; a reason that speaks for the payer is green."""
    from rich.text import Text

    from upifraud.demo.words import rupees

    event_time = datetime.fromisoformat(alert.event_time).astimezone()
    lines = Text(f"{event_time:%Y-%m-%d %H:%M:%S}  ", style="dim")
    lines.append(f"{alert.verdict:^8}", style=STYLES[alert.verdict])
    lines.append(f"  {alert.score:6.1%}  ", style="not dim")
    lines.append(f"{rupees(alert.amount_paise):>16}", style="bold not dim")
    lines.append(f"  {alert.payer_vpa} → {alert.payee_vpa}", style="not dim")
    lines.append(f"  {alert.transaction_id}{_state(alert)}")
    for reason in alert.reasons[:reasons]:
        lines.append("\n").append_text(_reason_text(reason))
    return lines


def _state(alert: Alert) -> str:
    return "" if alert.feature_state == "FULL" else f"  {alert.feature_state}"


def _reason_text(reason: Reason) -> Text:
    from rich.text import Text

    from upifraud.demo.words import bar

    style = "red" if reason.contribution > 0 else "green"
    drawn = bar(abs(reason.contribution) / _FULL, _BAR)
    return (
        Text(f"    {drawn:<{_BAR}}", style=style)
        .append(f" {reason.contribution:+6.2f}  ")
        .append(reason.words, "default")
    )
