"""`upifraud replay`: somebody else's payments and outcomes, published as this program expects them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from simulator.schedule import AtOnce, AtRate, AtSpeed
    from simulator.source import Source

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
"""

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(epilog=EPILOG)
@click.argument("file", type=FILE)
@click.option("--topic", type=click.Choice(["transactions", "outcomes"]), default="transactions", show_default=True)
@click.option("--outcomes", type=FILE, help="Outcomes to merge in, in step with the consumer group.")
@click.option("--map", "map_", type=FILE, help="TOML: which column is which field of FILE.")
@click.option("--outcomes-map", type=FILE, help="The same for --outcomes.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Records a second.")
@click.option("--speed", type=click.FloatRange(0, min_open=True), help="Times the recorded pace.")
@click.option("--max", "max_", is_flag=True, help="As fast as the broker takes them (the default).")
@click.option(
    "--patience",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds without a commit after which a merged replay gives up.",
)
@click.option("--linger-ms", type=click.FloatRange(0), default=5.0, show_default=True, help="The producer's linger.ms.")
def command(
    file: Path,
    topic: str,
    outcomes: Path | None,
    map_: Path | None,
    outcomes_map: Path | None,
    rate: float | None,
    speed: float | None,
    max_: bool,
    patience: float,
    linger_ms: float,
) -> None:
    """Publish the payments (or outcomes) of a Parquet, CSV or JSON Lines file, in file order.

    Ends when every record is acknowledged. With --outcomes both are merged in time: outcomes go out when the consumer
    group has committed the payments before them, and later payments when it has committed the outcomes.
    """
    from simulator.column_map import read_map
    from simulator.errors import SimulatorError
    from simulator.fields import OUTCOME, PAYMENT
    from simulator.source import Source

    if sum((rate is not None, speed is not None, max_)) > 1:
        raise click.UsageError("--rate, --speed, --max: expected at most one of them; leave the others out")
    if outcomes is not None and topic == "outcomes":
        raise click.UsageError("--outcomes: FILE must then hold payments; leave out --topic outcomes")
    if outcomes_map is not None and outcomes is None:
        raise click.UsageError("--outcomes-map: expected --outcomes beside it")
    fields = PAYMENT if topic == "transactions" else OUTCOME
    try:
        source = Source(file, fields, None if map_ is None else read_map(map_, fields))
        if outcomes is None:
            _publish(source, topic, _schedule(rate, speed), linger_ms)
        else:
            reported = Source(outcomes, OUTCOME, None if outcomes_map is None else read_map(outcomes_map, OUTCOME))
            _merge(source, reported, _schedule(rate, speed), patience)
    except SimulatorError as error:
        raise click.ClickException(str(error)) from error


def _schedule(rate: float | None, speed: float | None) -> AtRate | AtSpeed | AtOnce:
    from simulator.schedule import AtOnce, AtRate, AtSpeed

    if rate is not None:
        return AtRate(rate)
    return AtOnce() if speed is None else AtSpeed(speed)


def _publish(source: Source, topic: str, schedule: AtRate | AtSpeed | AtOnce, linger_ms: float) -> None:
    """Publish one file."""
    from simulator.kafka import Outlet
    from simulator.publisher import Publisher
    from simulator.replay import runs_of
    from upifraud.progress import steps
    from upifraud.publishing import brokers, stopping

    source.check()
    settings, conf = brokers()
    name = settings.topic_transactions if topic == "transactions" else settings.topic_outcomes
    outlet = Outlet(conf, linger_ms)
    outlet.check([name])
    with steps() as step:
        publisher = Publisher(outlet, (name, name), step("publishing", len(source)))
        with stopping(publisher.stop):
            summary = publisher.publish(runs_of(source.messages()), schedule)
    click.echo(
        f"published {summary.payments} records to {name} in {summary.seconds:.1f} s: {summary.rate:.0f} a second, all "
        f"acknowledged{', stopped before the end' if summary.stopped else ''}"
    )


def _merge(payments: Source, outcomes: Source, schedule: AtRate | AtSpeed | AtOnce, patience: float) -> None:
    """Publish payments and outcomes in step with the consumer group."""
    from simulator.kafka import Group, Outlet
    from simulator.replay import Merger
    from upifraud.progress import steps
    from upifraud.publishing import brokers

    payments.check()
    outcomes.check()
    settings, conf = brokers()
    topics = (settings.topic_transactions, settings.topic_outcomes)
    outlet = Outlet(conf, linger_ms=1.0, follow=True)  # every slice ends with a wait for the last of it
    outlet.check(topics)
    group = Group(conf, settings.consumer_group)
    try:
        with steps() as step:
            merger = Merger(outlet, group, topics, patience, step("replaying", len(payments)))
            done = merger.replay(payments, outcomes, schedule)
    finally:
        group.close()
    click.echo(
        f"published {done.payments} payments and {done.outcomes} outcomes in {done.seconds:.1f} s, in step with group "
        f"{settings.consumer_group}: waited {done.slices} times, all acknowledged"
    )
