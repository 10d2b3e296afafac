"""`upifraud worker`: the program itself."""

from __future__ import annotations

import logging
import os
import sys

import click

EPILOG = """
\b
Examples:
  upifraud worker                                     with the settings in the environment (upifraud settings)
  env $(cat .upifraud/env) upifraud worker            on the servers that `upifraud up` started
  UPIFRAUD_METRICS_PORT=9465 upifraud worker          a second one on the same host

\b
SIGTERM, SIGINT and SIGHUP drain: what was begun is finished and committed, then the exit code is 0. That holds from
the first moment on, also as process 1 of a container. With nohup SIGHUP is ignored.
"""


@click.command(epilog=EPILOG)
def command() -> None:
    """Consume payments and outcomes until told to stop: a verdict with exact reasons for every payment."""
    from stream.errors import StreamError
    from stream.settings import level_number, read_settings
    from upifraud.worker import run

    try:
        settings = read_settings(os.environ)
        logging.basicConfig(
            level=level_number(settings), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
        )
        sys.exit(run(settings))
    except StreamError as error:
        raise click.ClickException(str(error)) from error
