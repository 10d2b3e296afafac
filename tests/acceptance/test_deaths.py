"""Workers and servers die and leave at any moment: nothing is lost, nothing counts twice, no vector differs.

UPIFRAUD_TEST_OUTAGE_SECONDS sets how long each server is gone; 60 is the full run.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict

import pytest

from tests.fixtures.deployment import Deployment, until
from tests.fixtures.log_order import check_logs

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

SECONDS, RATE = 8, 700
OUTAGES_SECONDS = 14
"""Of traffic, while three servers go and come back."""
OUTAGE = float(os.environ.get("UPIFRAUD_TEST_OUTAGE_SECONDS", "2"))


def begin_traffic(deployment: Deployment, seconds: int = SECONDS):
    return deployment.begin(
        "simulate", "--seed", "5", "--seconds", str(seconds), "--rate", str(RATE), "--payers", "400", "--pace", "real",
        "--fraud-rate", "0.05",
    )  # fmt: skip


def finish(deployment: Deployment, switch) -> None:
    assert switch.wait(180) == 0, (deployment.directory / "simulate.log").read_text()
    deployment.drain()


def check_that_nothing_was_lost_or_counted_twice(deployment: Deployment) -> None:
    records = deployment.records("transactions")
    published = [json.loads(record.value)["transaction_id"] for record in records]
    assert len(published) >= SECONDS * RATE
    stored = deployment.query("SELECT transaction_id, vector, provenance FROM verdicts_by_day")
    assert sorted(row[0] for row in stored) == sorted(published)

    alerts = defaultdict(set)
    for record in deployment.records("alerts"):
        alerts[json.loads(record.value)["alert_id"]].add(record.value)
    assert alerts
    assert all(len(contents) == 1 for contents in alerts.values()), "one alert id, two contents"
    flagged = deployment.query("SELECT count(*) FROM verdicts_by_day WHERE verdict > 0")[0][0]
    assert len(alerts) == flagged

    check_logs(records, stored)


@pytest.mark.parametrize("how", ["kill", "terminate", "hang_up"])
def test_of_two_workers_one_goes_mid_run(deployment: Deployment, how: str):
    first, second = deployment.start_worker(), deployment.start_worker()
    switch = begin_traffic(deployment)
    until(lambda: deployment.verdicts() > SECONDS * RATE // 4, "a quarter of the verdicts")

    code = getattr(first, how)()

    finish(deployment, switch)
    assert how == "kill" or code == 0, first.said()
    assert second.running()
    check_that_nothing_was_lost_or_counted_twice(deployment)
    if how != "kill":
        assert second.metric("replays_total") == 0, f"a clean leave repeats nothing:\n{first.said()}\n{second.said()}"


def test_a_server_gone_is_waited_for_and_said(deployment: Deployment, redis_server, postgres_server, kafka):
    worker = deployment.start_worker()
    switch = begin_traffic(deployment, OUTAGES_SECONDS)
    until(lambda: deployment.verdicts() > RATE, "the first verdicts")
    servers = {"redis": redis_server, "postgres": postgres_server} | ({"kafka": kafka} if kafka.durable else {})
    for name, server in servers.items():
        server.stop()
        until(lambda name=name: name in worker.readiness().get("waiting_for", {}), f"readiness says {name} is gone")
        time.sleep(OUTAGE)
        assert worker.live(), "waiting for a server is no reason to be restarted"
        server.start()
        until(worker.ready, f"ready again after {name}")

    finish(deployment, switch)
    assert worker.running()
    check_that_nothing_was_lost_or_counted_twice(deployment)


def test_a_wiped_redis_is_noticed_and_rebuilt(deployment: Deployment, redis_server):
    import redis

    worker = deployment.start_worker()
    switch = begin_traffic(deployment)
    until(lambda: deployment.verdicts() > SECONDS * RATE // 4, "a quarter of the verdicts")

    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    until(lambda: not worker.running(), "the worker refuses to score on missing windows")
    assert "lost what was applied" in worker.said()
    scored = deployment.verdicts()
    waiting = deployment.start_waiting_worker()
    until(lambda: "rebuild-features" in waiting.said(), "the next worker says what to do")
    assert not waiting.ready()
    assert deployment.verdicts() == scored

    deployment.upifraud("rebuild-features")
    until(waiting.ready, "ready after the rebuild")
    finish(deployment, switch)
    check_that_nothing_was_lost_or_counted_twice(deployment)
