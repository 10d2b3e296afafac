"""Records that somebody made to be slow become dead letters, and the worker answers its probes meanwhile."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Self

import msgspec
import pytest
from confluent_kafka import Producer

from bench.hostile_values import HOSTILE
from stream.schemas.examples import OUTCOME, PAYMENT
from stream.wire import MAX_VALUE_BYTES, utc_time
from tests.fixtures.deployment import until

if TYPE_CHECKING:
    from tests.fixtures.deployment import Deployment, WorkerProcess

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

RECORDS = 14
"""Once each of them took 14 s with the interpreter's lock held: together more than probe and grace period bear."""
PROBE_SECONDS, EVERY_SECONDS = 2.0, 0.5
SLOWEST = HOSTILE["open string of escaped quotes behind brackets"].of(MAX_VALUE_BYTES)


class Kubelet:
    """Asks /healthz again and again, and keeps what came: a status, or what went wrong."""

    def __init__(self, worker: WorkerProcess) -> None:
        self._url = f"http://127.0.0.1:{worker.port}/healthz"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers: list[int | str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            try:
                with urllib.request.urlopen(self._url, timeout=PROBE_SECONDS) as answer:
                    self.answers.append(answer.status)
            except urllib.error.HTTPError as error:
                with error:
                    self.answers.append(error.code)
            except OSError as error:
                self.answers.append(str(error))


def test_hostile_records_are_dead_letters_and_every_probe_is_answered(deployment: Deployment) -> None:
    worker = deployment.start_worker()
    producer = Producer({"bootstrap.servers": deployment.environment["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"]})
    now_ms = int(time.time() * 1000)
    honest = msgspec.structs.replace(PAYMENT, transaction_id="honest", event_time=now_ms)
    found_out = msgspec.structs.replace(OUTCOME, transaction_id="honest", reported_at=utc_time(now_ms))
    with Kubelet(worker) as kubelet:
        for _ in range(RECORDS):
            for topic in ("transactions", "outcomes"):
                producer.produce(topic, key=b"hostile", value=SLOWEST)
        producer.produce("transactions", key=b"hostile", value=msgspec.json.encode(honest))
        producer.produce("outcomes", key=b"hostile", value=msgspec.json.encode(found_out))
        assert producer.flush(60) == 0
        deployment.drain()
        until(lambda: len(kubelet.answers) >= 4, "a few probes")
    assert set(kubelet.answers) == {200}, kubelet.answers
    for topic in ("transactions", "outcomes"):
        letters = deployment.records(f"{topic}.dead-letter")
        assert [letter.value for letter in letters] == [SLOWEST] * RECORDS
        assert {letter.headers["reason"] for letter in letters} == {b"not-json"}
    assert deployment.query("SELECT transaction_id FROM verdicts_by_day") == [("honest",)]
    assert deployment.query("SELECT transaction_id, waiting FROM outcomes") == [("honest", False)]
    assert worker.terminate() == 0
