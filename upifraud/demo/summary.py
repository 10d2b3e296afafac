"""The summary that a demo ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from simulator.parameters import REAL_FRAUD_RATE
from upifraud.demo.marks import FLAGS
from upifraud.demo.panels import VERDICTS
from upifraud.demo.plan import FRAUD_RATE
from upifraud.demo.wording import duration, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from upifraud.demo.account import Account
    from upifraud.demo.marks import Marks
    from upifraud.demo.plan import Plan


def summary(account: Account, plan: Plan, kafka: str) -> RenderableType:
    """Draw what a demo came to: facts, then precision and recall by verdict and by typology."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, words in _facts(account, plan, kafka):
        facts.add_row(name, Text(words))
    parts: list[RenderableType] = [Text(), facts]
    if account.marks is not None:
        parts += [
            Text(),
            _by_verdict(account.marks, sum(account.live_verdicts.values())),
            Text(),
            _by_typology(account.marks),
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


def _by_verdict(marks: Marks, judged: int) -> RenderableType:
    frauds = marks.recall[FLAGS[0]].of
    table = _table("flagged", "alerts", "precision", "recall")
    for flag in FLAGS:
        precision, recall = marks.precision[flag], marks.recall[flag]
        name = flag if flag == FLAGS[-1] else f"{flag} or stricter"
        row = (f"{precision.of:,}", share(precision.share), share(recall.share))
        table.add_row(Text(name, style=VERDICTS[flag]), *row)
    about = (
        f"Against the switch's truth: {frauds:,} frauds among {judged:,} live payments. Their rate was set to "
        f"{share(FRAUD_RATE)}, so that something can be seen."
    )
    real = marks.precision_at(FLAGS[0], FRAUD_RATE, REAL_FRAUD_RATE)
    if real is not None and 0 < real < 1:  # without a hit and a false alert nothing can be said
        about += (
            f" With {REAL_FRAUD_RATE * 1e6:.0f} in a million, as reported for UPI, {FLAGS[0]} or stricter would have a "
            f"precision of {share(real, 2)}."
        )
    return Group(Text(about), Text(), table)


def _by_typology(marks: Marks) -> Table:
    table = _table("typology", "frauds", "flagged", "recall")
    for name, part in marks.typologies.items():
        table.add_row(name, f"{part.of:,}", f"{part.hits:,}", share(part.share))
    return table


def _table(name: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="bold")
    table.add_column(name, min_width=20)
    for number in numbers:
        table.add_column(number, justify="right")
    return table
