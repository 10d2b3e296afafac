"""Ending a hold: the row in the store decides, whoever asks how often, and nobody's second thought changes it.

Nothing here reads the clock or the environment, and nothing touches outcomes: that a hold was released says nothing of
what the payment was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from model.verdict import Verdict
from stream import metrics
from stream.holds.errors import HoldEndedError, NoSuchHoldError, OtherActionError
from stream.holds.records import Action, Cause, Decided, Ending
from stream.wire import Resolution, decode_resolution, encode_resolution, utc_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from stream.holds.records import Counts, Found, Hold, Waiting


class HoldStore(Protocol):
    """What is asked of a store of holds: `PostgresHolds`, or `MemoryHolds` beside a verdict store in memory.

    Every call may be repeated with the same arguments after a RetryableError. Any number of threads may call; one at
    a time gets on.
    """

    def find(self, transaction_id: str) -> Found | None:
        """Return the newest payment of an id by event_time, whatever its verdict; None if there is none."""

    def put(self, endings: Sequence[Ending]) -> list[bool]:
        """Store resolutions, durable, and say of each whether it is new; one that was there stands."""

    def standing(self, hold: Hold) -> bytes:
        """Return the record of a hold that has ended."""

    def due(self, until: int, limit: int) -> list[Hold]:
        """Return open holds whose end is at or before an epoch millisecond, soonest first."""

    def waiting(self, limit: int) -> list[Waiting]:
        """Return resolutions that the broker has not confirmed, by `at` and id."""

    def confirmed(self, sent: Sequence[Waiting], at: int) -> None:
        """Note that the broker has these, at an epoch millisecond."""

    def counts(self, now: int) -> Counts:
        """Count open holds, those that are past their end at an epoch millisecond, and resolutions that wait."""

    def alone(self) -> AbstractContextManager[bool]:
        """Say whether nobody else expires and publishes now; nobody else will until the end of the `with`.

        Who loses the server in between may not be alone any more: all that is done there may be done twice.
        """


def decide(
    store: HoldStore, transaction_id: str, action: Action, *, by: str, reason: str, at: int, expiry: Action
) -> Decided:
    """End a hold for a person at an epoch millisecond; the same person's same action again finds what stood.

    `by` has 1 to MAX_NAME characters, `reason` 1 to MAX_RESOLUTION_REASON (`stream.wire`); the caller checks both.
    `expiry` is what the end of a hold means: UPIFRAUD_HOLD_EXPIRY. Where `hold_until` has passed and nobody has noticed
    yet, the expiry is stored then and there. Raises NoSuchHoldError, HoldEndedError or OtherActionError, the last two
    with the record that stands, and RetryableError where the store does not answer: the same call may then be repeated.
    """
    found = store.find(transaction_id)
    hold = _held(found)
    is_new, record = False, None if found is None else found.record
    if record is None:
        ending = expired(hold, expiry) if hold.is_over(at) else _by_person(hold, action, by, reason, at)
        (is_new,) = store.put([ending])
        record = ending.record if is_new else store.standing(hold)
    stands = decode_resolution(record)
    if is_new:
        metrics.HOLDS_ENDED.labels(stands.action, stands.cause).inc()
    if stands.cause == Cause.PERSON and stands.action == action and stands.by == by:
        return Decided(record, is_new)
    if stands.cause == Cause.EXPIRY:
        raise HoldEndedError(
            f"Expected {action} before the end of the hold, {stands.at}; it ended then with {stands.action}. That "
            "stands, and the switch is told so.",
            record=record,
        )
    raise OtherActionError(
        f"Expected an open hold for {action} by {by}, but {stands.by} ended it with {stands.action} at {stands.at}. "
        "That stands.",
        record=record,
    )


def expired(hold: Hold, action: Action) -> Ending:
    """Return how a hold ends of itself: the same, byte for byte, whoever notices it and when.

    The hold must have an end.
    """
    if hold.hold_until is None:
        raise ValueError("Expected a hold with an end, got one that has none.")
    return _ending(hold, action, Cause.EXPIRY, at=hold.hold_until)


def _by_person(hold: Hold, action: Action, by: str, reason: str, at: int) -> Ending:
    return _ending(hold, action, Cause.PERSON, at=at, by=by, reason=reason)


def _ending(
    hold: Hold, action: Action, cause: Cause, *, at: int, by: str | None = None, reason: str | None = None
) -> Ending:
    record = encode_resolution(
        Resolution(
            transaction_id=hold.transaction_id,
            event_time=utc_time(hold.event_time),
            action=action.value,
            cause=cause.value,
            by=by,
            at=utc_time(at),
            reason=reason,
        )
    )
    return Ending(hold, action, cause, by, at, reason, record)


def _held(found: Found | None) -> Hold:
    if found is None:
        raise NoSuchHoldError(
            "There is no verdict for this transaction_id: expected that of a payment with the verdict HOLD, spelled as "
            "it came.",
            verdict=None,
        )
    if found.verdict != Verdict.HOLD:
        verdict = Verdict(found.verdict).name
        raise NoSuchHoldError(
            f"Expected a payment with the verdict HOLD; this one has {verdict}, so there is nothing to end.",
            verdict=verdict,
        )
    return found.hold
