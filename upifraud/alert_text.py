"""An alert as a person reads it: what was decided of which payment, and the strongest reasons as bars."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from rich.text import Text

from upifraud.demo.bars import bar
from upifraud.demo.wording import rupees

if TYPE_CHECKING:
    from stream.wire import Alert, Reason

STYLES: Final = {"ALLOW": "green", "REVIEW": "yellow", "HOLD": "red", "BLOCK": "bold white on red"}
_BAR: Final = 12
_FULL: Final = 4.0
"""Contribution (log-odds) of a full bar: the same for all alerts, so that they can be compared."""


def alert_text(alert: Alert, reasons: int) -> Text:
    """Return the lines of one alert, with at most so many reasons; a reason that speaks for the payer is green."""
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
    style = "red" if reason.contribution > 0 else "green"
    drawn = bar(abs(reason.contribution) / _FULL, _BAR)
    return (
        Text(f"    {drawn:<{_BAR}}", style=style)
        .append(f" {reason.contribution:+6.2f}  ")
        .append(reason.text, "default")
    )
