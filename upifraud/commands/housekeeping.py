"""`upifraud housekeeping`: partitions ahead of time, and nothing kept for longer than it should be."""

from __future__ import annotations

import os
import time
from contextlib import closing

import click

CLAIM_DAYS = 3
"""An id's reuse is found for so long: docs/specs/messages.md."""
LEAST_KEPT_DAYS = 31
"""The longest window and a day: lost entity logs are rebuilt from verdicts."""

EPILOG = """
\b
Examples:
  upifraud housekeeping                    daily; verdicts are kept for ever
  upifraud housekeeping --keep-days 400    daily; older verdicts and their outcomes are removed for good

\b
It gives entity logs an expiry whose worker died before it could. It builds the indexes that searches need of days that
are over; the first time after an upgrade that takes a while.
Workers go on meanwhile. Twice at the same time is harmless: one does the work. While a backup runs no day is removed;
the next run does it.
"""


@click.command(epilog=EPILOG)
@click.option(
    "--keep-days",
    type=click.IntRange(min=LEAST_KEPT_DAYS),
    help="Remove verdicts whose event time is more than so many days ago, at least 31.  [default: remove none]",
)
@click.option(
    "--ahead",
    type=click.IntRange(1, 366),
    default=7,
    show_default=True,
    help="Days from today on whose partitions must be there.",
)
@click.option(
    "--keep-access-days",
    type=click.IntRange(min=1),
    default=365,
    show_default=True,
    help="Forget lines of the access log that are older. Rules on personal data ask for a year.",
)
def command(keep_days: int | None, ahead: int, keep_access_days: int) -> None:
    """Make the partitions of the next days, index days that are over, remove what is past its retention."""
    from stream.errors import StreamError
    from stream.settings import read_settings
    from stream.verdict_store import housekeeping
    from stream.verdict_store.door import access_log, day_indexes

    today = int(time.time()) // 86_400
    try:
        settings = read_settings(os.environ)
        url = settings.postgres_url
        # First: a day that is missing costs a worker a lock in its hot path, everything else can wait.
        made = housekeeping.make_days(url, today - 1, today + ahead)
        click.echo(f"partitions: {made} made, there are all until {ahead} days ahead")
        click.echo(f"claims: {housekeeping.forget_ids(url, today - CLAIM_DAYS)} forgotten")
        if keep_days is not None:
            dropped = housekeeping.drop_days(url, today - keep_days)
            click.echo(f"verdicts: {', '.join(dropped) or 'no partition'} removed")
            outcomes = housekeeping.forget_outcomes(url, today - keep_days)
            click.echo(f"outcomes: {outcomes} of payments without a verdict removed")
            click.echo(f"holds: {housekeeping.forget_holds(url, today - keep_days)} of removed payments forgotten")
        click.echo(f"access log: {access_log.forget(url, today - keep_access_days)} lines forgotten")
        from features.errors import FeatureError
        from features.store.redis_store import RedisEntityStore

        try:
            with closing(RedisEntityStore(settings.redis_url)) as store:
                click.echo(f"entity logs: {store.give_expiries()} without an expiry given one")
        except FeatureError as error:  # the next run does it
            click.echo(f"entity logs: not looked at. {error}", err=True)
        # Last: it takes longest. Days that were removed need no index any more.
        click.echo(f"indexes: {sum(1 for _ in day_indexes.build(url, today))} built")
    except StreamError as error:
        raise click.ClickException(str(error)) from error
