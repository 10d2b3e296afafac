"""The Faust app of the worker: one agent a topic, on the transport that keeps their order and their offsets.

What is taken from Faust: app, agents, topics and their life cycle. What is not: its Kafka clients, its web server (the
worker command starts it whatever `web_enabled` says, and two workers on a host collide on its port), its data
directory, its leader topic, its supervisors that restart an agent and hide the failure.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import faust
from mode.supervisors import CrashingSupervisor

from stream import metrics
from stream.errors import FatalError
from stream.faust_app.consumer import FetchConsumer
from stream.faust_app.hooks import NoHooks
from stream.faust_app.in_order import unless, work_in_order
from stream.faust_app.tableless import NoTables
from stream.faust_app.transport import FetchTransport
from stream.running.health import Health
from stream.settings import level_number

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from faust.types import AppT, Message

    from stream.faust_app.hooks import Hooks
    from stream.kafka.fetch import Fetch
    from stream.settings import Settings

logger = logging.getLogger(__name__)


class _Unread(faust.Schema[Any, Any]):
    """Leaves the fetch as it is: records are decoded in bulk by the agent, so a bad one takes no neighbour with it."""

    def loads_key(self, app: AppT, message: Message, **_kwargs: Any) -> Any:  # noqa: ARG002 - Faust's signature
        return message.key

    def loads_value(self, app: AppT, message: Message, **_kwargs: Any) -> Any:  # noqa: ARG002 - Faust's signature
        return message.value


class StreamApp(faust.App):
    """A Faust app that knows the settings, the hooks and the health of the worker."""

    logger = logging.getLogger("faust.worker")  # what Faust says in our name is tamed like the rest of it

    def __init__(self, settings: Settings, hooks: Hooks, health: Health) -> None:
        self.settings = settings
        self.hooks = hooks
        self.health = health
        super().__init__(
            settings.consumer_group,
            version=1,  # from 2 on, Faust would call the consumer group {id}-v{version}
            broker="kafka://",
            autodiscover=False,
            TableManager=NoTables,
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            stream_wait_empty=True,
            stream_buffer_maxsize=4096,
            stream_recovery_delay=0.0,
            broker_commit_interval=settings.commit_interval_seconds,
        )

    def _new_transport(self) -> FetchTransport:
        return FetchTransport([], self)

    def _new_producer_transport(self) -> FetchTransport:
        return FetchTransport([], self)

    def _create_directories(self) -> None:
        """Make none: there are no tables, and the working directory may be read-only."""

    def on_rebalance_end(self) -> None:
        """Note it once, where the rebalances of two members of the group overlap."""
        if self.rebalancing:
            super().on_rebalance_end()

    def forgot(self, fetch: Fetch) -> bool:
        """Return whether the worker stops without this fetch, which reached its agent too late."""
        return isinstance(self._consumer, FetchConsumer) and self._consumer.forgot(fetch)

    @property
    def abandons_work(self) -> bool:
        """Whether something that was begun is not done."""
        return isinstance(self._consumer, FetchConsumer) and self._consumer.abandons_work


def make_health(settings: Settings) -> Health:
    """Return the worker's health, which also keeps the metric of servers that are down."""
    return Health(
        time.monotonic,
        stall_seconds=settings.stall_seconds,
        rebalance_seconds=settings.rebalance_limit_seconds,
        on_server=lambda server, up: metrics.SERVER_UP.labels(server).set(up),
    )


def make_app(
    settings: Settings,
    process_transactions: Callable[[Fetch], Awaitable[None]],
    process_outcomes: Callable[[Fetch], Awaitable[None]],
    hooks: Hooks | None = None,
    *,
    health: Health | None = None,
) -> StreamApp:
    """Return an app with an agent for each topic.

    A process function gets a fetch and returns when all its effects are done; only then may its offsets be committed.
    The next call may begin while the one before is still at work, `settings.micro_batches_in_flight` in all. An
    exception ends the worker with that fetch, and all after it, uncommitted: it must handle what it can cure.

    It sets `fetch.passed` once the next micro-batch may be formed; else that is when the fetch is done. Set at once,
    one is formed whenever fewer than `micro_batches_in_flight` are at work, and under load that ends in a convoy: while
    a large one is at work little is left for the two behind it, and all that comes until it is done makes the next.
    """
    app = StreamApp(settings, hooks or NoHooks(), health or make_health(settings))
    _tame_logging(level_number(settings))
    _add_agent(app, settings.topic_transactions, process_transactions)
    _add_agent(app, settings.topic_outcomes, process_outcomes)
    return app


def _add_agent(app: StreamApp, topic: str, process: Callable[[Fetch], Awaitable[None]]) -> None:
    @app.agent(app.topic(topic, schema=_Unread()), name=topic, supervisor_strategy=CrashingSupervisor)
    async def agent(stream: Any) -> None:
        # noack: an exception in a plain `async for` would acknowledge the record that raised it.
        await work_in_order(
            stream.noack().events(), unless(app.forgot, process), in_flight=app.settings.micro_batches_in_flight
        )


def _tame_logging(level: int) -> None:
    """Let Faust speak up only where something is wrong; at DEBUG it may say everything."""
    quiet = level if level <= logging.DEBUG else max(level, logging.WARNING)
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(quiet)


def run_worker(app: StreamApp) -> int:
    """Run until SIGTERM, SIGINT or SIGHUP, then drain, commit and leave the group; return the exit code.

    0: everything that was begun was finished and committed. 1: something failed, or the drain bound passed; what was
    not committed comes again. Where work had to be abandoned it does not return but ends the process: the work may be
    in a thread that never ends, and Python would wait for it. Every step is made to bear a kill at any time.
    """
    runner = asyncio.Runner()
    error = runner.run(_run(app))
    if error is not None:
        logger.critical("%s", error, exc_info=None if isinstance(error, FatalError) else error)
    if app.abandons_work:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(1)
    runner.close()
    return 0 if error is None else 1


async def _run(app: StreamApp) -> BaseException | None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # started by `nohup`: the terminal may go, the worker stays
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    starting = asyncio.ensure_future(app.start())
    ends = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(app.wait_until_stopped())]
    await asyncio.wait([starting, *ends], return_when=asyncio.FIRST_COMPLETED)
    failed = starting.done() and starting.exception()
    if not failed:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    logger.info("Stopping: %s.", "asked to" if stop.is_set() else "something failed")
    await app.stop()
    for left in (starting, *ends):
        left.cancel()
    await asyncio.gather(starting, *ends, return_exceptions=True)
    return failed or app.crash_reason
