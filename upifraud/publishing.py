"""What the commands that publish share: the brokers that the settings name, and a clean stop."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stream.settings import Settings


def brokers() -> tuple[Settings, dict[str, Any]]:
    """Return the settings, and what a client of their Kafka is configured with: it keeps its log to itself."""
    from stream.errors import StreamError
    from stream.settings import read_settings

    try:
        settings = read_settings(os.environ)
    except StreamError as error:
        raise click.ClickException(str(error)) from error
    from stream.kafka.config import checked_client_config
    from stream.kafka.kafka_errors import QUIET

    return settings, {**QUIET, **checked_client_config(settings)}


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at SIGINT, SIGTERM or SIGHUP, instead of ending at once; `nohup` is heeded."""
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before: dict[signal.Signals, Any] = {name: signal.getsignal(name) for name in names}
    if before[signal.SIGHUP] == signal.SIG_IGN:
        del before[signal.SIGHUP]
    for name in before:
        signal.signal(name, lambda _signal, _frame: stop())
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
