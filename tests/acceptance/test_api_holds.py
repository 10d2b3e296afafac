"""Holds over HTTP, and several processes on one port: a hold ends once, and its record reaches the switch."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest
from click.testing import CliRunner

from stream.verdict_store import VerdictStore
from tests.fixtures.deployment import until
from tests.fixtures.holds import store_verdicts
from upifraud.cli import main

if TYPE_CHECKING:
    from tests.fixtures.api import Stack

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

RACES = 30
WHY = {"reason": "The customer confirmed it by phone."}


def hold(stack: Stack, *names: str, seconds: float = 3600) -> None:
    store = VerdictStore(stack.environment["UPIFRAUD_POSTGRES_URL"])
    now = int(time.time() * 1000)
    store_verdicts(store, names, event_time=now, hold_until=now + round(seconds * 1000))
    store.close()


def resolutions(stack: Stack) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = {}
    for record in stack.records("resolutions"):
        found.setdefault(json.loads(record.value)["transaction_id"], set()).add(record.value)
    return found


def test_a_hold_ends_once_whoever_asks_and_the_switch_is_told(stack: Stack):
    api = stack.start_api("--workers", "2")
    workers = psutil.Process(api.process.pid).children()
    assert len(workers) == 2
    hold(stack, "released", "raced")
    hold(stack, "expired", seconds=0.5)
    mine, other = stack.make_key("holds:decide"), stack.make_key("holds:decide")

    released = api.call("POST", "/v1/holds/released/release", WHY, key=mine)
    assert released.status == 200, released.body
    assert released.json["action"] == "RELEASE"
    assert api.call("POST", "/v1/holds/released/release", {"reason": "again"}, key=mine).body == released.body
    for call, key in (("release", other), ("reject", mine)):
        refused = api.call("POST", f"/v1/holds/released/{call}", WHY, key=key)
        assert (refused.status, refused.reason) == (409, "other-action")
        assert refused.json["stands"] == released.json

    time.sleep(0.6)
    late = api.call("POST", "/v1/holds/expired/reject", WHY, key=mine)
    assert (late.status, late.reason, late.json["stands"]["cause"]) == (409, "hold-ended", "EXPIRY")
    assert api.call("POST", "/v1/holds/nobody/reject", WHY, key=mine).reason == "no-such-hold"
    assert api.call("POST", "/v1/holds/released/reject", {"reason": ""}, key=mine).status == 422

    with ThreadPoolExecutor(6) as threads:
        calls = [(turn % 2, key) for turn in range(6) for key in (mine, other)]
        raced = list(
            threads.map(
                lambda one: api.call("POST", f"/v1/holds/raced/{('release', 'reject')[one[0]]}", WHY, key=one[1]), calls
            )
        )
    assert {answer.status for answer in raced} == {200, 409}
    stands = {answer.body for answer in raced if answer.status == 200}
    assert len(stands) == 1

    until(lambda: set(resolutions(stack)) == {"released", "raced", "expired"}, "the switch is told of all three")
    assert {name: len(contents) for name, contents in resolutions(stack).items()} == {
        "released": 1,
        "raced": 1,
        "expired": 1,
    }
    assert resolutions(stack)["released"] == {released.body}

    os.kill(workers[0].pid, signal.SIGKILL)
    until(lambda: api.said().count("Application startup complete") == 3, "another one in its place")
    assert api.terminate() == 0, api.said()


def test_released_over_http_rejected_by_the_command_and_expired_at_once_it_ends_once(stack: Stack):
    api, key = stack.start_api(), stack.make_key("holds:decide")
    draw = random.Random(3)
    ended: Counter[tuple[str, str]] = Counter()
    told: dict[str, set[bytes]] = {}

    def release(name: str, after: float) -> bytes:
        time.sleep(after)
        answer = api.call("POST", f"/v1/holds/{name}/release", WHY, key=key)
        assert answer.status in (200, 409), answer.body
        return answer.body if answer.status == 200 else answer.body.partition(b'"stands":')[2][:-1]

    def reject(name: str, after: float) -> bytes:
        time.sleep(after)
        command = ["holds", "reject", name, "--reason", "No.", "--by", "ravi", "--json"]
        done = CliRunner().invoke(main, command, env=stack.environment)
        assert done.exit_code in (0, 1), done.output
        return done.stdout_bytes.strip()

    with ThreadPoolExecutor(2) as threads:
        for number in range(RACES):
            name = f"raced-{number}"
            hold(stack, name, seconds=draw.choice((0.0, 0.05, 0.1, 0.2, 60)))
            asked = threads.submit(release, name, draw.choice((0.0, 0.02, 0.1))), threads.submit(reject, name, 0.0)
            told[name] = {one.result() for one in asked}
            for record in told[name]:
                resolution = json.loads(record)
                ended[resolution["action"], resolution["cause"]] += 1
    assert {len(contents) for contents in told.values()} == {1}, "one end, one content, whoever asked"
    assert {("RELEASE", "PERSON"), ("REJECT", "PERSON"), ("RELEASE", "EXPIRY")} <= set(ended), ended
    until(lambda: set(resolutions(stack)) == set(told), "the switch is told of all")
    assert resolutions(stack) == told
    stored = stack.query("SELECT transaction_id, count(*) FROM resolutions GROUP BY transaction_id")
    assert dict(stored) == dict.fromkeys(told, 1)
