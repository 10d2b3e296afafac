"""Payments of a micro-batch as columns: every value becomes a payment or a rejection, none takes another with it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from stream.decode import ordinary
from stream.decode.later_rules import refused
from stream.decode.payment import read_payment
from stream.decode.rejection import Rejected, Rejection
from stream.decode.table import Decoded, PaymentTable
from stream.wire import EARLIEST_TIME_MS, MAX_AHEAD_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from features.identity import Identities
    from stream.decode.payment import ReadPayment

    HasClaim = Callable[[NDArray[np.uint64]], NDArray[np.bool_]]


def decode_payments(
    values: Sequence[bytes | None],
    now_ms: int,
    identities: Identities,
    *,
    earliest_ms: int = EARLIEST_TIME_MS,
    has_claim: HasClaim | None = None,
) -> Decoded:
    """Take every value apart, in delivery order, by the rules of `read_payment` and those of `later_rules`.

    `now_ms` is the clock and `earliest_ms` the earliest event_time, both in epoch milliseconds. `has_claim` says which
    of some ids (`Identities.hash128`, shape [n, 2]) have a claim, bool[n]: for their payments the later rules do not
    count. It is only asked where they refuse one; without it, no id has a claim.

    Ordinary payments are read all at once; what is in any way unusual is read again, alone and exactly.
    """
    table = PaymentTable(len(values))
    unusable = Counter(ordinary.fill(table, values, earliest_ms, now_ms + MAX_AHEAD_MS))
    rejections: list[Rejection] = []
    doubtful: list[tuple[int, ReadPayment, Rejected]] = []
    for row in np.flatnonzero(~table.filled).tolist():
        try:
            payment = read_payment(values[row], now_ms)
        except Rejected as rejected:
            rejections.append(rejected.at(row))
            continue
        why = refused(payment, earliest_ms)
        if why is not None:
            doubtful.append((row, payment, why))
            continue
        table.put(row, payment)
        unusable.update(payment.unusable)
    if doubtful:
        known = np.zeros(len(doubtful), dtype=np.bool_)
        if has_claim is not None:
            known = has_claim(identities.hash128([payment.transaction_id for _, payment, _ in doubtful]))
        for (row, payment, why), is_known in zip(doubtful, known.tolist(), strict=True):
            if is_known:
                table.put(row, payment)
                unusable.update(payment.unusable)
            else:
                rejections.append(why.at(row))
        rejections.sort(key=lambda rejection: rejection.index)
    return table.finish(identities, rejections, dict(unusable))
