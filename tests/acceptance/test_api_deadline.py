"""While a server or the worker is gone, calls are answered near their deadline; the figures are printed, not judged."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.api import Stack, frozen, payment
from tests.fixtures.callers import DEADLINE_MS, Callers, summary
from tests.fixtures.deployment import until

if TYPE_CHECKING:
    from local.server import ProcessServer

pytestmark = [pytest.mark.servers, pytest.mark.long, pytest.mark.timeout(900)]

RATE, SECONDS = 20, 8.0


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_answers_come_by_their_deadline_whatever_is_gone(stack: Stack, redis_server, postgres_server, kafka, how: str):
    stack.start_worker()
    callers = Callers([stack.start_api()], stack.key)
    with callers.calling(RATE, SECONDS) as told:
        pass
    print(f"\nall there, deadline {DEADLINE_MS} ms: {summary(told)}")
    servers = {"redis": redis_server, "postgres": postgres_server} | ({"kafka": kafka} if kafka.durable else {})
    for name, server in servers.items():
        with ExitStack() as gone:
            _take_away(server, how, gone)
            with callers.calling(RATE, SECONDS) as told:
                pass
        print(f"{name} {how}: {summary(told)}")
        # On a busy machine Kafka's confirmation may come too late, too.
        assert {one.status for one in told} <= ({503} if name == "kafka" else {202, 503}), name
        until(lambda: callers.post_once(payment(), 10_000).status == 200, f"a verdict after {name}")
    stack.workers[-1].kill()
    with callers.calling(RATE, SECONDS) as told:
        pass
    print(f"worker killed: {summary(told)}")
    assert {one.status for one in told} <= {202, 503}
    stack.start_worker()
    stack.drain()
    assert {one.status for one in callers.post_all_again().values()} == {200}


def _take_away(server: ProcessServer, how: str, gone: ExitStack) -> None:
    if how == "frozen":
        gone.enter_context(frozen(server))
    else:
        server.stop()
        gone.callback(server.start)
