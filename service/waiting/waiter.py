"""Who waits for which payment: any number of calls for one, and one call for any number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncio

    from service.waiting.asked import Asked
    from stream.kafka.receipts import Receipt


class Answer(NamedTuple):
    """What is said of one payment."""

    status: int
    body: bytes


class Call:
    """One request; `done` is set when each of its payments has its answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        self.missing = 0

    def one_is_answered(self) -> None:
        """Note that one of its payments has its answer."""
        self.missing -= 1
        if not self.missing and not self.done.done():
            self.done.set_result(None)

    def give_up(self) -> None:
        """Wait no longer for what is missing."""
        if not self.done.done():
            self.done.set_result(None)


@dataclass(slots=True, eq=False)
class Waiter:
    """One payment that somebody waits for. Calls and the answer belong to the event loop, the rest is set once."""

    payment: Asked
    calls: list[Call] = field(default_factory=list)
    answer: Answer | None = None
    is_looked_for: bool = False
    """Whether its id was looked for among the claims."""
    is_published: bool = False
    published_at: float | None = None
    """When it was handed to the broker, by `time.perf_counter`; None where it was not, for this waiter."""
    is_claimed: bool = False
    """A record of this payment has its id: it will get a row, whatever becomes of this process."""
    receipt: Receipt | None = None
    failure: str | None = None
    """Why the broker has not taken it."""

    @property
    def is_accepted(self) -> bool:
        """Tell whether a record of it is in the log for certain."""
        return self.is_claimed or self.receipt is not None
