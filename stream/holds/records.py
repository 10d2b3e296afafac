"""What is known of a HOLD, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What becomes of the payment."""

    RELEASE = "RELEASE"
    REJECT = "REJECT"


class Cause(StrEnum):
    """Why a hold ended."""

    PERSON = "PERSON"
    EXPIRY = "EXPIRY"


@dataclass(frozen=True, slots=True)
class Hold:
    """A payment with the verdict HOLD. Times are epoch milliseconds."""

    transaction_id: str
    event_time: int
    hold_until: int | None
    """None where it has no end: UPIFRAUD_HOLD_FOR was 0, or it is older than holds that end."""

    def is_over(self, at: int) -> bool:
        """Tell whether its end has come at an epoch millisecond."""
        return self.hold_until is not None and self.hold_until <= at


@dataclass(frozen=True, slots=True)
class Found:
    """The newest payment of an id."""

    hold: Hold
    verdict: int
    """2 is HOLD."""
    record: bytes | None
    """What stands, if the hold has ended."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A resolution on its way into the store; `record` is what the topic gets, byte for byte."""

    hold: Hold
    action: Action
    cause: Cause
    by: str | None
    at: int
    """Epoch milliseconds."""
    reason: str | None
    record: bytes


@dataclass(frozen=True, slots=True)
class Waiting:
    """A resolution that the broker has not confirmed yet."""

    transaction_id: str
    event_time: int
    record: bytes


@dataclass(frozen=True, slots=True)
class Counts:
    """How many holds are open, how many of them are past their end, and how many resolutions wait for the broker."""

    open: int
    overdue: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Decided:
    """What stands after a call that got its way."""

    record: bytes
    """A `stream.wire.Resolution` as JSON, in the exact bytes that the topic gets."""
    is_new: bool
    """Whether this call ended the hold; else the same person's same action had, earlier."""
