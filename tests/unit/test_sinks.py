"""Alerts and dead letters leave with the bytes they have, whole again after a failure, and are counted once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from confluent_kafka import Message

from model.verdict import Verdict
from stream import metrics
from stream.decode import Rejection
from stream.errors import FatalError, RetryableError
from stream.kafka.publisher import TooLargeError
from stream.running.health import Health
from stream.running.retry import Retry, Server
from stream.sinks.alerts import Alerts
from stream.sinks.dead_letters import DeadLetters
from stream.verdict_store import StoredVerdicts
from stream.wire import RejectionReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.kafka.publisher import Header
    from stream.sinks.sink import Sink

Record = tuple[str, bytes | None, bytes | None]


class Broker:
    """Confirms what it was given, unless it fails; takes no value above `largest`."""

    def __init__(self, failures: Sequence[Exception] = (), *, largest: int = 1_000) -> None:
        self.tries: list[list[Record]] = []
        self._failures = list(failures)
        self._largest = largest
        self._given: list[Record] = []

    def produce(self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[Header] = ()) -> None:
        self._given.append((topic, key, value))

    def confirm(self, seconds: float) -> None:
        given, self._given = self._given, []
        self.tries.append(given)
        if any(len(value or b"") > self._largest for _, _, value in given):
            raise TooLargeError("too large")
        if self._failures:
            raise self._failures.pop(0)


@pytest.fixture
def retry() -> Retry:
    health = Health(lambda: 0.0, stall_seconds=60, rebalance_seconds=60)
    return Retry(Server.KAFKA, health, threading.Event(), first=0.001, most=0.001)


def stored(alerts: list[bytes | None], verdicts: list[Verdict]) -> StoredVerdicts:
    n = len(alerts)
    ids = [b"t%d" % row for row in range(n)]
    payers = [b"p%d@x" % row for row in range(n)]
    zeros = np.zeros(n, dtype=np.int64)
    return StoredVerdicts(
        ids, zeros, payers, payers, zeros, np.array(verdicts), np.zeros(n), alerts, np.ones(n, dtype=np.bool_)
    )


def published(verdict: Verdict) -> float:
    return metrics.REGISTRY.get_sample_value("alerts_published_total", {"verdict": verdict.name}) or 0.0


def dead(reason: RejectionReason) -> float:
    return metrics.REGISTRY.get_sample_value("dead_letters_total", {"reason": str(reason)}) or 0.0


def test_alerts_are_published_where_there_is_one_under_their_payer(retry: Retry) -> None:
    broker = Broker()
    alerts: Sink = Alerts(broker, "alerts", retry)
    alerts.deliver(stored([None, b"one", None, b"two"], [Verdict.ALLOW, Verdict.HOLD, Verdict.ALLOW, Verdict.BLOCK]))
    assert broker.tries == []
    alerts.confirm()
    assert broker.tries == [[("alerts", b"p1@x", b"one"), ("alerts", b"p3@x", b"two")]]
    alerts.confirm()
    alerts.deliver(stored([None], [Verdict.ALLOW]))
    alerts.confirm()
    assert len(broker.tries) == 1, "nothing to publish"


def test_alerts_are_published_again_as_a_whole_until_all_are_confirmed_and_counted_once(retry: Retry) -> None:
    broker = Broker([RetryableError("gone"), RetryableError("still gone")])
    alerts = Alerts(broker, "alerts", retry)
    before = published(Verdict.HOLD)
    alerts.deliver(stored([b"one", b"two"], [Verdict.HOLD, Verdict.HOLD]))
    alerts.confirm()
    assert broker.tries == [[("alerts", b"p0@x", b"one"), ("alerts", b"p1@x", b"two")]] * 3
    assert published(Verdict.HOLD) == before + 2


def test_what_is_refused_is_neither_counted_nor_passed_over(retry: Retry) -> None:
    alerts = Alerts(Broker([FatalError("no such topic")]), "alerts", retry)
    before = published(Verdict.HOLD)
    alerts.deliver(stored([b"one"], [Verdict.HOLD]))
    with pytest.raises(FatalError, match="no such topic"):
        alerts.confirm()
    assert published(Verdict.HOLD) == before


def test_an_alert_that_is_too_large_ends_the_worker(retry: Retry) -> None:
    alerts = Alerts(Broker(largest=2), "alerts", retry)
    alerts.deliver(stored([b"one"], [Verdict.HOLD]))
    with pytest.raises(TooLargeError):
        alerts.confirm()


def test_of_dead_letters_only_the_one_that_is_too_large_goes_without_its_value(retry: Retry) -> None:
    records = [
        Message(topic="transactions", partition=0, offset=offset, key=b"k", value=b"x" * size, timestamp=(1, 1))
        for offset, size in enumerate((3, 9, 4))
    ]
    broker, reason = Broker(largest=5), RejectionReason.NOT_JSON
    letters = DeadLetters(broker, retry)
    before = dead(reason)
    letters.deliver(records, [Rejection(offset, reason, "value: expected JSON") for offset in range(3)])
    letters.confirm()
    topic = "transactions.dead-letter"
    assert broker.tries[1:] == [
        [(topic, b"k", b"xxx")],
        [(topic, b"k", b"x" * 9)],
        [(topic, b"k", b"")],
        [(topic, b"k", b"xxxx")],
    ]
    assert dead(reason) == before + 3
    letters.confirm()
    assert len(broker.tries) == 5, "nothing is left"
