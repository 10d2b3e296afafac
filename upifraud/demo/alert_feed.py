"""The alerts topic as the demo reads it: every alert once, the newest kept whole."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from stream.wire import decode_alert
from upifraud.demo.errors import RetryableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.wire import Alert

NEWEST: Final = 40
"""Alerts kept whole: as many as the tallest terminal shows."""
_BATCH: Final = 500
_WAIT_SECONDS: Final = 0.1
_ANSWER_SECONDS: Final = 10.0


class Alerts:
    """What came on the topic; one thread may take alerts while others ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: deque[Alert] = deque(maxlen=NEWEST)
        self._verdicts: dict[str, tuple[int, str]] = {}

    def take(self, alert: Alert) -> None:
        """Take one alert; one that was taken before changes nothing, it is delivered at least once."""
        event_ms = round(datetime.fromisoformat(alert.event_time).timestamp() * 1_000)
        with self._lock:
            if alert.transaction_id not in self._verdicts:
                self._verdicts[alert.transaction_id] = (event_ms, alert.verdict)
                self._newest.appendleft(alert)

    def newest(self) -> tuple[Alert, ...]:
        """Return the newest alerts, the last one first."""
        with self._lock:
            return tuple(self._newest)

    def since(self, event_ms: int) -> dict[str, str]:
        """Return the verdict of every alert for a payment made at this time (epoch ms) or later, by transaction_id."""
        with self._lock:
            return {name: verdict for name, (made_at, verdict) in self._verdicts.items() if made_at >= event_ms}

    def __len__(self) -> int:
        with self._lock:
            return len(self._verdicts)


class AlertFeed:
    """Reads the topic in a thread of its own from construction until close, without joining a consumer group."""

    def __init__(self, conf: Mapping[str, Any], topic: str, alerts: Alerts) -> None:
        self._alerts = alerts
        self._closing = threading.Event()
        self._consumer = Consumer({**conf, "group.id": "upifraud-demo", "enable.auto.commit": False, "log_level": 2})
        try:
            found = self._consumer.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic]
        except KafkaException as error:
            self._consumer.close()
            raise RetryableError(f"Expected Kafka to tell of the topic {topic}, got: {error}. Try again.") from error
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in found.partitions])
        self._thread = threading.Thread(target=self._read, name="alerts")
        self._thread.start()

    def close(self) -> None:
        """Take what has arrived already, then let go of the connection."""
        self._closing.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while True:
            records = self._consumer.consume(_BATCH, _WAIT_SECONDS)
            for record in records:
                value = record.value()
                if record.error() is None and value is not None:
                    self._alerts.take(decode_alert(value))
            if not records and self._closing.is_set():
                return
