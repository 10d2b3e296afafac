"""A dead letter: the original bytes, key and headers, with the reason and the origin beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream.wire import dead_letter_topic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import Message

    from stream.decode import Rejection

REASON = "reason"
DETAIL = "detail"
SOURCE_TOPIC = "source-topic"
SOURCE_PARTITION = "source-partition"
SOURCE_OFFSET = "source-offset"
VALUE_OMITTED = "value-omitted"

OURS = frozenset((REASON, DETAIL, SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET, VALUE_OMITTED))
"""The headers that a dead letter has beside the original's own; a replay takes them off again."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record for a dead-letter topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    def without_value(self) -> DeadLetter:
        """Return it with an empty value, for an original that the broker refuses as too large."""
        size = str(len(self.value or b"")).encode()
        return DeadLetter(self.topic, self.key, b"", [*self.headers, (VALUE_OMITTED, size)])


def of(record: Message, rejection: Rejection) -> DeadLetter:
    """Return the dead letter of a record. Headers of ours that it came with (a replayed dead letter's) are replaced."""
    topic = record.topic() or ""
    came: Iterable[tuple[str, str | bytes | None]] = record.headers() or ()  # type: ignore[assignment]
    original = [(name, _bytes(value)) for name, value in came if name not in OURS]
    origin = (
        (REASON, str(rejection.reason)),
        (DETAIL, rejection.detail),
        (SOURCE_TOPIC, topic),
        (SOURCE_PARTITION, str(record.partition())),
        (SOURCE_OFFSET, str(record.offset())),
    )
    headers = [*original, *((name, text.encode()) for name, text in origin)]
    return DeadLetter(dead_letter_topic(topic), record.key(), record.value(), headers)


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
