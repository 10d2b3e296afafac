"""Holds over HTTP, and several processes on one port: a hold ends once, and its record reaches the switch."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest

from stream.verdict_store import VerdictStore
from tests.fixtures.deployment import until
from tests.fixtures.holds import store_verdicts

if TYPE_CHECKING:
    from tests.fixtures.api import Stack

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

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
