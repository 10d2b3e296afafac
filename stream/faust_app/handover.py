"""The way of fetches from the poll threads to the agents and back, as Faust messages."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from faust.types import TP, ConsumerMessage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from faust.types import Message

    from stream.kafka.fetch import Fetch
    from stream.kafka.ledger import Ledger, Ticket


class Handover:
    """Keeps what has arrived until Faust takes it, and what Faust has taken until it is acknowledged.

    Belongs to the event loop, like the ledger it writes to.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._arrived: deque[Ticket] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._messages: dict[int, tuple[Ticket, ConsumerMessage]] = {}
        self._unfinished: dict[int, set[int]] = {}

    def bring(self, fetches: Sequence[Fetch]) -> None:
        """Take in one micro-batch."""
        tickets = [self._ledger.hand_over(fetch) for fetch in fetches]
        unfinished = {ticket.number for ticket in tickets}
        for ticket in tickets:
            self._unfinished[ticket.number] = unfinished
        self._arrived.extend(tickets)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def wait(self) -> None:
        """Wait until something has arrived."""
        if not self._arrived:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival

    def messages(self, generation_id: int) -> Iterator[ConsumerMessage]:
        """Yield what has arrived, in its order."""
        while self._arrived:
            ticket = self._arrived.popleft()
            tp = TP(ticket.fetch.topic, ticket.fetch.slices[0].partition)
            message = ConsumerMessage(
                tp.topic,
                tp.partition,
                # Not an offset of Kafka's: Faust drops a message whose offset goes back, as a replay's does.
                ticket.number,
                timestamp=time.time(),
                timestamp_type=0,
                headers={},
                key=None,
                value=cast("Any", ticket.fetch),  # Faust expects bytes here, and only hands it on
                checksum=None,
                tp=tp,
                generation_id=generation_id,
            )
            self._messages[ticket.number] = (ticket, message)
            yield message

    def begun(self, ticket: Ticket) -> bool:
        """Return whether an agent has this fetch. A queued one Faust clears when it stops, and nobody works on it."""
        if ticket.number not in self._messages:
            return False
        _, message = self._messages[ticket.number]
        return bool(message.tracked)  # a stream sets this when it takes a message

    def finish(self, message: Message) -> tuple[Fetch, bool]:
        """Note that all effects of a fetch are done; return it, and whether its whole micro-batch is finished."""
        ticket, _ = self._messages.pop(message.offset)
        self._ledger.done(ticket)
        unfinished = self._unfinished.pop(ticket.number)
        unfinished.discard(ticket.number)
        return ticket.fetch, not unfinished
