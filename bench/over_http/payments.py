"""What both handlers are given: people whose histories both know, and new payments of the same people."""

from __future__ import annotations

import time
import uuid
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import msgspec

from bench.latency import ends
from bench.peers import sorted_sets
from bench.peers.payment import Outcome, outcome_of, payment_of
from stream.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SILENCE_SECONDS = 30.0
TOGETHER = 500
"""Payments whose commands go to Redis at once."""
POOL = 5_000
"""Payments that are posted in turn, each time under a new id and at the time of its post."""


def published(bootstrap: str, topic: str, partitions: int) -> list[dict[str, Any]]:
    """Read everything back that is in a topic, oldest event first."""
    from confluent_kafka import Consumer, TopicPartition

    behind = ends(bootstrap, topic, partitions)
    left = sum(behind.values())
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": f"bench-{uuid.uuid4().hex}", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in behind])
    found, heard = [], time.monotonic()
    while left > 0:
        for record in consumer.consume(10_000, 0.5):
            if record.error() is None and record.offset() < behind[record.partition()]:
                left -= 1
                heard = time.monotonic()
                if record.value() is not None:
                    found.append(msgspec.json.decode(record.value()))
        if time.monotonic() > heard + SILENCE_SECONDS:
            raise RuntimeError(f"Expected {left} more records from {topic}, and nothing comes.")
    consumer.close()
    return sorted(found, key=lambda value: value.get("event_time") or value.get("reported_at"))


def read_back(bootstrap: str, partitions: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the payments and the outcomes of the history."""
    topics = Settings()
    return (
        published(bootstrap, topics.topic_transactions, partitions),
        published(bootstrap, topics.topic_outcomes, partitions),
    )


def remember(redis_url: str, payments: Sequence[dict[str, Any]], outcomes: Sequence[dict[str, Any]]) -> None:
    """Put a history into the plain handler's sorted sets, as if it had been asked about each payment."""
    import redis

    parties: dict[str, tuple[str, str | None]] = {}
    with redis.Redis.from_url(redis_url) as client:
        for first in range(0, len(payments), TOGETHER):
            pipeline = client.pipeline(transaction=False)
            for value in payments[first : first + TOGETHER]:
                payment = payment_of(value)
                parties[payment.transaction_id] = payment.payee, payment.device
                sorted_sets.ask(_Writes(pipeline), payment)
            pipeline.execute()
        pipeline = client.pipeline(transaction=False)
        for outcome in map(outcome_of, outcomes):
            _report(pipeline, outcome, parties)
        pipeline.execute()


def _report(pipeline: Any, outcome: Outcome, parties: dict[str, tuple[str, str | None]]) -> None:
    payee, device = parties.get(outcome.transaction_id, (None, None))
    sorted_sets.report(pipeline, outcome, payee, device)


class _Writes:
    """A pipeline without the commands that only read."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    def __getattr__(self, name: str) -> Any:
        if name in ("get", "zrangebyscore", "lrange", "zremrangebyscore"):
            return lambda *_args, **_more: None
        return getattr(self._pipeline, name)


def bodies(pool: Sequence[dict[str, Any]], size: int) -> Iterator[bytes]:
    """Yield bodies for ever: one payment each, or arrays of `size`; every payment has an id of its own and is now."""
    encode, mark = msgspec.json.encode, f"bench-{uuid.uuid4().hex[:12]}"
    new = (
        payment | {"transaction_id": f"{mark}-{number}", "event_time": int(time.time() * 1000)}
        for number, payment in enumerate(cycle(pool))
    )
    if size == 1:
        return map(encode, new)
    return (encode(list(islice(new, size))) for _ in cycle((None,)))
