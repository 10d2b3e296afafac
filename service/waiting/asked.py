"""Payments as they were posted: taken apart by the stream's own decoder, so 422 is what would be a dead letter."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stream.decode import decode_payments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from features.identity import Identities
    from stream.decode import Decoded, Rejection


@dataclass(slots=True, eq=False)
class Asked:
    """One well-formed payment."""

    value: bytes
    """What the topic gets: the very bytes that were posted."""
    index: int
    """Which of the call's values it was."""
    row: int
    """Which of the well-formed payments in `decoded` it is."""
    decoded: Decoded
    transaction_id: bytes
    payer_vpa: bytes
    payee_vpa: bytes
    """VPAs in lower case."""
    event_time: int
    """Epoch milliseconds."""
    amount_paise: int
    fingerprint: int
    id128: bytes
    """Keyed hash of the id, 16 bytes."""

    @property
    def key(self) -> tuple[bytes, int]:
        """What tells this payment from all others: posts of equal ones wait together."""
        return self.id128, self.fingerprint


def take_apart(
    values: Sequence[bytes | None], now_ms: int, identities: Identities, earliest_ms: int
) -> tuple[list[Asked], list[Rejection]]:
    """Return the payments among the values of a call, in order, and why the others are none."""
    decoded = decode_payments(values, now_ms, identities, earliest_ms=earliest_ms)
    rows = decoded.rows.tolist()
    times, amounts = decoded.payments.event_time.tolist(), decoded.payments.amount_paise.tolist()
    prints = decoded.fingerprint.tolist()
    ids = decoded.ids128.tobytes()
    asked = [
        Asked(
            value=values[index] or b"",
            index=index,
            row=row,
            decoded=decoded,
            transaction_id=decoded.transaction_id[row],
            payer_vpa=decoded.payer_vpa[row],
            payee_vpa=decoded.payee_vpa[row],
            event_time=times[row],
            amount_paise=amounts[row],
            fingerprint=prints[row],
            id128=ids[16 * row : 16 * row + 16],
        )
        for row, index in enumerate(rows)
    ]
    return asked, decoded.rejections


class Taking:
    """Takes single payments apart, those that came in one turn of the event loop together.

    The decoder costs 100 us a call and 5 us a payment, so a busy process saves a sixth of its work by it.
    """

    def __init__(self, identities: Identities, earliest_ms: int) -> None:
        self._identities = identities
        self._earliest_ms = earliest_ms
        self._waiting: list[tuple[bytes, asyncio.Future[Asked | Rejection]]] = []

    async def one(self, value: bytes) -> Asked | Rejection:
        """Return the payment, or why it is none."""
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[Asked | Rejection] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._take)
        self._waiting.append((value, taken))
        return await taken

    def _take(self) -> None:
        waiting, self._waiting = self._waiting, []
        now_ms = int(time.time() * 1000)
        try:
            asked, rejections = take_apart([value for value, _ in waiting], now_ms, self._identities, self._earliest_ms)
        except Exception as error:  # noqa: BLE001 - whoever asked must be told, whatever it is
            for _, taken in waiting:
                if not taken.done():
                    taken.set_exception(error)
            return
        found: list[Asked | Rejection] = [*asked, *rejections]
        for one in found:
            taken = waiting[one.index][1]
            if not taken.done():
                taken.set_result(replace(one, index=0))
