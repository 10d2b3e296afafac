"""The demo in plain lines, for a log or a pipe: ASCII, one line a second, and an alert with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upifraud.demo.panels import VERDICTS
from upifraud.demo.wording import duration, rupees, share

if TYPE_CHECKING:
    from stream.wire import Alert
    from upifraud.demo.picture import Picture


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
    if picture.marks is not None:
        precision, recall = picture.marks.precision["REVIEW"], picture.marks.recall["REVIEW"]
        words.append(f"precision {share(precision.share)} recall {share(recall.share)}")
    return "  ".join(words)


def alert_line(alert: Alert) -> str:
    """Return an alert in one line, with its strongest reason."""
    amount = rupees(alert.amount_paise, "Rs ")
    reason = alert.reasons[0].text if alert.reasons else "no single reason"
    text = f"          {alert.verdict} {alert.score:.3f}  {amount}  {alert.payer_vpa} -> {alert.payee_vpa}: {reason}"
    return text.encode("ascii", "replace").decode()
