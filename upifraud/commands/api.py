"""`upifraud api`: the HTTP edge."""

from __future__ import annotations

import logging
import os
import sys

import click

EPILOG = """
\b
Examples:
  upifraud api                                        on port 8000, with the settings in the environment
  env $(cat .upifraud/env) upifraud api               on the servers that `upifraud up` started
  upifraud api --port 8001 --workers 2                two processes that share a port
  curl -H "Authorization: Bearer $KEY" -d @payment.json http://127.0.0.1:8000/v1/payments

\b
A call needs a key: upifraud keys create --name switch --scopes payments:write. What can be called is at /docs.
SIGTERM, SIGINT and SIGHUP drain: calls that were begun are answered, then the exit code is 0.
"""


@click.command(epilog=EPILOG)
@click.option("--port", type=click.IntRange(0, 65535), help="Instead of UPIFRAUD_API_PORT; 0 takes a free one.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that share the port."
)
def command(*, port: int | None, workers: int) -> None:
    """Answer over HTTP: payments with their verdicts, what-ifs, look-ups and holds, until told to stop."""
    try:
        from service.server import listen_at
        from service.workers import run
    except ModuleNotFoundError as error:
        if error.name not in ("fastapi", "httptools", "starlette", "uvicorn", "uvloop"):
            raise
        raise click.ClickException(
            f"Expected the packages of the API, but {error.name} is missing: pip install 'upi-fraud-stream[api]'."
        ) from error
    from stream.errors import StreamError
    from stream.settings import level_number, read_settings

    try:
        settings = read_settings(os.environ)
        logging.basicConfig(
            level=level_number(settings), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
        )
        for warning in settings.warnings:
            logging.getLogger(__name__).warning("%s", warning)
        listening = listen_at(settings.api_host, settings.api_port if port is None else port)
        click.echo(f"The API listens on port {listening.getsockname()[1]}.", err=True)
        sys.exit(run(settings, listening, workers))
    except StreamError as error:
        raise click.ClickException(str(error)) from error
