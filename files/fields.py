"""The fields of a topic's messages as replay needs them: their names, what kind of value each is, which must be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a field's value is in the message."""

    TEXT = "text"
    INTEGER = "an integer"
    TIME = "epoch milliseconds, or RFC 3339 with an offset"
    NUMBER = "a number"
    FLAG = "true or false"
    SCORES = "a list of {provider, type, value}"


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one topic's messages."""

    what: str
    kinds: dict[str, Kind]
    required: tuple[str, ...]
    key: str
    """The field that is the partition key."""
    moment: str
    """The field that says when it happened."""
