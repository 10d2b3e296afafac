"""What leaves for Kafka: alerts and dead letters, every delivery confirmed before anything is acknowledged."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from stream import dead_letters, metrics
from stream.dead_letters import DeadLetter
from stream.publish import TooLargeError

if TYPE_CHECKING:
    from confluent_kafka import Message

    from stream.decode import Rejection
    from stream.publish import Publisher
    from stream.retry import Patience

KAFKA = "kafka"
CONFIRM_SECONDS = 30.0

log = logging.getLogger(__name__)


class Outbox:
    """Collects what a micro-batch sends and sends it until all of it is confirmed; used by one lane."""

    def __init__(self, publisher: Publisher, *, alerts: str, patience: Patience) -> None:
        self._publisher = publisher
        self._alerts = alerts
        self._patience = patience
        self._pending: list[DeadLetter] = []

    def alert(self, payer_vpa: bytes, value: bytes) -> None:
        """Put an alert in; its key is the payer's VPA."""
        self._pending.append(DeadLetter(self._alerts, payer_vpa, value, []))

    def dead_letter(self, record: Message, rejection: Rejection) -> None:
        """Put a record that is no payment or outcome in, as it came, with the reason and where it came from."""
        self._pending.append(dead_letters.of(record, rejection))

    def confirm(self) -> None:
        """Send what was put in and return when every delivery is confirmed, however long the broker is gone."""
        if not self._pending:
            return
        began = time.perf_counter()
        try:
            self._patience.call(KAFKA, "publish", self._send, self._pending)
        except TooLargeError:
            self._one_by_one()
        metrics.KAFKA_DELIVERY.labels(self._alerts).observe(time.perf_counter() - began)
        self._pending = []

    def _send(self, letters: list[DeadLetter]) -> None:
        # A repeat sends all again: what had arrived is repeated with the same bytes, which readers know by its id.
        for letter in letters:
            self._publisher.produce(letter.topic, letter.key, letter.value, letter.headers)
        self._publisher.confirm(CONFIRM_SECONDS)

    def _one_by_one(self) -> None:
        """Find the dead letter that the broker refuses for its size; only that one goes without its value.

        An alert is never that large: where the broker refuses one, its limit is wrong, and the error goes through.
        """
        for letter in self._pending:
            try:
                self._patience.call(KAFKA, "publish", self._send, [letter])
            except TooLargeError:
                if letter.topic == self._alerts:
                    raise
                log.warning("A dead letter of %d bytes exceeds the topic's limit; sent without its value.",
                            len(letter.value or b""))  # fmt: skip
                self._patience.call(KAFKA, "publish", self._send, [letter.without_value()])
