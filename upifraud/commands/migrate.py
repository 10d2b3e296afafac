"""`upifraud migrate`: the verdict store's tables as this version of the program knows them."""

from __future__ import annotations

import os
import time

import click

EPILOG = """
\b
Examples:
  upifraud migrate                 before the workers of a new version start
  upifraud migrate --wait 120      in a job that starts beside the server

\b
Safe at any time and from several places at once: what was applied is not applied again, and workers go on meanwhile.
A database that a newer version has changed is refused.
"""

PAUSE_SECONDS = 1.0


@click.command(epilog=EPILOG)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="How long to wait for a server that does not answer yet.  [default: not at all]",
)
def command(wait: float) -> None:
    """Make or bring up to date the tables in Postgres, and the partitions of the next days."""
    from stream.errors import RetryableError, StreamError
    from stream.settings import read_settings
    from stream.verdict_store import migrate
    from stream.verdict_store.migrations import DAYS_AHEAD, packaged

    deadline = time.monotonic() + wait
    while True:
        try:
            applied = migrate(read_settings(os.environ).postgres_url)
        except RetryableError as error:
            if time.monotonic() >= deadline:
                raise click.ClickException(f"{error} Is UPIFRAUD_POSTGRES_URL right, and the server up?") from error
            time.sleep(PAUSE_SECONDS)
        except StreamError as error:
            raise click.ClickException(str(error)) from error
        else:
            break
    for name in applied:
        click.echo(f"applied {name}")
    newest = packaged()[-1]
    click.echo(f"tables are at {newest.version:04d}_{newest.name}, partitions are there {DAYS_AHEAD} days ahead")
