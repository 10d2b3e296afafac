"""Why a HOLD was not ended by whoever asked for it."""

from __future__ import annotations

from stream.errors import StreamError


class HoldError(StreamError):
    """The hold was not ended by this call; trying again does not help."""


class NoSuchHoldError(HoldError):
    """No payment of this id has the verdict HOLD."""

    def __init__(self, message: str, *, verdict: str | None) -> None:
        super().__init__(message)
        self.verdict = verdict
        """The verdict that the payment has; None where no payment of this id has one."""


class StandingError(HoldError):
    """Something else stands; `record` has it, in the exact bytes that the topic gets."""

    def __init__(self, message: str, *, record: bytes) -> None:
        super().__init__(message)
        self.record = record


class HoldEndedError(StandingError):
    """The hold had come to its end before the call: its expiry stands."""


class OtherActionError(StandingError):
    """Somebody had ended the hold already: with another action, or it was somebody else."""
