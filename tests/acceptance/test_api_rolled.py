"""A rolling update under load: each process is replaced as deploy/k8s/components/api says, and no caller notices."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.api import Stack, payment
from tests.fixtures.ingress import TOLD_AFTER_SECONDS, Ingress

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(300)]

CALLERS = 8
DEADLINE_MS = 8_000
"""Long, for this is not about how fast the answers are on a busy machine."""
PRE_STOP_SECONDS = 3.0


class Caller(threading.Thread):
    """Posts one payment after the other over one connection, as a switch does, until it is told to stop."""

    def __init__(self, port: int, key: str) -> None:
        super().__init__()
        self._port, self._key = port, key
        self.stopping = threading.Event()
        self.answers: list[tuple[dict[str, Any], int, bytes]] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self.stopping.wait(0.03):
            one = payment()
            connection.request(
                "POST",
                f"/v1/payments?deadline_ms={DEADLINE_MS}",
                json.dumps(one),
                {"Authorization": f"Bearer {self._key}"},
            )
            answer = connection.getresponse()
            self.answers.append((one, answer.status, answer.read()))
        connection.close()


def test_a_rolling_update_fails_no_request(stack: Stack):
    stack.start_worker()
    old = [stack.start_api(), stack.start_api()]
    with Ingress(old) as ingress:
        callers = [Caller(ingress.port, stack.key) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        serving = list(old)
        for api in old:
            serving.append(stack.start_api())  # maxUnavailable 0: another one is ready first
            ingress.tell(serving)
            serving.remove(api)
            ingress.tell(serving)
            time.sleep(PRE_STOP_SECONDS)
            assert api.terminate() == 0, api.said()
        time.sleep(1)
        for caller in callers:
            caller.stopping.set()
        for caller in callers:
            caller.join(60)
    answers = [one for caller in callers for one in caller.answers]
    counted = Counter(status for _, status, _ in answers)
    print(f"\n{len(answers)} calls while both processes were replaced: {dict(counted)}")
    assert set(counted) == {200}, next(said for _, status, said in answers if status != 200)
    stack.drain()
    stored = {row[0] for row in stack.query("SELECT transaction_id FROM verdicts_by_day")}
    assert {one["transaction_id"] for one, _, _ in answers} <= stored


def test_the_manifest_waits_longer_than_an_ingress_takes_to_learn():
    directory = Path(__file__).parents[2] / "deploy/k8s/components/api"
    spec = yaml.safe_load((directory / "deployment.yaml").read_text())["spec"]
    pod = spec["template"]["spec"]
    waits = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert waits >= 2 * PRE_STOP_SECONDS > 2 * TOLD_AFTER_SECONDS
    assert pod["terminationGracePeriodSeconds"] > waits + 20
