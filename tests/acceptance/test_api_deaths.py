"""Processes and servers are killed under callers of the API: what was acknowledged has one row, nothing counts twice.

UPIFRAUD_TEST_API_DEATHS sets how often each is killed in the long run.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from stream.stages.alerting import NAMES
from tests.fixtures.api import Stack, payment
from tests.fixtures.callers import Callers, summary
from tests.fixtures.deployment import until
from tests.fixtures.log_order import check_logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.kafka import Broker
    from local.server import ProcessServer
    from tests.fixtures.api import ApiProcess

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

RATE, SECONDS = 30, 5.0
ROUNDS = int(os.environ.get("UPIFRAUD_TEST_API_DEATHS", "5"))


def revived(stack: Stack, api: ApiProcess) -> None:
    """Start an API process on the port of one that was killed, as its supervisor does."""
    stack.start_api("--port", str(api.port))


def kills(
    stack: Stack, redis_server: ProcessServer, postgres_server: ProcessServer, kafka: Broker
) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """How each is killed, and how it is begun again."""
    api = stack.apis[0]
    servers = {"redis": redis_server, "postgres": postgres_server} | ({"kafka": kafka} if kafka.durable else {})
    return {
        "api": (lambda: [one.end() for one in stack.apis if one.port == api.port], lambda: revived(stack, api)),
        "worker": (lambda: [one.kill() for one in stack.workers if one.running()], stack.start_worker),
    } | {name: (server.kill, server.start) for name, server in servers.items()}


@pytest.mark.parametrize("rounds", [1, pytest.param(ROUNDS, marks=pytest.mark.long)])
def test_whatever_is_killed_what_was_acknowledged_counts_once(
    stack: Stack, redis_server, postgres_server, kafka, rounds: int
):
    stack.start_worker()
    callers = Callers([stack.start_api(), stack.start_api()], stack.key)
    draw = random.Random(rounds)
    named = kills(stack, redis_server, postgres_server, kafka)
    for turn in range(rounds):
        for name, (kill, begin) in named.items():
            with callers.calling(RATE, SECONDS, tries=3) as told:
                time.sleep(1.5 + draw.random())
                kill()
                time.sleep(1 + 2 * turn * draw.random())
                begin()
            print(f"{name} killed: {summary(told)}")
            assert {one.status for one in told} <= {0, 200, 202, 503}, name
            until(lambda: callers.post_once(payment(), 10_000).status == 200, f"a verdict after {name}")
    check(stack, callers)


def check(stack: Stack, callers: Callers) -> None:
    """Hold that each payment has one row, counts once, and that every answer with a verdict was that row's."""
    stack.drain()
    stored = {row[0] for row in stack.query("SELECT transaction_id FROM verdicts_by_day")}
    acknowledged = {one.transaction_id for one in callers.told if one.status in (200, 202)}
    assert acknowledged <= stored, "what was acknowledged has a row, though nobody posts it again"
    assert len(acknowledged) > len(callers.payments) // 2

    again = callers.post_all_again()
    assert {one.status for one in again.values()} == {200}
    verdicts = [one for one in callers.told if one.status == 200]
    assert verdicts
    assert all(one.body == again[one.transaction_id].body for one in verdicts), "posted again, other bytes"
    stack.drain()
    rows = stack.query(
        "SELECT transaction_id, verdict, score, margin, amount_paise FROM verdicts_by_day"
        " WHERE transaction_id = ANY(%s)",
        list(callers.payments),
    )
    assert sorted(row[0] for row in rows) == sorted(callers.payments), "one payment, one row"
    for transaction_id, verdict, *numbers in rows:
        said = json.loads(again[transaction_id].body)
        assert [said["verdict"], said["score"], said["margin"], said["amount_paise"]] == [NAMES[verdict], *numbers]

    check_logs(
        stack.records("transactions"), stack.query("SELECT transaction_id, vector, provenance FROM verdicts_by_day")
    )
    alerts = defaultdict(set)
    for record in stack.records("alerts"):
        alerts[json.loads(record.value)["transaction_id"]].add(record.value)
    flagged = stack.query("SELECT transaction_id FROM verdicts_by_day WHERE verdict > 0")
    assert set(alerts) == {row[0] for row in flagged}
    assert all(len(contents) == 1 for contents in alerts.values()), "one payment, two alerts"
