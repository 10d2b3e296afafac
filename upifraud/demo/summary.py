"""What a demo came to: what was sent, what was made of it, whether the two agree, and the summary that tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from simulator.parameters import REAL_FRAUD_RATE
from stream.steps import Step
from upifraud.demo.picture import live_quality
from upifraud.demo.plan import FRAUD_RATE
from upifraud.demo.quality import FLAGS
from upifraud.demo.reading import Reading
from upifraud.demo.view import VERDICTS
from upifraud.demo.words import duration, share

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

    from upifraud.demo.plan import Plan
    from upifraud.demo.quality import Quality
    from upifraud.demo.reading import Buckets
    from upifraud.demo.run import DemoRun


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
    quality: Quality | None
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


def account_of(run: DemoRun) -> Account:
    """Return the account of a run that has ended."""
    traffic, watcher = run.traffic, run.watcher
    reading = watcher.last() if watcher is not None else Reading(run.began)
    before, played = run.before_live, run.played
    live = reading.end_to_end.since(before.end_to_end) if before is not None else None
    return Account(
        reading=reading,
        warm_up_rate=_warm_up_rate(run),
        played=None if played is None else Played(played.rate, played.lateness_p99_ms / 1_000),
        payments=(traffic.warm_up_truth.payments, traffic.live_truth.payments) if traffic is not None else (0, 0),
        duplicates=traffic.sent.duplicates if traffic is not None else 0,
        rejected=dict(traffic.sent.rejected) if traffic is not None else {},
        alerts=len(run.alerts),
        end_to_end=live if live is not None and live.count else None,
        stages=_stages(reading, before) if before is not None else (),
        live_verdicts=_live_verdicts(reading, before) if before is not None else {},
        most_behind=watcher.course.most_behind if watcher is not None else 0,
        quality=live_quality(run, reading),
        completed=run.completed,
        first_verdict=run.first_verdict,
        exit_code=run.exit_code,
    )


def _warm_up_rate(run: DemoRun) -> float | None:
    seconds, warmed = run.warm_up_seconds, run.warmed
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


def summary(account: Account, plan: Plan, kafka: str) -> RenderableType:
    """Draw what a demo came to: facts, then precision and recall by verdict and by typology."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, words in _facts(account, plan, kafka):
        facts.add_row(name, Text(words))
    parts: list[RenderableType] = [Text(), facts]
    if account.quality is not None:
        parts += [
            Text(),
            _by_verdict(account.quality, sum(account.live_verdicts.values())),
            Text(),
            _by_typology(account.quality),
        ]
    return Group(*parts)


def _facts(account: Account, plan: Plan, kafka: str) -> Iterator[tuple[str, str]]:
    reading = account.reading
    warm, live = account.payments
    yield "servers", kafka or "none came up"
    if account.completed:
        agree = "one for each payment" if not account.differences() else "; ".join(account.differences())
        yield "payments", f"{warm:,} in the warm-up and {live:,} live, seed {plan.seed}, {plan.payers:,} payers"
        yield "verdicts", f"{reading.judged:,}: {agree}"
        yield "beside them", _beside(account)
    else:
        yield "verdicts", f"{reading.judged:,} until it was ended early"
    if account.first_verdict is not None:
        yield "first verdict", f"seen {account.first_verdict:.1f} s after the start"
    if account.warm_up_rate is not None:
        rate = f"{account.warm_up_rate:,.0f} payments/s"
        yield "warm-up", f"{rate}, as fast as it went, switch and all servers on this machine"
    if account.played is not None and account.completed:
        rate, late = f"{account.played.rate:,.0f} records/s", duration(account.played.late)
        yield "live", f"{rate} of {plan.rate:,.0f} asked for; the switch was late by {late} (p99)"
    if account.end_to_end is not None:
        p50, p99 = (duration(account.end_to_end.quantile(part)) for part in (0.5, 0.99))
        yield (
            "latency",
            f"p50 {p50}, p99 {p99} from the Kafka timestamp to all effects done; {_behind(account)}",
        )
    if account.stages:
        yield "stages", ", ".join(f"{name} {duration(buckets.mean)}" for name, buckets in account.stages) + " (means)"
    judged = sum(account.live_verdicts.values())
    if judged:
        mix = (f"{name} {account.live_verdicts.get(name, 0):,}" for name in VERDICTS)
        yield "verdict mix", f"{', '.join(mix)} of {judged:,} live"
    if account.exit_code is not None:
        yield "worker", f"drained, exit code {account.exit_code}" if not account.exit_code else "did not end cleanly"


def _behind(account: Account) -> str:
    return f"at most {account.most_behind:,} records behind, warm-up included"


def _beside(account: Account) -> str:
    dead = sum(account.reading.dead_letters.values())
    return (
        f"{account.duplicates:,} duplicates sent, {account.reading.duplicates:,} recognised; "
        f"{sum(account.rejected.values()):,} malformed or conflicting records sent, {dead:,} dead letters"
    )


def _by_verdict(quality: Quality, judged: int) -> RenderableType:
    frauds = quality.recall[FLAGS[0]].of
    table = _table("flagged", "alerts", "precision", "recall")
    for flag in FLAGS:
        precision, recall = quality.precision[flag], quality.recall[flag]
        name = flag if flag == FLAGS[-1] else f"{flag} or stricter"
        row = (f"{precision.of:,}", share(precision.share), share(recall.share))
        table.add_row(Text(name, style=VERDICTS[flag]), *row)
    about = (
        f"Against the switch's truth: {frauds:,} frauds among {judged:,} live payments. Their rate was set to "
        f"{share(FRAUD_RATE)}, so that something can be seen."
    )
    real = quality.precision_at(FLAGS[0], FRAUD_RATE, REAL_FRAUD_RATE)
    if real is not None and 0 < real < 1:  # without a hit and a false alert nothing can be said
        about += (
            f" With {REAL_FRAUD_RATE * 1e6:.0f} in a million, as reported for UPI, {FLAGS[0]} or stricter would have a "
            f"precision of {share(real, 2)}."
        )
    return Group(Text(about), Text(), table)


def _by_typology(quality: Quality) -> Table:
    table = _table("typology", "frauds", "flagged", "recall")
    for name, part in quality.typologies.items():
        table.add_row(name, f"{part.of:,}", f"{part.hits:,}", share(part.share))
    return table


def _table(name: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="bold")
    table.add_column(name, min_width=20)
    for number in numbers:
        table.add_column(number, justify="right")
    return table
