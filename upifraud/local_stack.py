"""What the commands of the local stack share: its directory, the settings it heeds, and how they speak."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from local.errors import LocalError
from local.machine import Machine
from local.stack import Configured, Stack
from stream.errors import StreamError
from stream.server_url import without_secrets
from stream.settings import read_settings
from upifraud.local_api.server import ApiServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import Console

    from stream.settings import Settings

PARTITIONS = 12
ENV_FILE = "env"
"""Where `up` writes the settings, in the state directory."""
DEAD_LETTER_PARTITIONS = 1

state_dir_option = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".upifraud"),
    show_default=True,
    help="Where the stack keeps its data; stacks in different directories do not meet.",
)


def stack_of(state_dir: Path, say: Callable[[str], None] = lambda _line: None) -> Stack:
    """Return the stack of a state directory, with the API that may run on it."""
    return Stack(state_dir, Machine(), say, [ApiServer(api_directory(state_dir))])


def api_directory(state_dir: Path) -> Path:
    """Return where the API of a stack keeps what it has."""
    return state_dir.absolute() / ApiServer.name


def configured_in(environ: Mapping[str, str]) -> Configured:
    """Return the addresses that the environment names, and how its Kafka is spoken to."""
    settings = read_settings(environ)

    def named(variable: str) -> bool:
        return bool(environ.get(variable) or environ.get(f"{variable}_FILE"))

    return Configured(
        kafka=settings.kafka_bootstrap_servers if named("UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS") else None,
        redis=settings.redis_url if named("UPIFRAUD_REDIS_URL") else None,
        postgres=settings.postgres_url if named("UPIFRAUD_POSTGRES_URL") else None,
        kafka_conf=_kafka_conf(settings) if named("UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS") else {},
    )


def _kafka_conf(settings: Settings) -> Mapping[str, Any]:
    from stream.kafka.config import checked_client_config

    return checked_client_config(settings)


def topics_of(settings: Settings, partitions: int = PARTITIONS, of_alerts: int | None = None) -> dict[str, int]:
    """Return the topics of the program and their partition counts; alerts have as many as payments, unless told."""
    return {
        settings.topic_transactions: partitions,
        settings.topic_outcomes: partitions,
        settings.topic_alerts: partitions if of_alerts is None else of_alerts,
        settings.topic_resolutions: partitions,
        # Few, and read in order: one partition keeps the order in which they were found.
        f"{settings.topic_transactions}.dead-letter": DEAD_LETTER_PARTITIONS,
        f"{settings.topic_outcomes}.dead-letter": DEAD_LETTER_PARTITIONS,
    }


def console() -> Console:
    """Return what progress is told on: stderr, so that stdout holds only what other programs read."""
    from rich.console import Console

    # No markup: what a server answers may hold brackets.
    return Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


@contextmanager
def told_as_errors() -> Iterator[None]:
    """Tell what went wrong in a line on stderr and end with exit code 1, instead of a traceback."""
    try:
        yield
    except (LocalError, StreamError) as error:
        raise click.ClickException(str(error)) from error


def environment() -> Mapping[str, str]:
    """Return the environment of this process."""
    return os.environ


def without_password(address: str) -> str:
    """Return an address as it can be shown."""
    return without_secrets(address, "***")
