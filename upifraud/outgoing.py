"""The messages of a file on their way to Kafka, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.fields import PAYMENT
from upifraud.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.source import Message, Source


class Outgoing:
    """Yields the messages of a source; knows of the last pass how many there were, and which rows could not be sent."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._begin()

    def _begin(self) -> None:
        self.count = 0
        self.refusals = Refusals(self.source.path, "payments" if self.source.fields is PAYMENT else "outcomes")
        self._first: int | None = None
        self._last: int | None = None
        self._all_timed = True

    def __iter__(self) -> Iterator[Message]:
        self._begin()  # a merged replay looks at all payments before it sends the first
        for message in self.source.messages(lambda refused: self.refusals.add(*refused)):
            self.count += 1
            moment = message.moment
            if moment is None:
                self._all_timed = False
            else:
                self._first = moment if self._first is None else min(self._first, moment)
                self._last = moment if self._last is None else max(self._last, moment)
            yield message

    @property
    def rows(self) -> int:
        """Rows of the file so far."""
        return self.count + self.refusals.refused

    def span(self, latest: int) -> tuple[int | None, int | None]:
        """Return since and until of the times of all messages, up to `latest`; None where one has none."""
        if not self._all_timed or self._first is None or self._last is None:
            return None, None
        return max(0, min(self._first, latest)), max(0, min(self._last, latest)) + 1
