"""Dead letters: the original bytes, key and headers, with the reason and the origin in headers behind them.

The original may have headers of the same names, from its producer or from an earlier life as a dead letter. They stay,
and ours come behind all of them, in a fixed order: so a reader who asks for the last of a name gets ours, and a replay
can take ours off again.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from operator import methodcaller
from typing import TYPE_CHECKING, Final, cast

import msgspec

from stream import metrics
from stream.errors import PoisonError
from stream.kafka.publisher import CONFIRM_SECONDS, TooLargeError
from stream.wire import DeadLetterHeaders, dead_letter_topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message

    from stream.decode import Rejection
    from stream.kafka.publisher import Confirming
    from stream.running.retry import Retry

Header = tuple[str, bytes | None]

_OURS: Final = DeadLetterHeaders.__struct_encode_fields__
"""Our headers in the order in which they are written; the last one, value-omitted, is rare."""

_HEADERS_LOST: Final = "; the original's headers are only at its origin: a name among them is not UTF-8"

_read_headers_checked = methodcaller("headers")
"""`record.headers()` by the way that looks for an error beside a result. The client returns both where a name is not
UTF-8, and CPython 3.11's specialised call, which a busy call site becomes, leaves such an error for the next call."""

_ROOMY = 64 * 1024
"""Bytes of key and headers that fit wherever records of half a kilobyte are sent."""


log = logging.getLogger(__name__)


class NotADeadLetterError(PoisonError):
    """The record on a dead-letter topic was not written by this program."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record for a dead-letter topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[Header]

    def without_value(self) -> DeadLetter:
        """Return what fits of a dead letter that the broker refuses as too large: reason and origin, an empty value.

        The header `value-omitted` has the length of the original, which stays at its origin. Its key and headers go,
        too, if it is they that are too large.
        """
        original, ours = read_headers(self.headers)
        small = msgspec.structs.replace(ours, value_omitted=str(len(self.value or b"")))
        size = len(self.key or b"") + sum(len(name.encode()) + len(value or b"") for name, value in original)
        if size > _ROOMY:
            return DeadLetter(self.topic, None, b"", write_headers(small))
        return DeadLetter(self.topic, self.key, b"", [*original, *write_headers(small)])


class DeadLetters:
    """Publishes records that are no payment or outcome, with the verbs of a sink; used by one lane."""

    def __init__(self, publisher: Confirming, retry: Retry) -> None:
        self._publisher = publisher
        self._retry = retry
        self._letters: list[DeadLetter] = []
        self._rejections: list[Rejection] = []

    def deliver(self, records: Sequence[Message], rejections: Sequence[Rejection]) -> None:
        """Take in those records that were rejected, each as it came, with the reason and where it came from."""
        self._letters += [of(records[rejection.index], rejection) for rejection in rejections]
        self._rejections += rejections

    def confirm(self) -> None:
        """Publish what was taken in; return when every delivery is confirmed, however long the broker is gone."""
        if not self._letters:
            return
        began = time.perf_counter()
        try:
            self._publish(self._letters)
        except TooLargeError:
            self._publish_one_by_one()
        metrics.KAFKA_DELIVERY.observe(self._letters[0].topic, time.perf_counter() - began)
        for rejection in self._rejections:
            metrics.DEAD_LETTERS.labels(str(rejection.reason)).inc()
        self._letters, self._rejections = [], []

    def _publish(self, letters: Sequence[DeadLetter]) -> None:
        def publish() -> None:  # a repeat sends all again: what had arrived is repeated with the same bytes
            for letter in letters:
                self._publisher.produce(letter.topic, letter.key, letter.value, letter.headers)
            self._publisher.confirm(CONFIRM_SECONDS)

        self._retry.until_done(publish)

    def _publish_one_by_one(self) -> None:
        """Find the dead letter that the broker refuses for its size; only that one goes without its value."""
        for letter in self._letters:
            try:
                self._publish([letter])
            except TooLargeError:
                log.warning("A dead letter of %d bytes exceeds the topic's limit; sent without its value.",
                            len(letter.value or b""))  # fmt: skip
                self._publish([letter.without_value()])


def of(record: Message, rejection: Rejection) -> DeadLetter:
    """Return the dead letter of a record."""
    topic = record.topic() or ""
    original = headers_of(record)
    ours = DeadLetterHeaders(
        reason=rejection.reason,
        detail=rejection.detail if original is not None else rejection.detail + _HEADERS_LOST,
        source_topic=topic,
        source_partition=str(record.partition()),
        source_offset=str(record.offset()),
    )
    return DeadLetter(
        topic=dead_letter_topic(topic),
        key=record.key(),
        value=record.value(),
        headers=[*(original or []), *write_headers(ours)],
    )


def headers_of(record: Message) -> list[Header] | None:
    """Return the record's headers; None if a name is not UTF-8, for then the client can read none of them."""
    try:
        return list(cast("list[Header]", _read_headers_checked(record) or []))
    except (SystemError, UnicodeDecodeError):  # confluent-kafka 2.16 raises the first, and says in it the second
        return None


def write_headers(ours: DeadLetterHeaders) -> list[Header]:
    """Return the headers as Kafka takes them: UTF-8 text."""
    return [(name, text.encode()) for name, text in msgspec.to_builtins(ours).items()]


def read_headers(headers: Sequence[Header]) -> tuple[list[Header], DeadLetterHeaders]:
    """Return the headers that the original came with, and ours.

    Raises NotADeadLetterError where ours do not stand at the end as `write_headers` writes them.
    """
    names = [name for name, _ in headers]
    for count in (len(_OURS), len(_OURS) - 1):
        if tuple(names[-count:]) == _OURS[:count]:
            texts = {name: (value or b"").decode("utf-8", "replace") for name, value in headers[-count:]}
            try:
                return list(headers[:-count]), msgspec.convert(texts, DeadLetterHeaders)
            except msgspec.ValidationError as error:
                raise NotADeadLetterError(f"Expected the headers of a dead letter, got others: {error}.") from error
    raise NotADeadLetterError(f"Expected the last headers to be {', '.join(_OURS[:-1])}, got {names[-6:]}.")
