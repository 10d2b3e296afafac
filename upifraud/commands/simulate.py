"""`upifraud simulate`: the UPI switch, publishing or writing a history."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.dirt import Dirt, Note
    from simulator.parameters import Parameters
    from simulator.publisher import Summary
    from simulator.run import Extent, Run

EPILOG = """
\b
Examples:
  upifraud simulate --seed 7 --payments 300000 --out history
      write payments.parquet, outcomes.parquet and truth.parquet; the same seed gives the same bytes
  upifraud simulate --seed 7 --seconds 60 --rate 1000
      publish 60,000 payments, the last of them made just now, in the rhythm of the population
  upifraud simulate --seed 7 --seconds 60 --rate 1000 --pace real
      publish payments that are made as they are published
  upifraud simulate --seed 7 --start 2026-01-01T00:00:00+05:30 --payments 100000
      go on with the same population where a history ended
  upifraud simulate --seed 7 --payments 300000 --rate 5000 --duplicates 0.005 --late 0.01 \\
      --hot-payee 0.2 --malformed 200 --conflicts 100 --manifest manifest.jsonl
      publish with dirt, and note every piece of it
"""

DEFAULT_RATE = 1_000.0
POPULATION = ("payers", "merchants", "payments_per_day", "fraud_rate", "genuine_rate", "hot_payee", "reused_payees")
"""Options that are parameters of the switch, by the same name."""


class Moment(click.ParamType):
    """A time on the command line, as epoch milliseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read epoch milliseconds, `now`, or RFC 3339 with an offset."""
        if isinstance(value, int):
            return value
        if value == "now":
            return _clock_ms()
        if value.isdigit():
            return int(value)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(
                f"expected a time as 2026-01-01T00:00:00+05:30, epoch milliseconds, or now; got {value!r}", param, ctx
            )
        return int(moment.timestamp() * 1_000)


MOMENT = Moment()
SHARE = click.FloatRange(0, 1)
FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Output:
    """Where a published run's notes go, and how it is sent."""

    manifest: Path | None
    truth: Path | None
    buffered: bool
    linger_ms: float
    facts: bool


@click.command(epilog=EPILOG)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same payments.")
@click.option("--payments", type=click.IntRange(1), help="How many payments.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), help="For how long: that many seconds times --rate."
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    help=f"Payments a second [default: {DEFAULT_RATE:.0f}; with --payments as fast as the broker takes them].",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write a history into this directory instead."
)
@click.option("--start", type=MOMENT, help="Time of the first payment; an end and a start together need no number.")
@click.option("--until", type=MOMENT, help="Time after the last [default: now; with --out 2026-01-01T00:00+05:30].")
@click.option(
    "--pace",
    type=click.Choice(["compressed", "real"]),
    default="compressed",
    show_default=True,
    help="compressed: times as the population pays, ending now. real: every payment is made as it is published.",
)
@click.option("--payers", type=click.IntRange(50), default=20_000, show_default=True, help="People who pay.")
@click.option("--merchants", type=click.IntRange(0), default=0, help="Merchants [default: one for every four payers].")
@click.option("--payments-per-day", type=float, default=2.5, show_default=True, help="Mean payments of a payer a day.")
@click.option("--fraud-rate", type=SHARE, default=0.003, show_default=True, help="Share of payments; in reality 7e-6.")
@click.option("--genuine-rate", type=SHARE, default=0.004, show_default=True, help="Share of the rest found GENUINE.")
@click.option("--hot-payee", type=SHARE, default=0.0, help="Share of the traffic that goes to one merchant.")
@click.option(
    "--reused-payees",
    type=SHARE,
    default=0.15,
    show_default=True,
    help="Share of frauds that go to payee accounts used again over days; 0: none, as it was before.",
)
@click.option("--duplicates", type=SHARE, default=0.0, help="Dirt: share delivered twice.")
@click.option("--status-updates", type=SHARE, default=0.0, help="Dirt: share delivered again with a later status.")
@click.option("--late", type=SHARE, default=0.0, help="Dirt: share delivered out of order.")
@click.option(
    "--late-minutes", type=click.FloatRange(0), default=5.0, show_default=True, help="Dirt: how late at most."
)
@click.option("--untidy", type=SHARE, default=0.0, help="Dirt: share written unusually, but well-formed.")
@click.option(
    "--malformed", type=click.IntRange(0), default=0, help="Dirt: number of malformed records, all kinds in turn."
)
@click.option("--conflicts", type=click.IntRange(0), default=0, help="Dirt: number of ids that come again, changed.")
@click.option(
    "--facts",
    type=click.Choice(["some", "full"]),
    default="some",
    show_default=True,
    help="full: accounts, mobiles, branches and kinds of parties, too.",
)
@click.option("--manifest", type=FILE, help="Write a JSON line for every piece of dirt.")
@click.option("--truth", type=FILE, help="Write which published payment is which fraud, as Parquet.")
@click.option(
    "--buffered", is_flag=True, help="Make all records before the first is sent, so that sending costs little."
)
@click.option("--linger-ms", type=click.FloatRange(0), default=5.0, show_default=True, help="The producer's linger.ms.")
def command(seed: int, payments: int | None, seconds: float | None, rate: float | None, **options: Any) -> None:
    """Publish the payments of a simulated UPI switch, or write them as a history.

    One of --payments, --seconds, or --start with --until says how much.
    """
    from simulator.dirt import Dirt
    from simulator.errors import ParameterError, SimulatorError
    from simulator.parameters import Parameters
    from simulator.run import Extent

    if payments is not None and seconds is not None:
        raise click.UsageError("--payments and --seconds: expected one of them, got both; leave one out")
    if seconds is not None:
        rate = rate or DEFAULT_RATE
        payments = max(1, round(seconds * rate))
    if options["pace"] == "real":
        rate = rate or DEFAULT_RATE
    try:
        parameters = Parameters(
            seed=seed,
            **{name: options[name] for name in POPULATION},
        )
        names = ("duplicates", "status_updates", "late", "late_minutes", "untidy", "malformed", "conflicts")
        dirt = Dirt(**{name: options[name] for name in names})
        extent = Extent(payments, options["start"], options["until"])
        if options["out"] is not None:
            _refuse_to_write(dirt, options)
            _write(parameters, extent, options["out"])
        else:
            output = Output(
                options["manifest"],
                options["truth"],
                options["buffered"],
                options["linger_ms"],
                facts=options["facts"] == "full",
            )
            _publish(parameters, extent, rate, options["pace"], dirt, output)
    except ParameterError as error:
        raise click.UsageError(str(error)) from error
    except SimulatorError as error:
        raise click.ClickException(str(error)) from error


