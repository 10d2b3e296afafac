"""The newest alerts: each with its verdict, and its strongest reasons as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from upifraud.demo.bars import bar
from upifraud.demo.panels import VERDICTS
from upifraud.demo.wording import rupees

if TYPE_CHECKING:
    from stream.wire import Alert, Reason
    from upifraud.demo.picture import Picture

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
    return line.append(reason.text)


def _towards_fraud(alert: Alert) -> list[Reason]:
    return [reason for reason in alert.reasons if reason.contribution > 0]


def _joined(lines: list[Text]) -> Text:
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
