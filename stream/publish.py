"""The producer: what it takes is either confirmed by the broker or reported as not."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer

from stream.errors import KafkaRefusedError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message

SERVER = "kafka"
MAX_MESSAGE_BYTES = 16 << 20
"""What the producer itself refuses; the broker's own limit is lower and decides."""

Header = tuple[str, bytes | None]

log = logging.getLogger(__name__)


class TooLargeError(KafkaRefusedError):
    """The broker takes no record of this size."""


class Publisher:
    """Sends records of one micro-batch after the other; used by one thread.

    Idempotent and acknowledged by all in-sync replicas, so what librdkafka itself sends again arrives once.
    """

    def __init__(self, config: Mapping[str, Any], *, linger_seconds: float = 0.0) -> None:
        self._producer = Producer(
            {
                **config,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": linger_seconds * 1000,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                # Shorter than the patience of `confirm`, so that what is given up was given up by the client too.
                "delivery.timeout.ms": 20_000,
            },
            logger=log.getChild("librdkafka"),
        )
        self._failures: list[KafkaError] = []
        self._pending = 0

    def produce(self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[Header] = ()) -> None:
        """Hand one record over; `confirm` knows of its delivery. Raises TooLargeError at once if it never fits."""
        while True:
            try:
                self._producer.produce(topic, value, key, headers=list(headers), on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise _sorted_out(error.args[0]) from error
            else:
                self._pending += 1
                self._producer.poll(0)
                return

    def confirm(self, seconds: float) -> None:
        """Return when all that was handed over since the last call is confirmed.

        Raises RetryableError where something was not, within the time given or for good reason: send all again.
        """
        deadline = time.monotonic() + seconds
        while self._pending and not self._failures and (left := deadline - time.monotonic()) > 0:
            self._producer.flush(left)
        failures, self._failures = self._failures, []
        if failures:
            self._forget()
            raise _sorted_out(failures[0])
        if self._pending:
            self._forget()
            raise RetryableError(f"Kafka confirmed nothing within {seconds:g} s.", server=SERVER)

    def _delivered(self, error: KafkaError | None, _record: Message) -> None:
        self._pending -= 1
        if error is not None:
            self._failures.append(error)

    def _forget(self) -> None:
        """Drop what is still queued: the caller sends it again, and a late confirmation must not count then."""
        self._producer.purge()
        self._producer.flush(1.0)
        self._failures.clear()
        self._pending = 0


def _sorted_out(error: KafkaError) -> Exception:
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return TooLargeError(f"Kafka takes no record of this size: {error.str()}. Raise the topic's max.message.bytes.")
    refusals = (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.INVALID_REQUIRED_ACKS,
        KafkaError.UNSUPPORTED_VERSION,
    )
    if error.fatal() or error.code() in refusals:
        return KafkaRefusedError(f"Kafka refused a record: {error.str()}.")
    return RetryableError(f"Kafka did not take a record: {error.str()}.", server=SERVER)
