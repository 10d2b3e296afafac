"""The account of a demo: what was sent, what was made of it, and whether the two agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stream.steps import Step
from upifraud.demo.observer import marks_of
from upifraud.demo.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upifraud.demo.buckets import Buckets
    from upifraud.demo.marks import Marks
    from upifraud.demo.performance import Performance


_MEASURABLE_SECONDS: Final = 2.0
"""A warm-up that was shorter says nothing of the rate: readings are a quarter of a second apart."""


@dataclass(frozen=True, slots=True)
class Played:
    """How the switch sent the live traffic."""

    rate: float
    """Records a second."""
    late: float
    """Seconds from when a record was due to when it was sent, the 99th percentile."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a demo came to; the parts that it did not come to are None or empty."""

    reading: Reading
    """The worker's last."""
    warm_up_rate: float | None
    """Payments a second, from the first verdict of the warm-up to its last."""
    played: Played | None
    payments: tuple[int, int]
    """Distinct payments sent in the warm-up and live."""
    duplicates: int
    rejected: Mapping[str, int]
    """Records sent that must become dead letters, by reason."""
    alerts: int
    """Alerts that came on the topic, each counted once."""
    end_to_end: Buckets | None
    """Of the live traffic."""
    stages: tuple[tuple[str, Buckets], ...]
    """Of the live traffic."""
    live_verdicts: Mapping[str, int]
    most_behind: int
    marks: Marks | None
    completed: bool
    first_verdict: float | None
    """Seconds from the demo's start to the first verdict that was seen."""
    exit_code: int | None

    def differences(self) -> list[str]:
        """Return in words where what was sent and what was made of it do not agree; empty if everything does.

        Of a demo that was interrupted nothing can be said: what the switch had made and not sent is not told apart.
        """
        if not self.completed:
            return []
        expected = {
            "verdicts": (sum(self.payments), self.reading.judged),
            "duplicates recognised": (self.duplicates, self.reading.duplicates),
            "alerts": (self.reading.flagged, self.alerts),
            **{
                f"dead letters for {reason}": (self.rejected.get(reason, 0), self.reading.dead_letters.get(reason, 0))
                for reason in sorted(self.rejected.keys() | self.reading.dead_letters.keys())
            },
        }
        return [f"{what}: expected {sent:,}, got {got:,}" for what, (sent, got) in expected.items() if sent != got]


def account_of(performance: Performance) -> Account:
    """Return the account of a performance that has ended."""
    play, watcher = performance.play, performance.watcher
    reading = watcher.last() if watcher is not None else Reading(performance.began)
    before, played = performance.before_live, performance.played
    live = reading.end_to_end.since(before.end_to_end) if before is not None else None
    return Account(
        reading=reading,
        warm_up_rate=_warm_up_rate(performance),
        played=None if played is None else Played(played.rate, played.lateness_p99_ms / 1_000),
        payments=(play.warm_up_truth.payments, play.live_truth.payments) if play is not None else (0, 0),
        duplicates=play.sent.duplicates if play is not None else 0,
        rejected=dict(play.sent.rejected) if play is not None else {},
        alerts=len(performance.alerts),
        end_to_end=live if live is not None and live.count else None,
        stages=_stages(reading, before) if before is not None else (),
        live_verdicts=_live_verdicts(reading, before) if before is not None else {},
        most_behind=watcher.course.most_behind if watcher is not None else 0,
        marks=marks_of(performance, reading),
        completed=performance.completed,
        first_verdict=performance.first_verdict,
        exit_code=performance.exit_code,
    )


def _warm_up_rate(performance: Performance) -> float | None:
    seconds, warmed = performance.warm_up_seconds, performance.warmed
    return warmed.payments / seconds if warmed is not None and seconds > _MEASURABLE_SECONDS else None


def _stages(reading: Reading, before: Reading) -> tuple[tuple[str, Buckets], ...]:
    pairs = (
        (name, reading.stages[name].since(before.stages[name]))
        for name in Step
        if name in reading.stages and name in before.stages
    )
    return tuple((name, buckets) for name, buckets in pairs if buckets.count)


def _live_verdicts(reading: Reading, before: Reading) -> dict[str, int]:
    return {name: count - before.verdicts.get(name, 0) for name, count in reading.verdicts.items()}
