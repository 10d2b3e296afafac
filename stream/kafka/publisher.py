"""The producer: what it takes is either confirmed by the broker or reported as not."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

from stream.errors import KafkaRefusedError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message

SERVER = "kafka"
MAX_MESSAGE_BYTES = 16 << 20
"""What the producer itself refuses; the broker's own limit is lower and decides."""

DELIVERY_SECONDS = 20.0
"""After so long librdkafka gives a record up. Wait longer than that in `confirm`, and it always knows the reason."""

LINGER_SECONDS = 0.02
"""How long librdkafka gathers records for a request. `confirm` sends them at once: a micro-batch's in few requests."""

CONFIRM_SECONDS = 30.0
"""How long a try waits for the deliveries of one micro-batch."""

Header = tuple[str, bytes | None]

_REFUSALS = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_REQUIRED_ACKS,
        KafkaError.TOPIC_EXCEPTION,  # no name for a topic
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
        KafkaError._INVALID_ARG,  # noqa: SLF001 - how librdkafka's own codes are named
    }
)

log = logging.getLogger(__name__)


class TooLargeError(KafkaRefusedError):
    """The broker takes no record of this size."""


class Confirming(Protocol):
    """What sinks and dead letters publish with: `Publisher`, or what stands for it where there is no Kafka."""

    def produce(self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[Header] = ()) -> None:
        """Hand one record over."""

    def confirm(self, seconds: float) -> None:
        """Return when all that was handed over since the last call is confirmed."""


class Publisher:
    """Sends records of one micro-batch after the other; used by one thread at a time.

    Idempotent and acknowledged by all in-sync replicas, so what librdkafka itself sends again arrives once.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._producer = Producer(
            {
                **config,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": LINGER_SECONDS * 1000,
                "delivery.report.only.error": True,  # what is neither queued nor reported has arrived
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "delivery.timeout.ms": round(DELIVERY_SECONDS * 1000),
            },
            logger=log.getChild("librdkafka"),
        )
        self._batch = _Batch()

    def produce(self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[Header] = ()) -> None:
        """Hand one record over; `confirm` knows of its delivery. Raises TooLargeError at once if it never fits."""
        sent: list[Any] | None = list(headers) if headers else None
        while True:
            try:
                self._producer.produce(topic, value, key, headers=sent, on_delivery=self._batch.failed)
            except BufferError:
                self._producer.poll(0.1)  # the queue empties within DELIVERY_SECONDS, one way or the other
            except KafkaException as error:
                raise sorted_out(error.args[0], topic) from error
            else:
                return

    def confirm(self, seconds: float) -> None:
        """Return when all that was handed over since the last call is confirmed.

        Raises RetryableError where something was not, within the time given or for good reason, TooLargeError where a
        record does not fit, KafkaRefusedError where trying again does not help. In every case nothing of it remains
        queued, and what had arrived had arrived: send all again.
        """
        batch, self._batch = self._batch, _Batch()
        deadline = time.monotonic() + seconds
        pending = self._producer.flush(seconds)
        while pending and (left := deadline - time.monotonic()) > 0:
            pending = self._producer.flush(left)
        if pending:
            # Nobody waits for these any more. Late reports go to a batch that nobody asks, not to the next one.
            self._producer.purge()
            self._producer.poll(0)
        if batch.failures:
            raise min(batch.failures, key=_severity)
        if pending:
            raise RetryableError(f"Kafka confirmed nothing of {pending} records in {seconds:g} s.", server=SERVER)

    def close(self, seconds: float = 5.0) -> None:
        """Let go of the connection; what was not confirmed may or may not arrive."""
        self._producer.flush(seconds)
        self._producer.purge()
        self._producer.flush(1.0)


class _Batch:
    """The records between two calls of `confirm`."""

    def __init__(self) -> None:
        self.failures: list[KafkaRefusedError | RetryableError] = []

    def failed(self, error: KafkaError | None, record: Message) -> None:
        if error is not None:
            self.failures.append(sorted_out(error, record.topic() or ""))


def _severity(failure: Exception) -> int:
    """Order failures: a refusal ends the worker, so it comes first; what is too large is treated before a repeat."""
    if isinstance(failure, TooLargeError):
        return 1
    return 0 if isinstance(failure, KafkaRefusedError) else 2


def sorted_out(error: KafkaError, topic: str) -> KafkaRefusedError | RetryableError:
    """Return the error of ours that says what to do about a failed delivery."""
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return TooLargeError(f"Kafka takes no record of this size on {topic}. Raise the topic's max.message.bytes.")
    if error.fatal() or error.code() in _REFUSALS:
        return KafkaRefusedError(
            f"Kafka refused a record for {topic}: {error.str()}. Grant what is missing, or correct it."
        )
    return RetryableError(f"Kafka did not take a record for {topic}: {error.str()}.", server=SERVER)
