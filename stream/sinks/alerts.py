"""Alerts: the sink that publishes the verdicts for which an alert is stored, on a Kafka topic."""

from __future__ import annotations

import time
from itertools import compress
from typing import TYPE_CHECKING

from stream import metrics
from stream.kafka.publisher import CONFIRM_SECONDS

if TYPE_CHECKING:
    from stream.kafka.publisher import Confirming
    from stream.running.retry import Retry
    from stream.verdict_store import StoredVerdicts


class Alerts:
    """Publishes alerts under their payer's VPA, in the bytes in which they are stored; a `Sink`."""

    def __init__(self, publisher: Confirming, topic: str, retry: Retry) -> None:
        self._publisher = publisher
        self._topic = topic
        self._retry = retry
        self._alerts: list[tuple[bytes, bytes | None]] = []
        """Key and value."""
        self._verdicts = bytearray()

    def deliver(self, stored: StoredVerdicts) -> None:
        """Take in the alerts of a micro-batch."""
        there = [alert is not None for alert in stored.alerts]
        if any(there):
            self._alerts += compress(zip(stored.payer_vpa, stored.alerts, strict=True), there)
            self._verdicts += bytes(compress(stored.verdict.tolist(), there))

    def confirm(self) -> None:
        """Publish what was taken in; return when every delivery is confirmed.

        An alert is never too large: where the broker refuses one, its limit is wrong, and the error goes through.
        """
        if not self._alerts:
            return
        began = time.perf_counter()
        self._retry.until_done(self._publish)
        metrics.KAFKA_DELIVERY.observe(self._topic, time.perf_counter() - began)
        metrics.count_verdicts(metrics.ALERTS_PUBLISHED, bytes(self._verdicts))
        self._alerts, self._verdicts = [], bytearray()

    def _publish(self) -> None:
        # A repeat sends all again: what had arrived is repeated with the same bytes, which readers know by its id.
        produce, topic = self._publisher.produce, self._topic
        for payer_vpa, alert in self._alerts:
            produce(topic, payer_vpa, alert)
        self._publisher.confirm(CONFIRM_SECONDS)
