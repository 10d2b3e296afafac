"""`upifraud replay`: somebody else's payments and outcomes, published as this program expects them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from upifraud.history_files import columns_of, one_or_all
from upifraud.options import FILES, SEVERAL, map_, outcomes_map, refused, zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from simulator.kafka import Group, Outlet
    from simulator.schedule import AtOnce, AtRate, AtSpeed
    from stream.settings import Settings
    from upifraud.fates import Fates, Outgoing

EPILOG = """
\b
Examples:
  upifraud replay history/payments.parquet
      publish as fast as the broker takes it
  upifraud replay payments.csv --map columns.toml --rate 500
      publish 500 rows a second of a file whose columns have other names
  upifraud replay payments.jsonl --speed 60
      publish an hour of recorded payments a minute
  upifraud replay history/outcomes.parquet --topic outcomes
      publish outcomes alone
  upifraud replay payments.parquet --zone Asia/Kolkata
      its timestamps have no zone: they are local times of India
  upifraud replay 'days/*.csv.gz' --map columns.toml
      publish packed files in the order of their names; where the map has outcomes, they are merged in
  upifraud replay history/payments.parquet --outcomes history/outcomes.parquet
      publish both, each outcome between the payments it was reported between, in step with the workers

\b
A map says which column is which field; fields it does not name are taken from columns of the same name:
  transaction_id = "txn_ref"
  event_time = "created"
  amount_paise = "amount_inr"
  [scale]
  amount_paise = 100
  [const]
  flow = "P2P"

\b
Before the tables it may say what is true of the whole file:
  zone = "Asia/Kolkata"
  encoding = "cp1252"
  separator = ";"

\b
A field may be a table where more is to be said of its column; docs/specs/map.md has them all:
  event_time = { column = "date", format = "%d/%m/%Y %H:%M" }
  amount_paise = { column = "amount", unit = "rupees" }
  payee_vpa = { column = "shop", handle = "shops" }
