"""A dead letter: the original bytes, key and headers, with the reason and the origin in headers behind them.

The original may have headers of the same names, from its producer or from an earlier life as a dead letter. They stay,
and ours come behind all of them, in a fixed order: so a reader who asks for the last of a name gets ours, and a replay
can take ours off again.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import methodcaller
from typing import TYPE_CHECKING, Final, cast

import msgspec

from stream.errors import PoisonError
from stream.wire import DeadLetterHeaders, dead_letter_topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message

    from stream.decode import Rejection

Header = tuple[str, bytes | None]

_OURS: Final = DeadLetterHeaders.__struct_encode_fields__
"""Our headers in the order in which they are written; the last one, value-omitted, is rare."""

_HEADERS_LOST: Final = "; the original's headers are only at its origin: a name among them is not UTF-8"

_read_headers_checked = methodcaller("headers")
"""`record.headers()` by the way that looks for an error beside a result. The client returns both where a name is not
UTF-8, and CPython 3.11's specialised call, which a busy call site becomes, leaves such an error for the next call."""

_ROOMY = 64 * 1024
"""Bytes of key and headers that fit wherever records of half a kilobyte are sent."""


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
