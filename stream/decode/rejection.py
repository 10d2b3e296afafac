"""Why a record is no payment and no outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream.wire import RejectionReason


@dataclass(frozen=True, slots=True)
class Rejection:
    """One record of a micro-batch that is to become a dead letter."""

    index: int
    """Its place in the list of values that was decoded."""
    reason: RejectionReason
    detail: str
    """The field and what was expected of it. Never what came: a VPA or device id is personal data."""


class Rejected(Exception):  # noqa: N818  # a verdict on a record, not an error of ours
    """The record is none of ours; caught where one record is read, so it never leaves this package."""

    def __init__(self, reason: RejectionReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def at(self, index: int) -> Rejection:
        """Say which record of the micro-batch it was."""
        return Rejection(index, self.reason, self.detail)