"""


@click.command(epilog=EPILOG)
@click.argument("file", type=FILES, nargs=-1, required=True)
@click.option(
    "--topic",
    type=click.Choice(["transactions", "outcomes"]),
    help="Publish payments alone, or outcomes alone.  [default: payments, and what outcomes --map finds in FILE]",
)
@click.option(
    "--outcomes", type=FILES, multiple=True, help=f"Outcomes to merge in, in step with the consumer group. {SEVERAL}"
)
@map_
@outcomes_map
@zone
@refused
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Records a second.")
@click.option("--speed", type=click.FloatRange(0, min_open=True), help="Times the recorded pace.")
@click.option("--max", "max_", is_flag=True, help="As fast as the broker takes them (the default).")
@click.option(
    "--patience",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds without a commit of the group after which it is not waited for any more.",
)
@click.option("--linger-ms", type=click.FloatRange(0), default=5.0, show_default=True, help="The producer's linger.ms.")
def command(
    file: tuple[Path, ...],
    topic: str | None,
    outcomes: tuple[Path, ...],
    map_: Path | None,
    outcomes_map: Path | None,
    zone: str | None,
    refused: Path | None,
    refused_rows: bool,
    rate: float | None,
    speed: float | None,
    max_: bool,
    patience: float,
    linger_ms: float,
) -> None:
    """Publish the payments (or outcomes) of Parquet, CSV or JSON files, in file order.

    With --outcomes, or with a map that finds outcomes in FILE, both are merged in time: outcomes go out when the
    consumer group has committed the payments before them, and later payments when it has committed the outcomes.
    Several files, those of a folder or of a pattern, are read in the order of their names.

    Ends when every record is acknowledged and, if workers are in the group, when they have processed it: then with how
    many became verdicts, dead letters and duplicates. Exit code 1 if all were refused.
    """
    from files.errors import SourceError
    from files.source import Source
    from history.message_fields import OUTCOME, PAYMENT
    from history.refused_file import refused_file
    from simulator.errors import SimulatorError
    from upifraud.fates import Outgoing

    if sum((rate is not None, speed is not None, max_)) > 1:
        raise click.UsageError("--rate, --speed, --max: expected at most one of them; leave the others out")
    if outcomes and topic == "outcomes":
        raise click.UsageError("--outcomes: FILE must then hold payments; leave out --topic outcomes")
    if outcomes_map is not None and not outcomes:
        raise click.UsageError("--outcomes-map: expected --outcomes beside it; --map maps both kinds in one file")
    columns, outcomes_columns = columns_of(map_), columns_of(outcomes_map)
    if not outcomes and topic is None and columns is not None and columns.has_outcomes:
        outcomes, outcomes_columns = file, columns
    try:
        with refused_file(refused, with_rows=refused_rows) as note:
            source = Source(one_or_all(file), OUTCOME if topic == "outcomes" else PAYMENT, columns, zone)
            sent = Outgoing(source, note)
            if outcomes:
                reported = Outgoing(Source(one_or_all(outcomes), OUTCOME, outcomes_columns, zone), note)
                _merge(sent, reported, _schedule(rate, speed), patience)
            else:
                _publish(sent, topic or "transactions", _schedule(rate, speed), patience, linger_ms)
    except (SimulatorError, SourceError) as error:
        raise click.ClickException(str(error)) from error


def _schedule(rate: float | None, speed: float | None) -> AtRate | AtSpeed | AtOnce:
    from simulator.schedule import AtOnce, AtRate, AtSpeed

    if rate is not None:
        return AtRate(rate)
    return AtOnce() if speed is None else AtSpeed(speed)


def _publish(
    sent: Outgoing, topic: str, schedule: AtRate | AtSpeed | AtOnce, patience: float, linger_ms: float
) -> None:
    """Publish one file."""
    from simulator.kafka import Outlet
    from simulator.publisher import Publisher
    from simulator.replay import runs_of
    from upifraud.fates import Fates
    from upifraud.progress import steps
    from upifraud.publishing import brokers, stopping

    sent.source.check()
    settings, conf = brokers()
    name = settings.topic_transactions if topic == "transactions" else settings.topic_outcomes
    outlet = Outlet(conf, linger_ms, follow=True)
    outlet.check([name])
    fates = Fates(settings, conf, (name,))
    with steps() as step:
        publisher = Publisher(outlet, (name, name), step("publishing", len(sent.source)))
        with stopping(publisher.stop), _saying_what_was_sent(outlet):
            summary = publisher.publish(runs_of(sent), schedule)
    click.echo(
        f"published {summary.payments} records to {name} in {summary.seconds:.1f} s: {summary.rate:.0f} a second, all "
        f"acknowledged{', stopped before the end' if summary.stopped else ''}"
    )
    if not summary.stopped:
        _conclude({name: sent}, outlet, fates, settings, conf, patience)


def _merge(payments: Outgoing, outcomes: Outgoing, schedule: AtRate | AtSpeed | AtOnce, patience: float) -> None:
    """Publish payments and outcomes in step with the consumer group."""
    from history.taken import Taken, refused_messages
    from simulator.kafka import Outlet
    from simulator.replay import Merger
    from upifraud.fates import Fates
    from upifraud.progress import steps
    from upifraud.publishing import brokers

    payments.source.check()
    outcomes.source.check()
    settings, conf = brokers()
    topics = (settings.topic_transactions, settings.topic_outcomes)
    outlet = Outlet(conf, linger_ms=1.0, follow=True)  # every slice ends with a wait for the last of it
    outlet.check(topics)
    fates = Fates(settings, conf, topics)
    sent = dict(zip(topics, (payments, outcomes), strict=True))
    with _followed(settings, conf) as group, steps() as step, _saying_what_was_sent(outlet):
        merger = Merger(outlet, group, topics, patience, step("replaying", len(payments.source)))
        done = merger.replay(Taken(payments, refused_messages(payments.source)), outcomes, schedule)
    click.echo(
        f"published {done.payments} payments and {done.outcomes} outcomes in {done.seconds:.1f} s, in step with group "
        f"{settings.consumer_group}: waited {done.slices} times, all acknowledged"
    )
    _conclude(sent, outlet, fates, settings, conf, patience)


@contextmanager
def _saying_what_was_sent(outlet: Outlet) -> Iterator[None]:
    """Where a file turns out to be damaged, wait for what was sent before, and say how much that was."""
    from files.errors import SourceError

    try:
        yield
    except SourceError as error:
        outlet.finish()
        count = sum(behind - first for runs in outlet.runs.values() for first, behind in runs)
        raise SourceError(f"{error} ({count:,} records were published before, all acknowledged)") from None


@contextmanager
def _followed(settings: Settings, conf: Mapping[str, Any]) -> Iterator[Group]:
    """Yield the consumer group as something to follow, and let go of it."""
    from simulator.kafka import Group

    group = Group(conf, settings.consumer_group)
    try:
        yield group
    finally:
        group.close()


def _conclude(
    sent: Mapping[str, Outgoing],
    outlet: Outlet,
    fates: Fates,
    settings: Settings,
    conf: Mapping[str, Any],
    patience: float,
) -> None:
    """Say what became of what was published, as far as it can be known; exit with 1 if all of a file was refused."""
    import threading

    from upifraud.publishing import stopping

    stop = threading.Event()
    with _followed(settings, conf) as group, stopping(stop.set):
        unknown = fates.wait(outlet, group, patience, stop)
    useless = [one.source.path.name for topic, one in sent.items() if _tell(topic, one, outlet, fates, unknown)]
    if useless:
        raise click.ClickException(f"{' and '.join(useless)}: expected rows that can be used, but all were refused")


def _tell(topic: str, sent: Outgoing, outlet: Outlet, fates: Fates, unknown: str) -> bool:
    """Say what became of the rows of one file; True if all were refused."""
    from history.reading import refusals_of

    if sent.refusals.refused:
        click.echo(f"{topic}: rows that could not be published: {sent.refusals.by_reason()}")
    if not sent.count:
        return sent.rows > 0
    if not unknown:
        fate = fates.of(topic, outlet, sent)
        if not fate.unknown:
            click.echo(f"{topic}: {fate}")
            return sent.refusals.refused + fate.letters.total() == sent.rows > 0
        unknown = fate.unknown
    click.echo(f"{topic}: how many became verdicts, dead letters and duplicates is not known yet: {unknown}")
    expected = refusals_of(sent.source)
    click.echo(f"by its form alone: {expected}")
    return expected.refused == expected.rows > 0
