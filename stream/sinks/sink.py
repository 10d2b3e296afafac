"""What a sink is: where verdicts go once they are stored. It is a file of this room and a line in `upifraud.worker`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from stream.verdict_store import StoredVerdicts


class Sink(Protocol):
    """Takes stored verdicts somewhere; used by one lane, one micro-batch after the other, in order.

    Micro-batches come again after a crash: what was delivered before is then delivered again, as it was stored.
    """

    def deliver(self, stored: StoredVerdicts) -> None:
        """Take in the verdicts of one micro-batch; they need not arrive before `confirm`."""

    def confirm(self) -> None:
        """Return when all that was taken in has arrived, however long its server is gone.

        Only then are offsets committed. What raises here ends the worker with them uncommitted.
        """