def _refuse_to_write(dirt: Dirt, options: dict[str, Any]) -> None:
    """Refuse what a history cannot have."""
    if dirt.any or options["manifest"] or options["truth"] or options["pace"] == "real":
        raise click.UsageError(
            "--out: a history is clean and in simulated time; leave out --pace real, --manifest, --truth and the dirt "
            "(the truth is always written beside it)"
        )
    if options["facts"] == "full":
        raise click.UsageError("--facts full: expected a run that is published; a history has no such columns yet")


def _write(parameters: Parameters, extent: Extent, directory: Path) -> None:
    from simulator.history import write_history
    from simulator.run import history
    from upifraud.progress import steps

    begun = time.perf_counter()
    switch, span = history(parameters, extent)
    with steps() as step:
        done = 0
        moved = step("writing", extent.count or 0)

        def progress(count: int) -> None:
            nonlocal done
            done += count
            moved(done)

        written = write_history(switch, span, directory, progress)
    click.echo(
        f"{written.payments} payments, {written.frauds} of them frauds, and {written.outcomes} outcomes in "
        f"{directory}, from {_utc(written.first_event_time)} to {_utc(written.last_event_time)}; "
        f"{written.payments / (time.perf_counter() - begun):.0f} payments a second"
    )


def _publish(parameters: Parameters, extent: Extent, rate: float | None, pace: str, dirt: Dirt, output: Output) -> None:
    from simulator.kafka import Outlet
    from simulator.publisher import Publisher
    from simulator.run import Extras, Watch, compressed, in_real_time
    from upifraud.progress import steps
    from upifraud.publishing import brokers, stopping

    if output.buffered and pace == "real":
        raise click.UsageError(
            "--buffered: payments made as they are published cannot be made before; use --pace compressed"
        )
    settings, conf = brokers()
    outlet = Outlet(conf, output.linger_ms)
    topics = (settings.topic_transactions, settings.topic_outcomes)
    outlet.check(topics)
    watch = Watch(output.truth)
    with _manifest(output.manifest) as note, steps() as step:
        extras = Extras(dirt, note, watch, output.facts)
        if pace == "real":
            run = in_real_time(parameters, extent, rate or DEFAULT_RATE, _clock_ms, extras)
        else:
            run = compressed(parameters, extent, rate, _clock_ms(), extras)
        publisher = Publisher(outlet, topics, step("publishing", extent.count or 0))
        with stopping(publisher.stop):
            summary = publisher.publish(run.records, run.schedule, buffered=output.buffered)
    _report(summary, watch.frauds, run, rate)


@contextmanager
def _manifest(path: Path | None) -> Iterator[Callable[[Note], None]]:
    """Open a manifest; without a path, nothing is written."""
    import msgspec

    if path is None:
        yield lambda _note: None
        return
    with path.open("wb") as file:

        def write(note: Note) -> None:
            file.write(msgspec.json.encode(note) + b"\n")

        yield write


def _report(summary: Summary, frauds: int, run: Run, rate: float | None) -> None:
    """Say what was published."""
    click.echo(
        f"published {summary.payments} payments ({frauds} frauds generated) and {summary.outcomes} outcomes in "
        f"{summary.seconds:.1f} s: {summary.rate:.0f} payments a second, {summary.failed} failed"
        f"{', stopped before the end' if summary.stopped else ''}"
    )
    if summary.made_in_s:
        click.echo(f"made in {summary.made_in_s:.1f} s: {summary.payments / summary.made_in_s:.0f} payments a second")
    if rate is not None:
        click.echo(
            f"late by {summary.lateness_p50_ms:.1f} ms (median), {summary.lateness_p99_ms:.1f} ms (p99), "
            f"{summary.lateness_max_ms:.1f} ms (most)"
        )
    if run.traffic.unreported:
        click.echo(f"{run.traffic.unreported} outcomes would be reported later")
    if summary.generator_limited:
        click.echo(
            f"the generator set the pace for {summary.generator_wait_s:.1f} s: use --buffered or a lower --rate",
            err=True,
        )


def _clock_ms() -> int:
    return int(time.time() * 1_000)


def _utc(epoch_ms: int) -> str:
    from datetime import UTC

    return datetime.fromtimestamp(epoch_ms / 1_000, UTC).isoformat(timespec="seconds")
