"""Payments of a micro-batch as columns: every value becomes a payment or a rejection, none takes another with it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from stream.decode import ordinary
from stream.decode.payment import read_payment
from stream.decode.rejection import Rejected, Rejection
from stream.decode.table import Decoded, PaymentTable
from stream.wire import MAX_AHEAD_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from features.identity import Identities


def decode_payments(values: Sequence[bytes | None], now_ms: int, identities: Identities) -> Decoded:
    """Take every value apart, in delivery order, by the rules of `read_payment`.

    `now_ms` is the clock in epoch milliseconds. Ordinary payments are read all at once; what is in any way unusual is
    read again, alone and exactly.
    """
    table = PaymentTable(len(values))
    unusable = Counter(ordinary.fill(table, values, now_ms + MAX_AHEAD_MS))
    rejections: list[Rejection] = []
    for row in np.flatnonzero(~table.filled).tolist():
        try:
            payment = read_payment(values[row], now_ms)
        except Rejected as rejected:
            rejections.append(rejected.at(row))
        else:
            table.put(row, payment)
            unusable.update(payment.unusable)
    return table.finish(identities, rejections, dict(unusable))
